//! The events that are reported to observers.

use crate::observe::key_prefix::KeyPrefix;
use crate::session::verdict::{Expired, Reason};
use crate::store::error::StoreError;

/// An event in the life of sessions, as an [`Observe`](crate::Observe) is told it.
///
/// No event holds a session id or a query, since those may be secrets. A session is named by a
/// [`KeyPrefix`].
///
/// Sessions that end because time passes end silently: nothing watches the clock for them. The next
/// request of such a session is [`Refused`](Event::Refused).
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A session began.
    ///
    /// Two requests that begin the same session within one millisecond may both report it.
    #[non_exhaustive]
    Began {
        /// The new session.
        session: KeyPrefix,
        /// What began it.
        cause: Cause,
    },
    /// The application gave a live session a new id.
    #[non_exhaustive]
    Rotated {
        /// The session under the id that it had.
        from: KeyPrefix,
        /// The session under its new id.
        to: KeyPrefix,
        /// What changed the id.
        cause: Cause,
    },
    /// A session was ended on purpose. Ending it again reports nothing.
    #[non_exhaustive]
    Ended {
        /// The session under the id that was named.
        session: KeyPrefix,
        /// What ended it.
        cause: Cause,
    },
    /// A request was refused, since its session may not act.
    #[non_exhaustive]
    Refused {
        /// The session. There is none if the request presents several live ones, or more ids than
        /// are looked up.
        session: Option<KeyPrefix>,
        /// Why the session may not act, and for how long it was idle.
        expired: &'a Expired,
        /// The path that the client asked for, without the query.
        path: &'a str,
    },
    /// The store failed, or did not answer in time.
    #[non_exhaustive]
    StoreFailed {
        /// What could not be done.
        operation: StoreOperation,
        /// What needed the store.
        cause: Cause,
        /// The error. Its [`source`](std::error::Error::source) is the store's own.
        error: &'a StoreError,
    },
    /// The layer decided about a request. Each request reports it once, to observers that
    /// [want it](crate::Observe::wants_requests).
    #[non_exhaustive]
    Request {
        /// What was decided.
        outcome: Outcome,
    },
}

/// What caused an [`Event`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Cause {
    /// A request, before the wrapped service was called.
    Request,
    /// A response of the wrapped service: it set or removed the id, set limits, or took long.
    Response,
    /// A [`Tracker`](crate::Tracker) or [`SessionHandle`](crate::SessionHandle).
    Tracker,
}

impl Cause {
    /// Returns the cause in one lowercase word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Response => "response",
            Self::Tracker => "tracker",
        }
    }
}

/// What a store was asked for when it failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StoreOperation {
    /// To tell whether a session may act.
    Check,
    /// To record a new id, or the limits of a session.
    LogIn,
    /// To end a session.
    LogOut,
    /// To record activity outside of a check.
    Activity,
}

impl StoreOperation {
    /// Returns the operation in one lowercase word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Check => "check",
            Self::LogIn => "login",
            Self::LogOut => "logout",
            Self::Activity => "activity",
        }
    }
}

/// What the layer decided about a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Outcome {
    /// The session may act. The wrapped service was called.
    Live,
    /// The request presents no id. The wrapped service was called.
    Anonymous,
    /// The request is [exempt](crate::LoginTimeoutLayer::with_exempt). The wrapped service was
    /// called.
    Exempt,
    /// The store failed. The wrapped service was called, as
    /// [`StoreFailure::Allow`](crate::StoreFailure::Allow) says.
    Unchecked,
    /// The session may not act.
    Refused(Reason),
    /// The store failed. The wrapped service was not called.
    Unavailable,
}

impl Outcome {
    /// Returns the outcome in one lowercase word. For a refused request that is the reason, as in
    /// the `login-timeout-reason` header.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Anonymous => "anonymous",
            Self::Exempt => "exempt",
            Self::Unchecked => "unchecked",
            Self::Refused(reason) => reason.as_str(),
            Self::Unavailable => "unavailable",
        }
    }
}
