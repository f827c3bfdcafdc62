//! Tests of an application that gives a session cookie to anonymous visitors too.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::{Request, Response};
use tokio::sync::Notify;
use tower_login_timeout::{
    BearerToken, CookieId, IdentifySession, Limits, LoginTimeoutLayer, MemoryStore, Policy,
    SessionHandle, SessionUser, StoreFailure, Users, Visitors, WhenFull, rule,
};

use crate::common::scripted::{Fault, Operation, ScriptedStore};
use crate::common::site::{
    ABSOLUTE, IDLE, MILLISECOND, Site, anonymous, header, policy, reason, request,
};

fn visitors() -> Visitors {
    Visitors::new()
        .with_log_in(rule::path("/login"))
        .with_log_out(rule::path("/logout"))
}

fn site() -> Site {
    Site::new(policy()).configured(|layer| layer.with_visitors(visitors()))
}

/// Asks, and returns the cookie that the application sees. Panics where the layer refuses.
async fn seen(site: &Site, request: Request<String>) -> String {
    let response = site.send_to(request, echo).await;
    assert_eq!(response.status(), 200, "{}", reason(&response));
    response.into_body()
}

async fn echo(request: Request<String>) -> Response<String> {
    Response::new(header(request.headers(), "cookie").to_owned())
}

/// Answers a log-in, a log-out or another page with this cookie.
async fn answering(
    site: &Site,
    request: Request<String>,
    status: u16,
    cookie: &'static str,
) -> Response<String> {
    site.send_to(request, move |_| async move {
        let mut response = Response::builder().status(status);
        if status == 303 {
            response = response.header("location", "/");
        } else {
            response = response.header("content-type", "text/html");
        }
        if !cookie.is_empty() {
            response = response.header("set-cookie", cookie);
        }
        response.body(String::new()).unwrap()
    })
    .await
}

#[tokio::test]
async fn a_visitor_keeps_the_cookie_and_is_never_told_of_an_end() {
    let site = site();
    answering(&site, anonymous("/"), 200, "sid=v; Path=/").await;
    site.clock.advance(IDLE - MILLISECOND);
    assert_eq!(seen(&site, request("/", "v")).await, "sid=v");
    // That was activity.
    site.clock.advance(IDLE - MILLISECOND);
    assert_eq!(seen(&site, request("/", "v")).await, "sid=v");
    site.clock.advance(IDLE);
    let response = site.send_to(request("/", "v"), echo).await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.body(), "");
    assert!(header(response.headers(), "set-cookie").starts_with("sid=; Path=/"));
    // For good, though nobody ended it.
    assert_eq!(seen(&site, request("/", "v")).await, "");
}

#[tokio::test]
async fn a_visitor_that_is_as_old_as_the_absolute_timeout_has_ended_under_every_id() {
    let site = site();
    answering(&site, anonymous("/"), 200, "sid=v0").await;
    for (old, cookie) in [("v0", "sid=v1"), ("v1", "sid=v2")] {
        for _ in 0..4 {
            site.clock.advance(ABSOLUTE / 16 + MILLISECOND);
            assert_ne!(seen(&site, request("/", old)).await, "");
        }
        answering(&site, request("/", old), 200, cookie).await;
    }
    for _ in 0..7 {
        site.clock.advance(ABSOLUTE / 16 + MILLISECOND);
        assert_ne!(seen(&site, request("/", "v2")).await, "");
    }
    site.clock.advance(ABSOLUTE / 16);
    assert_eq!(seen(&site, request("/", "v2")).await, "");
}

#[tokio::test]
async fn other_cookies_stay_and_a_cookie_of_the_response_is_not_removed() {
    let site = site();
    let mut former = anonymous("/");
    let cookies = "theme=dark; sid=gone; lang=en".parse().unwrap();
    former.headers_mut().insert("cookie", cookies);
    let seen = seen(&site, former).await;
    assert!(
        seen.contains("theme=dark") && seen.contains("lang=en"),
        "{seen}"
    );
    assert!(!seen.contains("sid"), "{seen}");

    let response = answering(&site, request("/", "gone"), 200, "sid=new; Path=/").await;
    let lines = response.headers().get_all("set-cookie");
    assert_eq!(lines.iter().collect::<Vec<_>>(), ["sid=new; Path=/"]);
}

