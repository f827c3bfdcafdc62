//! What is known of a request's session while the wrapped service runs?

use std::task::Poll;
use std::time::Duration;

use crate::activity::Activity;
use crate::clock::Timestamp;
use crate::key::SessionKey;
use crate::policy::Policy;

/// An answer that took no longer counts as one moment, however exact the policy: writing twice for it would cost more than it tells.
const QUICK: Duration = Duration::from_secs(1);

/// A request, as far as its session is concerned.
#[derive(Clone, Copy)]
pub(crate) enum Visit {
    /// No id was presented.
    Anonymous,
    /// An id was presented, but not checked: the request is exempt, or the store failed and the policy allows that.
    Unchecked(SessionKey),
    /// The session may act.
    Live(Live),
}

/// A session that was found live.
#[derive(Clone, Copy)]
pub(crate) struct Live {
    pub(crate) key: SessionKey,
    pub(crate) activity: Activity,
    pub(crate) checked_at: Timestamp,
    pub(crate) counts: Counts,
    pub(crate) answer: Answer,
}

/// Whether the wrapped service had to wait for something before it answered.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    AtOnce,
    Later,
}

/// Whether a request extends its session.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Counts {
    AsActivity,
    NotAtAll,
}

impl Visit {
    /// Notes whether the wrapped service has to wait for something.
    pub(crate) fn note<T>(&mut self, polled: &Poll<T>) {
        if let Self::Live(live) = self
            && polled.is_pending()
        {
            live.answer = Answer::Later;
        }
    }

    pub(crate) fn presented(&self) -> Option<SessionKey> {
        match self {
            Self::Anonymous => None,
            Self::Unchecked(key) | Self::Live(Live { key, .. }) => Some(*key),
        }
    }

    /// What is remembered of the session, if it was found live.
    pub(crate) fn activity(&self) -> Option<Activity> {
        match self {
            Self::Anonymous | Self::Unchecked(_) => None,
            Self::Live(live) => Some(live.activity),
        }
    }
}

impl Live {
    /// Whether answering took so long that the session was active again meanwhile.
    pub(crate) fn is_due_again(&self, policy: &Policy, now: Timestamp) -> bool {
        let took = now.saturating_duration_since(self.checked_at);
        self.counts == Counts::AsActivity && took > policy.touch_every().max(QUICK)
    }
}
