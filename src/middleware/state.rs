//! What is known of a request's session while the wrapped service runs?

use std::task::Poll;
use std::time::Duration;

use crate::session::activity::Activity;
use crate::session::key::SessionKey;
use crate::session::policy::Policy;
use crate::session::time::Timestamp;

/// An answer that took no longer counts as one moment, however exact the policy: writing twice for it would cost more than it tells.
const QUICK: Duration = Duration::from_secs(1);

/// A request, as far as its session is concerned.
#[derive(Clone, Copy)]
pub(super) enum SessionState {
    /// No id was presented.
    Anonymous,
    /// An id was presented, but not checked: the request is exempt, or the store failed and the policy allows that.
    Unchecked(SessionKey),
    /// The session may act.
    Live(Live),
}

/// A session that was found live.
#[derive(Clone, Copy)]
pub(super) struct Live {
    pub(super) key: SessionKey,
    pub(super) activity: Activity,
    pub(super) checked_at: Timestamp,
    pub(super) kind: RequestKind,
    pub(super) reply: Reply,
}

/// Whether the wrapped service had to wait for something before it answered.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Reply {
    Immediate,
    Delayed,
}

/// Whether a request extends its session.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum RequestKind {
    Active,
    Passive,
}

impl SessionState {
    /// Notes whether the wrapped service has to wait for something.
    pub(super) fn note<T>(&mut self, polled: &Poll<T>) {
        if let Self::Live(live) = self
            && polled.is_pending()
        {
            live.reply = Reply::Delayed;
        }
    }

    pub(super) fn presented(&self) -> Option<SessionKey> {
        match self {
            Self::Anonymous => None,
            Self::Unchecked(key) | Self::Live(Live { key, .. }) => Some(*key),
        }
    }

    /// What is remembered of the session, if it was found live.
    pub(super) fn activity(&self) -> Option<Activity> {
        match self {
            Self::Anonymous | Self::Unchecked(_) => None,
            Self::Live(live) => Some(live.activity),
        }
    }
}

impl Live {
    /// Whether answering took so long that the session was active again meanwhile.
    pub(super) fn is_due_again(&self, policy: &Policy, now: Timestamp) -> bool {
        let took = now.saturating_duration_since(self.checked_at);
        self.kind == RequestKind::Active && took > policy.touch_every().max(QUICK)
    }
}
