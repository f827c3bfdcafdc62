//! The example `browser`, and the tests' control of its clock.

#[path = "../../examples/browser/main.rs"]
mod office;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{Request, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use tower::ServiceExt;
use tower_login_timeout::ManualClock;

/// Returns the whole site.
pub fn router() -> Router {
    Router::new()
        .route("/control/reset", post(reset))
        .route("/control/advance", post(advance))
        .fallback(ask)
        .with_state(Site(Arc::new(Mutex::new(start()))))
}

/// The example, which a test can begin anew.
#[derive(Clone)]
struct Site(Arc<Mutex<(Router, ManualClock)>>);

impl Site {
    fn with<T>(&self, f: impl FnOnce(&mut (Router, ManualClock)) -> T) -> T {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn start() -> (Router, ManualClock) {
    let clock = ManualClock::new();
    (office::site(clock.clone()).unwrap(), clock)
}

async fn reset(State(site): State<Site>) -> StatusCode {
    site.with(|current| *current = start());
    StatusCode::NO_CONTENT
}

async fn advance(State(site): State<Site>, request: Request<Body>) -> StatusCode {
    let query = request.uri().query().unwrap();
    let millis = query.strip_prefix("ms=").unwrap().parse().unwrap();
    site.with(|(_, clock)| clock.advance(Duration::from_millis(millis)));
    StatusCode::NO_CONTENT
}

async fn ask(State(site): State<Site>, request: Request<Body>) -> Response {
    let office = site.with(|(office, _)| office.clone());
    office.oneshot(request).await.unwrap().into_response()
}
