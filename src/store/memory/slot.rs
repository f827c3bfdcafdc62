//! How is one record packed?

use std::time::Duration;

use crate::session::activity::Activity;
use crate::session::key::SessionKey;
use crate::session::limits::Limits;
use crate::session::time::Timestamp;

/// One record in 32 bytes, so that two fill a cache line.
///
/// A timestamp fits in 48 bits. The time of removal is no verdict, so whole minutes are precise enough for it, and 30 bits of them
/// reach beyond the year 4000.
#[derive(Clone, Copy)]
pub(super) struct Slot {
    key: SessionKey,
    created_at: Packed,
    last_activity: Packed,
    removal: Removal,
}

const _: () = assert!(size_of::<Slot>() == 32);

impl Slot {
    pub(super) fn new(key: SessionKey, activity: &Activity, keep_until: Timestamp) -> Self {
        let mut removal = Removal(Removal::minutes(keep_until));
        if activity.limits() != Limits::default() {
            removal.0 |= Removal::LIMITED;
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

    /// Whether its limits are kept beside it.
    pub(super) fn is_limited(&self) -> bool {
        self.removal.0 & Removal::LIMITED != 0
    }

    pub(super) fn activity(&self, limits: Limits) -> Activity {
        let activity = Activity::began(self.created_at.unpack())
            .active_at(self.last_activity())
            .with_limits(limits);
        if self.removal.0 & Removal::REVOKED == 0 {
            activity
        } else {
            activity.revoked()
        }
    }

    pub(super) fn touch(&mut self, at: Timestamp, keep_until: Timestamp) {
        self.last_activity = Packed::new(at);
        self.removal.keep_until(keep_until);
    }

    pub(super) fn revoke(&mut self, keep_until: Timestamp) {
        self.removal.0 |= Removal::REVOKED;
        self.removal.keep_until(keep_until);
    }

    /// Whether its time is over, so that it may be removed.
    pub(super) fn is_over(&self, now: Timestamp) -> bool {
        self.removal.is_over(now)
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
    const LIMITED: u32 = 1 << 30;
    /// Also: never.
    const LAST_MINUTE: u32 = Self::LIMITED - 1;
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
        let later = Self::minutes(timestamp).max(self.0 & Self::LAST_MINUTE);
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
            assert_eq!(slot.activity(Limits::default()), activity);
            let slot = Slot::new(SessionKey::of("a"), &activity.revoked(), at);
            assert_eq!(slot.activity(Limits::default()), activity.revoked());
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
        assert!(slot.activity(Limits::default()).is_revoked());
        assert!(!slot.is_limited());
    }
}
