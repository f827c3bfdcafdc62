//! The limits of a policy, of a session and of a near cache, as their documentation puts them.

use std::time::Duration;

use tower_login_timeout::Limits;

use super::settings::{Cache, NodeSettings, Settings};

/// The limits of a policy and of a near cache, in milliseconds.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    overlap: i64,
    pub store_timeout: u64,
    /// How late gathered activity is in the store, while that works.
    pub written_within: u64,
    /// How long a session lives that has no limits of its own.
    pub lifetime: Lifetime,
}

/// How long a session lives, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetime {
    /// After so long without a request, a session is over.
    pub idle_at_most: i64,
    /// Up to so long without a request, it is live.
    pub idle_at_least: i64,
    /// The same for its age.
    pub absolute_at_most: i64,
    pub absolute_at_least: i64,
    pub touch_every: i64,
}

/// How long a few operations take at most, while the store works.
const PROMPT: u64 = 600;

impl Bounds {
    pub fn of(settings: &Settings) -> Self {
        let policy = &settings.policy;
        Self {
            overlap: millis(policy.rotation_overlap()),
            store_timeout: millis(policy.store_timeout()) as u64,
            written_within: settings.near.flush_every + PROMPT,
            lifetime: Lifetime::of(settings, Limits::default()),
        }
    }

    /// Returns whether an id that was replaced at the one reading has ended at the other.
    pub fn is_past_overlap(&self, replaced: i64, now: i64) -> bool {
        (now - replaced).max(0) >= self.overlap
    }
}

impl Lifetime {
    /// Returns how long a session with these limits lives.
    pub fn of(settings: &Settings, limits: Limits) -> Self {
        let policy = &settings.policy;
        let idle = millis(limits.idle().unwrap_or(policy.idle()));
        let absolute = millis(limits.absolute().unwrap_or(policy.absolute()));
        let touch_every = match limits.idle() {
            Some(own) => policy.touch_every().min(own / 2),
            None => policy.touch_every(),
        };
        let touch_every = millis(touch_every);
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
            absolute_at_most: absolute,
            absolute_at_least: absolute,
            touch_every,
        }
    }

    /// Returns how long a session lives that has the one lifetime or the other.
    pub fn or(self, other: Self) -> Self {
        Self {
            idle_at_most: self.idle_at_most.max(other.idle_at_most),
            idle_at_least: self.idle_at_least.min(other.idle_at_least),
            absolute_at_most: self.absolute_at_most.max(other.absolute_at_most),
            absolute_at_least: self.absolute_at_least.min(other.absolute_at_least),
            touch_every: self.touch_every.max(other.touch_every),
        }
    }
}

fn millis(duration: Duration) -> i64 {
    duration.as_millis() as i64
}
