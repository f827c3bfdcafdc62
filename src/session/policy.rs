//! May it live?

use std::time::Duration;

use crate::session::activity::Activity;
use crate::session::policy_error::PolicyError;
use crate::session::time::{Timestamp, whole_millis};
use crate::session::verdict::{Expired, Reason, Verdict};

/// How long sessions live, and what to do when that cannot be said.
///
/// A policy is pure: it reads no clock and no store, it is told both. The defaults are meant for an application with
/// nothing special about it:
///
/// | setting | default | where it comes from |
/// |---|---|---|
/// | [`idle`](PolicyBuilder::with_idle) | 15 min | PCI DSS 8.2.8; NIST SP 800-63B-4, AAL3 |
/// | [`absolute`](PolicyBuilder::with_absolute) | 8 h | OWASP Session Management Cheat Sheet: 4 to 8 h |
/// | [`touch_every`](PolicyBuilder::with_touch_every) | zero: every request is recorded | |
/// | [`remember_expired_for`](PolicyBuilder::with_remember_expired_for) | 24 h | |
/// | [`unknown`](Unknown) | `Expire` | |
/// | [`store_failure`](StoreFailure) | `Reject` | |
/// | [`store_timeout`](PolicyBuilder::with_store_timeout) | 1 s | |
///
/// ```
/// use std::time::Duration;
/// use tower_login_timeout::{Activity, Policy, Timestamp, Verdict};
///
/// let policy = Policy::builder()
///     .with_idle(Duration::from_secs(20 * 60))
///     .with_absolute(Duration::from_secs(12 * 3600))
///     .build()?;
///
/// let began = Timestamp::from_unix_millis(1_700_000_000_000);
/// let now = began.saturating_add(Duration::from_secs(19 * 60));
/// let verdict = policy.decide(Some(Activity::began(began)), now);
/// assert!(matches!(verdict, Verdict::Active { remaining, .. } if remaining == Duration::from_secs(60)));
/// # Ok::<(), tower_login_timeout::PolicyError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    idle: Duration,
    absolute: Duration,
    touch_every: Duration,
    remember_expired_for: Duration,
    store_timeout: Duration,
    rounding: Rounding,
    unknown: Unknown,
    store_failure: StoreFailure,
}

/// What an id means that the store does not know.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Unknown {
    /// A session that is over. The default, and the only choice where the application issues its own ids: an id that an attacker makes up
    /// never becomes a session.
    #[default]
    Expire,
    /// A session that begins now, for tokens that are minted elsewhere and checked by the application.
    ///
    /// Ids are compared byte for byte. Where the application takes several spellings for the same id, as it does if it decodes `%61` to `a`,
    /// each of them begins a session of its own.
    ///
    /// An ended session whose record is gone would begin again, so let
    /// [`remember_expired_for`](PolicyBuilder::with_remember_expired_for) be at least as long as a token is valid.
    Begin,
}

/// What is done with a request whose session cannot be looked up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StoreFailure {
    /// It is answered `503 Service Unavailable` with `Retry-After`. The default.
    #[default]
    Reject,
    /// It passes unchecked: while the store is away, nothing expires.
    Allow,
}

/// Which way the idle timeout may be off where `touch_every` leaves it open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rounding {
    NeverLate,
    NeverEarly,
}

impl Policy {
    /// A policy with every default, to be changed.
    pub const fn builder() -> PolicyBuilder {
        PolicyBuilder {
            policy: Self {
                idle: Duration::from_secs(15 * 60),
                absolute: Duration::from_secs(8 * 60 * 60),
                touch_every: Duration::ZERO,
                remember_expired_for: Duration::from_secs(24 * 60 * 60),
                store_timeout: Duration::from_secs(1),
                rounding: Rounding::NeverLate,
                unknown: Unknown::Expire,
                store_failure: StoreFailure::Reject,
            },
        }
    }

    /// Whether a session may act at this moment.
    #[must_use]
    pub fn decide(&self, activity: Option<Activity>, now: Timestamp) -> Verdict {
        let Some(activity) = activity else {
            return match self.unknown {
                Unknown::Begin => Verdict::Begins,
                Unknown::Expire => Verdict::Expired(Expired::new(Reason::Unknown, None, now)),
            };
        };
        match self.remaining(&activity, now) {
            Ok(remaining) => Verdict::Active { remaining },
            Err(reason) => Verdict::Expired(Expired::new(reason, Some(activity), now)),
        }
    }

    /// Until when a store should remember this activity: its end, and
    /// [`remember_expired_for`](PolicyBuilder::with_remember_expired_for) after it.
    #[must_use]
    pub fn keep_until(&self, activity: &Activity) -> Timestamp {
        self.idle_end(activity)
            .min(self.absolute_end(activity))
            .saturating_add(self.remember_expired_for)
    }

    /// Until when a store should remember a session that is revoked at this moment.
    #[must_use]
    pub const fn keep_revoked_until(&self, now: Timestamp) -> Timestamp {
        now.saturating_add(self.remember_expired_for)
    }

    /// The idle timeout.
    #[must_use]
    pub const fn idle(&self) -> Duration {
        self.idle
    }

    /// The absolute timeout.
    #[must_use]
    pub const fn absolute(&self) -> Duration {
        self.absolute
    }

    /// How stale last activity may get in the store.
    #[must_use]
    pub const fn touch_every(&self) -> Duration {
        self.touch_every
    }

    /// Whether a session may live up to `touch_every` longer, rather than end as much early.
    #[must_use]
    pub const fn is_never_early(&self) -> bool {
        matches!(self.rounding, Rounding::NeverEarly)
    }

    /// How long an ended session is remembered.
    #[must_use]
    pub const fn remember_expired_for(&self) -> Duration {
        self.remember_expired_for
    }