#[tokio::test]
async fn a_log_in_is_a_session_under_the_same_id_and_under_a_new_one() {
    for cookie in ["", "sid=v", "sid=n"] {
        let site = site();
        let id = if cookie == "sid=n" { "n" } else { "v" };
        answering(&site, anonymous("/"), 200, "sid=v").await;
        answering(&site, request("/login", "v"), 303, cookie).await;
        assert_eq!(seen(&site, request("/", id)).await, format!("sid={id}"));
        site.clock.advance(IDLE);
        let response = site.ask("/", id).await;
        assert_eq!(
            (response.status().as_u16(), reason(&response)),
            (440, "idle")
        );
    }
}

/// The application may leave its old session behind, with the user in it.
#[tokio::test]
async fn the_id_of_a_visitor_who_got_another_one_at_the_log_in_ends_soon() {
    let overlap = IDLE / 4;
    let site = Site::new(policy().with_rotation_overlap(overlap))
        .configured(|layer| layer.with_visitors(visitors()));
    answering(&site, anonymous("/"), 200, "sid=v").await;
    answering(&site, request("/login", "v"), 303, "sid=n").await;
    // Images of the last page are under way.
    assert_eq!(seen(&site, request("/", "v")).await, "sid=v");
    site.clock.advance(overlap);
    assert_eq!(seen(&site, request("/", "v")).await, "");
    assert_eq!(seen(&site, request("/", "n")).await, "sid=n");
}

#[tokio::test]
async fn a_log_in_that_fails_is_none() {
    let site = site();
    answering(&site, anonymous("/login"), 200, "sid=v").await;
    answering(&site, request("/login", "v"), 200, "").await;
    answering(&site, request("/login", "v"), 401, "").await;
    answering(&site, request("/login", "v"), 422, "sid=v").await;
    site.clock.advance(IDLE);
    assert_eq!(site.status("v").await, 200);
}

#[tokio::test]
async fn a_session_that_is_forgotten_never_reaches_the_application() {
    let day = Duration::from_secs(24 * 3600);
    let limits = Limits::default().with_idle(day).unwrap();
    let limits = limits.with_absolute(day).unwrap();
    for start_by_hand in [false, true] {
        let site = Site::new(policy().with_remember_expired_for(IDLE))
            .configured(|layer| layer.with_visitors(visitors().with_limits(limits)));
        answering(&site, anonymous("/"), 200, "sid=v").await;
        if start_by_hand {
            site.start("v").await;
        } else {
            answering(&site, request("/login", "v"), 303, "").await;
        }
        assert_eq!(seen(&site, request("/", "v")).await, "sid=v");
        site.clock.advance(2 * IDLE);
        // The store removes what is over, one part with every few requests.
        for _ in 0..2000 {
            site.clock.advance(Duration::from_secs(10));
            site.ask("/", "another").await;
        }
        let tracker = site.layer.tracker();
        assert_eq!(tracker.activity("v").await.unwrap(), None);
        // The visitor's record would live for a day.
        assert_eq!(seen(&site, request("/", "v")).await, "");
    }
}

#[tokio::test]
async fn a_visitor_lives_as_long_as_its_own_limits_say() {
    let limits = Limits::default().with_idle(2 * IDLE).unwrap();
    let site =
        Site::new(policy()).configured(|layer| layer.with_visitors(visitors().with_limits(limits)));
    answering(&site, anonymous("/"), 200, "sid=v").await;
    site.clock.advance(2 * IDLE - MILLISECOND);
    assert_eq!(seen(&site, request("/", "v")).await, "sid=v");
    // A session that has logged in has the policy's.
    answering(&site, request("/login", "v"), 303, "").await;
    site.clock.advance(IDLE);
    assert_eq!(site.status("v").await, 440);
}

