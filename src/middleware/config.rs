//! The configuration that all services of a layer share.

use std::future::Future;
use std::ops::Deref;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Response;

use crate::clock::port::Clock;
use crate::identify::identify_session::IdentifySession;
use crate::middleware::rules::Rules;
use crate::middleware::visitors::Visitors;
use crate::observe::observers::Observers;
use crate::request::head::RequestHead;
use crate::respond::response_for_expired::ResponseForExpired;
use crate::respond::response_for_unavailable::ResponseForUnavailable;
use crate::session::policy::Policy;
use crate::store::activity_store::ActivityStore;
use crate::store::timeout::WithTimeout;
use crate::tracker::parts::{Parts, TrackerParts};
use crate::tracker::users::UserLinks;

/// The configuration that all services of a layer share.
#[derive(Clone)]
pub(super) struct Config<St> {
    pub(super) policy: Policy,
    pub(super) store: St,
    pub(super) identify: Arc<dyn IdentifySession>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) passive: Rules,
    pub(super) exempt: Rules,
    pub(super) streaming: Rules,
    pub(super) respond: Arc<dyn ResponseForExpired>,
    pub(super) respond_unavailable: Arc<dyn ResponseForUnavailable>,
    pub(super) remaining: RemainingHeader,
    pub(super) streams: Streams,
    pub(super) look_every: Duration,
    pub(super) observers: Observers,
    pub(super) pages: Option<Arc<dyn Pages<St>>>,
    pub(super) users: Option<UserLinks>,
    pub(super) visitors: Option<Arc<Visitors>>,
}

/// Answers some requests itself, in place of the wrapped service and without a check.
pub(super) trait Pages<St>: Send + Sync {
    /// Returns the answer to this request, if it is one of them.
    fn answer(&self, config: &Arc<ConfigHandle<St>>, request: RequestHead<'_>) -> Option<Answer>;
}

/// An answer that may have to wait for the store.
pub(super) type Answer = Pin<Box<dyn Future<Output = Response<Bytes>> + Send>>;

/// Whether live responses carry `login-timeout-remaining`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum RemainingHeader {
    Absent,
    Present,
}

/// What becomes of a streaming response when its session is over.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Streams {
    EndWithSession,
    GoOn,
}

impl<St> Config<St> {
    /// Gives an operation of the store the policy's time limit.
    pub(super) fn with_timeout<F>(&self, operation: F) -> WithTimeout<F> {
        WithTimeout::new(operation, self.policy.store_timeout())
    }
}

/// One service's reference to the shared configuration.
///
/// Requests refer to it until they are answered. Each clone of a service that is called more than
/// once has one of its own. So threads count those references in different places of memory and
/// need not wait for each other.
pub(super) struct ConfigHandle<St>(Arc<Config<St>>);

impl<St> ConfigHandle<St> {
    pub(super) fn new(config: Arc<Config<St>>) -> Arc<Self> {
        Arc::new(Self(config))
    }

    pub(super) fn renewed(&self) -> Arc<Self> {
        Arc::new(Self(Arc::clone(&self.0)))
    }
}

impl<St> Deref for ConfigHandle<St> {
    type Target = Config<St>;

    fn deref(&self) -> &Config<St> {
        &self.0
    }
}

impl<St: ActivityStore> TrackerParts for ConfigHandle<St> {
    type Store = St;

    fn parts(&self) -> Parts<'_, St> {
        Parts {
            policy: &self.policy,
            store: &self.store,
            clock: &*self.clock,
            observers: &self.observers,
            look_every: self.look_every,
            users: self.users.as_ref(),
            has_visitors: self.visitors.is_some(),
        }
    }
}
