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

use crate::activity::Activity;
use crate::body::ResponseBody;
use crate::clock::Timestamp;
use crate::event;
use crate::head::RequestHead;
use crate::key::SessionKey;
use crate::layer::{Config, Reference};
use crate::policy::StoreFailure;
use crate::recording::Recording;
use crate::respond::unavailable;
use crate::store::ActivityStore;
use crate::store::supervised::{StoreError, Supervised};
use crate::tracker::{SessionHandle, Tracker};
use crate::verdict::Verdict;
use crate::visit::{Answer, Counts, Live, Visit};

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
        config: Arc<Reference<St>>,
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
            check: Supervised<St::Future<Option<Activity>>>,
            waiting: Option<Waiting<S, B>>,
        },
        Beginning {
            #[pin]
            begin: Supervised<St::Future<Activity>>,
            waiting: Option<Waiting<S, B>>,
        },
        Calling {
            #[pin]
            call: S::Future,
            visit: Visit,
        },
        Recording {
            #[pin]
            recording: Recording<St>,
            response: Option<S::Response>,
            visit: Visit,
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
    counts: Counts,
}

/// What follows from what the store said.
enum Judged {
    Passes(Visit),
    Answered(Response<Bytes>),
    Begins,
}

impl<S, St, B> ResponseFuture<S, St, B>
where
    S: Service<Request<B>>,
    St: ActivityStore,
{
    pub(crate) fn answered(config: &Arc<Reference<St>>, answer: Response<Bytes>) -> Self {
        let step = Step::Answered {
            answer: Some(answer),
        };
        let config = Arc::clone(config);
        Self { step, config }
    }

    pub(crate) fn calling(config: Arc<Reference<St>>, call: S::Future, visit: Visit) -> Self {
        let step = Step::Calling { call, visit };
        Self { step, config }
    }

    pub(crate) fn checking(
        config: &Arc<Reference<St>>,
        key: SessionKey,
        inner: &mut S,
        mut request: Request<B>,
    ) -> Self
    where
        S: Clone,
    {
        let now = config.clock.now();
        let touch = config.policy.touch(now);
        let (counts, mut check) = if config.passive.any(RequestHead::from(&request)) {
            (Counts::NotAtAll, config.store.touch(key, touch.passive()))
        } else {
            (Counts::AsActivity, config.store.touch(key, touch))
        };
        let asked = Asked { key, now, counts };
        // A store that answers at once, as most do: nothing has to wait, so no service is cloned and no request moved.
        let at_once = Pin::new(&mut check).poll(&mut Context::from_waker(Waker::noop()));
        let judged = at_once
            .map_err(StoreError::failed)
            .map(|found| asked.judged(config, found, &mut request));
        if let Poll::Ready(Judged::Passes(visit)) = judged {
            return Self::calling(Arc::clone(config), inner.call(request), visit);
        }
        let service = taken(inner);
        let waiting = || Waiting {
            service,
            request,
            asked,
        };
        let step = match judged {
            Poll::Ready(judged) => waiting().step(config, judged),
            Poll::Pending => Step::Checking {
                check: config.supervised(check),
                waiting: Some(waiting()),
            },
        };
        let config = Arc::clone(config);
        Self { step, config }
    }
}

/// The instance that was polled ready, which is the one to be called. A clone takes its place.
pub(crate) fn taken<S: Clone>(ready: &mut S) -> S {
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
                StepProjection::Calling { call, visit } => {
                    let polled = call.poll(cx);
                    visit.note(&polled);
                    let response = ready!(polled)?;
                    match Recording::of(config, visit, &response) {
                        Some(recording) => Step::Recording {
                            recording,
                            response: Some(response),
                            visit: *visit,
                        },
                        None => {
                            let activity = visit.activity();
                            return Poll::Ready(Ok(config.passed(response, activity)));
                        }
                    }
                }
                StepProjection::Recording {
                    recording,
                    response,
                    visit,
                } => {
                    let recorded = ready!(recording.poll(cx, config));
                    let Some(response) = response.take() else {
                        return Poll::Pending;
                    };
                    return Poll::Ready(Ok(config.recorded(response, visit, recorded)));
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
        config: &Arc<Reference<St>>,
        found: Result<Option<Activity>, StoreError>,
    ) -> Step<S, St, B> {
        let judged = self.asked.judged(config, found, &mut self.request);
        self.step(config, judged)
    }

    fn step<St: ActivityStore>(mut self, config: &Config<St>, judged: Judged) -> Step<S, St, B> {
        match judged {
            Judged::Passes(visit) => Step::Calling {
                call: self.service.call(self.request),
                visit,
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
        config: &Arc<Reference<St>>,
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
        config: &Arc<Reference<St>>,
        found: Activity,
        request: &mut Request<B>,
    ) -> Judged {
        let activity = match self.counts {
            Counts::AsActivity if config.policy.touch(self.now).finds_stale(&found) => {
                found.active_at(self.now)
            }
            Counts::AsActivity | Counts::NotAtAll => found,
        };
        let handle = SessionHandle::new(Tracker::of(Arc::clone(config)), self.key, activity);
        request.extensions_mut().insert(handle);
        Judged::Passes(Visit::Live(Live {
            key: self.key,
            activity,
            checked_at: self.now,
            counts: self.counts,
            answer: Answer::AtOnce,
        }))
    }

    fn unjudged<St: ActivityStore>(&self, config: &Config<St>, error: &StoreError) -> Judged {
        event::store_failed(error);
        match config.policy.store_failure() {
            StoreFailure::Reject => Judged::Answered(unavailable()),
            StoreFailure::Allow => Judged::Passes(Visit::Unchecked(self.key)),
        }
    }

    fn begins<St: ActivityStore>(&self, config: &Config<St>) -> Supervised<St::Future<Activity>> {
        let activity = Activity::began(self.now);
        let keep_until = config.policy.keep_until(&activity);
        config.supervised(config.store.begin(self.key, activity, keep_until))
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
