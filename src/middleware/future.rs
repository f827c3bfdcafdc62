//! … and then? Checking, calling, recording.

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

use crate::middleware::body::ResponseBody;
use crate::middleware::config::{Config, ConfigHandle};
use crate::middleware::recording::Recording;
use crate::middleware::state::{Live, Reply, RequestKind, SessionState};
use crate::observe;
use crate::request::head::RequestHead;
use crate::respond::unavailable::unavailable;
use crate::session::activity::Activity;
use crate::session::key::SessionKey;
use crate::session::policy::StoreFailure;
use crate::session::time::Timestamp;
use crate::session::verdict::Verdict;
use crate::store::activity_store::ActivityStore;
use crate::store::error::StoreError;
use crate::store::timeout::WithTimeout;
use crate::tracker::{SessionHandle, Tracker};

pin_project! {
    /// The future of a [`LoginTimeout`](crate::LoginTimeout).
    ///
    /// It can be dropped at any time: what it has written is whole, and nothing is left behind.
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
        /// The wrapped service is not needed.
        Answered { answer: Option<Response<Bytes>> },
        Checking {
            #[pin]
            check: WithTimeout<St::Future<Option<Activity>>>,
            waiting: Option<Waiting<S, B>>,
        },
        Beginning {
            #[pin]
            begin: WithTimeout<St::Future<Activity>>,
            waiting: Option<Waiting<S, B>>,
        },
        Calling {
            #[pin]
            call: S::Future,
            state: SessionState,
        },
        Recording {
            #[pin]
            recording: Recording<St>,
            response: Option<S::Response>,
            state: SessionState,
        },
    }
}

/// A request that waits for the verdict, and the service that was polled ready for it.
struct Waiting<S, B> {
    service: S,
    request: Request<B>,
    asked: Asked,
}

/// What the store was asked.
#[derive(Clone, Copy)]
struct Asked {
    key: SessionKey,
    now: Timestamp,
    kind: RequestKind,
}

/// What follows from what the store said.
enum Judged {
    Passes(SessionState),
    Answered(Response<Bytes>),
    Begins,
}

impl<S, St, B> ResponseFuture<S, St, B>
where
    S: Service<Request<B>>,
    St: ActivityStore,
{
    pub(super) fn answered(config: &Arc<ConfigHandle<St>>, answer: Response<Bytes>) -> Self {
        let step = Step::Answered {
            answer: Some(answer),
        };
        let config = Arc::clone(config);
        Self { step, config }
    }

    pub(super) fn calling(
        config: Arc<ConfigHandle<St>>,
        call: S::Future,
        state: SessionState,
    ) -> Self {
        let step = Step::Calling { call, state };
        Self { step, config }
    }

    pub(super) fn checking(
        config: &Arc<ConfigHandle<St>>,
        key: SessionKey,
        inner: &mut S,
        mut request: Request<B>,
    ) -> Self
    where
        S: Clone,
    {
        let now = config.clock.now();
        let touch = config.policy.touch(now);
        let (kind, mut check) = if config.passive.any(RequestHead::from(&request)) {
            (
                RequestKind::Passive,
                config.store.touch(key, touch.passive()),
            )
        } else {
            (RequestKind::Active, config.store.touch(key, touch))
        };
        let asked = Asked { key, now, kind };
        // A store that answers at once, as most do: nothing has to wait, so no service is cloned and no request moved.
        let at_once = Pin::new(&mut check).poll(&mut Context::from_waker(Waker::noop()));
        let judged = at_once
            .map_err(StoreError::failed)
            .map(|found| asked.judged(config, found, &mut request));
        if let Poll::Ready(Judged::Passes(state)) = judged {
            return Self::calling(Arc::clone(config), inner.call(request), state);
        }
        let service = take_ready(inner);
        let waiting = || Waiting {
            service,
            request,
            asked,
        };
        let step = match judged {
            Poll::Ready(judged) => waiting().step(config, judged),
            Poll::Pending => Step::Checking {
                check: config.with_timeout(check),
                waiting: Some(waiting()),
            },
        };
        let config = Arc::clone(config);
        Self { step, config }
    }
}

