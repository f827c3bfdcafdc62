//! The policy: how long sessions live, and what happens where that cannot be said.

use std::time::Duration;

use crate::session::activity::Activity;
use crate::session::policy_error::PolicyError;
use crate::session::time::{Millis, Timestamp};
use crate::session::verdict::{Expired, Reason, Verdict};

/// How long sessions live, and what happens where that cannot be said.
///
/// A policy is pure: it reads no clock and no store. The defaults are meant for an application with
/// nothing special about it:
///
/// | setting | default | where it comes from |
/// |---|---|---|
/// | [`idle`](PolicyBuilder::with_idle) | 15 min | PCI DSS 8.2.8; NIST SP 800-63B-4, AAL3 |
/// | [`absolute`](PolicyBuilder::with_absolute) | 8 h | OWASP Session Management Cheat Sheet: 4 to 8 h |
/// | [`touch_every`](PolicyBuilder::with_touch_every) | zero: every request is recorded | |
/// | [`rotation_overlap`](PolicyBuilder::with_rotation_overlap) | 30 s | requests under way; ASVS 5.0, 7.2.4 |
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
/// let minute = Duration::from_secs(60);
/// assert!(matches!(verdict, Verdict::Active { remaining, .. } if remaining == minute));
/// # Ok::<(), tower_login_timeout::PolicyError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    idle: Millis,
    absolute: Millis,
    touch_every: Millis,
    rotation_overlap: Millis,
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
    /// A session that is over. This is the default, and the only choice where the application
    /// issues its own ids: an id that an attacker makes up never becomes a session.
    #[default]
    Expire,
    /// A session that begins now. It is for tokens that another system issues and the application
    /// checks.
    ///
    /// An ended session whose record is gone would begin again. So let
    /// [`remember_expired_for`](PolicyBuilder::with_remember_expired_for) be at least as long as a
    /// token is valid.
    Begin,
}

/// What happens to a request whose session cannot be looked up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StoreFailure {
    /// It is answered `503 Service Unavailable` with `Retry-After`. This is the default.
    #[default]
    Reject,
    /// It passes unchecked. While the store is away, nothing expires, and no session begins from
    /// such a request.
    ///
    /// A response passes too where a log-in, a new id or a log-out could not be recorded, and the
    /// client is not told. A log-out may later miss such an id.
    Allow,
}

/// Which way the idle timeout may be off where `touch_every` leaves it open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rounding {
    NeverLate,
    NeverEarly,
}

impl Policy {
    /// Creates a builder with every default.
    pub const fn builder() -> PolicyBuilder {
        PolicyBuilder {
            policy: Self {
                idle: Millis::of(Duration::from_secs(15 * 60)),
                absolute: Millis::of(Duration::from_secs(8 * 60 * 60)),
                touch_every: Millis::ZERO,
                rotation_overlap: Millis::of(Duration::from_secs(30)),
                remember_expired_for: Duration::from_secs(24 * 60 * 60),
                store_timeout: Duration::from_secs(1),
                rounding: Rounding::NeverLate,
                unknown: Unknown::Expire,
                store_failure: StoreFailure::Reject,
            },
        }
    }

    /// Decides whether a session may act at this moment.
    #[inline]
    #[must_use]
    pub fn decide(&self, activity: Option<Activity>, now: Timestamp) -> Verdict {
        let Some(activity) = activity else {
            return match self.unknown {
                Unknown::Begin => Verdict::Begins,
                Unknown::Expire => Verdict::Expired(Expired::new(Reason::Unknown, None, now)),
            };
        };
        match self.remaining(&activity, now) {
            Ok(remaining) => Verdict::Active {
                remaining: remaining.duration(),
            },
            Err(reason) => Verdict::Expired(Expired::new(reason, Some(activity), now)),
        }
    }

    /// Returns until when a store should remember this activity: its end, and
    /// [`remember_expired_for`](PolicyBuilder::with_remember_expired_for) after it.
    #[inline]
    #[must_use]
    pub fn keep_until(&self, activity: &Activity) -> Timestamp {
        let mut end = self.end(activity);
        if let Some(at) = activity.replaced_at() {
            // Twice, since the ring of ids must not break while an id behind this one is still
            // valid.
            end = end.min(self.two_overlaps().after(at));
        }
        end.saturating_add(self.remember_expired_for)
    }

    /// Returns until when a store should remember a session that is revoked at this moment.
    #[must_use]
    pub const fn keep_revoked_until(&self, now: Timestamp) -> Timestamp {
        now.saturating_add(self.remember_expired_for)
    }

    /// Returns the idle timeout.
    #[must_use]
    pub const fn idle(&self) -> Duration {
        self.idle.duration()
    }

