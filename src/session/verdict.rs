//! Verdicts: whether a session may act, and why not.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use crate::session::activity::Activity;
use crate::session::time::Timestamp;

/// The verdict of [`Policy::decide`](crate::Policy::decide) on a session.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// The session may act.
    #[non_exhaustive]
    Active {
        /// How long it lives if it is not active again. Never zero.
        remaining: Duration,
    },
    /// Nothing is known of the session, and the policy lets unknown ids begin one.
    Begins,
    /// The session may not act.
    Expired(Expired),
}

/// A session that may not act any more, and why.
///
/// It is an error too, as which a stream ends that is broken off with its session.
///
/// Every answer that the layer gives in place of the wrapped service carries it in its extensions,
/// so that layers further out can log it, count it or change the answer.
///
/// ```
/// use std::time::Duration;
/// use tower_login_timeout::{Activity, Policy, Reason, Timestamp, Verdict};
///
/// let began = Timestamp::from_unix_millis(1_700_000_000_000);
/// let policy = Policy::builder().with_idle(Duration::from_secs(60)).build()?;
/// let verdict = policy.decide(
///     Some(Activity::began(began)),
///     began.saturating_add(Duration::from_secs(75)),
/// );
/// let Verdict::Expired(expired) = verdict else { panic!("idle for too long") };
/// assert_eq!(expired.reason(), Reason::Idle);
/// assert_eq!(expired.idle_for(), Some(Duration::from_secs(75)));
/// # Ok::<(), tower_login_timeout::PolicyError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expired {
    reason: Reason,
    activity: Option<Activity>,
    at: Timestamp,
}

impl Expired {
    pub(crate) const fn new(reason: Reason, activity: Option<Activity>, at: Timestamp) -> Self {
        Self {
            reason,
            activity,
            at,
        }
    }

    /// Creates the verdict on a request that presents several live sessions, or too many ids.
    #[must_use]
    pub const fn conflicting(at: Timestamp) -> Self {
        Self::new(Reason::Conflicting, None, at)
    }

    /// Returns why the session may not act.
    #[must_use]
    pub const fn reason(&self) -> Reason {
        self.reason
    }

    /// Returns when this was decided.
    #[must_use]
    pub const fn at(&self) -> Timestamp {
        self.at
    }

    /// Returns the record of the session. There is none if it is unknown or conflicting.
    #[must_use]
    pub const fn activity(&self) -> Option<Activity> {
        self.activity
    }

    /// Returns how long the session had been idle when this was decided.
    #[must_use]
    pub fn idle_for(&self) -> Option<Duration> {
        self.activity
            .map(|activity| self.at.saturating_duration_since(activity.last_activity()))
    }
}

/// Why a session may not act.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// No activity for as long as the idle timeout.
    Idle,
    /// As old as the absolute timeout.
    Absolute,
    /// Ended on purpose: a log-out, or an administrator.
    Revoked,
    /// The store does not know the id: the store restarted or forgot it, or the id is forged.
    Unknown,
    /// The request presents several live sessions, or more ids than are looked up.
    Conflicting,
    /// The application gave the session a new id, and the
    /// [overlap](crate::PolicyBuilder::with_rotation_overlap) is over. The client keeps its cookie,
    /// which may hold the new id.
    Replaced,
    /// The record's last activity lies in the future by more than the idle timeout: a clock was
    /// wrong.
    Future,
}

impl Reason {
    /// Returns the reason in one lowercase word, as in the `login-timeout-reason` header.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Absolute => "absolute",
            Self::Revoked => "revoked",
            Self::Unknown => "unknown",
            Self::Conflicting => "conflicting",
            Self::Replaced => "replaced",
            Self::Future => "future",
        }
    }
}

impl fmt::Display for Expired {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the session is over: {}", self.reason)
    }
}

impl Error for Expired {}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
