//! May this session be answered from memory?

use std::time::Duration;

use tokio::time::Instant;

use super::settings::Settings;
use crate::session::activity::Activity;
use crate::session::key::SessionKey;
use crate::session::time::Timestamp;
use crate::session::touch::Touch;

/// A live session as the shared store knew it.
///
/// Its age is measured with a monotonic timer. Whether it is live is judged by the time that the request brings.
pub(super) struct Entry {
    pub(super) key: SessionKey,
    /// What is written.
    stored: Activity,
    /// Last activity, what is gathered and not written yet included.
    last_activity: Timestamp,
    /// When the shared store was asked, rather than when it answered.
    asked: Instant,
    /// Revocations may have been missed since.
    doubted: bool,
    /// By when the last background check has its answer, or has given up.
    checked_by: Instant,
}

/// Whether the shared store can be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shared {
    Answers,
    Fails,
}

/// How much an answer is still worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Worth {
    /// It can be given.
    Fresh,
    /// It can be given, and is to be checked.
    Aging,
    /// It cannot be given.
    Stale,
}

impl Entry {
    pub(super) fn new(key: SessionKey, stored: Activity, asked: Instant) -> Self {
        Self {
            key,
            stored,
            last_activity: stored.last_activity(),
            asked,
            doubted: false,
            checked_by: asked,
        }
    }

    /// The session with what is gathered.
    pub(super) fn activity(&self) -> Activity {
        self.stored.active_at(self.last_activity)
    }

    pub(super) fn asked(&self) -> Instant {
        self.asked
    }

    /// How much it is worth as the answer to this touch.
    pub(super) fn worth(
        &self,
        touch: &Touch,
        now: Instant,
        settings: &Settings,
        shared: Shared,
    ) -> Worth {
        let activity = self.activity();
        // Every refusal comes from the shared store.
        let Ok(_) = touch.policy().remaining(&activity, touch.now()) else {
            return Worth::Stale;
        };
        let age = now.saturating_duration_since(self.asked);
        match shared {
            Shared::Answers if self.doubted || age >= settings.max_staleness => Worth::Stale,
            Shared::Answers if touch.applies_to(&activity) && self.is_urgent(touch, settings) => {
                Worth::Stale
            }
            Shared::Fails if age >= settings.max_stale_on_error => Worth::Stale,
            _ if self.doubted || age >= settings.refresh_after => Worth::Aging,
            _ => Worth::Fresh,
        }
    }

    /// Whether the session as it is written may have ended before the next flush, which then would come too late for
    /// it.
    fn is_urgent(&self, touch: &Touch, settings: &Settings) -> bool {
        let remaining = touch.policy().remaining(&self.stored, touch.now());
        remaining.unwrap_or(Duration::ZERO) <= settings.flush_every.saturating_mul(2)
    }

    /// Notes activity that is to be written.
    pub(super) fn active_at(&mut self, at: Timestamp) {
        self.last_activity = self.last_activity.max(at);
    }

    /// Notes that this activity is written.
    pub(super) fn written(&mut self, at: Timestamp) {
        self.stored = self.stored.active_at(at);
        self.active_at(at);
    }

    /// Notes that announcements were missed.
    pub(super) fn doubt(&mut self) {
        self.doubted = true;
    }

    /// Claims the next background check, of which there is one at a time: it gives up after `limit`.
    pub(super) fn claim_check(&mut self, now: Instant, limit: Duration) -> Option<()> {
        if now < self.checked_by {
            return None;
        }
        self.checked_by = now.checked_add(limit)?;
        Some(())
    }
}

/// Activity that is to be written.
#[derive(Clone, Copy)]
pub(super) struct Gathered {
    touch: Touch,
    since: Instant,
}

impl Gathered {
    pub(super) fn new(touch: Touch, since: Instant) -> Self {
        Self { touch, since }
    }

    pub(super) fn last_activity(&self) -> Timestamp {
        self.touch.last_activity()
    }

    /// The touch as it is to be judged now.
    ///
    /// Nobody asks a clock here: it is as much later than its request said as this process has waited since.
    pub(super) fn touch(&self, now: Instant) -> Touch {
        let waited = now.saturating_duration_since(self.since);
        let judged_at = self.touch.now().saturating_add(waited);
        self.touch
            .policy()
            .touch(judged_at)
            .for_activity_at(self.last_activity())
    }
}
