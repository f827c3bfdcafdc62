//! The steps of a request on its way through the layer, and which one follows from an answer.

use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use pin_project_lite::pin_project;
use tower_service::Service;

use crate::middleware::ambiguity::Ambiguity;
use crate::middleware::config::{Answer, ConfigHandle};
use crate::middleware::question::{BoxedSelection, Decision, Question};
use crate::middleware::recording::Recording;
use crate::middleware::selection::Selection;
use crate::middleware::state::SessionState;
use crate::middleware::visitors::Attempt;
use crate::request::head::RequestHead;
use crate::session::activity::Activity;
use crate::store::activity_store::ActivityStore;
use crate::store::error::StoreError;
use crate::store::timeout::WithTimeout;

pin_project! {
    #[project = StepProjection]
    /// The step that a request has reached.
    pub(super) enum Step<S, St, B>
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
pub(super) struct PendingRequest<S, B> {
    pub(super) service: S,
    pub(super) request: Request<B>,
    pub(super) question: Question,
}

impl<S, B> PendingRequest<S, B>
where
    S: Service<Request<B>>,
{
    /// Returns the step that follows from the selection.
    pub(super) fn selected<St: ActivityStore>(
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
    pub(super) fn decide<St: ActivityStore>(
        mut self,
        config: &Arc<ConfigHandle<St>>,
        found: Result<Option<Activity>, StoreError>,
    ) -> Step<S, St, B> {
        let decision = self.question.decide(config, found, &mut self.request);
        self.step(config, decision)
    }

    /// Returns the step that follows from the record of a visitor.
    pub(super) fn visit<St: ActivityStore>(
        mut self,
        config: &Arc<ConfigHandle<St>>,
        found: Result<Option<Activity>, StoreError>,
    ) -> Step<S, St, B> {
        let decision = self.question.visit(config, found, &mut self.request);
        self.step(config, decision)
    }

    pub(super) fn step<St: ActivityStore>(
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
