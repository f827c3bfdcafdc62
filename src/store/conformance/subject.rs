//! What does a check ask of the store, and how does it say what it found?

use std::collections::hash_map::RandomState;
use std::fmt::{Debug, Write};
use std::hash::{BuildHasher, Hasher};
use std::time::Duration;

use crate::clock::{Clock, SystemClock};
use crate::session::activity::Activity;
use crate::session::key::SessionKey;
use crate::session::policy::Policy;
use crate::session::time::Timestamp;
use crate::session::touch::Touch;
use crate::store::activity_store::{ActivityStore, BoxError};

/// Why a clause is broken, unless it is kept.
pub(super) type Outcome = Result<(), String>;

pub(super) const SECOND: Duration = Duration::from_secs(1);
pub(super) const MINUTE: Duration = Duration::from_secs(60);
pub(super) const HOUR: Duration = Duration::from_secs(3600);

/// A store that is being checked.
pub(super) struct Subject<'a, S> {
    pub(super) store: &'a S,
    /// When the checks began. Half an hour early, so that a record's whole life lies around the store's own time.
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

    /// So long after the checks began.
    pub(super) fn after(&self, wait: Duration) -> Timestamp {
        self.start.saturating_add(wait)
    }

    /// A touch by the default policy, so long after the checks began.
    pub(super) fn touch_after(&self, wait: Duration) -> Touch {
        self.policy.touch(self.after(wait))
    }

    /// A new session that began when the checks did.
    pub(super) async fn begun(&self) -> Result<(SessionKey, Activity), String> {
        self.created(Activity::began(self.start)).await
    }

    /// A new session with this record.
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

    pub(super) async fn revoke(&self, key: SessionKey) -> Result<bool, String> {
        answered(
            "revoke",
            self.store.revoke(key, self.keep_for_a_day()).await,
        )
    }

    /// Breaks the clause unless this is what the store has.
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

/// A key that nobody has used before.
pub(super) fn fresh_key() -> SessionKey {
    let random = || RandomState::new().build_hasher().finish().to_be_bytes();
    // Each `RandomState` differs from the one before by a counter at least, and the hash spreads it.
    SessionKey::of([random(), random()].concat())
}

pub(super) fn expect<T: PartialEq + Debug>(what: &str, found: T, expected: T) -> Outcome {
    if found == expected {
        Ok(())
    } else {
        Err(format!("{what}: expected {expected:?}, found {found:?}"))
    }
}

/// The answer, or the store's error and what is behind it.
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
