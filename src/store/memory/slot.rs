//! One record in 32 bytes.

use std::time::Duration;

use crate::session::activity::Activity;
use crate::session::key::SessionKey;
use crate::session::limits::Limits;
use crate::session::time::Timestamp;

/// One record in 32 bytes, so that two fill a cache line.
///
/// A timestamp fits in 48 bits. The time of removal is no verdict, so whole minutes are precise
/// enough for it, and 30 bits of them reach beyond the year 4000.
#[derive(Clone, Copy)]
pub(super) struct Slot {
    key: SessionKey,
    created_at: Packed,
    last_activity: Packed,
    removal: Removal,
}

const _: () = assert!(size_of::<Slot>() == 32);

impl Slot {
    /// Packs a record. What does not fit is its [`Extra`], which is kept beside it.
    pub(super) fn new(key: SessionKey, activity: &Activity, keep_until: Timestamp) -> Self {
        let mut removal = Removal(Removal::minutes(keep_until));
        if Extra::of(activity) != Extra::default() {
            removal.0 |= Removal::EXTRA;
        }
        if activity.is_revoked() {
            removal.0 |= Removal::REVOKED;
        }
        Self {
            key,
            created_at: Packed::new(activity.created_at()),
            last_activity: Packed::new(activity.last_activity()),
            removal,
        }
    }

    pub(super) fn key(&self) -> SessionKey {
        self.key
    }

    pub(super) fn last_activity(&self) -> Timestamp {
        self.last_activity.unpack()
    }

    /// Returns whether an [`Extra`] is kept beside it.
    pub(super) fn has_extra(&self) -> bool {
        self.removal.0 & Removal::EXTRA != 0
    }

    pub(super) fn is_revoked(&self) -> bool {
        self.removal.0 & Removal::REVOKED != 0
    }

    /// Unpacks the record.
    pub(super) fn activity(&self, extra: &Extra) -> Activity {
        let activity = Activity::began(self.created_at.unpack())
            .active_at(self.last_activity())
            .with_limits(extra.limits)
            .with_next_id(extra.next_id);
        let activity = match extra.replaced_at {
            Some(at) => activity.replaced(at),
            None => activity,
        };
        if self.is_revoked() {
            activity.revoked()
        } else {
            activity
        }
    }

    /// Packs the record anew after a change. Its removal moves later only.
    pub(super) fn change(&mut self, activity: &Activity, keep_until: Timestamp) {
        let earlier = self.removal;
        *self = Self::new(self.key, activity, keep_until);
        self.removal.keep_at_least(earlier);
    }

    pub(super) fn touch(&mut self, at: Timestamp, keep_until: Timestamp) {
        self.last_activity = Packed::new(at);
        self.removal.keep_until(keep_until);
    }

    pub(super) fn revoke(&mut self, keep_until: Timestamp) {
        self.removal.0 |= Removal::REVOKED;
        self.removal.keep_until(keep_until);
    }

    /// Returns whether its time is over, so that it may be removed.
    pub(super) fn is_over(&self, now: Timestamp) -> bool {
        self.removal.is_over(now)
    }
}

/// The parts of a record that few sessions have: limits of their own, or several ids.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Extra {
    limits: Limits,
    replaced_at: Option<Timestamp>,
    next_id: Option<SessionKey>,
}

impl Extra {
    pub(super) fn of(activity: &Activity) -> Self {
        Self {
            limits: activity.limits(),
            replaced_at: activity.replaced_at(),
            next_id: activity.next_id(),
        }
    }
}

/// A timestamp in 48 bits.
#[derive(Clone, Copy)]
struct Packed([u16; 3]);

impl Packed {
    fn new(timestamp: Timestamp) -> Self {
        let millis = timestamp.as_unix_millis();
        Self([millis as u16, (millis >> 16) as u16, (millis >> 32) as u16])
    }

    fn unpack(self) -> Timestamp {
        let [low, middle, high] = self.0.map(u64::from);
        Timestamp::from_unix_millis(low | middle << 16 | high << 32)
    }
}

/// When a record may be removed, in minutes rounded up, and two flags.
#[derive(Clone, Copy)]
struct Removal(u32);

impl Removal {
    const REVOKED: u32 = 1 << 31;
    const EXTRA: u32 = 1 << 30;
    /// Also: never.
    const LAST_MINUTE: u32 = Self::EXTRA - 1;
    const MINUTE: u64 = Duration::from_secs(60).as_millis() as u64;

    fn minutes(timestamp: Timestamp) -> u32 {
        let minutes = timestamp.as_unix_millis().div_ceil(Self::MINUTE);
        u32::try_from(minutes).map_or(Self::LAST_MINUTE, |minutes| minutes.min(Self::LAST_MINUTE))
    }

    fn is_over(self, now: Timestamp) -> bool {
        let minutes = self.0 & Self::LAST_MINUTE;
        minutes < Self::LAST_MINUTE && u64::from(minutes) * Self::MINUTE <= now.as_unix_millis()
    }

    /// Moves it to a later moment, never to an earlier one.
    fn keep_until(&mut self, timestamp: Timestamp) {
        self.keep_at_least(Self(Self::minutes(timestamp)));
    }

    /// Moves it to the other's moment, if that is later.
    fn keep_at_least(&mut self, other: Self) {
        let later = (other.0 & Self::LAST_MINUTE).max(self.0 & Self::LAST_MINUTE);
        self.0 = self.0 & !Self::LAST_MINUTE | later;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_unix_millis(1_700_000_000_123);

    #[test]
    fn a_record_is_unpacked_as_it_was_packed() {
        for at in [Timestamp::UNIX_EPOCH, NOW, Timestamp::MAX] {
            let activity = Activity::began(at).active_at(Timestamp::MAX);
            let slot = Slot::new(SessionKey::of("a"), &activity, at);
            assert_eq!(slot.activity(&Extra::default()), activity);
            let slot = Slot::new(SessionKey::of("a"), &activity.revoked(), at);
            assert_eq!(slot.activity(&Extra::default()), activity.revoked());
        }
    }

    #[test]
    fn a_record_is_over_within_a_minute_after_its_time_and_not_before() {
        let slot = Slot::new(SessionKey::of("a"), &Activity::began(NOW), NOW);
        assert!(!slot.is_over(NOW.saturating_sub(Duration::from_millis(1))));
        assert!(slot.is_over(NOW.saturating_add(Duration::from_secs(60))));
        let forever = Slot::new(SessionKey::of("a"), &Activity::began(NOW), Timestamp::MAX);
        assert!(!forever.is_over(Timestamp::MAX));
    }

    #[test]
    fn removal_moves_later_only_and_leaves_the_flags_alone() {
        let later = NOW.saturating_add(Duration::from_secs(600));
        let mut slot = Slot::new(SessionKey::of("a"), &Activity::began(NOW), later);
        slot.revoke(NOW);
        assert!(!slot.is_over(NOW.saturating_add(Duration::from_secs(120))));
        slot.touch(later, later.saturating_add(Duration::from_secs(600)));
        assert!(!slot.is_over(later.saturating_add(Duration::from_secs(120))));
        assert!(slot.activity(&Extra::default()).is_revoked());
        assert!(!slot.has_extra());
    }
}
