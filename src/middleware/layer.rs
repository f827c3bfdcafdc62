//! The layer and its settings.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tower_layer::Layer;

use crate::clock::port::Clock;
use crate::clock::system::SystemClock;
use crate::identify::identify_session::IdentifySession;
use crate::middleware::config::{Config, ConfigHandle, RemainingHeader, Streams};
use crate::middleware::rules::Rules;
use crate::middleware::service::LoginTimeout;
use crate::middleware::visitors::Visitors;
use crate::observe::observers::Observers;
use crate::observe::port::Observe;
use crate::request::rule::Rule;
use crate::respond::response::LoginTimeoutResponse;
use crate::respond::response_for_expired::ResponseForExpired;
use crate::respond::response_for_unavailable::ResponseForUnavailable;
use crate::respond::unavailable::unavailable;
use crate::session::policy::Policy;
use crate::store::activity_store::ActivityStore;
use crate::store::error::StoreError;
use crate::store::memory::memory_store::MemoryStore;
use crate::store::user_store::UserStore;
use crate::tracker::all_sessions::Tracker;
use crate::tracker::parts::LOOK_EVERY;
use crate::tracker::users::{UserLinks, Users};

/// A layer that answers `440 Login Time-out` in place of the wrapped service when a session has
/// been idle for too long, has lived too long, was ended, or is not known.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::convert::Infallible;
/// use std::time::Duration;
/// use http::{Request, Response};
/// use tower::{ServiceBuilder, ServiceExt, service_fn};
/// use tower_login_timeout::{CookieId, LoginTimeoutLayer, ManualClock, MemoryStore, Policy, rule};
///
/// let clock = ManualClock::new();
/// let layer = LoginTimeoutLayer::new(
///     Policy::builder().with_idle(Duration::from_secs(60)).build()?,
///     CookieId::new("sid")?,
///     MemoryStore::new(),
/// )
/// .with_passive(rule::path("/poll"))
/// .with_exempt(rule::path_prefix("/static"))
/// .with_clock(clock.clone());
///
/// layer.tracker().start("sesame").await?;
/// let service = ServiceBuilder::new().layer(layer).service(service_fn(async |_: Request<String>| {
///     Ok::<_, Infallible>(Response::new("hello".to_owned()))
/// }));
///
/// let request = || Request::get("/").header("cookie", "sid=sesame").body(String::new()).unwrap();
/// assert_eq!(service.clone().oneshot(request()).await?.status(), 200);
/// clock.advance(Duration::from_secs(60));
/// assert_eq!(service.oneshot(request()).await?.status(), 440);
/// # Ok(())
/// # }
/// ```
///
/// # Which requests are checked
///
/// A request that presents no session id passes: whether it may is the application's business. An
/// [exempt](LoginTimeoutLayer::with_exempt) request passes too. Any other is checked, and counts as
/// activity unless it is [passive](LoginTimeoutLayer::with_passive). It counts at its start. It
/// counts again when its response is ready, if the service waited for longer than
/// [`touch_every`](crate::PolicyBuilder::with_touch_every) and longer than a second.
///
/// # Streaming responses
///
/// A response of the type `text/event-stream` or `application/grpc` may stay open for hours. It
/// ends with its session: at the idle timeout, the absolute timeout, or within
/// [`look_every`](LoginTimeoutLayer::with_look_every) after a log-out anywhere. It is no activity
/// itself. A handler that is told of the user's activity in another way calls
/// [`SessionHandle::touch`](crate::SessionHandle::touch).
///
/// - An event stream gets a last event, `login-timeout`, with the reason as JSON:
///   `{"reason":"idle"}`. The browser then connects again by itself, and gets the 440.
/// - A gRPC stream gets trailers with the status 16, "unauthenticated", and the reason in
///   `login-timeout-reason`.
/// - A compressed stream, and a response that [`with_streaming`](LoginTimeoutLayer::with_streaming)
///   names, ends in an error: the [`Expired`](crate::Expired). The server then breaks the response
///   off, so that the client does not take it for whole.
///
/// For a WebSocket, use [`SessionHandle::ended`](crate::SessionHandle::ended).
///
/// # Where to put it
///
/// Put it outside the layer that loads the session's data, so that an expired request costs
/// nothing, and inside layers that log or count responses. A layer that rewrites `Set-Cookie`, such
/// as one that encrypts cookies, belongs outside. `CorsLayer` belongs outside too: a script may
/// read a 440 only with its headers. Inside axum's `nest`, a service sees the path without its
/// prefix. Rules see the whole path there with the feature `axum`.
#[must_use = "a layer does nothing until a service is wrapped in it"]
pub struct LoginTimeoutLayer<St = MemoryStore> {
    config: Arc<Config<St>>,
}

