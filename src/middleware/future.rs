//! The response future: check the session, call the service, record what the response changes.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::{Request, Response};
use pin_project_lite::pin_project;
use tower_service::Service;

use crate::middleware::ambiguity::Ambiguity;
use crate::middleware::body::ResponseBody;
use crate::middleware::config::ConfigHandle;
use crate::middleware::recording::Recording;
use crate::middleware::state::SessionState;
use crate::middleware::step::{Step, StepProjection};
use crate::middleware::visitors::Attempt;
use crate::session::key::SessionKey;
use crate::store::activity_store::ActivityStore;

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
    /// Starts at this step.
    pub(super) fn at(config: &Arc<ConfigHandle<St>>, step: Step<S, St, B>) -> Self {
        let config = Arc::clone(config);
        Self { step, config }
    }

    /// Calls the wrapped service, and waits for it.
    // Nearly every request comes here. Its service is called last, so that the compiler can write
    // the future of that to its place, and need not move it.
    #[inline(always)]
    pub(super) fn calling(
        config: &Arc<ConfigHandle<St>>,
        state: SessionState,
        attempt: Option<Box<Attempt>>,
        inner: &mut S,
        request: Request<B>,
    ) -> Self {
        Self {
            config: Arc::clone(config),
            step: Step::Calling {
                state,
                ambiguity: None,
                attempt,
                call: inner.call(request),
            },
        }
    }
}

/// Returns the ids that were presented, and that the wrapped service did not see.
fn others(ambiguity: &Option<Box<Ambiguity>>) -> &[SessionKey] {
    ambiguity.as_deref().map_or(&[], Ambiguity::others)
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
