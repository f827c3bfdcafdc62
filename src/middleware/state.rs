//! The state of a request's session while the wrapped service runs.

use std::task::Poll;
use std::time::Duration;

use http::HeaderMap;

use crate::middleware::stream_format::StreamFormat;
use crate::session::activity::Activity;
use crate::session::key::SessionKey;
use crate::session::policy::Policy;
use crate::session::time::Timestamp;

/// The longest answer that counts as one moment, however exact the policy. To write twice for it
/// would cost more than it tells.
const QUICK: Duration = Duration::from_secs(1);

/// The state of a request's session.
#[derive(Clone, Copy)]
pub(super) enum SessionState {
    /// The request presents no id.
    Anonymous,
    /// The request presents an id and is exempt from the check.
    Exempt(SessionKey),
    /// The request presents an id that could not be checked, and the policy lets it pass.
    Unverified(SessionKey),
    /// The request presents the id of a visitor who has not logged in.
    Visitor { key: SessionKey, activity: Activity },
    /// The request presented the id of a visitor who has timed out or is unknown. The wrapped
    /// service does not see it.
    FormerVisitor,
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
    /// A rule says that the response is a stream.
    pub(super) is_streaming: bool,
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

    /// Returns the key of the id that the wrapped service sees.
    pub(super) fn key(&self) -> Option<SessionKey> {
        match self {
            Self::Anonymous | Self::FormerVisitor => None,
            Self::Exempt(key)
            | Self::Unverified(key)
            | Self::Visitor { key, .. }
            | Self::Live(Live { key, .. }) => Some(*key),
        }
    }

    /// Returns the record of the session, if it was found live.
    pub(super) fn activity(&self) -> Option<Activity> {
        match self {
            Self::Live(live) => Some(live.activity),
            _ => None,
        }
    }

    /// Returns the format of the response with these headers, if it is a stream.
    #[inline]
    pub(super) fn stream_format(&self, headers: &HeaderMap) -> Option<StreamFormat> {
        let named = match self {
            Self::Live(live) if live.is_streaming => Some(StreamFormat::Other),
            _ => None,
        };
        StreamFormat::of(headers).or(named)
    }
}

impl Live {
    /// Returns whether answering took so long that the session was active again meanwhile.
    pub(super) fn is_due_again(&self, policy: &Policy, now: Timestamp) -> bool {
        let took = now.saturating_duration_since(self.checked_at);
        self.kind == RequestKind::Active && took > policy.touch_every().max(QUICK)
    }
}
