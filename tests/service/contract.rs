//! Tests of the layer as a Tower service: readiness, errors, bodies and bounds.

use std::fmt;
use std::future::{Ready, ready};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use tokio_test::{assert_pending, assert_ready_ok};
use tower::{Layer, Service};
use tower_login_timeout::{Expired, LoginTimeout, MemoryStore, Reason};
use tower_test::mock;

use crate::common::scripted::{Fault, Operation, ScriptedStore};
use crate::common::site::{IDLE, anonymous, call, cookie_layer, policy, request, text};

#[tokio::test]
async fn readiness_and_its_error_are_the_wrapped_services() {
    let (layer, _) = cookie_layer(policy(), MemoryStore::new());
    let (mut service, mut handle) =
        mock::spawn_with::<Request<String>, Response<String>, _, _>(|inner| layer.layer(inner));
    handle.allow(0);
    assert_pending!(service.poll_ready());
    handle.allow(1);
    assert_ready_ok!(service.poll_ready());
    handle.send_error("out of order");
    let error = match service.poll_ready() {
        Poll::Ready(Err(error)) => error,
        other => panic!("{other:?}"),
    };
    assert_eq!(error.to_string(), "out of order");
}

/// A service that must be polled ready before each call, like a rate limit. Its clones are not
/// ready.
struct OnlyWhenReady {
    ready: bool,
}

impl Clone for OnlyWhenReady {
    fn clone(&self) -> Self {
        Self { ready: false }
    }
}

impl Service<Request<String>> for OnlyWhenReady {
    type Response = Response<String>;
    type Error = NotSendNotSync;
    type Future = Ready<Result<Response<String>, NotSendNotSync>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), NotSendNotSync>> {
        self.ready = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<String>) -> Self::Future {
        assert!(self.ready, "called without having been polled ready");
        self.ready = false;
        match request.uri().path() {
            "/fail" => ready(Err(NotSendNotSync(std::ptr::null()))),
            _ => ready(Ok(Response::new(String::new()))),
        }
    }
}

/// An error that is neither `Send` nor `Sync` nor an `Error`.
struct NotSendNotSync(*const ());

/// Returns a store that answers at once and a store that answers later.
fn prompt_and_slow() -> [ScriptedStore; 2] {
    let slow = ScriptedStore::default();
    slow.set(Operation::Touch, Fault::Yields);
    slow.set(Operation::Begin, Fault::Yields);
    [ScriptedStore::default(), slow]
}

#[tokio::test]
async fn the_instance_that_was_polled_ready_is_the_one_that_is_called() {
    for store in prompt_and_slow() {
        for policy in [policy(), policy().begin_unknown()] {
            let (layer, _) = cookie_layer(policy, store.clone());
            layer.tracker().start("a").await.unwrap();
            let mut service = layer.layer(OnlyWhenReady { ready: false });
            for id in ["a", "", "unknown", "a"] {
                assert!(call(&mut service, request("/", id)).await.is_ok());
            }
        }
    }
}

/// A service with one place. It takes the place when it is polled ready, and gives it back when it
/// is called or dropped.
struct OnePlace {
    places: Arc<AtomicUsize>,
    holds: bool,
}

impl OnePlace {
    fn give_back(&mut self) {
        if std::mem::take(&mut self.holds) {
            self.places.fetch_add(1, Ordering::SeqCst);
        }
    }
}

impl Clone for OnePlace {
    fn clone(&self) -> Self {
        Self {
            places: Arc::clone(&self.places),
            holds: false,
        }
    }
}

impl Drop for OnePlace {
    fn drop(&mut self) {
        self.give_back();
    }
}

impl Service<Request<String>> for OnePlace {
    type Response = Response<String>;
    type Error = NotSendNotSync;
    type Future = Ready<Result<Response<String>, NotSendNotSync>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), NotSendNotSync>> {
        if !self.holds {
            self.places.fetch_sub(1, Ordering::SeqCst);
            self.holds = true;
        }
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<String>) -> Self::Future {
        self.give_back();
        ready(Ok(Response::new(String::new())))
    }
}

#[tokio::test]
async fn a_service_that_is_not_called_gives_back_what_it_reserved() {
    for store in prompt_and_slow() {
        let places = Arc::new(AtomicUsize::new(1));
        let (layer, _) = cookie_layer(policy(), store);
        layer.tracker().start("a").await.unwrap();
        let mut service = layer.layer(OnePlace {
            places: Arc::clone(&places),
            holds: false,
        });
        for cookies in ["sid=a", "sid=unknown", "sid=a; sid=b", ""] {
            let request = Request::builder().header("cookie", cookies);
            let request = request.body(String::new()).unwrap();
            assert!(call(&mut service, request).await.is_ok());
            assert_eq!(places.load(Ordering::SeqCst), 1, "{cookies}");
        }
    }
}

