//! One cached session, how long it may be served, and a gathered touch.

use std::time::Duration;

use tokio::time::Instant;

use super::settings::{BATCH_TIMEOUT, Settings};
use crate::session::activity::Activity;
use crate::session::key::SessionKey;
use crate::session::time::{Millis, Timestamp};
use crate::session::touch::Touch;

/// A live session, as the shared store knew it.
///
/// Ages are measured with a monotonic timer. Whether the session is live is judged by the time that
/// the request brings.
pub(super) struct Entry {
    pub(super) key: SessionKey,
    /// The record in the shared store.
    stored: Activity,
    /// Last activity, with what is gathered and not written yet.
    last_activity: Timestamp,
    /// When the shared store was asked. It answered later.
    asked: Instant,
    /// Set when the log of changes had a gap: the session may have been revoked.
    unconfirmed: bool,
    /// When the last background check has its answer, or has given up.
    checked_by: Instant,
}

/// Whether the shared store answers at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SharedStoreState {
    Answering,
    Failing,
}

/// What an entry is judged by.
#[derive(Clone, Copy)]
pub(super) struct Conditions<'a> {
    pub(super) settings: &'a Settings,
    pub(super) state: SharedStoreState,
    /// Every change up to this moment has been applied, if the log was read at all.
    pub(super) followed: Option<Instant>,
}

/// How an entry may be served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Freshness {
    /// It may be served.
    Fresh,
    /// It may be served, and a background check follows.
    Aging,
    /// It may not be served.
    Stale,
}

impl Entry {
    pub(super) fn new(key: SessionKey, stored: Activity, asked: Instant) -> Self {
        Self {
            key,
            stored,
            last_activity: stored.last_activity(),
            asked,
            unconfirmed: false,
            checked_by: asked,
        }
    }

    /// Returns the session with what is gathered.
    pub(super) fn activity(&self) -> Activity {
        self.stored.active_at(self.last_activity)
    }

    pub(super) fn asked(&self) -> Instant {
        self.asked
    }

    /// Returns how this entry may be served for this touch.
    ///
    /// The entry is right as of the question, and as of the moment up to which the log of changes
    /// has been followed, whichever is later. Only a change that is in no log is not covered by the
    /// latter, so that the age since the question is limited too.
    pub(super) fn freshness(
        &self,
        touch: &Touch,
        now: Instant,
        conditions: Conditions<'_>,
    ) -> Freshness {
        let Conditions {
            settings,
            state,
            followed,
        } = conditions;
        let activity = self.activity();
        // Every refusal comes from the shared store.
        let Ok(_) = touch.policy().remaining(&activity, touch.now()) else {
            return Freshness::Stale;
        };
        let age = now.saturating_duration_since(self.asked);
        let staleness = match followed {
            Some(followed) if !self.unconfirmed => now.saturating_duration_since(followed).min(age),
            _ => age,
        };
        let is_stale = match state {
            SharedStoreState::Answering => {
                self.unconfirmed
                    || staleness >= settings.max_staleness
                    || age >= settings.max_age
                    || touch.applies_to(&activity) && self.is_urgent(touch, settings)
            }
            SharedStoreState::Failing => {
                staleness >= settings.max_stale_on_error || age >= settings.longest_age()
            }
        };
        if is_stale {
            Freshness::Stale
        } else if self.unconfirmed || age >= settings.check_after() {
            Freshness::Aging
        } else {
            Freshness::Fresh
        }
    }

    /// Returns whether the stored record may end before the next flush. A flush would then come too
    /// late for this session.
    fn is_urgent(&self, touch: &Touch, settings: &Settings) -> bool {
        let remaining = touch.policy().remaining(&self.stored, touch.now());
        let idle = self.stored.limits().idle().unwrap_or(touch.policy().idle());
        // A slow shared store delays a flush by a batch. With a short idle timeout there is no time
        // for that.
        let soon = settings.flush_every.saturating_mul(2);
        let margin = soon.saturating_add(BATCH_TIMEOUT).min(idle / 4).max(soon);
        remaining.map_or(Duration::ZERO, Millis::duration) <= margin
    }

    /// Notes activity that is not written yet.
    pub(super) fn active_at(&mut self, at: Timestamp) {
        self.last_activity = self.last_activity.max(at);
    }

    /// Notes that the log of changes had a gap.
    pub(super) fn set_unconfirmed(&mut self) {
        self.unconfirmed = true;
    }

    /// Claims the next background check. One runs at a time; it gives up after `limit`.
    pub(super) fn claim_check(&mut self, now: Instant, limit: Duration) -> Option<()> {
        if now < self.checked_by {
            return None;
        }
        self.checked_by = now.checked_add(limit)?;
        Some(())
    }
}

/// A touch that is not written yet.
#[derive(Clone, Copy)]
pub(super) struct GatheredTouch {
    touch: Touch,
    since: Instant,
}

impl GatheredTouch {
    pub(super) fn new(touch: Touch, since: Instant) -> Self {
        Self { touch, since }
    }

    pub(super) fn last_activity(&self) -> Timestamp {
        self.touch.last_activity()
    }

    /// Returns the touch as the shared store has to judge it now.
    ///
    /// The cache has no clock. The time now is the time of the request, plus the time that has
    /// passed in this process since then.
    pub(super) fn touch(&self, now: Instant) -> Touch {
        let waited = now.saturating_duration_since(self.since);
        let judged_at = self.touch.now().saturating_add(waited);
        self.touch
            .policy()
            .touch(judged_at)
            .for_activity_at(self.last_activity())
    }
}