impl<St: ActivityStore> LoginTimeoutLayer<St> {
    /// Creates a layer from a policy, an identifier and a store.
    pub fn new(policy: Policy, identify: impl IdentifySession, store: St) -> Self {
        Self {
            config: Arc::new(Config {
                policy,
                store,
                identify: Arc::new(identify),
                clock: Arc::new(SystemClock),
                passive: Rules::default(),
                exempt: Rules::default(),
                streaming: Rules::default(),
                respond: Arc::new(LoginTimeoutResponse::new()),
                respond_unavailable: Arc::new(|_: &StoreError| unavailable()),
                remaining: RemainingHeader::Absent,
                streams: Streams::EndWithSession,
                look_every: LOOK_EVERY,
                observers: Observers::built_in(),
                pages: None,
                users: None,
                visitors: None,
            }),
        }
    }

    /// Marks requests as passive: they are checked and do not extend the session. It is for polling
    /// and keep-alive probes. Rules add up.
    pub fn with_passive(mut self, rule: impl Rule) -> Self {
        self.config_mut().passive.push(rule);
        self
    }

    /// Exempts requests from the check: they do not extend the session either. It is for the log-in
    /// page, health checks and static files. Rules add up.
    ///
    /// A session that the response begins or ends is noticed all the same. A log-in behind an
    /// exempt rule must issue a new id, as OWASP ASVS 5.0, 7.2.4 asks: no `Set-Cookie` brings back
    /// an id that has ended.
    ///
    /// A *new* id that the response sets begins a session, since that is what a log-in does,
    /// whatever the request presented. So do not exempt a path on which the application changes the
    /// cookie without a log-in: there it would continue sessions that have ended.
    ///
    /// The service sees at most one id, also where parsers could read several: the first one. It
    /// has not been checked.
    pub fn with_exempt(mut self, rule: impl Rule) -> Self {
        self.config_mut().exempt.push(rule);
        self
    }

    /// Marks requests whose response is a stream, of whatever type. It ends
    /// [with its session](LoginTimeoutLayer#streaming-responses), in an error. It is for long
    /// downloads and newline-delimited JSON. Rules add up.
    ///
    /// Event streams and gRPC streams are known by their type and need no rule.
    pub fn with_streaming(mut self, rule: impl Rule) -> Self {
        self.config_mut().streaming.push(rule);
        self
    }

    /// Sets the response to requests whose session may not act. The default is
    /// [`LoginTimeoutResponse::new`].
    pub fn with_response(mut self, response: impl ResponseForExpired) -> Self {
        self.config_mut().respond = Arc::new(response);
        self
    }

    /// Sets the response to requests whose session cannot be checked or recorded, because the store
    /// fails. The default is `503 Service Unavailable`.
    pub fn with_unavailable_response(mut self, response: impl ResponseForUnavailable) -> Self {
        self.config_mut().respond_unavailable = Arc::new(response);
        self
    }

    /// Adds `login-timeout-remaining: <seconds>` to the responses of live sessions, rounded down,
    /// so that a page can warn its user in time (WCAG 2.2, success criterion 2.2.1). A session
    /// without limits has no such header.
    pub fn with_remaining_header(mut self) -> Self {
        self.config_mut().remaining = RemainingHeader::Present;
        self
    }

    /// Lets streaming responses go on when their session is over. Without this, they
    /// [end](LoginTimeoutLayer#streaming-responses).
    pub fn with_endless_streams(mut self) -> Self {
        self.config_mut().streams = Streams::GoOn;
        self
    }

    /// Sets within which time a streaming response, or a
    /// [`SessionHandle::ended`](crate::SessionHandle::ended), notices that its session is over. The
    /// default is five seconds.
    ///
    /// Each of them asks the store about once in half of this time. Over a server, many open
    /// streams make many questions. A near cache answers them itself, and needs up to a second of
    /// this time to hear of a log-out elsewhere.
    pub fn with_look_every(mut self, look_every: Duration) -> Self {
        // A shorter time would be a loop without a pause.
        self.config_mut().look_every = look_every.max(Duration::from_millis(10));
        self
    }

