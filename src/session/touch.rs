//! Touches: the check of one request, which moves last activity forward.

use crate::session::activity::Activity;
use crate::session::policy::Policy;
use crate::session::time::{Millis, Timestamp};

/// The check of one request, which moves last activity forward if the session is live.
///
/// [`Policy::touch`] makes it. A store asks [`applies_to`](Touch::applies_to) whether to write. It
/// writes [`last_activity`](Touch::last_activity) in one atomic step that never moves it backwards.
///
/// ```
/// use std::time::Duration;
/// use tower_login_timeout::{Activity, Policy, Timestamp};
///
/// let policy = Policy::builder().with_touch_every(Duration::from_secs(10)).build()?;
/// let began = Timestamp::from_unix_millis(1_700_000_000_000);
/// let activity = Activity::began(began);
///
/// let early = policy.touch(began.saturating_add(Duration::from_secs(9)));
/// assert!(!early.applies_to(&activity));
/// let due = policy.touch(began.saturating_add(Duration::from_secs(10)));
/// assert_eq!(due.applied_to(activity).last_activity(), due.last_activity());
/// # Ok::<(), tower_login_timeout::PolicyError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Touch {
    policy: Policy,
    now: Timestamp,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Activity at this moment.
    Active(Timestamp),
    Passive,
}

impl Policy {
    /// Creates the touch of a request at this moment.
    #[inline]
    #[must_use]
    pub const fn touch(&self, now: Timestamp) -> Touch {
        Touch {
            policy: *self,
            now,
            kind: Kind::Active(now),
        }
    }
}

impl Touch {
    /// Moves the activity to an earlier moment, for activity that was not written yet.
    ///
    /// The session is still judged as of now. So a late touch never brings back a session that has
    /// ended meanwhile.
    #[must_use]
    pub fn for_activity_at(self, at: Timestamp) -> Self {
        Self {
            kind: Kind::Active(at.min(self.now)),
            ..self
        }
    }

    /// Makes it the touch of a passive request, which is judged but is no activity: it never
    /// applies.
    ///
    /// [`ActivityStore::load`](crate::ActivityStore::load) says nothing of the time. A passive
    /// touch does, so a near cache can answer it.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tower_login_timeout::{Activity, Policy, Timestamp};
    ///
    /// let began = Timestamp::from_unix_millis(1_700_000_000_000);
    /// let touch = Policy::default().touch(began.saturating_add(Duration::from_secs(60)));
    /// assert!(touch.applies_to(&Activity::began(began)));
    /// assert!(!touch.passive().applies_to(&Activity::began(began)));
    /// ```
    #[inline]
    #[must_use]
    pub const fn passive(self) -> Self {
        Self {
            kind: Kind::Passive,
            ..self
        }
    }

    /// Returns the moment to which last activity moves: the epoch for a passive touch, which moves
    /// nothing.
    #[inline]
    #[must_use]
    pub const fn last_activity(&self) -> Timestamp {
        match self.kind {
            Kind::Active(at) => at,
            Kind::Passive => Timestamp::UNIX_EPOCH,
        }
    }

    /// Returns the moment at which the session is judged.
    #[must_use]
    pub const fn now(&self) -> Timestamp {
        self.now
    }

    /// Returns the policy by which the session is judged.
    #[must_use]
    pub const fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Returns whether the session is live, and its last activity stale enough to be moved.
    #[inline]
    #[must_use]
    pub fn applies_to(&self, activity: &Activity) -> bool {
        self.finds_stale(activity) && self.policy.remaining(activity, self.now).is_ok()
    }

    /// Returns whether it applies to a session that was found live.
    #[inline]
    pub(crate) fn finds_stale(&self, live: &Activity) -> bool {
        let Kind::Active(at) = self.kind else {
            return false;
        };
        let earlier = live.last_activity();
        at > earlier && Millis::between(earlier, at) >= self.policy.touch_every_of(live)
    }

    /// Returns the latest last activity that this touch would move, for stores that ask in one
    /// statement.
    #[must_use]
    pub fn stale_until(&self, activity: &Activity) -> Timestamp {
        let least = Millis::new(1);
        let stale = self.policy.touch_every_of(activity).max(least);
        stale.before(self.last_activity())
    }

    /// Returns the activity after this touch: moved where it applies, as it was where it does not.
    #[inline]
    #[must_use]
    pub fn applied_to(&self, activity: Activity) -> Activity {
        if self.applies_to(&activity) {
            activity.active_at(self.last_activity())
        } else {
            activity
        }
    }

    /// Returns until when the store should remember the activity after this touch.
    #[must_use]
    pub fn keep_until(&self, activity: &Activity) -> Timestamp {
        self.policy.keep_until(&self.applied_to(*activity))
    }
}