#[tokio::test]
async fn a_log_out_makes_a_visitor_of_a_user() {
    // The application gives another id, and goes on with it.
    let site = site();
    answering(&site, anonymous("/login"), 303, "sid=a").await;
    answering(&site, request("/logout", "a"), 303, "sid=v").await;
    assert_eq!(reason(&site.ask("/", "a").await), "revoked");
    assert_eq!(seen(&site, request("/", "v")).await, "sid=v");
    site.clock.advance(IDLE);
    assert_eq!(seen(&site, request("/", "v")).await, "");

    // It keeps the id, and so cannot go on with it.
    for cookie in ["", "sid=b"] {
        answering(&site, anonymous("/login"), 303, "sid=b").await;
        let response = answering(&site, request("/logout", "b"), 303, cookie).await;
        let last = response.headers().get_all("set-cookie").iter().next_back();
        assert!(last.unwrap().to_str().unwrap().starts_with("sid=; "));
        assert_eq!(reason(&site.ask("/", "b").await), "revoked");
    }

    // It removes the cookie.
    answering(&site, anonymous("/login"), 303, "sid=c").await;
    let response = answering(&site, request("/logout", "c"), 303, "sid=; Max-Age=0").await;
    assert_eq!(response.headers().get_all("set-cookie").iter().count(), 1);
    assert_eq!(reason(&site.ask("/", "c").await), "revoked");

    // It refuses.
    answering(&site, anonymous("/login"), 303, "sid=d").await;
    answering(&site, request("/logout", "d"), 403, "").await;
    assert_eq!(site.status("d").await, 200);
}

#[tokio::test]
async fn a_visitor_whose_cookie_is_removed_has_ended() {
    let site = site();
    answering(&site, anonymous("/"), 200, "sid=v").await;
    answering(&site, request("/forget-me", "v"), 200, "sid=; Max-Age=0").await;
    assert_eq!(seen(&site, request("/", "v")).await, "");
}

#[tokio::test]
async fn a_new_id_of_a_live_session_needs_no_log_in() {
    let site = site();
    answering(&site, anonymous("/login"), 303, "sid=a").await;
    answering(&site, request("/settings", "a"), 200, "sid=b").await;
    site.clock.advance(IDLE);
    assert_eq!(reason(&site.ask("/", "b").await), "idle");
}

#[tokio::test]
async fn exempt_paths_log_in_and_out() {
    let site = site().configured(|layer| {
        layer
            .with_exempt(rule::path("/login"))
            .with_exempt(rule::path("/logout"))
    });
    answering(&site, anonymous("/"), 200, "sid=v").await;
    answering(&site, request("/login", "v"), 303, "").await;
    assert_eq!(seen(&site, request("/", "v")).await, "sid=v");
    // The form is shown again: the application sets its cookie once more.
    answering(&site, request("/login", "v"), 200, "sid=v").await;
    answering(&site, request("/logout", "v"), 303, "").await;
    assert_eq!(reason(&site.ask("/", "v").await), "revoked");
}

#[tokio::test]
async fn among_several_ids_a_log_in_goes_before_a_visitor() {
    let site = site();
    answering(&site, anonymous("/"), 200, "sid=v").await;
    answering(&site, anonymous("/"), 200, "sid=w").await;
    answering(&site, anonymous("/login"), 303, "sid=a").await;
    let both = |cookie: &str| {
        let mut request = anonymous("/");
        let cookie = cookie.parse().unwrap();
        request.headers_mut().insert("cookie", cookie);
        request
    };
    for cookie in ["sid=v; sid=a", "sid=a; sid=v", "sid=x; sid=v; sid=a"] {
        assert_eq!(seen(&site, both(cookie)).await, "sid=a", "{cookie}");
    }
    for cookie in ["sid=x; sid=v", "sid=v; sid=x", "sid=v; sid=w"] {
        assert_eq!(seen(&site, both(cookie)).await, "sid=v", "{cookie}");
    }
    assert_eq!(seen(&site, both("sid=x; sid=y")).await, "");
    site.layer.tracker().revoke("a").await.unwrap();
    assert_eq!(seen(&site, both("sid=v; sid=a")).await, "sid=v");
    let response = site.send_to(both("sid=x; sid=a"), echo).await;
    assert_eq!(reason(&response), "revoked");
    assert_eq!(seen(&site, both("sid=v; s%69d=a")).await, "sid=v");
}