#[tokio::test]
async fn an_error_of_the_wrapped_service_is_passed_on_untouched() {
    let (layer, _) = cookie_layer(policy(), MemoryStore::new());
    layer.tracker().start("a").await.unwrap();
    let mut service = layer.layer(OnlyWhenReady { ready: false });
    for request in [request("/fail", "a"), anonymous("/fail")] {
        let NotSendNotSync(pointer) = call(&mut service, request).await.err().unwrap();
        assert!(pointer.is_null());
    }
}

/// A body that is neither `Default`, `Unpin` nor `Send`. Its error is a word, as those of bodies
/// are that can be boxed and are no `Error`.
struct Reluctant {
    left: usize,
    _pinned: std::marker::PhantomPinned,
    _not_send: *const (),
}

impl Body for Reluctant {
    type Data = Bytes;
    type Error = &'static str;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, &'static str>>> {
        Poll::Ready(None)
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left as u64)
    }
}

#[tokio::test]
async fn a_body_needs_nothing_but_an_error_that_can_be_boxed() {
    #[derive(Clone)]
    struct Inner;
    impl Service<Request<Vec<fn()>>> for Inner {
        type Response = Response<Reluctant>;
        type Error = ();
        type Future = Ready<Result<Response<Reluctant>, ()>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ()>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, _: Request<Vec<fn()>>) -> Self::Future {
            ready(Ok(Response::new(Reluctant {
                left: 7,
                _pinned: std::marker::PhantomPinned,
                _not_send: std::ptr::null(),
            })))
        }
    }
    let (layer, _) = cookie_layer(policy(), MemoryStore::new());
    let mut service = layer.layer(Inner);
    let live = call(&mut service, Request::new(Vec::new())).await.unwrap();
    assert_eq!(live.body().size_hint().exact(), Some(7));
    assert!(!live.body().is_end_stream());

    let unknown = Request::builder()
        .header("cookie", "sid=unknown")
        .body(Vec::new())
        .unwrap();
    let answer = call(&mut service, unknown).await.unwrap();
    let length = answer.body().size_hint().exact().unwrap();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(body.len() as u64, length);
    assert!(length > 0);
}

#[tokio::test]
async fn every_answer_carries_the_verdict_and_removes_the_cookie() {
    let (layer, clock) = cookie_layer(policy(), MemoryStore::new());
    let layer = layer.with_response(
        |expired: &Expired, request: tower_login_timeout::RequestHead<'_>| {
            Response::new(Bytes::from(format!(
                "{} {}",
                request.uri().path(),
                expired.reason()
            )))
        },
    );
    layer.tracker().start("a").await.unwrap();
    clock.advance(IDLE + Duration::from_secs(5));
    let mut service = layer.layer(OnlyWhenReady { ready: false });
    let response = call(&mut service, request("/page", "a"))
        .await
        .ok()
        .unwrap();
    let expired = response.extensions().get::<Expired>().unwrap();
    assert_eq!(expired.reason(), Reason::Idle);
    assert_eq!(expired.idle_for(), Some(IDLE + Duration::from_secs(5)));
    assert!(response.headers().contains_key("set-cookie"));
    assert_eq!(text(response).await.body(), "/page idle");

    let head = Request::head("/page")
        .header("cookie", "sid=a")
        .body(String::new())
        .unwrap();
    let response = call(&mut service, head).await.ok().unwrap();
    assert_eq!(text(response).await.body(), "");
}

#[test]
fn the_public_types_are_send_and_sync() {
    fn crosses<T: Send + Sync + 'static>() {}
    fn shows<T: fmt::Debug>() {}
    crosses::<tower_login_timeout::LoginTimeoutLayer>();
    crosses::<LoginTimeout<String>>();
    crosses::<tower_login_timeout::Tracker>();
    crosses::<tower_login_timeout::SessionHandle>();
    crosses::<Expired>();
    shows::<tower_login_timeout::LoginTimeoutLayer>();
    shows::<LoginTimeout<String>>();
}

#[test]
fn the_future_is_send_where_its_parts_are() {
    fn is_send<T: Send>(_: T) {}
    let (layer, _) = cookie_layer(policy(), MemoryStore::new());
    let inner = tower::service_fn(async |_: Request<String>| {
        Ok::<_, std::convert::Infallible>(Response::new(String::new()))
    });
    is_send(layer.layer(inner).call(anonymous("/")));
}
