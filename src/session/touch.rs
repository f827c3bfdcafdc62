//! When is activity written?

use std::time::Duration;

use crate::session::activity::Activity;
use crate::session::policy::Policy;
use crate::session::time::Timestamp;

/// One request's question to the store: is this session live, and if so, move its last activity forward.
///
/// Made by [`Policy::touch`]. A store asks [`applies_to`](Touch::applies_to) whether to write, and writes
/// [`last_activity`](Touch::last_activity) in one atomic step that never moves it backwards.
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
    at: Timestamp,
    now: Timestamp,
}

impl Policy {
    /// The check-and-touch that a request at this moment asks of the store.
    #[must_use]
    pub const fn touch(&self, now: Timestamp) -> Touch {
        Touch::new(*self, now)
    }
}

impl Touch {
    pub(crate) const fn new(policy: Policy, now: Timestamp) -> Self {
        Self {
            policy,
            at: now,
            now,
        }
    }

    /// The same touch, for activity that happened earlier than now and was not written yet.
    ///
    /// The session is still judged as of now: a late touch never brings back a session that has ended meanwhile.
    #[must_use]
    pub fn for_activity_at(self, at: Timestamp) -> Self {
        Self {
            at: at.min(self.now),
            ..self
        }
    }

    /// The same question for a passive request, which is judged but is no activity: it never applies.
    ///
    /// Unlike [`ActivityStore::load`](crate::ActivityStore::load) it says what time it is, so a near cache can answer
    /// it.
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
    #[must_use]
    pub const fn passive(self) -> Self {
        Self {
            at: Timestamp::UNIX_EPOCH,
            ..self
        }
    }

    /// Where last activity moves to.
    #[must_use]
    pub const fn last_activity(&self) -> Timestamp {
        self.at
    }

    /// The moment at which the session is judged.
    #[must_use]
    pub const fn now(&self) -> Timestamp {
        self.now
    }

    /// The policy by which the session is judged.
    #[must_use]
    pub const fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Whether the session is live, and its last activity stale enough to be moved.
    #[must_use]
    pub fn applies_to(&self, activity: &Activity) -> bool {
        self.finds_stale(activity) && self.policy.remaining(activity, self.now).is_ok()
    }

    /// Whether it applies to a session that was found live.
    pub(crate) fn finds_stale(&self, live: &Activity) -> bool {
        let earlier = live.last_activity();
        self.at > earlier
            && self.at.saturating_duration_since(earlier) >= self.policy.touch_every_of(live)
    }

    /// The latest last activity that is stale enough to be moved by this touch, for stores that ask in one statement.
    #[must_use]
    pub fn stale_until(&self, activity: &Activity) -> Timestamp {
        let least = Duration::from_millis(1);
        self.at
            .saturating_sub(self.policy.touch_every_of(activity).max(least))
    }

    /// The activity after this touch: moved where it applies, as it was where it does not.
    #[must_use]
    pub fn applied_to(&self, activity: Activity) -> Activity {
        if self.applies_to(&activity) {
            activity.active_at(self.at)
        } else {
            activity
        }
    }

    /// Until when the store should remember the activity after this touch.
    #[must_use]
    pub fn keep_until(&self, activity: &Activity) -> Timestamp {
        self.policy.keep_until(&self.applied_to(*activity))
    }
}