#[tokio::test]
async fn a_visitor_has_no_handle_and_its_user_makes_a_session_of_it() {
    let users = Users::new("a secret of 16 bytes or more").unwrap();
    let site = Site::new(policy())
        .configured(|layer| layer.with_visitors(Visitors::new()).with_users(users));
    answering(&site, anonymous("/"), 200, "sid=v").await;
    site.send_to(request("/", "v"), async |request| {
        assert!(request.extensions().get::<SessionHandle>().is_none());
        let mut response = Response::new(String::new());
        response.extensions_mut().insert(SessionUser::new("ada"));
        response
    })
    .await;
    site.send_to(request("/", "v"), async |request| {
        assert!(request.extensions().get::<SessionHandle>().is_some());
        Response::new(String::new())
    })
    .await;
    let sessions = site.layer.tracker().sessions_of("ada").await.unwrap();
    assert_eq!(sessions.len(), 1);
    assert_eq!(site.layer.tracker().end_all_of("ada").await.unwrap(), 1);
    assert_eq!(reason(&site.ask("/", "v").await), "revoked");
}

#[tokio::test]
async fn an_unknown_token_is_refused_as_ever() {
    let identify = BearerToken.or(CookieId::new("sid").unwrap());
    let layer = LoginTimeoutLayer::new(Policy::default(), identify, MemoryStore::new());
    let site = site().configured(|_| layer.with_visitors(visitors()));
    let mut token = request("/", "gone");
    token
        .headers_mut()
        .insert("authorization", "Bearer unknown".parse().unwrap());
    let response = site.send_to(token, echo).await;
    assert_eq!(reason(&response), "unknown");
    assert_eq!(seen(&site, request("/", "gone")).await, "");

    let untouched = CookieId::new("sid").unwrap().with_untouched_header();
    let layer = LoginTimeoutLayer::new(Policy::default(), untouched, MemoryStore::new());
    let site = site.configured(|_| layer.with_visitors(visitors()));
    assert_eq!(reason(&site.ask("/", "gone").await), "unknown");
}

#[tokio::test]
async fn what_another_system_issues_begins_where_the_policy_says_so() {
    let identify = BearerToken.or(CookieId::new("sid").unwrap());
    let policy = Policy::builder().begin_unknown().build().unwrap();
    let layer = LoginTimeoutLayer::new(policy, identify, MemoryStore::new());
    let site = site().configured(|_| layer.with_visitors(visitors()));
    let mut token = anonymous("/");
    token
        .headers_mut()
        .insert("authorization", "Bearer new".parse().unwrap());
    assert_eq!(site.send_to(token, echo).await.status(), 200);
    assert!(
        site.layer
            .tracker()
            .activity("new")
            .await
            .unwrap()
            .is_some()
    );
    // A cookie never does.
    assert_eq!(seen(&site, request("/", "gone")).await, "");
}

#[tokio::test]
async fn a_store_that_fails_lets_no_visitor_pass_unchecked() {
    for failure in [StoreFailure::Reject, StoreFailure::Allow] {
        let store = ScriptedStore::default();
        let policy = policy().with_store_failure(failure);
        let site = Site::with_store(policy, store.clone())
            .configured(|layer| layer.with_visitors(visitors()));
        site.setting(anonymous("/"), &["sid=v"]).await;
        store.set(Operation::Touch, Fault::Fails);
        let expected = match failure {
            StoreFailure::Allow => 200,
            _ => 503,
        };
        assert_eq!(site.status("v").await, expected);
    }
}

/// A log-in page that sends members on, in an application that forgets no session.
#[tokio::test]
async fn an_exempt_log_in_page_brings_back_no_session_that_is_forgotten() {
    let users = Users::new("a secret of 16 bytes or more").unwrap();
    let site = site().configured(|layer| layer.with_exempt(rule::path("/login")).with_users(users));
    for cookie in ["", "sid=a"] {
        answering(&site, request("/login", "a"), 303, cookie).await;
        assert_eq!(seen(&site, request("/", "a")).await, "");
    }
    site.send_to(
        request("/login", "a"),
        async |_| of_ada(Response::builder()),
    )
    .await;
    assert_eq!(seen(&site, request("/", "a")).await, "");
    // Nor under a new id.
    answering(&site, request("/login", "a"), 200, "sid=b").await;
    assert_eq!(seen(&site, request("/", "b")).await, "");
}

