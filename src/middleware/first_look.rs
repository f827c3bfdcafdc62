//! The first look at a request: whether it passes at once, and what becomes of it otherwise.

use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use http::Request;
use tower_service::Service;

use crate::identify::identify_session::Presented;
use crate::middleware::ambiguity::Ambiguity;
use crate::middleware::config::{Answer, ConfigHandle};
use crate::middleware::question::{Decision, Question};
use crate::middleware::state::SessionState;
use crate::middleware::step::{PendingRequest, Step};
use crate::middleware::visitors::Attempt;
use crate::observe::event::Outcome;
use crate::request::head::RequestHead;
use crate::session::activity::Activity;
use crate::session::key::SessionKey;
use crate::session::verdict::Expired;
use crate::store::activity_store::ActivityStore;
use crate::store::error::StoreError;
use crate::tracker::session_handle::SessionHandle;

/// What the first look at a request says.
pub(super) enum FirstLook<St: ActivityStore> {
    /// The wrapped service is called at once.
    Pass(SessionState),
    /// The request is answered, waits, or is rewritten first.
    Hold(Held<St>),
}

/// A request that does not pass at once.
pub(super) enum Held<St: ActivityStore> {
    /// The layer answers in place of the wrapped service.
    Answer(Answer),
    /// The request presents an id, and is exempt.
    Exempt(Presented),
    /// The request presents several ids.
    Several(Presented),
    /// The store has answered.
    Decided(Question, Decision),
    /// The store has not answered yet.
    Waits(Question, St::Future<Option<Activity>>),
}

impl<St: ActivityStore> FirstLook<St> {
    /// Identifies the session, and asks the store.
    // Nearly every request passes at once. It is looked at where it is, and moved only once: into
    // the wrapped service.
    #[inline(always)]
    pub(super) fn of<B>(config: &Arc<ConfigHandle<St>>, request: &mut Request<B>) -> Self {
        let head = RequestHead::from(&*request);
        if let Some(pages) = &config.pages
            && let Some(answer) = pages.answer(config, head)
        {
            return Self::Hold(Held::Answer(answer));
        }
        match config.identify.identify(head) {
            Presented::None => {
                config.observers.request(Outcome::Anonymous);
                request.extensions_mut().remove::<SessionHandle>();
                Self::Pass(SessionState::Anonymous)
            }
            presented if config.exempt.any(head) => Self::Hold(Held::Exempt(presented)),
            Presented::One(key) => {
                let mut question = Question::new(config, key, head);
                let mut check = question.check(config);
                // Most stores answer at once. Then nothing has to wait, so no service is cloned.
                match Pin::new(&mut check).poll(&mut Context::from_waker(Waker::noop())) {
                    Poll::Ready(found) => {
                        let found = found.map_err(StoreError::failed);
                        match question.decide(config, found, request) {
                            Decision::Pass(state) => Self::Pass(state),
                            decision => Self::Hold(Held::Decided(question, decision)),
                        }
                    }
                    Poll::Pending => Self::Hold(Held::Waits(question, check)),
                }
            }
            presented => Self::Hold(Held::Several(presented)),
        }
    }
}

impl<St: ActivityStore> Held<St> {
    /// Returns the first step of the request.
    // Kept out of the way of requests that pass at once.
    #[inline(never)]
    pub(super) fn step<S, B>(
        self,
        config: &Arc<ConfigHandle<St>>,
        attempt: Option<Box<Attempt>>,
        inner: &mut S,
        request: Request<B>,
    ) -> Step<S, St, B>
    where
        S: Service<Request<B>> + Clone,
    {
        let service = take_ready(inner);
        match self {
            // The service is dropped, so that it releases what `poll_ready` reserved.
            Self::Answer(answer) => Step::Answering { answer },
            Self::Exempt(presented) => {
                config.observers.request(Outcome::Exempt);
                pass_unchecked(config, presented, attempt, service, request)
            }
            Self::Several(presented) => several(config, presented, attempt, service, request),
            Self::Decided(mut question, decision) => {
                question.attempt = attempt;
                let pending = PendingRequest {
                    service,
                    request,
                    question,
                };
                pending.step(config, decision)
            }
            Self::Waits(mut question, check) => {
                question.attempt = attempt;
                let check = config.with_timeout(check);
                let pending = Some(PendingRequest {
                    service,
                    request,
                    question,
                });
                Step::Checking { check, pending }
            }
        }
    }
}

