//! Tests of the layer inside axum's `nest`, where the wrapped service sees paths without their
//! prefix.

use axum::body::Body;
use axum::http::{Request, Response};
use axum::routing::get;
use axum::{Router, extract::OriginalUri};
use tower::ServiceExt;
use tower_login_timeout::{
    CookieId, LoginTimeoutLayer, LoginTimeoutResponse, MemoryStore, Policy, rule,
};

type Layer = LoginTimeoutLayer<MemoryStore>;

fn layer() -> Layer {
    let identify = CookieId::new("sid").unwrap();
    LoginTimeoutLayer::new(Policy::default(), identify, MemoryStore::new())
}

/// Asks with a session that is not known. `layer` is around the routes below `/app/account`.
async fn ask(layer: Layer, path: &str) -> Response<Body> {
    let account = Router::new()
        .route("/login", get(async |_: OriginalUri| "the form"))
        .route("/static/{file}", get(async || "a file"))
        .route("/invoices", get(async || "the invoices"))
        .layer(layer);
    let app = Router::new().nest("/app", Router::new().nest("/account", account));
    let request = Request::get(path)
        .header("cookie", "sid=unknown")
        .header("sec-fetch-mode", "navigate");
    let request = request.body(Body::empty()).unwrap();
    app.oneshot(request).await.unwrap()
}

#[tokio::test]
async fn rules_name_the_whole_path() {
    let whole = || {
        layer()
            .with_exempt(rule::path("/app/account/login"))
            .with_exempt(rule::path_prefix("/app/account/static"))
            .with_exempt(rule::query("probe", "1"))
    };
    for path in [
        "/app/account/login",
        "/app/account/static/site.css",
        "/app/account/invoices?probe=1",
    ] {
        assert_eq!(ask(whole(), path).await.status(), 200, "{path}");
    }
    assert_eq!(ask(whole(), "/app/account/invoices").await.status(), 440);
}

#[tokio::test]
async fn a_rule_for_the_path_without_its_prefix_matches_nothing() {
    let without_prefix = layer()
        .with_exempt(rule::path("/login"))
        .with_exempt(rule::path_prefix("/static"));
    for path in ["/app/account/login", "/app/account/static/site.css"] {
        let response = ask(without_prefix.clone(), path).await;
        assert_eq!(response.status(), 440, "{path}");
    }
}

#[tokio::test]
async fn the_way_back_from_the_log_in_page_has_the_prefix() {
    let respond = LoginTimeoutResponse::new().with_login_page("/app/account/login");
    let layer = layer().with_response(respond);
    let response = ask(layer.clone(), "/app/account/invoices").await;
    assert_eq!(response.status(), 303);
    assert_eq!(
        response.headers()["location"],
        "/app/account/login?returnUrl=/app/account/invoices"
    );
    // The page does not redirect to itself.
    assert_eq!(ask(layer, "/app/account/login").await.status(), 440);
}