    /// Remembers whose sessions are, so that a user's can be [listed](Tracker::sessions_of) and
    /// [ended](Tracker::end_all_of) (OWASP ASVS 5.0, 7.4.3 and 7.5.2), and be limited in number.
    ///
    /// A log-in that sets a cookie says whose it is by a [`SessionUser`](crate::SessionUser) in the
    /// extensions of its response. A new id of a session belongs to the same user. A live request
    /// costs nothing more, and a log-in one write more.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::convert::Infallible;
    /// use http::{Request, Response};
    /// use tower::{Layer, ServiceExt, service_fn};
    /// use tower_login_timeout::{
    ///     CookieId, LoginTimeoutLayer, MemoryStore, Policy, SessionUser, Users,
    /// };
    ///
    /// let identify = CookieId::new("sid")?;
    /// let layer = LoginTimeoutLayer::new(Policy::default(), identify, MemoryStore::new())
    ///     .with_users(Users::new("a secret of 16 bytes or more")?);
    /// let tracker = layer.tracker();
    /// let log_in = service_fn(async |_: Request<()>| {
    ///     let response = Response::builder()
    ///         .header("set-cookie", "sid=0123; HttpOnly; Secure")
    ///         .extension(SessionUser::new("ada").with_label("Firefox on Linux"));
    ///     Ok::<_, Infallible>(response.body(String::new()).unwrap())
    /// });
    /// layer.layer(log_in).oneshot(Request::new(())).await?;
    ///
    /// let sessions = tracker.sessions_of("ada").await?;
    /// assert_eq!(sessions[0].label(), "Firefox on Linux");
    /// # Ok(())
    /// # }
    /// ```
    pub fn with_users(mut self, users: Users) -> Self
    where
        St: UserStore,
    {
        let config = self.config_mut();
        let limit = config.policy.store_timeout();
        config.users = Some(UserLinks::new(users, config.store.clone(), limit));
        self
    }

    /// Tells log-ins from other responses, for an application that gives anonymous visitors a
    /// session cookie too: Express with `saveUninitialized`, PHP, Rails. So nobody who has not
    /// logged in is told that a session has expired.
    pub fn with_visitors(mut self, visitors: Visitors) -> Self {
        self.config_mut().visitors = Some(Arc::new(visitors));
        self
    }

    /// Adds an observer, which is told what happens to sessions: a closure, or an [`Observe`] of
    /// your own. Observers add up.
    ///
    /// It is told what happens in this layer and in its [`tracker`](LoginTimeoutLayer::tracker). A
    /// tracker keeps the observers that the layer had when the tracker was created.
    pub fn with_observer(mut self, observer: impl Observe) -> Self {
        self.config_mut().observers.push(Arc::new(observer));
        self
    }

    /// Sets the clock. The default is [`SystemClock`].
    ///
    /// A [`tracker`](LoginTimeoutLayer::tracker) keeps the clock that the layer had when it was
    /// created.
    pub fn with_clock(mut self, clock: impl Clock) -> Self {
        self.config_mut().clock = Arc::new(clock);
        self
    }

    /// Returns a handle that begins, checks and ends this layer's sessions from anywhere.
    #[must_use]
    pub fn tracker(&self) -> Tracker {
        Tracker::of(self.config_handle())
    }

    fn config_handle(&self) -> Arc<ConfigHandle<St>> {
        ConfigHandle::new(Arc::clone(&self.config))
    }

    pub(super) fn config_mut(&mut self) -> &mut Config<St> {
        Arc::make_mut(&mut self.config)
    }
}

impl<S, St: ActivityStore> Layer<S> for LoginTimeoutLayer<St> {
    type Service = LoginTimeout<S, St>;

    fn layer(&self, inner: S) -> Self::Service {
        LoginTimeout::new(inner, self.config_handle())
    }
}

impl<St> Clone for LoginTimeoutLayer<St> {
    fn clone(&self) -> Self {
        Self {
            config: Arc::clone(&self.config),
        }
    }
}

impl<St> fmt::Debug for LoginTimeoutLayer<St> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoginTimeoutLayer")
            .field("policy", &self.config.policy)
            .finish_non_exhaustive()
    }
}
