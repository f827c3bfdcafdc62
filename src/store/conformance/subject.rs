//! The store that is checked, and what every check needs.

use std::collections::hash_map::RandomState;
use std::fmt::{Debug, Write};
use std::hash::{BuildHasher, Hasher};
use std::time::Duration;

use crate::clock::port::Clock;
use crate::clock::system::SystemClock;
use crate::session::activity::Activity;
use crate::session::change::Change;
use crate::session::key::SessionKey;
use crate::session::policy::Policy;
use crate::session::time::Timestamp;
use crate::session::touch::Touch;
use crate::session::user::UserKey;
use crate::store::activity_store::{ActivityStore, BoxError};

/// The result of a check. The error says how the clause is broken.
pub(super) type Outcome = Result<(), String>;

pub(super) const SECOND: Duration = Duration::from_secs(1);
pub(super) const MINUTE: Duration = Duration::from_secs(60);
pub(super) const HOUR: Duration = Duration::from_secs(3600);

/// The store that is checked.
pub(super) struct Subject<'a, S> {
    pub(super) store: &'a S,
    /// The moment that the checks count from: half an hour ago, so that the server's own time lies
    /// within the life of the records.
    pub(super) start: Timestamp,
    pub(super) policy: Policy,
}

impl<'a, S: ActivityStore> Subject<'a, S> {
    pub(super) fn new(store: &'a S) -> Self {
        Self {
            store,
            start: SystemClock.now().saturating_sub(HOUR / 2),
            policy: Policy::default(),
        }
    }

    /// Returns the moment so long after the start.
    pub(super) fn after(&self, wait: Duration) -> Timestamp {
        self.start.saturating_add(wait)
    }

    /// Returns a touch by the default policy, so long after the start.
    pub(super) fn touch_after(&self, wait: Duration) -> Touch {
        self.policy.touch(self.after(wait))
    }

    /// Creates a session that began at the start.
    pub(super) async fn begun(&self) -> Result<(SessionKey, Activity), String> {
        self.created(Activity::began(self.start)).await
    }

    /// Creates a session with this record.
    pub(super) async fn created(
        &self,
        activity: Activity,
    ) -> Result<(SessionKey, Activity), String> {
        let key = fresh_key();
        self.create(key, activity).await?;
        Ok((key, activity))
    }

    pub(super) async fn create(&self, key: SessionKey, activity: Activity) -> Outcome {
        let keep_until = self.keep_until(&activity);
        self.create_until(key, activity, keep_until).await
    }

    pub(super) async fn create_until(
        &self,
        key: SessionKey,
        activity: Activity,
        keep_until: Timestamp,
    ) -> Outcome {
        answered("create", self.store.create(key, activity, keep_until).await)
    }

    pub(super) async fn begin(
        &self,
        key: SessionKey,
        activity: Activity,
    ) -> Result<Activity, String> {
        let keep_until = self.keep_until(&activity);
        answered("begin", self.store.begin(key, activity, keep_until).await)
    }

    pub(super) async fn load(&self, key: SessionKey) -> Result<Option<Activity>, String> {
        answered("load", self.store.load(key).await)
    }

    pub(super) async fn touch(
        &self,
        key: SessionKey,
        touch: Touch,
    ) -> Result<Option<Activity>, String> {
        answered("touch", self.store.touch(key, touch).await)
    }

    /// Returns whether there was a record.
    pub(super) async fn revoke(&self, key: SessionKey) -> Result<bool, String> {
        let revoked = self.store.revoke(key, self.keep_for_a_day()).await;
        Ok(answered("revoke", revoked)?.is_some())
    }

    pub(super) async fn change(
        &self,
        key: SessionKey,
        change: Change,
    ) -> Result<Option<Activity>, String> {
        answered("change", self.store.change(key, change).await)
    }

    /// Fails unless the store has this record.
    pub(super) async fn expect_record(
        &self,
        when: &str,
        key: SessionKey,
        expected: Option<Activity>,
    ) -> Outcome {
        expect(&format!("load {when}"), self.load(key).await?, expected)
    }

    pub(super) fn keep_until(&self, activity: &Activity) -> Timestamp {
        self.policy.keep_until(activity).max(self.keep_for_a_day())
    }

    pub(super) fn keep_for_a_day(&self) -> Timestamp {
        self.after(24 * HOUR)
    }
}

/// Returns a key that was not used before.
pub(super) fn fresh_key() -> SessionKey {
    let random = || RandomState::new().build_hasher().finish().to_be_bytes();
    // Each `RandomState` differs from the one before at least by a counter, which the hash spreads.
    SessionKey::of([random(), random()].concat())
}

/// Returns a user who has no links.
pub(super) fn fresh_user() -> UserKey {
    UserKey::from_bytes(fresh_key().to_bytes())
}

pub(super) fn expect<T: PartialEq + Debug>(what: &str, found: T, expected: T) -> Outcome {
    if found == expected {
        Ok(())
    } else {
        Err(format!("{what}: expected {expected:?}, found {found:?}"))
    }
}

/// Returns the answer, or the store's error with its sources.
pub(super) fn answered<T, E: Into<BoxError>>(
    operation: &str,
    answer: Result<T, E>,
) -> Result<T, String> {
    answer.map_err(|error| {
        let error: BoxError = error.into();
        let mut text = format!("`{operation}` failed: {error}");
        let mut source = error.source();
        while let Some(cause) = source {
            // Writing to a string does not fail.
            let _ = write!(text, ": {cause}");
            source = cause.source();
        }
        text
    })
}
