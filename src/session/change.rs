//! Changes of a record by anything but activity.

use crate::session::activity::Activity;
use crate::session::key::SessionKey;
use crate::session::limits::Limits;
use crate::session::policy::Policy;
use crate::session::time::Timestamp;

/// A change of one session's record by anything but activity: a new id in its ring, or other
/// limits.
///
/// A store asks [`applies_to`](Change::applies_to) whether to write, and writes
/// [`applied_to`](Change::applied_to) in the same atomic step.
///
/// ```
/// use tower_login_timeout::{Activity, Change, Policy, SessionKey, Timestamp};
///
/// let now = Timestamp::from_unix_millis(1_700_000_000_000);
/// let policy = Policy::default();
/// let change = Change::replace_id(policy, now, None, SessionKey::of("new"));
///
/// let old = Activity::began(now);
/// assert_eq!(change.applied_to(old).next_id(), Some(SessionKey::of("new")));
/// assert!(!change.applies_to(&old.revoked()));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    policy: Policy,
    now: Timestamp,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    ReplaceId {
        expected: Option<SessionKey>,
        next: SessionKey,
    },
    Link {
        expected: Option<SessionKey>,
        next: SessionKey,
    },
    SetLimits(Limits),
}

impl Change {
    /// Puts a new id behind this one in the ring of the session's ids, and marks this one as
    /// replaced.
    ///
    /// It applies to a live session whose next id is still the expected one. Another rotation may
    /// have come first. Then the caller reads the record again.
    #[must_use]
    pub const fn replace_id(
        policy: Policy,
        now: Timestamp,
        expected: Option<SessionKey>,
        next: SessionKey,
    ) -> Self {
        let kind = Kind::ReplaceId { expected, next };
        Self { policy, now, kind }
    }

    /// Puts another id behind this one in the ring of the session's ids, and leaves this one as it
    /// is.
    ///
    /// It applies to a record that is not revoked and whose next id is still the expected one. The
    /// id may have ended otherwise: each id has its own activity, and the session may be live under
    /// another one.
    #[must_use]
    pub const fn link(
        policy: Policy,
        now: Timestamp,
        expected: Option<SessionKey>,
        next: SessionKey,
    ) -> Self {
        let kind = Kind::Link { expected, next };
        Self { policy, now, kind }
    }

    /// Sets the limits of a live session. Its absolute clock runs on.
    #[must_use]
    pub const fn set_limits(policy: Policy, now: Timestamp, limits: Limits) -> Self {
        let kind = Kind::SetLimits(limits);
        Self { policy, now, kind }
    }

    /// Returns whether the change is made to this record. A link is made to a record that is not
    /// revoked, any other change to a live session only.
    #[must_use]
    pub fn applies_to(&self, activity: &Activity) -> bool {
        let is_live = || self.policy.remaining(activity, self.now).is_ok();
        match self.kind {
            Kind::ReplaceId { expected, .. } => activity.next_id() == expected && is_live(),
            Kind::Link { expected, .. } => activity.next_id() == expected && !activity.is_revoked(),
            Kind::SetLimits(_) => is_live(),
        }
    }

    /// Returns the record after the change, or as it was where the change does not apply.
    #[must_use]
    pub fn applied_to(&self, activity: Activity) -> Activity {
        match self.kind {
            _ if !self.applies_to(&activity) => activity,
            Kind::ReplaceId { next, .. } => activity.replaced(self.now).with_next_id(Some(next)),
            Kind::Link { next, .. } => activity.with_next_id(Some(next)),
            Kind::SetLimits(limits) => activity.with_limits(limits),
        }
    }

    /// Returns until when the store should remember the record after this change.
    #[must_use]
    pub fn keep_until(&self, activity: &Activity) -> Timestamp {
        self.policy.keep_until(&self.applied_to(*activity))
    }

    /// Returns the moment at which the session is judged.
    #[must_use]
    pub const fn now(&self) -> Timestamp {
        self.now
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const NOW: Timestamp = Timestamp::from_unix_millis(1_700_000_000_000);

    fn change(expected: Option<&str>) -> Change {
        let expected = expected.map(SessionKey::of);
        Change::replace_id(Policy::default(), NOW, expected, SessionKey::of("new"))
    }

    #[test]
    fn an_id_is_replaced_once_for_each_state_of_its_ring() {
        let old = Activity::began(NOW);
        let replaced = change(None).applied_to(old);
        assert_eq!(replaced.replaced_at(), Some(NOW));
        assert!(!change(None).applies_to(&replaced));
        assert!(change(Some("new")).applies_to(&replaced));
    }

    #[test]
    fn nothing_is_changed_in_a_session_that_has_ended() {
        let old = Activity::began(NOW.saturating_sub(Duration::from_secs(3600)));
        for ended in [old, Activity::began(NOW).revoked()] {
            assert_eq!(change(None).applied_to(ended), ended);
            let limits = Change::set_limits(Policy::default(), NOW, Limits::default());
            assert!(!limits.applies_to(&ended));
        }
    }

    #[test]
    fn an_id_that_was_replaced_twice_counts_from_the_first_time() {
        let later = NOW.saturating_add(Duration::from_secs(9));
        let replaced = Activity::began(NOW).replaced(NOW).replaced(later);
        assert_eq!(replaced.replaced_at(), Some(NOW));
    }
}
