//! Counts the heap allocations that the layer adds to a request, and the heap that a session takes.
//!
//! Prints them as `name value unit`, and fails where there are more than the design allows.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Waker};

use allocation_counter::measure;
use bare::{Bare, first, now, routed};
use http::{Request, Response};
use tower::{Layer, Service};
use tower_login_timeout::{
    Activity, ActivityStore, CookieId, LoginTimeoutLayer, ManualClock, MemoryStore, Policy,
    SessionHandle, SessionKey, Timestamp,
};

mod bare;

fn main() {
    let clock = ManualClock::new();
    let store = MemoryStore::new();
    let layer = LoginTimeoutLayer::new(Policy::default(), cookie(), store).with_clock(clock);
    now(layer.tracker().start("live")).unwrap();

    for (name, request, at_most) in [
        ("anonymous", routed as fn(&str) -> Request<()>, 0),
        ("live", routed, 2),
        ("anonymous_first_extension", first, 0),
        // Two of these are the map itself.
        ("live_first_extension", first, 3),
    ] {
        let cookie = if name.starts_with("live") {
            "sid=live"
        } else {
            "theme=dark"
        };
        let wrapped = allocations(layer.layer(Bare), request(cookie));
        let added = wrapped - allocations(Bare, request(cookie));
        println!("{name} {added} allocations");
        assert!(
            added <= at_most,
            "{name}: {added} allocations, at most {at_most} allowed"
        );
    }
    bytes_per_session();
    bytes_per_stream();
}

/// Prints how much heap a future takes that waits for the end of its session.
fn bytes_per_stream() {
    const STREAMS: u32 = 100_000;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap_or_else(|error| panic!("{error}"));
    let _inside = runtime.enter();
    let layer = LoginTimeoutLayer::new(Policy::default(), cookie(), MemoryStore::new());
    now(layer.tracker().start("live")).unwrap();
    let handle = Arc::new(Mutex::new(None));
    let given = Arc::clone(&handle);
    let mut service = layer.layer(tower::service_fn(move |request: Request<()>| {
        let session = request.extensions().get::<SessionHandle>().cloned();
        *given.lock().unwrap() = session;
        std::future::ready(Ok::<_, Infallible>(Response::new(())))
    }));
    let _ = now(service.call(routed("sid=live")));
    let session = handle.lock().unwrap().take().expect("a live session");
    let mut context = Context::from_waker(Waker::noop());
    let info = measure(|| {
        let mut waiting = Vec::with_capacity(STREAMS as usize);
        for _ in 0..STREAMS {
            let mut ended = session.ended();
            assert!(Pin::new(&mut ended).poll(&mut context).is_pending());
            waiting.push(ended);
        }
        // Keeps them until their memory has been counted.
        std::mem::forget(waiting);
    });
    let bytes = info.bytes_current as f64 / f64::from(STREAMS);
    println!("memory_per_stream {bytes:.1} bytes");
    assert!(bytes <= 1024.0, "{bytes} bytes, at most 1024 allowed");
}

/// Prints how much of the memory store's heap a session takes.
fn bytes_per_session() {
    for (name, sessions) in [("1M", 1_000_000_u32), ("10M", 10_000_000)] {
        let info = measure(|| {
            let store = MemoryStore::with_capacity(sessions as usize);
            let activity = Activity::began(Timestamp::UNIX_EPOCH);
            for number in 0..sessions {
                let key = SessionKey::of(number.to_le_bytes());
                now(store.create(key, activity, Timestamp::MAX)).unwrap();
            }
            // Keeps the store until its memory has been counted.
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