    /// What an id means that the store does not know.
    #[must_use]
    pub const fn unknown(&self) -> Unknown {
        self.unknown
    }

    /// What is done while the store fails.
    #[must_use]
    pub const fn store_failure(&self) -> StoreFailure {
        self.store_failure
    }

    /// How long each operation of the store may take.
    #[must_use]
    pub const fn store_timeout(&self) -> Duration {
        self.store_timeout
    }

    /// How long the session has left, or why it has ended.
    pub(crate) fn remaining(
        &self,
        activity: &Activity,
        now: Timestamp,
    ) -> Result<Duration, Reason> {
        if activity.is_revoked() {
            return Err(Reason::Revoked);
        }
        let left = |limit: Duration, since: Timestamp| {
            limit
                .checked_sub(now.saturating_duration_since(since))
                .filter(|left| !left.is_zero())
        };
        let idle = left(self.idle_of(activity), activity.last_activity());
        let absolute = left(self.absolute_of(activity), activity.created_at());
        match (idle, absolute) {
            (Some(idle), Some(absolute)) => Ok(idle.min(absolute)),
            (None, Some(_)) => Err(Reason::Idle),
            (Some(_), None) => Err(Reason::Absolute),
            // Both are over: the one that came first ended it.
            (None, None) if self.absolute_end(activity) < self.idle_end(activity) => {
                Err(Reason::Absolute)
            }
            (None, None) => Err(Reason::Idle),
        }
    }

    fn idle_end(&self, activity: &Activity) -> Timestamp {
        activity
            .last_activity()
            .saturating_add(self.idle_of(activity))
    }

    fn absolute_end(&self, activity: &Activity) -> Timestamp {
        activity
            .created_at()
            .saturating_add(self.absolute_of(activity))
    }

    fn idle_of(&self, activity: &Activity) -> Duration {
        let idle = activity.limits().idle().unwrap_or(self.idle);
        match self.rounding {
            Rounding::NeverLate => idle,
            Rounding::NeverEarly => idle.saturating_add(self.touch_every_of(activity)),
        }
    }

    fn absolute_of(&self, activity: &Activity) -> Duration {
        activity.limits().absolute().unwrap_or(self.absolute)
    }

    /// A session with a short idle timeout of its own must be touched often enough to survive.
    pub(crate) fn touch_every_of(&self, activity: &Activity) -> Duration {
        match activity.limits().idle() {
            Some(idle) => self.touch_every.min(idle / 2),
            None => self.touch_every,
        }
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self::builder().policy
    }
}

/// Builds a [`Policy`]. Settings are checked together, by [`build`](PolicyBuilder::build).
#[derive(Clone, Copy, Debug)]
#[must_use = "a builder does nothing until `build` is called"]
pub struct PolicyBuilder {
    policy: Policy,
}

impl PolicyBuilder {
    /// The longest time between two requests: a session ends once it has been idle for as long (OWASP ASVS 5.0, 7.3.1).
    ///
    /// [`Duration::MAX`] switches the idle timeout off.
    pub const fn with_idle(mut self, idle: Duration) -> Self {
        self.policy.idle = idle;
        self
    }

    /// The longest life of a session, however active it is (OWASP ASVS 5.0, 7.3.2).
    ///
    /// [`Duration::MAX`] switches the absolute timeout off.
    pub const fn with_absolute(mut self, absolute: Duration) -> Self {
        self.policy.absolute = absolute;
        self
    }

    /// How stale last activity may get in the store: a session is written at most once in this time.
    ///
    /// A session never lives longer than its idle timeout, and may end up to `touch_every` early;
    /// [`never_early`](PolicyBuilder::never_early) turns that round.
    pub const fn with_touch_every(mut self, touch_every: Duration) -> Self {
        self.policy.touch_every = touch_every;
        self
    }

    /// A session never ends before its idle timeout, and may live up to `touch_every` longer.
    pub const fn never_early(mut self) -> Self {
        self.policy.rounding = Rounding::NeverEarly;
        self
    }

    /// How long the store remembers a session that has ended. Afterwards it is `unknown` rather than `idle`, `absolute`
    /// or `revoked`.
    pub const fn with_remember_expired_for(mut self, remember: Duration) -> Self {
        self.policy.remember_expired_for = remember;
        self
    }

    /// Lets a session begin with the first request that presents an id unknown to the store: [`Unknown::Begin`].
    pub const fn begin_unknown(mut self) -> Self {
        self.policy.unknown = Unknown::Begin;
        self
    }

    /// What is done with a request while the store fails.
    pub const fn with_store_failure(mut self, store_failure: StoreFailure) -> Self {
        self.policy.store_failure = store_failure;
        self
    }

    /// How long each operation of the store may take before it counts as failed.
    pub const fn with_store_timeout(mut self, store_timeout: Duration) -> Self {
        self.policy.store_timeout = store_timeout;
        self
    }

    /// The policy.
    ///
    /// # Errors
    ///
    /// Refuses an idle, absolute or store timeout of zero, and a `touch_every` that is not shorter than the idle timeout.
    pub fn build(self) -> Result<Policy, PolicyError> {
        let policy = self.policy;
        let never_zero = [
            ("idle", policy.idle),
            ("absolute", policy.absolute),
            ("store_timeout", policy.store_timeout),
        ];
        for (setting, value) in never_zero {
            if value.is_zero() {
                return Err(PolicyError::zero(setting));
            }
        }
        if whole_millis(policy.touch_every) >= whole_millis(policy.idle) {
            return Err(PolicyError::touched_too_rarely(
                policy.touch_every,
                policy.idle,
            ));
        }
        Ok(policy)
    }
}