#[tokio::test]
async fn a_log_in_that_is_one_too_much_makes_no_visitor_of_the_user() {
    let users = Users::new("a secret of 16 bytes or more").unwrap();
    let users = users.with_at_most(1, WhenFull::RefuseNew);
    let site = site().configured(|layer| layer.with_users(users));
    for id in ["v", "w"] {
        let cookie = format!("sid={id}");
        site.setting(anonymous("/"), &[&cookie]).await;
        site.send_to(request("/login", id), async |_| of_ada(Response::builder()))
            .await;
    }
    assert_eq!(seen(&site, request("/", "v")).await, "sid=v");
    // The application has Ada in its session `w` too.
    assert_eq!(seen(&site, request("/", "w")).await, "");
}

/// The application gives the user a new id, and its old session has the user in it too.
#[tokio::test]
async fn a_log_in_that_is_one_too_much_leaves_no_user_behind_under_the_old_id() {
    let users = Users::new("a secret of 16 bytes or more").unwrap();
    let users = users.with_at_most(1, WhenFull::RefuseNew);
    let site = site().configured(|layer| layer.with_users(users));
    for (id, new_id) in [("v", "a"), ("w", "b")] {
        site.setting(anonymous("/"), &[&format!("sid={id}")]).await;
        site.send_to(request("/login", id), move |_| async move {
            of_ada(Response::builder().header("set-cookie", format!("sid={new_id}")))
        })
        .await;
    }
    site.clock.advance(IDLE - MILLISECOND);
    assert_eq!(seen(&site, request("/", "a")).await, "sid=a");
    assert_eq!(seen(&site, request("/", "b")).await, "");
    assert_eq!(seen(&site, request("/", "v")).await, "");
    assert_eq!(seen(&site, request("/", "w")).await, "");
}

/// A page's images load while its user logs in.
#[tokio::test]
async fn a_request_that_crosses_a_log_in_takes_no_cookie_away() {
    for held_up in [Operation::Change, Operation::Begin, Operation::Revoke] {
        let store = ScriptedStore::default();
        let site = Site::with_store(policy(), store.clone())
            .configured(|layer| layer.with_visitors(visitors()));
        site.setting(anonymous("/"), &["sid=v"]).await;
        let go = Arc::new(Notify::new());
        store.set(held_up, Fault::Waits(Arc::clone(&go)));
        let log_in = site.send_to(request("/login", "v"), async |_| {
            let response = Response::builder().status(303).header("location", "/");
            response.body(String::new()).unwrap()
        });
        let crossing = async {
            let image = site.send_to(request("/logo.png", "v"), echo).await;
            go.notify_one();
            image
        };
        let (_, image) = tokio::join!(log_in, crossing);
        assert_eq!(image.body(), "sid=v", "{held_up:?}");
        assert_eq!(header(image.headers(), "set-cookie"), "", "{held_up:?}");
        store.heal();
        site.clock.advance(IDLE);
        assert_eq!(reason(&site.ask("/", "v").await), "idle");
    }
}

/// From the log-in on, the visitor is as old as the policy allows, and older.
#[tokio::test]
async fn a_request_that_crosses_the_log_in_of_an_old_visitor_takes_no_cookie_away() {
    let store = ScriptedStore::default();
    let limits = Limits::default().with_absolute(2 * ABSOLUTE).unwrap();
    let site = Site::with_store(policy(), store.clone())
        .configured(|layer| layer.with_visitors(visitors().with_limits(limits)));
    site.setting(anonymous("/"), &["sid=v"]).await;
    for _ in 0..=ABSOLUTE.as_secs() / IDLE.as_secs() {
        site.clock.advance(IDLE - MILLISECOND);
        assert_eq!(site.ask("/", "v").await.status(), 200);
    }
    // It asks for the user before the log-in begins, and for the visitor before it ends.
    let go = Arc::new(Notify::new());
    store.set(Operation::Touch, Fault::AnswersLate);
    store.set(Operation::Revoke, Fault::Waits(Arc::clone(&go)));
    let image = async {
        let image = site.send_to(request("/logo.png", "v"), echo).await;
        go.notify_one();
        image
    };
    let log_in = async {
        tokio::task::yield_now().await;
        site.start("v").await;
    };
    let answers = async {
        tokio::task::yield_now().await;
        tokio::task::yield_now().await;
        (0..3).for_each(|_| store.open_gate());
    };
    let (image, ..) = tokio::join!(image, log_in, answers);
    assert_eq!(image.body(), "sid=v");
    assert_eq!(header(image.headers(), "set-cookie"), "");
}

