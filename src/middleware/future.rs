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
use crate::middleware::config::{Answer, ConfigHandle};
use crate::middleware::question::{BoxedSelection, Decision, Question};
use crate::middleware::recording::Recording;
use crate::middleware::selection::Selection;
use crate::middleware::state::SessionState;
use crate::middleware::visitors::Attempt;
use crate::request::head::RequestHead;
use crate::session::activity::Activity;
use crate::session::key::SessionKey;
use crate::store::activity_store::ActivityStore;
use crate::store::error::StoreError;
use crate::store::timeout::WithTimeout;

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
        /// The layer asks the store before it answers in place of the wrapped service.
        Answering { answer: Answer },
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
        /// The layer does not know the id as that of a log-in. It may be a visitor's.
        Visiting {
            #[pin]
            check: WithTimeout<St::Future<Option<Activity>>>,
            pending: Option<PendingRequest<S, B>>,
        },
        Calling {
            #[pin]
            call: S::Future,
            state: SessionState,
            ambiguity: Option<Box<Ambiguity>>,
            attempt: Option<Box<Attempt>>,
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
struct PendingRequest<S, B> {
    service: S,
    request: Request<B>,
    question: Question,
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

    /// Responds in place of the wrapped service, with an answer that has to wait.
    pub(super) fn answering(config: &Arc<ConfigHandle<St>>, answer: Answer) -> Self {
        let config = Arc::clone(config);
        Self {
            step: Step::Answering { answer },
            config,
        }
    }

    /// Waits for the wrapped service.
    pub(super) fn calling(
        config: Arc<ConfigHandle<St>>,
        call: S::Future,
        state: SessionState,
        ambiguity: Option<Box<Ambiguity>>,
        attempt: Option<Box<Attempt>>,
    ) -> Self {
        let step = Step::Calling {
            call,
            state,
            ambiguity,
            attempt,
        };
        Self { step, config }
    }

    /// Looks up several ids first, and goes on with the live one.
    pub(super) fn selecting(
        config: &Arc<ConfigHandle<St>>,
        first: SessionKey,
        keys: Vec<SessionKey>,
        attempt: Option<Box<Attempt>>,
        inner: &mut S,
        request: Request<B>,
    ) -> Self
    where
        S: Clone,
    {
        let ambiguity = Some(Ambiguity::of(keys.clone()));
        let question = Question::new(config, first, ambiguity, attempt, &request);
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
        attempt: Option<Box<Attempt>>,
        inner: &mut S,
        mut request: Request<B>,
    ) -> Self
    where
        S: Clone,
    {
        let mut question = Question::new(config, key, ambiguity, attempt, &request);
        let mut check = question.check(config);
        // Most stores answer at once. Then nothing has to wait, so no service is cloned and no
        // request moved.
        let at_once = Pin::new(&mut check).poll(&mut Context::from_waker(Waker::noop()));
        let decision = at_once
            .map_err(StoreError::failed)
            .map(|found| question.decide(config, found, &mut request));
        if let Poll::Ready(Decision::Pass(state)) = decision {
            let call = inner.call(request);
            return Self::calling(
                Arc::clone(config),
                call,
                state,
                question.ambiguity,
                question.attempt,
            );
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
                StepProjection::Answering { answer } => {
                    let response = ready!(answer.as_mut().poll(cx));
                    return Poll::Ready(Ok(response.map(ResponseBody::short)));
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
                StepProjection::Visiting { check, pending } => {
                    let found = ready!(check.poll(cx));
                    match pending.take() {
                        Some(pending) => pending.visit(config, found),
                        None => return Poll::Pending,
                    }
                }
                StepProjection::Calling {
                    call,
                    state,
                    ambiguity,
                    attempt,
                } => {
                    let polled = call.poll(cx);
                    state.note(&polled);
                    let mut response = ready!(polled)?;
                    let others = others(ambiguity);
                    let recording = match &config.visitors {
                        None => Recording::of(config, state, others, &response),
                        Some(visitors) => Recording::among_visitors(
                            config,
                            visitors,
                            attempt.as_deref(),
                            state,
                            others,
                            &mut response,
                        ),
                    };
                    match recording {
                        Some(recording) => Step::Recording {
                            recording,
                            response: Some(response),
                            state: *state,
                        },
                        None => {
                            let activity = state.activity();
                            return Poll::Ready(Ok(config.pass(response, state, activity)));
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

    /// Returns the step that follows from the record of a visitor.
    fn visit<St: ActivityStore>(
        mut self,
        config: &Arc<ConfigHandle<St>>,
        found: Result<Option<Activity>, StoreError>,
    ) -> Step<S, St, B> {
        let decision = self.question.visit(config, found, &mut self.request);
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
                attempt: self.question.attempt,
            },
            Decision::Respond(response) => Step::Responding {
                response: Some(response),
            },
            Decision::Select(keys) => Step::Selecting {
                selection: self.question.select(config, keys),
                pending: Some(self),
            },
            Decision::AskAgain => Step::Checking {
                check: config.with_timeout(self.question.check(config)),
                pending: Some(self),
            },
            Decision::AskForVisitor => Step::Visiting {
                check: config.with_timeout(self.question.check_visitor(config)),
                pending: Some(self),
            },
            Decision::Begin => Step::Beginning {
                begin: self.question.begin(config),
                pending: Some(self),
            },
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
