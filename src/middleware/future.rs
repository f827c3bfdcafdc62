//! The response future: check the session, call the service, record what the response changes.

use std::fmt;
use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use http::{Request, Response};
use pin_project_lite::pin_project;
use tower_service::Service;

use crate::middleware::ambiguity::Ambiguity;
use crate::middleware::body::ResponseBody;
use crate::middleware::config::{Config, ConfigHandle};
use crate::middleware::recording::Recording;
use crate::middleware::selection::{self, Selection};
use crate::middleware::state::{Live, Reply, RequestKind, SessionState};
use crate::observe::event::{Cause, Outcome, StoreOperation};
use crate::request::head::RequestHead;
use crate::session::activity::Activity;
use crate::session::key::SessionKey;
use crate::session::policy::StoreFailure;
use crate::session::time::Timestamp;
use crate::session::verdict::Verdict;
use crate::store::activity_store::{ActivityStore, BoxError};
use crate::store::error::StoreError;
use crate::store::timeout::WithTimeout;
use crate::tracker::{SessionHandle, Tracker};

pin_project! {
    /// The response future of a [`LoginTimeout`](crate::LoginTimeout).
    ///
    /// It can be dropped at any time. What it has written is whole, nothing is left behind, and a
    /// log-in or log-out whose recording has begun is recorded all the same.
    #[must_use = "futures do nothing unless polled"]
    pub struct ResponseFuture<S, St, B>
    where
        S: Service<Request<B>>,
        St: ActivityStore,
    {
        #[pin]
        step: Step<S, St, B>,
        config: Arc<ConfigHandle<St>>,
    }
}

pin_project! {
    #[project = StepProjection]
    enum Step<S, St, B>
    where
        S: Service<Request<B>>,
        St: ActivityStore,
    {
        /// The layer answers in place of the wrapped service.
        Responding { response: Option<Response<Bytes>> },
        /// The request presents several ids.
        Selecting {
            #[pin]
            selection: WithTimeout<BoxedSelection>,
            pending: Option<PendingRequest<S, B>>,
        },
        Checking {
            #[pin]
            check: WithTimeout<St::Future<Option<Activity>>>,
            pending: Option<PendingRequest<S, B>>,
        },
        Beginning {
            #[pin]
            begin: WithTimeout<St::Future<Activity>>,
            pending: Option<PendingRequest<S, B>>,
        },
        Calling {
            #[pin]
            call: S::Future,
            state: SessionState,
            ambiguity: Option<Box<Ambiguity>>,
        },
        Recording {
            #[pin]
            recording: Recording<St>,
            response: Option<S::Response>,
            state: SessionState,
        },
    }
}

type BoxedSelection = Pin<Box<dyn Future<Output = Result<Selection, BoxError>> + Send>>;

/// A request that waits for the verdict, and the service that was polled ready for it.
struct PendingRequest<S, B> {
    service: S,
    request: Request<B>,
    question: Question,
}

/// The question to the store: may this session act?
struct Question {
    key: SessionKey,
    now: Timestamp,
    kind: RequestKind,
    ambiguity: Option<Box<Ambiguity>>,
}

/// What follows from the store's answer.
enum Decision {
    Pass(SessionState),
    Respond(Response<Bytes>),
    Begin,
    /// The id is not live. Look up these and it.
    Select(Vec<SessionKey>),
}