/// The request asks for the user before the log-in, and for the visitor afterwards.
#[tokio::test]
async fn a_request_that_finds_neither_user_nor_visitor_asks_again() {
    let store = ScriptedStore::default();
    let site = Site::with_store(policy(), store.clone())
        .configured(|layer| layer.with_visitors(visitors()));
    site.setting(anonymous("/"), &["sid=v"]).await;
    store.set(Operation::Touch, Fault::AnswersLate);
    let image = site.send_to(request("/logo.png", "v"), echo);
    let log_in = async {
        tokio::task::yield_now().await;
        site.start("v").await;
        for _ in 0..3 {
            store.open_gate();
        }
    };
    let (image, ()) = tokio::join!(image, log_in);
    assert_eq!(image.body(), "sid=v");
}

/// The application regenerates the id of its session in one request, and logs in in another.
#[tokio::test]
async fn a_new_id_that_crosses_a_log_in_is_the_users() {
    let users = Users::new("a secret of 16 bytes or more").unwrap();
    let site = site().configured(|layer| layer.with_users(users));
    answering(&site, anonymous("/"), 200, "sid=v").await;
    let site = &site;
    site.send_to(request("/", "v"), async |_| {
        site.send_to(
            request("/login", "v"),
            async |_| of_ada(Response::builder()),
        )
        .await;
        let response = Response::builder().header("set-cookie", "sid=w");
        response.body(String::new()).unwrap()
    })
    .await;
    assert_eq!(seen(site, request("/", "w")).await, "sid=w");
    assert_eq!(site.layer.tracker().end_all_of("ada").await.unwrap(), 1);
    assert_eq!(reason(&site.ask("/", "w").await), "revoked");
}

/// As above, and the log-in gives the user another id. The application has the user in the session
/// that the visitor had, too.
#[tokio::test]
async fn a_new_id_of_the_visitor_that_crosses_a_log_in_with_another_id_is_nobodys() {
    let users = Users::new("a secret of 16 bytes or more").unwrap();
    let site = site().configured(|layer| layer.with_users(users));
    answering(&site, anonymous("/"), 200, "sid=v").await;
    let site = &site;
    site.send_to(request("/", "v"), async |_| {
        let log_in = async |_| of_ada(Response::builder().header("set-cookie", "sid=a"));
        site.send_to(request("/login", "v"), log_in).await;
        let response = Response::builder().header("set-cookie", "sid=w");
        response.body(String::new()).unwrap()
    })
    .await;
    assert_eq!(seen(site, request("/", "a")).await, "sid=a");
    assert_eq!(site.layer.tracker().end_all_of("ada").await.unwrap(), 1);
    assert_eq!(seen(site, request("/", "w")).await, "");
}

fn of_ada(response: http::response::Builder) -> Response<String> {
    let response = response.status(303).header("location", "/");
    let response = response.extension(SessionUser::new("ada"));
    response.body(String::new()).unwrap()
}

/// What an application with sessions of its own knows of an id.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Known {
    Visitor,
    User,
}

/// An application that gives every visitor a session, and never forgets one.
#[derive(Default)]
struct Application {
    sessions: HashMap<String, Known>,
    made: usize,
}

impl Application {
    fn new_id(&mut self, known: Known) -> String {
        self.made += 1;
        let id = format!("id{}", self.made);
        self.sessions.insert(id.clone(), known);
        id
    }
}

/// Plays visits at random, and compares what the application sees with what it may see.
#[tokio::test]
async fn at_random_no_visitor_reads_of_an_end_and_no_user_outlives_one() {
    for seed in 0..300 {
        play(seed).await;
    }
}