/// Returns the first step of a request that presents several ids.
fn several<S, St, B>(
    config: &Arc<ConfigHandle<St>>,
    presented: Presented,
    attempt: Option<Box<Attempt>>,
    service: S,
    mut request: Request<B>,
) -> Step<S, St, B>
where
    S: Service<Request<B>>,
    St: ActivityStore,
{
    let head = RequestHead::from(&request);
    let (key, ambiguity, selected_from) = match presented {
        Presented::TooMany => {
            let expired = Expired::conflicting(config.clock.now());
            let response = Some(config.refuse(expired, None, head));
            return Step::Responding { response };
        }
        Presented::Split { ids, glued } if ids.len() == 1 => {
            (ids[0], Ambiguity::with_fallback(glued), None)
        }
        presented => {
            let keys = presented.into_keys();
            match keys[..] {
                [] => {
                    config.observers.request(Outcome::Anonymous);
                    config.identify.keep_only(request.headers_mut(), None, &[]);
                    return pass_unchecked(config, Presented::None, attempt, service, request);
                }
                [key] => (key, Ambiguity::of(Vec::new()), None),
                [first, ..] => (first, Ambiguity::of(keys.clone()), Some(keys)),
            }
        }
    };
    let mut question = Question::new(config, key, head);
    question.ambiguity = Some(ambiguity);
    question.attempt = attempt;
    let pending = |question| {
        Some(PendingRequest {
            service,
            request,
            question,
        })
    };
    match selected_from {
        Some(keys) => Step::Selecting {
            selection: question.select(config, keys),
            pending: pending(question),
        },
        None => Step::Checking {
            check: config.with_timeout(question.check(config)),
            pending: pending(question),
        },
    }
}

/// Calls the wrapped service without a check. The request has no handle, even if an outer layer
/// gave it one.
fn pass_unchecked<S, St, B>(
    config: &Arc<ConfigHandle<St>>,
    presented: Presented,
    attempt: Option<Box<Attempt>>,
    mut service: S,
    mut request: Request<B>,
) -> Step<S, St, B>
where
    S: Service<Request<B>>,
    St: ActivityStore,
{
    request.extensions_mut().remove::<SessionHandle>();
    let mut keep_only = |id: Option<SessionKey>| {
        config.identify.keep_only(request.headers_mut(), id, &[]);
    };
    let (state, ambiguity) = match presented {
        Presented::None => (SessionState::Anonymous, None),
        Presented::One(key) => (SessionState::Exempt(key), None),
        presented @ (Presented::Ambiguous(_) | Presented::Split { .. }) => {
            let keys = presented.into_keys();
            // Nothing tells which id is the right one. The first one is what most readers take.
            let first = keys.first().copied();
            keep_only(first);
            let state = first.map_or(SessionState::Anonymous, SessionState::Exempt);
            (state, Some(Ambiguity::of(keys)))
        }
        Presented::TooMany => {
            keep_only(None);
            (SessionState::Anonymous, None)
        }
    };
    Step::Calling {
        call: service.call(request),
        state,
        ambiguity,
        attempt,
    }
}

/// Takes the service that was polled ready, which is the one to be called, and leaves a clone in
/// its place.
fn take_ready<S: Clone>(ready: &mut S) -> S {
    let clone = ready.clone();
    mem::replace(ready, clone)
}
