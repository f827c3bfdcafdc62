//! How many heap allocations does the layer add to a request?
//!
//! Prints them as `name value unit`, and fails where there are more than the design allows.

use std::convert::Infallible;
use std::future::{Future, Ready, ready};
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use allocation_counter::measure;
use http::{Request, Response};
use tower::{Layer, Service};
use tower_login_timeout::{
    Activity, ActivityStore, CookieId, LoginTimeoutLayer, ManualClock, MemoryStore, Policy,
    SessionKey, Timestamp,
};

fn main() {
    let clock = ManualClock::new();
    let store = MemoryStore::new();
    let layer = LoginTimeoutLayer::new(Policy::default(), cookie(), store).with_clock(clock);
    now(layer.tracker().start("live")).unwrap();

    for (name, request, at_most) in [
        ("anonymous", routed as fn(&str) -> Request<()>, 0),
        ("live", routed, 2),
        ("anonymous_first_extension", bare, 0),
        // Two of these are the map itself.
        ("live_first_extension", bare, 3),
    ] {
        let cookie = if name.starts_with("live") {
            "sid=live"
        } else {
            "theme=dark"
        };
        let wrapped = allocations(layer.layer(Answer), request(cookie));
        let added = wrapped - allocations(Answer, request(cookie));
        println!("{name} {added} allocations");
        assert!(
            added <= at_most,
            "{name}: {added} allocations, at most {at_most} allowed"
        );
    }
    bytes_per_session();
}

/// The memory store's heap, by the session.
fn bytes_per_session() {
    for (name, sessions) in [("1M", 1_000_000_u32), ("10M", 10_000_000)] {
        let info = measure(|| {
            let store = MemoryStore::with_capacity(sessions as usize);
            let activity = Activity::began(Timestamp::UNIX_EPOCH);
            for number in 0..sessions {
                let key = SessionKey::of(number.to_le_bytes());
                now(store.create(key, activity, Timestamp::MAX)).unwrap();
            }
            // Kept until it has been counted.
            std::mem::forget(store);
        });
        let bytes = info.bytes_current as f64 / f64::from(sessions);
        println!("memory_per_session_at_{name} {bytes:.1} bytes");
        assert!(
            name == "1M" || bytes <= 64.0,
            "{bytes} bytes, at most 64 allowed"
        );
    }
}

fn cookie() -> CookieId {
    CookieId::new("sid").unwrap_or_else(|error| panic!("{error}"))
}

/// A request as routers and servers pass it on: they have attached something, so its map of extensions is there.
fn routed(cookie: &str) -> Request<()> {
    let mut request = bare(cookie);
    request.extensions_mut().insert("route");
    request
}

fn bare(cookie: &str) -> Request<()> {
    Request::get("/")
        .header("cookie", cookie)
        .body(())
        .unwrap_or_default()
}

fn allocations<S>(mut service: S, request: Request<()>) -> i64
where
    S: Service<Request<()>>,
{
    let mut request = Some(request);
    let info = measure(|| {
        if let Some(request) = request.take() {
            let response = now(service.call(request));
            assert!(response.is_ok());
        }
    });
    i64::try_from(info.count_total).unwrap_or(i64::MAX)
}

/// The output of a future that never has to wait.
fn now<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("had to wait"),
    }
}

#[derive(Clone)]
struct Answer;

impl Service<Request<()>> for Answer {
    type Response = Response<String>;
    type Error = Infallible;
    type Future = Ready<Result<Response<String>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<()>) -> Self::Future {
        ready(Ok(Response::new(String::new())))
    }
}