async fn play(seed: u64) {
    let mut random = Random(seed);
    let site = Site::new(policy().with_absolute(Duration::MAX))
        .configured(|layer| layer.with_visitors(visitors()));
    let application = Arc::new(Mutex::new(Application::default()));
    // What the browsers hold, and what the model knows of each id.
    let mut jars = [const { None::<String> }; 3];
    let mut old_ids: Vec<String> = Vec::new();
    let mut last_seen: HashMap<String, (Duration, Known)> = HashMap::new();
    let mut ended: HashSet<String> = HashSet::new();
    let mut now = Duration::ZERO;
    for _ in 0..60 {
        let step = [MILLISECOND, IDLE / 3, IDLE - MILLISECOND, IDLE, 3 * IDLE][random.below(5)];
        site.clock.advance(step);
        now += step;
        let browser = random.below(3);
        let presented = match random.below(8) {
            0 if !old_ids.is_empty() => Some(old_ids[random.below(old_ids.len())].clone()),
            _ => jars[browser].clone(),
        };
        let path = ["/", "/", "/login", "/logout", "/failed"][random.below(5)];
        let keeps_id = random.below(2) == 0;
        let target = if path == "/failed" { "/login" } else { path };
        let mut request = anonymous(target);
        if let Some(id) = &presented {
            let cookie = format!("sid={id}").parse().unwrap();
            request.headers_mut().insert("cookie", cookie);
        }
        let seen = Arc::new(Mutex::new(None));
        let handler = {
            let (seen, application) = (Arc::clone(&seen), Arc::clone(&application));
            move |request: Request<String>| {
                let id = header(request.headers(), "cookie")
                    .strip_prefix("sid=")
                    .map(str::to_owned);
                let mut application = application.lock().unwrap();
                let known = id
                    .as_ref()
                    .and_then(|id| application.sessions.get(id).copied());
                seen.lock().unwrap().clone_from(&id.clone().zip(known));
                let after = match path {
                    "/login" => Known::User,
                    "/logout" => Known::Visitor,
                    _ => known.unwrap_or(Known::Visitor),
                };
                let is_new = known.is_none() || (path.starts_with("/log") && !keeps_id);
                let set = match id {
                    Some(id) if !is_new => {
                        application.sessions.insert(id, after);
                        None
                    }
                    _ => Some(application.new_id(after)),
                };
                async move {
                    let mut response = Response::builder().status(303).header("location", "/");
                    if path == "/failed" {
                        response = Response::builder().status(401);
                    }
                    if let Some(id) = set {
                        response = response.header("set-cookie", format!("sid={id}"));
                    }
                    response.body(String::new()).unwrap()
                }
            }
        };
        let response = site.send_to(request, handler).await;
        let context = format!("seed {seed}, at {now:?}, {presented:?} at {path}");
        let seen = seen.lock().unwrap().clone();
        let known = presented.as_ref().and_then(|id| last_seen.get(id).copied());
        if response.status() == 440 {
            let (_, known) = known.unwrap_or_else(|| panic!("{context}: nobody knows it"));
            assert_eq!(known, Known::User, "{context}: told that it has expired");
            ended.extend(presented);
            jars[browser] = None;
            continue;
        }
        if let Some((id, _)) = &seen {
            let (at, known) = last_seen[id];
            assert!(now - at < IDLE, "{context}: seen, and idle since {at:?}");
            assert!(!ended.contains(id), "{context}: seen after its end");
            last_seen.insert(id.clone(), (now, known));
            if path == "/logout" && known == Known::User {
                ended.insert(id.clone());
            }
        } else if let Some((at, Known::Visitor)) = known
            && now - at < IDLE
            && jars[browser] == presented
        {
            panic!("{context}: a live visitor was not seen");
        }
        if seen.is_none() {
            ended.extend(presented.clone());
        }
        // What the browser does with the response, and what the model learns.
        let mut jar = presented.clone();
        for line in response.headers().get_all("set-cookie") {
            let value = line.to_str().unwrap().strip_prefix("sid=").unwrap();
            let value = value.split(';').next().unwrap();
            jar = Some(value.to_owned()).filter(|value| !value.is_empty());
        }
        if let Some(id) = &jar {
            let known = application.lock().unwrap().sessions[id];
            last_seen.insert(id.clone(), (now, known));
        }
        if presented != jar {
            old_ids.extend(presented);
        }
        jars[browser] = jar;
    }
}

/// Numbers that depend on a seed alone.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        // Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % bound as u64) as usize
    }
}