impl<S, St, B> ResponseFuture<S, St, B>
where
    S: Service<Request<B>>,
    St: ActivityStore,
{
    /// Responds in place of the wrapped service.
    pub(super) fn responding(config: &Arc<ConfigHandle<St>>, response: Response<Bytes>) -> Self {
        let response = Some(response);
        let config = Arc::clone(config);
        Self {
            step: Step::Responding { response },
            config,
        }
    }

    /// Waits for the wrapped service.
    pub(super) fn calling(
        config: Arc<ConfigHandle<St>>,
        call: S::Future,
        state: SessionState,
        ambiguity: Option<Box<Ambiguity>>,
    ) -> Self {
        let step = Step::Calling {
            call,
            state,
            ambiguity,
        };
        Self { step, config }
    }

    /// Looks up several ids first, and goes on with the live one.
    pub(super) fn selecting(
        config: &Arc<ConfigHandle<St>>,
        first: SessionKey,
        keys: Vec<SessionKey>,
        inner: &mut S,
        request: Request<B>,
    ) -> Self
    where
        S: Clone,
    {
        let ambiguity = Some(Ambiguity::of(keys.clone()));
        let question = Question::new(config, first, ambiguity, &request);
        let step = Step::Selecting {
            selection: question.select(config, keys),
            pending: Some(PendingRequest {
                service: take_ready(inner),
                request,
                question,
            }),
        };
        let config = Arc::clone(config);
        Self { step, config }
    }

    /// Checks the session with this id.
    pub(super) fn checking(
        config: &Arc<ConfigHandle<St>>,
        key: SessionKey,
        ambiguity: Option<Box<Ambiguity>>,
        inner: &mut S,
        mut request: Request<B>,
    ) -> Self
    where
        S: Clone,
    {
        let mut question = Question::new(config, key, ambiguity, &request);
        let mut check = question.check(config);
        // Most stores answer at once. Then nothing has to wait, so no service is cloned and no
        // request moved.
        let at_once = Pin::new(&mut check).poll(&mut Context::from_waker(Waker::noop()));
        let decision = at_once
            .map_err(StoreError::failed)
            .map(|found| question.decide(config, found, &mut request));
        if let Poll::Ready(Decision::Pass(state)) = decision {
            let call = inner.call(request);
            return Self::calling(Arc::clone(config), call, state, question.ambiguity);
        }
        let pending = PendingRequest {
            service: take_ready(inner),
            request,
            question,
        };
        let step = match decision {
            Poll::Ready(decision) => pending.step(config, decision),
            Poll::Pending => Step::Checking {
                check: config.with_timeout(check),
                pending: Some(pending),
            },
        };
        let config = Arc::clone(config);
        Self { step, config }
    }
}

/// Returns the ids that were presented, and that the wrapped service did not see.
fn others(ambiguity: &Option<Box<Ambiguity>>) -> &[SessionKey] {
    ambiguity.as_deref().map_or(&[], Ambiguity::others)
}

/// Takes the service that was polled ready, which is the one to be called, and leaves a clone in
/// its place.
pub(super) fn take_ready<S: Clone>(ready: &mut S) -> S {
    let clone = ready.clone();
    mem::replace(ready, clone)
}

impl<S, St, B, ResBody> Future for ResponseFuture<S, St, B>
where
    S: Service<Request<B>, Response = Response<ResBody>>,
    St: ActivityStore,
{
    type Output = Result<Response<ResponseBody<ResBody>>, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let config = &*this.config;
        loop {
            let next = match this.step.as_mut().project() {
                StepProjection::Responding { response } => {
                    return match response.take() {
                        Some(response) => Poll::Ready(Ok(response.map(ResponseBody::short))),
                        None => Poll::Pending,
                    };
                }
                StepProjection::Selecting { selection, pending } => {
                    let selected = ready!(selection.poll(cx));
                    match pending.take() {
                        Some(pending) => pending.selected(config, selected),
                        None => return Poll::Pending,
                    }
                }
                StepProjection::Checking { check, pending } => {
                    let found = ready!(check.poll(cx));
                    match pending.take() {
                        Some(pending) => pending.decide(config, found),
                        None => return Poll::Pending,
                    }
                }
                StepProjection::Beginning { begin, pending } => {
                    let found = ready!(begin.poll(cx)).map(Some);
                    match pending.take() {
                        Some(pending) => {
                            pending.question.note_beginning(config, &found);
                            pending.decide(config, found)
                        }
                        None => return Poll::Pending,
                    }
                }
                StepProjection::Calling {
                    call,
                    state,
                    ambiguity,
                } => {
                    let polled = call.poll(cx);
                    state.note(&polled);
                    let response = ready!(polled)?;
                    match Recording::of(config, state, others(ambiguity), &response) {
                        Some(recording) => Step::Recording {
                            recording,
                            response: Some(response),
                            state: *state,
                        },
                        None => {
                            let activity = state.activity();
                            return Poll::Ready(Ok(config.pass(response, activity)));
                        }
                    }
                }
                StepProjection::Recording {
                    recording,
                    response,
                    state,
                } => {
                    let recorded = ready!(recording.poll(cx, config));
                    let Some(response) = response.take() else {
                        return Poll::Pending;
                    };
                    return Poll::Ready(Ok(config.finish(response, state, recorded)));
                }
            };
            this.step.set(next);
        }
    }
}

