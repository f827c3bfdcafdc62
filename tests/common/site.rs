//! Builds a small site behind the layer, and the requests to it.
use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use http::{HeaderMap, Request, Response};
use tokio::time::Instant;
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_login_timeout::{
    ActivityStore, Clock, CookieId, LoginTimeoutLayer, ManualClock, MemoryStore, Policy,
    PolicyBuilder, Timestamp,
};

pub const IDLE: Duration = Duration::from_secs(60);
pub const ABSOLUTE: Duration = Duration::from_secs(600);
pub const MILLISECOND: Duration = Duration::from_millis(1);

/// Returns the policy that most tests use.
pub fn policy() -> PolicyBuilder {
    Policy::builder().with_idle(IDLE).with_absolute(ABSOLUTE)
}

/// Returns a layer that reads the cookie `sid`, and the clock that it uses.
pub fn cookie_layer<St: ActivityStore>(
    policy: PolicyBuilder,
    store: St,
) -> (LoginTimeoutLayer<St>, ManualClock) {
    let clock = ManualClock::new();
    let identify = CookieId::new("sid").unwrap();
    let layer = LoginTimeoutLayer::new(policy.build().unwrap(), identify, store);
    (layer.with_clock(clock.clone()), clock)
}

/// A service that answers 200 and counts its calls, behind a layer.
pub struct Site<St = MemoryStore> {
    pub layer: LoginTimeoutLayer<St>,
    pub clock: ManualClock,
    calls: Arc<AtomicUsize>,
}

impl Site {
    pub fn new(policy: PolicyBuilder) -> Self {
        Self::with_store(policy, MemoryStore::new())
    }
}

impl<St: ActivityStore> Site<St> {
    pub fn with_store(policy: PolicyBuilder, store: St) -> Self {
        let (layer, clock) = cookie_layer(policy, store);
        Self {
            layer,
            clock,
            calls: Arc::default(),
        }
    }

    /// Changes the layer of the site.
    pub fn configured(
        self,
        configure: impl FnOnce(LoginTimeoutLayer<St>) -> LoginTimeoutLayer<St>,
    ) -> Self {
        Self {
            layer: configure(self.layer),
            ..self
        }
    }

    pub async fn start(&self, id: &str) {
        self.layer.tracker().start(id).await.unwrap();
    }

    /// Asks for a path with a session and returns the whole response.
    pub async fn ask(&self, path: &str, id: &str) -> Response<String> {
        self.send(request(path, id)).await
    }

    /// Asks for `/` with a session and returns the status.
    pub async fn status(&self, id: &str) -> u16 {
        self.ask("/", id).await.status().as_u16()
    }

    pub async fn send(&self, request: Request<String>) -> Response<String> {
        self.send_to(request, async |_| Response::new("hello".to_owned()))
            .await
    }

    /// Sends a request to a handler behind the layer.
    pub async fn send_to<Fut>(
        &self,
        request: Request<String>,
        handler: impl Fn(Request<String>) -> Fut + Clone,
    ) -> Response<String>
    where
        Fut: Future<Output = Response<String>>,
    {
        let calls = Arc::clone(&self.calls);
        let service = service_fn(move |request| {
            calls.fetch_add(1, Ordering::SeqCst);
            let response = handler(request);
            async { Ok::<_, Infallible>(response.await) }
        });
        let response = self.layer.layer(service).oneshot(request).await;
        text(response.unwrap()).await
    }

    /// Sends a request to a service that answers with these `Set-Cookie` headers.
    pub async fn setting(&self, request: Request<String>, cookies: &[&str]) -> Response<String> {
        let cookies: Vec<String> = cookies.iter().map(|&cookie| cookie.to_owned()).collect();
        self.send_to(request, move |_| {
            let mut response = Response::new(String::new());
            for cookie in &cookies {
                let value = cookie.parse().unwrap();
                response.headers_mut().append("set-cookie", value);
            }
            async { response }
        })
        .await
    }

    /// Returns how often the wrapped service was called.
    pub fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }
}

/// A clock that follows tokio's paused time.
#[derive(Clone, Copy)]
pub struct TokioClock(Instant);

impl TokioClock {
    pub fn new() -> Self {
        Self(Instant::now())
    }
}

impl Clock for TokioClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_unix_millis(1_700_000_000_000).saturating_add(self.0.elapsed())
    }
}

/// A site whose clock is the timer's, since no hand moves it.
pub fn timed_site<St: ActivityStore>(store: St) -> Site<St> {
    let clock = TokioClock::new();
    Site::with_store(policy(), store)
        .configured(|layer: LoginTimeoutLayer<St>| layer.with_clock(clock))
}

pub fn request(path: &str, id: &str) -> Request<String> {
    let request = Request::get(path).header("cookie", format!("sid={id}"));
    request.body(String::new()).unwrap()
}

pub fn anonymous(path: &str) -> Request<String> {
    Request::get(path).body(String::new()).unwrap()
}

pub fn header<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers
        .get(name)
        .map_or("", |value| value.to_str().unwrap())
}

pub fn reason(response: &Response<String>) -> &str {
    header(response.headers(), "login-timeout-reason")
}

/// Reads the body of a response to the end.
pub async fn text<B>(response: Response<B>) -> Response<String>
where
    B: http_body::Body,
    B::Error: std::fmt::Debug,
{
    use http_body_util::BodyExt;
    let (parts, body) = response.into_parts();
    let bytes = body.collect().await.unwrap().to_bytes();
    Response::from_parts(parts, String::from_utf8(bytes.into()).unwrap())
}

/// Polls the future this many times. Returns its output if it came, and drops the future otherwise.
pub async fn poll_times<F: Future>(future: F, times: usize) -> Option<F::Output> {
    let mut future = pin!(future);
    for _ in 0..times {
        let polled = poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await;
        if let Poll::Ready(output) = polled {
            return Some(output);
        }
        // What the future has handed to other tasks goes on.
        tokio::task::yield_now().await;
    }
    None
}

/// Calls the service once it is ready.
pub async fn call<S, R>(service: &mut S, request: R) -> Result<S::Response, S::Error>
where
    S: Service<R>,
{
    service.ready().await?.call(request).await
}