/// The instance that was polled ready, which is the one to be called. A clone takes its place.
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
                StepProjection::Answered { answer } => {
                    return match answer.take() {
                        Some(answer) => Poll::Ready(Ok(answer.map(ResponseBody::short))),
                        None => Poll::Pending,
                    };
                }
                StepProjection::Checking { check, waiting } => {
                    let found = ready!(check.poll(cx));
                    match waiting.take() {
                        Some(waiting) => waiting.judged(config, found),
                        None => return Poll::Pending,
                    }
                }
                StepProjection::Beginning { begin, waiting } => {
                    let found = ready!(begin.poll(cx)).map(Some);
                    match waiting.take() {
                        Some(waiting) => waiting.judged(config, found),
                        None => return Poll::Pending,
                    }
                }
                StepProjection::Calling { call, state } => {
                    let polled = call.poll(cx);
                    state.note(&polled);
                    let response = ready!(polled)?;
                    match Recording::of(config, state, &response) {
                        Some(recording) => Step::Recording {
                            recording,
                            response: Some(response),
                            state: *state,
                        },
                        None => {
                            let activity = state.activity();
                            return Poll::Ready(Ok(config.passed(response, activity)));
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
                    return Poll::Ready(Ok(config.recorded(response, state, recorded)));
                }
            };
            this.step.set(next);
        }
    }
}

impl<S, B> Waiting<S, B>
where
    S: Service<Request<B>>,
{
    /// The step that follows from what the store said, at last.
    fn judged<St: ActivityStore>(
        mut self,
        config: &Arc<ConfigHandle<St>>,
        found: Result<Option<Activity>, StoreError>,
    ) -> Step<S, St, B> {
        let judged = self.asked.judged(config, found, &mut self.request);
        self.step(config, judged)
    }

    fn step<St: ActivityStore>(mut self, config: &Config<St>, judged: Judged) -> Step<S, St, B> {
        match judged {
            Judged::Passes(state) => Step::Calling {
                call: self.service.call(self.request),
                state,
            },
            Judged::Answered(answer) => Step::Answered {
                answer: Some(answer),
            },
            Judged::Begins => Step::Beginning {
                begin: self.asked.begins(config),
                waiting: Some(self),
            },
        }
    }
}

impl Asked {
    fn judged<St: ActivityStore, B>(
        &self,
        config: &Arc<ConfigHandle<St>>,
        found: Result<Option<Activity>, StoreError>,
        request: &mut Request<B>,
    ) -> Judged {
        let found = match found {
            Ok(found) => found,
            Err(error) => return self.unjudged(config, &error),
        };
        match (config.policy.decide(found, self.now), found) {
            (Verdict::Active { .. }, Some(activity)) => self.live(config, activity, request),
            (Verdict::Expired(expired), _) => {
                let head = RequestHead::from(&*request);
                Judged::Answered(config.answer(expired, Some(self.key), head))
            }
            (Verdict::Begins | Verdict::Active { .. }, _) => Judged::Begins,
        }
    }

    fn live<St: ActivityStore, B>(
        &self,
        config: &Arc<ConfigHandle<St>>,
        found: Activity,
        request: &mut Request<B>,
    ) -> Judged {
        let activity = match self.kind {
            RequestKind::Active if config.policy.touch(self.now).finds_stale(&found) => {
                found.active_at(self.now)
            }
            RequestKind::Active | RequestKind::Passive => found,
        };
        let handle = SessionHandle::new(Tracker::of(Arc::clone(config)), self.key, activity);
        request.extensions_mut().insert(handle);
        Judged::Passes(SessionState::Live(Live {
            key: self.key,
            activity,
            checked_at: self.now,
            kind: self.kind,
            reply: Reply::Immediate,
        }))
    }

    fn unjudged<St: ActivityStore>(&self, config: &Config<St>, error: &StoreError) -> Judged {
        observe::store_failed(error);
        match config.policy.store_failure() {
            StoreFailure::Reject => Judged::Answered(unavailable()),
            StoreFailure::Allow => Judged::Passes(SessionState::Unchecked(self.key)),
        }
    }

    fn begins<St: ActivityStore>(&self, config: &Config<St>) -> WithTimeout<St::Future<Activity>> {
        let activity = Activity::began(self.now);
        let keep_until = config.policy.keep_until(&activity);
        config.with_timeout(config.store.begin(self.key, activity, keep_until))
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
