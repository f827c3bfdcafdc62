//! Server functions of leptos inside the timeouts, and what goes wrong in another order.

#[allow(dead_code)]
#[path = "../examples/leptos.rs"]
mod example;
#[path = "../../src/running.rs"]
mod running;
#[allow(dead_code)]
#[path = "../../src/visitor.rs"]
mod visitor;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use example::{IDLE, Notes, NotesError, routes, timeouts};
use leptos::prelude::{FromServerFnError, ServerFnError, ServerFnErrorErr};
use tower_login_timeout::{
    CookieId, LoginTimeoutLayer, LoginTimeoutResponse, ManualClock, MemoryStore, Policy,
};
use visitor::{Page, Visitor};

struct Site {
    router: Router,
    notes: Notes,
    clock: ManualClock,
}

impl Site {
    fn new() -> Self {
        let (notes, clock) = (Notes::default(), ManualClock::new());
        let router = routes(&notes).layer(timeouts(clock.clone()).unwrap());
        Self {
            router,
            notes,
            clock,
        }
    }

    /// A visitor who has logged in.
    async fn ada(&self) -> Visitor {
        let mut visitor = Visitor::new(&self.router);
        call(&mut visitor, "log_in", "").await;
        visitor
    }
}

/// Calls a server function as leptos does in the browser.
async fn call(visitor: &mut Visitor, function: &str, arguments: &'static str) -> Page {
    let request = Request::post(format!("/api/{function}"))
        .header("content-type", "application/x-www-form-urlencoded")
        .header("accept", "application/json");
    visitor
        .send(request.body(Body::from(arguments)).unwrap())
        .await
}

/// Reads a response as leptos does in the browser (`Http::run_client` in server_fn 0.8): a status
/// from 400 on is an error, whose text is the body.
fn error<E: FromServerFnError>(page: &Page) -> E {
    assert!((400..=599).contains(&page.status), "{page:?}");
    E::de(page.text.clone().into())
}

#[tokio::test]
async fn a_server_function_runs_in_a_live_session() {
    let site = Site::new();
    let mut ada = site.ada().await;
    let page = call(&mut ada, "add_note", "note=milk").await;
    assert_eq!((page.status, &*page.text), (200, "1"));
    assert_eq!(page.header("content-type"), "application/json");
    assert_eq!(site.notes.all(), ["milk"]);
    assert!(ada.get("/").await.text.contains("<li>milk</li>"));
}

#[tokio::test]
async fn a_server_function_without_a_session_says_so_itself() {
    let site = Site::new();
    let page = call(&mut Visitor::new(&site.router), "add_note", "note=milk").await;
    assert_eq!(error::<NotesError>(&page), NotesError::NotLoggedIn);
}

#[tokio::test]
async fn a_server_function_of_an_idle_session_does_not_run_and_its_caller_knows_why() {
    let site = Site::new();
    let mut ada = site.ada().await;
    site.clock.advance(IDLE);
    let page = call(&mut ada, "add_note", "note=milk").await;
    assert_eq!(page.status, 440);
    assert_eq!(page.header("content-type"), "application/json");
    assert_eq!(page.header("login-timeout-reason"), "idle");
    assert_eq!(error::<NotesError>(&page), NotesError::SessionEnded);
    assert_eq!(site.notes.all(), [""; 0]);
    // The browser has no cookie any more.
    let page = call(&mut ada, "add_note", "note=milk").await;
    assert_eq!(error::<NotesError>(&page), NotesError::NotLoggedIn);
}

#[tokio::test]
async fn the_form_of_an_idle_session_gets_a_page_and_a_navigation_goes_to_the_log_in() {
    let site = Site::new();
    let mut ada = site.ada().await;
    let mut copy = ada.clone();
    site.clock.advance(IDLE);
    let page = ada.post("/api/add_note", "note=milk").await;
    assert_eq!(page.status, 440);
    assert!(page.header("content-type").starts_with("text/html"));
    assert!(page.text.contains(r#"<a href="/login">"#), "{}", page.text);
    assert_eq!(site.notes.all(), [""; 0]);
    let page = copy.get("/").await;
    assert_eq!((page.status, page.location()), (303, "/login?returnUrl=/"));
}

#[tokio::test]
async fn a_log_out_ends_the_session_for_a_copy_of_its_cookie() {
    let site = Site::new();
    let mut ada = site.ada().await;
    let mut copy = ada.clone();
    let page = call(&mut ada, "log_out", "").await;
    assert_eq!(page.status, 200);
    assert!(ada.cookies.is_empty());
    let page = call(&mut copy, "add_note", "note=milk").await;
    assert_eq!(page.header("login-timeout-reason"), "revoked");
    assert_eq!(error::<NotesError>(&page), NotesError::SessionEnded);
}

#[tokio::test]
async fn a_user_whose_session_has_ended_logs_in_at_once() {
    let site = Site::new();
    let mut ada = site.ada().await;
    site.clock.advance(IDLE);
    assert_eq!(call(&mut ada, "log_in", "").await.status, 200);
    assert_eq!(call(&mut ada, "add_note", "note=milk").await.status, 200);
}

/// Calls a function with an id that nobody has issued, and gets this response of the layer.
async fn refused(response: LoginTimeoutResponse) -> Page {
    let identify = CookieId::new("sid").unwrap();
    let timeouts = LoginTimeoutLayer::new(Policy::default(), identify, MemoryStore::new());
    let site = routes(&Notes::default()).layer(timeouts.with_response(response));
    forged(&site, "add_note").await
}

async fn forged(site: &Router, function: &str) -> Page {
    let mut visitor = Visitor::new(site);
    visitor
        .cookies
        .insert("sid".to_owned(), "forged".to_owned());
    call(&mut visitor, function, "note=milk").await
}

#[tokio::test]
async fn the_usual_answer_is_no_error_that_leptos_can_read() {
    let page = refused(LoginTimeoutResponse::new()).await;
    assert!(page.text.starts_with('{'), "{}", page.text);
    let of_leptos = error::<ServerFnError>(&page);
    assert!(
        matches!(of_leptos, ServerFnError::Deserialization(_)),
        "{of_leptos:?}"
    );
    let of_notes = error::<NotesError>(&page);
    let NotesError::Call(ServerFnErrorErr::Deserialization(_)) = of_notes else {
        panic!("{of_notes:?}");
    };
}

#[tokio::test]
async fn the_error_of_leptos_itself_can_be_the_answer() {
    let error: ServerFnError = ServerFnError::MiddlewareError("login time-out".into());
    let text = "text/plain".parse().unwrap();
    let page = refused(LoginTimeoutResponse::new().with_body(text, error.ser())).await;
    assert_eq!(self::error::<ServerFnError>(&page), error);
}

#[tokio::test]
async fn wrong_order_routes_after_the_layer_are_not_checked() {
    let site = Site::new();
    assert_eq!(forged(&site.router, "log_out").await.status, 440);
    let after = Router::new()
        .layer(timeouts(site.clock).unwrap())
        .merge(routes(&site.notes));
    assert_eq!(forged(&after, "log_out").await.status, 200);
}

#[test]
fn the_example_runs() {
    running::runs("leptos");
}
