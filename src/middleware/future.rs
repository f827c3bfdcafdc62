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
use crate::middleware::question::{Decision, Question};
use crate::middleware::recording::Recording;
use crate::middleware::state::SessionState;
use crate::middleware::step::{PendingRequest, Step, StepProjection};
use crate::middleware::visitors::Attempt;
use crate::session::key::SessionKey;
use crate::store::activity_store::ActivityStore;
use crate::store::error::StoreError;

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

impl<S, St, B> fmt::Debug for ResponseFuture<S, St, B>
where
    S: Service<Request<B>>,
    St: ActivityStore,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