impl<S, B> PendingRequest<S, B>
where
    S: Service<Request<B>>,
{
    /// Returns the step that follows from the selection.
    fn selected<St: ActivityStore>(
        mut self,
        config: &Arc<ConfigHandle<St>>,
        selected: Result<Selection, StoreError>,
    ) -> Step<S, St, B> {
        match selected {
            Ok(Selection::Check { key, ended }) => {
                self.question.key = key;
                if let Some(ambiguity) = &mut self.question.ambiguity {
                    ambiguity.select(key, ended);
                }
                Step::Checking {
                    check: config.with_timeout(self.question.check(config)),
                    pending: Some(self),
                }
            }
            Ok(Selection::Refused { expired, key }) => {
                let head = RequestHead::from(&self.request);
                let response = Some(config.refuse(expired, key, head));
                Step::Responding { response }
            }
            Err(error) => {
                let decision = self.question.unverified(config, &error, &mut self.request);
                self.step(config, decision)
            }
        }
    }

    /// Returns the step that follows from the store's answer.
    fn decide<St: ActivityStore>(
        mut self,
        config: &Arc<ConfigHandle<St>>,
        found: Result<Option<Activity>, StoreError>,
    ) -> Step<S, St, B> {
        let decision = self.question.decide(config, found, &mut self.request);
        self.step(config, decision)
    }

    fn step<St: ActivityStore>(
        mut self,
        config: &Arc<ConfigHandle<St>>,
        decision: Decision,
    ) -> Step<S, St, B> {
        match decision {
            Decision::Pass(state) => Step::Calling {
                call: self.service.call(self.request),
                state,
                ambiguity: self.question.ambiguity,
            },
            Decision::Respond(response) => Step::Responding {
                response: Some(response),
            },
            Decision::Select(keys) => Step::Selecting {
                selection: self.question.select(config, keys),
                pending: Some(self),
            },
            Decision::Begin => Step::Beginning {
                begin: self.question.begin(config),
                pending: Some(self),
            },
        }
    }
}

impl Question {
    /// Asks whether the session may act. Where several ids are presented, the selection may set
    /// another key later.
    fn new<St: ActivityStore, B>(
        config: &Config<St>,
        key: SessionKey,
        ambiguity: Option<Box<Ambiguity>>,
        request: &Request<B>,
    ) -> Self {
        let kind = if config.passive.any(RequestHead::from(request)) {
            RequestKind::Passive
        } else {
            RequestKind::Active
        };
        Self {
            key,
            now: config.clock.now(),
            kind,
            ambiguity,
        }
    }

    fn select<St: ActivityStore>(
        &self,
        config: &Arc<ConfigHandle<St>>,
        keys: Vec<SessionKey>,
    ) -> WithTimeout<BoxedSelection> {
        let selection = selection::select(Arc::clone(config), keys, self.now);
        let selection: BoxedSelection = Box::pin(selection);
        config.with_timeout(selection)
    }