    /// Returns the absolute timeout.
    #[must_use]
    pub const fn absolute(&self) -> Duration {
        self.absolute.duration()
    }

    /// Returns how stale last activity may get in the store.
    #[must_use]
    pub const fn touch_every(&self) -> Duration {
        self.touch_every.duration()
    }

    /// Returns whether a session may live up to `touch_every` longer, rather than end as much
    /// early.
    #[must_use]
    pub const fn is_never_early(&self) -> bool {
        matches!(self.rounding, Rounding::NeverEarly)
    }

    /// Returns how long a replaced id stays valid.
    #[must_use]
    pub const fn rotation_overlap(&self) -> Duration {
        self.rotation_overlap.duration()
    }

    /// Returns how long an ended session is remembered.
    #[must_use]
    pub const fn remember_expired_for(&self) -> Duration {
        self.remember_expired_for
    }

    /// Returns what an id means that the store does not know.
    #[must_use]
    pub const fn unknown(&self) -> Unknown {
        self.unknown
    }

    /// Returns what happens while the store fails.
    #[must_use]
    pub const fn store_failure(&self) -> StoreFailure {
        self.store_failure
    }

    /// Returns how long each operation of the store may take.
    #[must_use]
    pub const fn store_timeout(&self) -> Duration {
        self.store_timeout
    }

    /// Returns how long the session has left, or why it has ended.
    #[inline]
    pub(crate) fn remaining(&self, activity: &Activity, now: Timestamp) -> Result<Millis, Reason> {
        if activity.is_revoked() {
            return Err(Reason::Revoked);
        }
        let last_activity = activity.last_activity();
        let idle_limit = self.idle_of(activity);
        // A clock that was ahead wrote this. Without the check, nothing would expire until the time
        // has caught up.
        if last_activity > now && Millis::between(now, last_activity) > idle_limit {
            return Err(Reason::Future);
        }
        let idle = idle_limit.left_after(Millis::between(last_activity, now));
        let created_at = activity.created_at();
        let absolute = self
            .absolute_of(activity)
            .left_after(Millis::between(created_at, now));
        let (Some(idle), Some(absolute)) = (idle, absolute) else {
            return Err(self.reason(activity, idle, absolute));
        };
        let remaining = idle.min(absolute);
        match activity.replaced_at() {
            None => Ok(remaining),
            Some(at) => self
                .rotation_overlap
                .left_after(Millis::between(at, now))
                .map(|overlap| overlap.min(remaining))
                .ok_or(Reason::Replaced),
        }
    }

    #[cold]
    fn reason(
        &self,
        activity: &Activity,
        idle: Option<Millis>,
        absolute: Option<Millis>,
    ) -> Reason {
        match (idle, absolute) {
            (Some(_), _) => Reason::Absolute,
            // Both are over: the one that came first ended it.
            (None, None) if self.absolute_end(activity) < self.idle_end(activity) => {
                Reason::Absolute
            }
            (None, _) => Reason::Idle,
        }
    }

    fn two_overlaps(&self) -> Millis {
        self.rotation_overlap.saturating_add(self.rotation_overlap)
    }

    /// Returns whether this id was replaced so long ago that no request can present it and pass,
    /// whatever the clocks of other nodes say within one more overlap.
    pub(crate) fn is_long_replaced(&self, activity: &Activity, now: Timestamp) -> bool {
        let end = |at: Timestamp| self.two_overlaps().after(at);
        activity.replaced_at().is_some_and(|at| end(at) <= now)
    }

    /// Returns when the session ends if it is not active any more.
    pub(crate) fn end(&self, activity: &Activity) -> Timestamp {
        self.idle_end(activity).min(self.absolute_end(activity))
    }

    #[inline]
    fn idle_end(&self, activity: &Activity) -> Timestamp {
        self.idle_of(activity).after(activity.last_activity())
    }

    /// Returns when the session is as old as it may become.
    #[inline]
    pub(crate) fn absolute_end(&self, activity: &Activity) -> Timestamp {
        self.absolute_of(activity).after(activity.created_at())
    }

    #[inline]
    fn idle_of(&self, activity: &Activity) -> Millis {
        let idle = activity.limits().idle_millis().unwrap_or(self.idle);
        match self.rounding {
            Rounding::NeverLate => idle,
            Rounding::NeverEarly => idle.saturating_add(self.touch_every_of(activity)),
        }
    }

    #[inline]
    fn absolute_of(&self, activity: &Activity) -> Millis {
        let absolute = activity.limits().absolute_millis();
        absolute.unwrap_or(self.absolute)
    }

