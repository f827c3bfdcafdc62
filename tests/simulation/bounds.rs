//! The limits of a policy and of a near cache, as their documentation puts them.

use std::time::Duration;

use super::settings::{Cache, NodeSettings, Settings};

/// The limits of a policy and of a near cache, in milliseconds.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// After so long without a request, a session is over.
    pub idle_at_most: i64,
    /// Up to so long without a request, it is live.
    pub idle_at_least: i64,
    pub absolute: i64,
    overlap: i64,
    pub touch_every: i64,
    pub store_timeout: u64,
    /// How late gathered activity is in the store, while that works.
    pub written_within: u64,
}

/// How long a few operations take at most, while the store works.
const PROMPT: u64 = 600;

impl Bounds {
    pub fn of(settings: &Settings) -> Self {
        let policy = &settings.policy;
        let touch_every = millis(policy.touch_every());
        let idle = millis(policy.idle());
        // A session may end up to `touch_every` early, or as much late, as the policy says.
        // Behind near caches, activity on several nodes may be forgotten for `flush_every` more.
        let is_near = |node: &NodeSettings| node.cache == Cache::Near;
        let unwritten = match settings.nodes.iter().any(is_near) && touch_every > 0 {
            true => settings.near.flush_every as i64,
            false => 0,
        };
        let (early, late) = if policy.is_never_early() {
            (0, touch_every)
        } else {
            (touch_every, 0)
        };
        Self {
            idle_at_most: idle + late,
            idle_at_least: idle - early - unwritten,
            absolute: millis(policy.absolute()),
            overlap: millis(policy.rotation_overlap()),
            touch_every,
            store_timeout: millis(policy.store_timeout()) as u64,
            written_within: settings.near.flush_every + PROMPT,
        }
    }

    /// Returns whether an id that was replaced at the one reading has ended at the other.
    pub fn is_past_overlap(&self, replaced: i64, now: i64) -> bool {
        (now - replaced).max(0) >= self.overlap
    }
}

fn millis(duration: Duration) -> i64 {
    duration.as_millis() as i64
}
