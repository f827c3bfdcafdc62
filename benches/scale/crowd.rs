//! The sessions that the parts work with, and the people that they belong to.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tower_login_timeout::{
    Activity, ActivityStore, BoxError, Clock, Policy, SessionKey, SystemClock, Timestamp,
};

/// How many sessions are created at once.
const CREATORS: u64 = 128;

/// The policy of the page: a session is written at most once in 30 seconds.
pub(crate) fn policy() -> Result<Policy, BoxError> {
    let policy = Policy::builder().with_touch_every(Duration::from_secs(30));
    Ok(policy.build()?)
}

/// Returns the key of a session. Its id is text, since other bytes may have the canonical form of
/// another id.
pub(crate) fn key(number: u64) -> SessionKey {
    SessionKey::of(format!("{number:016x}"))
}

/// Creates the sessions `0..sessions`. Each began ten minutes ago, and was active at a random time
/// of the last minute.
pub(crate) async fn create_sessions<S: ActivityStore>(
    store: &S,
    sessions: u64,
) -> Result<(), BoxError> {
    let now = SystemClock.now().as_unix_millis();
    let policy = policy()?;
    let mut creating = JoinSet::new();
    for creator in 0..CREATORS.min(sessions) {
        let store = store.clone();
        creating.spawn(async move {
            let mut random = Random(creator);
            for number in (creator..sessions).step_by(CREATORS as usize) {
                let began = Timestamp::from_unix_millis(now - 600_000);
                let active = Timestamp::from_unix_millis(now - random.below(60_000));
                let activity = Activity::began(began).active_at(active);
                let keep_until = policy.keep_until(&activity);
                let created = store.create(key(number), activity, keep_until).await;
                created.map_err(Into::into)?;
            }
            Ok::<_, BoxError>(())
        });
    }
    while let Some(created) = creating.join_next().await {
        created??;
    }
    Ok(())
}

/// Returns the keys of the sessions `0..sessions`.
pub(crate) fn keys(sessions: u64) -> Arc<[SessionKey]> {
    (0..sessions).map(key).collect()
}

/// A generator of numbers that are the same in each run.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        // SplitMix64, by Sebastiano Vigna.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % limit
    }
}

/// Returns the median. Returns zero where there are no values.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}