    /// Returns how stale last activity of this session may get. A session with a short idle timeout
    /// of its own is touched after half of that at the latest, so that activity keeps it alive.
    #[inline]
    pub(crate) fn touch_every_of(&self, activity: &Activity) -> Millis {
        match activity.limits().idle_millis() {
            Some(idle) => self.touch_every.min(idle.halved()),
            None => self.touch_every,
        }
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self::builder().policy
    }
}

/// Builds a [`Policy`]. The method [`build`](PolicyBuilder::build) checks the settings together.
#[derive(Clone, Copy, Debug)]
#[must_use = "a builder does nothing until `build` is called"]
pub struct PolicyBuilder {
    policy: Policy,
}

impl PolicyBuilder {
    /// Sets the longest time between two requests (OWASP ASVS 5.0, 7.3.1). The default is 15
    /// minutes.
    ///
    /// [`Duration::MAX`] switches the idle timeout off.
    pub const fn with_idle(mut self, idle: Duration) -> Self {
        self.policy.idle = Millis::of(idle);
        self
    }

    /// Sets the longest life of a session, however active it is (OWASP ASVS 5.0, 7.3.2). The
    /// default is 8 hours.
    ///
    /// [`Duration::MAX`] switches the absolute timeout off.
    pub const fn with_absolute(mut self, absolute: Duration) -> Self {
        self.policy.absolute = Millis::of(absolute);
        self
    }

    /// Sets how stale last activity may get in the store: a session is written at most once in this
    /// time. The default is zero: every request is written.
    ///
    /// A session never lives longer than its idle timeout, and may end up to `touch_every` early.
    /// With [`never_early`](PolicyBuilder::never_early) it is the other way round.
    pub const fn with_touch_every(mut self, touch_every: Duration) -> Self {
        self.policy.touch_every = Millis::of(touch_every);
        self
    }

    /// Lets a session live up to `touch_every` longer, so that it never ends before its idle
    /// timeout.
    pub const fn never_early(mut self) -> Self {
        self.policy.rounding = Rounding::NeverEarly;
        self
    }

    /// Sets how long an id stays valid after the application gave the session a new one. The
    /// default is 30 seconds.
    ///
    /// Requests that are under way when the id changes still present the old one. After the overlap
    /// the old id has ended (OWASP ASVS 5.0, 7.2.4). [`Duration::ZERO`] ends it at once.
    pub const fn with_rotation_overlap(mut self, rotation_overlap: Duration) -> Self {
        self.policy.rotation_overlap = Millis::of(rotation_overlap);
        self
    }

    /// Sets how long the store remembers a session that has ended. Afterwards its id is unknown.
    /// The default is 24 hours.
    pub const fn with_remember_expired_for(mut self, remember: Duration) -> Self {
        self.policy.remember_expired_for = remember;
        self
    }

    /// Lets a session begin with the first request that presents an unknown id: [`Unknown::Begin`].
    pub const fn begin_unknown(mut self) -> Self {
        self.policy.unknown = Unknown::Begin;
        self
    }

    /// Sets what happens to a request while the store fails. The default is
    /// [`StoreFailure::Reject`].
    pub const fn with_store_failure(mut self, store_failure: StoreFailure) -> Self {
        self.policy.store_failure = store_failure;
        self
    }

    /// Sets how long each operation of the store may take before it counts as failed. The default
    /// is a second.
    pub const fn with_store_timeout(mut self, store_timeout: Duration) -> Self {
        self.policy.store_timeout = store_timeout;
        self
    }

    /// Checks the settings and returns the policy.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tower_login_timeout::Policy;
    ///
    /// let minute = Duration::from_secs(60);
    /// let refused = Policy::builder().with_idle(minute).with_touch_every(minute).build();
    /// assert!(refused.unwrap_err().to_string().contains("not shorter than `idle`"));
    /// ```
    ///
    /// # Errors
    ///
    /// Refuses an idle, absolute or store timeout of zero, and a `touch_every` that is not shorter
    /// than the idle timeout.
    pub fn build(self) -> Result<Policy, PolicyError> {
        let policy = self.policy;
        let never_zero = [
            ("idle", policy.idle),
            ("absolute", policy.absolute),
            ("store_timeout", Millis::of(policy.store_timeout)),
        ];
        for (setting, value) in never_zero {
            if value == Millis::ZERO {
                return Err(PolicyError::zero(setting));
            }
        }
        if policy.touch_every >= policy.idle {
            return Err(PolicyError::touched_too_rarely(
                policy.touch_every.duration(),
                policy.idle.duration(),
            ));
        }
        Ok(policy)
    }
}
