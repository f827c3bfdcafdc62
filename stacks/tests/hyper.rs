//! The layer around a plain service, made once or anew for each connection.

use std::convert::Infallible;

use http::{Request, Response};
use tower::{Layer, ServiceExt, service_fn};
use tower_login_timeout::{CookieId, LoginTimeoutLayer, MemoryStore, Policy};

fn timeouts() -> LoginTimeoutLayer {
    let identify = CookieId::new("sid").unwrap();
    LoginTimeoutLayer::new(Policy::default(), identify, MemoryStore::new())
}

/// Sends a request through a connection of its own, and returns the status.
async fn connection(timeouts: &LoginTimeoutLayer, cookie: &str) -> u16 {
    let log_in = async |_: Request<String>| {
        let response = Response::builder().header("set-cookie", "sid=sesame");
        Ok::<_, Infallible>(response.body(String::new()).unwrap())
    };
    let request = Request::get("/").header("cookie", cookie);
    let request = request.body(String::new()).unwrap();
    let service = timeouts.layer(service_fn(log_in));
    service.oneshot(request).await.unwrap().status().as_u16()
}

#[tokio::test]
async fn one_layer_for_all_connections_knows_the_sessions_of_all() {
    let timeouts = timeouts();
    assert_eq!(connection(&timeouts, "").await, 200);
    assert_eq!(connection(&timeouts, "sid=sesame").await, 200);
}

#[tokio::test]
async fn wrong_place_a_layer_for_each_connection_refuses_the_sessions_of_others() {
    assert_eq!(connection(&timeouts(), "").await, 200);
    assert_eq!(connection(&timeouts(), "sid=sesame").await, 440);
}