    fn check<St: ActivityStore>(&self, config: &Config<St>) -> St::Future<Option<Activity>> {
        let touch = config.policy.touch(self.now);
        match self.kind {
            RequestKind::Passive => config.store.touch(self.key, touch.passive()),
            RequestKind::Active => config.store.touch(self.key, touch),
        }
    }

    fn decide<St: ActivityStore, B>(
        &mut self,
        config: &Arc<ConfigHandle<St>>,
        found: Result<Option<Activity>, StoreError>,
        request: &mut Request<B>,
    ) -> Decision {
        let found = match found {
            Ok(found) => found,
            Err(error) => return self.unverified(config, &error, request),
        };
        match (config.policy.decide(found, self.now), found) {
            (Verdict::Active { .. }, Some(activity)) => self.live(config, activity, request),
            (Verdict::Expired(expired), _) => {
                let ambiguity = self.ambiguity.as_deref_mut();
                if let Some(mut keys) = ambiguity.and_then(Ambiguity::take_fallback) {
                    keys.insert(0, self.key);
                    return Decision::Select(keys);
                }
                let head = RequestHead::from(&*request);
                Decision::Respond(config.refuse(expired, Some(self.key), head))
            }
            (Verdict::Begins | Verdict::Active { .. }, _) => Decision::Begin,
        }
    }

    /// Lets the request pass, with a handle of its session.
    fn live<St: ActivityStore, B>(
        &self,
        config: &Arc<ConfigHandle<St>>,
        found: Activity,
        request: &mut Request<B>,
    ) -> Decision {
        let activity = match self.kind {
            RequestKind::Active if config.policy.touch(self.now).finds_stale(&found) => {
                found.active_at(self.now)
            }
            RequestKind::Active | RequestKind::Passive => found,
        };
        if let Some(ambiguity) = &self.ambiguity {
            ambiguity.resolve(config, self.key, request);
        }
        config.observers.request(Outcome::Live);
        let handle = SessionHandle::new(Tracker::of(Arc::clone(config)), self.key, activity);
        request.extensions_mut().insert(handle);
        Decision::Pass(SessionState::Live(Live {
            key: self.key,
            activity,
            checked_at: self.now,
            kind: self.kind,
            reply: Reply::Immediate,
        }))
    }

    /// Does what the policy says about a request that could not be checked.
    fn unverified<St: ActivityStore, B>(
        &self,
        config: &Config<St>,
        error: &StoreError,
        request: &mut Request<B>,
    ) -> Decision {
        let operation = StoreOperation::Check;
        config
            .observers
            .store_failed(operation, Cause::Request, error);
        match config.policy.store_failure() {
            StoreFailure::Reject => {
                config.observers.request(Outcome::Unavailable);
                Decision::Respond(config.unavailable(error))
            }
            StoreFailure::Allow => {
                config.observers.request(Outcome::Unchecked);
                if let Some(ambiguity) = &self.ambiguity {
                    ambiguity.resolve(config, self.key, request);
                }
                request.extensions_mut().remove::<SessionHandle>();
                Decision::Pass(SessionState::Unverified(self.key))
            }
        }
    }

    fn begin<St: ActivityStore>(&self, config: &Config<St>) -> WithTimeout<St::Future<Activity>> {
        let activity = self.beginning();
        let keep_until = config.policy.keep_until(&activity);
        config.with_timeout(config.store.begin(self.key, activity, keep_until))
    }

    /// Returns the record of a session that begins with this request.
    fn beginning(&self) -> Activity {
        Activity::began(self.now)
    }

    /// Reports that the session began, unless the store had a record meanwhile.
    fn note_beginning<St>(
        &self,
        config: &Config<St>,
        found: &Result<Option<Activity>, StoreError>,
    ) {
        if matches!(found, Ok(Some(found)) if *found == self.beginning()) {
            config.observers.began(self.key, Cause::Request);
        }
    }
}

impl<S, St, B> fmt::Debug for ResponseFuture<S, St, B>
where
    S: Service<Request<B>>,
    St: ActivityStore,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
