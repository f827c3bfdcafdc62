//! Checks of the moment until which a record is kept.
//!
//! A record may stay longer than it has to, so only a record that is gone too early is found. Each
//! check prepares one record. Then time passes, once for all of them: by the server's clock, and by
//! the times of other sessions' operations.

use std::future::Future;
use std::time::Duration;

use tokio::time::sleep;

use super::concurrent::together;
use super::subject::{HOUR, MINUTE, Outcome, SECOND, Subject, answered, expect, fresh_key};
use crate::clock::port::Clock;
use crate::clock::system::SystemClock;
use crate::session::activity::Activity;
use crate::session::key::SessionKey;
use crate::session::policy::Policy;
use crate::session::time::Timestamp;
use crate::session::touch::Touch;
use crate::store::activity_store::ActivityStore;
#[cfg(feature = "_shared")]
use crate::store::shared_store::SharedStore;

/// How long a record is kept at first. The longer times are for a store that is slow, or whose
/// server's clock is ahead: it may have removed the record before the operation came.
const SHORT: [Duration; 3] = [
    Duration::from_millis(300),
    Duration::from_secs(3),
    Duration::from_secs(30),
];

/// How much later than the record's time the checks look.
const MARGIN: Duration = Duration::from_millis(200);

/// How many tasks let time pass, few enough for a small pool of connections.
const TASKS: u32 = 4;

/// How many operations of other sessions each task runs. A store may clear one of many parts with
/// each operation.
const OTHERS: u32 = 384;

/// A record that must still be there after `short`.
pub(super) struct Prepared {
    key: SessionKey,
    record: Activity,
    short: Timestamp,
}

/// A record that waits for time to pass, or why it cannot.
pub(super) type Preparation = Result<Prepared, String>;

/// Runs the checks of an `ActivityStore`.
pub(super) async fn of_each_operation<S: ActivityStore>(
    subject: &Subject<'_, S>,
) -> Vec<(&'static str, Outcome)> {
    let prepared = vec![
        (
            "create moves the removal of a record",
            create_moves(subject).await,
        ),
        (
            "begin keeps its record until its time",
            begin_keeps_its_own(subject).await,
        ),
        (
            "begin keeps the removal of a record that is there",
            begin_keeps(subject).await,
        ),
        (
            "touch moves the removal of a record",
            touch_moves(subject).await,
        ),
        (
            "touch never moves the removal to an earlier moment",
            touch_never_shortens(subject).await,
        ),
        (
            "revoke moves the removal of a record",
            revoke_moves(subject).await,
        ),
        (
            "revoke never moves the removal to an earlier moment",
            revoke_never_shortens(subject).await,
        ),
    ];
    after_time_passed(subject, prepared).await
}

async fn create_moves<S: ActivityStore>(subject: &Subject<'_, S>) -> Preparation {
    let key = fresh_key();
    let record = Activity::began(subject.start);
    let short = SystemClock.now().saturating_add(SHORT[0]);
    subject.create_until(key, record, short).await?;
    subject.create(key, record).await?;
    Ok(Prepared { key, record, short })
}

async fn begin_keeps_its_own<S: ActivityStore>(subject: &Subject<'_, S>) -> Preparation {
    let key = fresh_key();
    let record = Activity::began(subject.start);
    subject.begin(key, record).await?;
    Ok(Prepared::lasting(subject, key, record))
}

async fn begin_keeps<S: ActivityStore>(subject: &Subject<'_, S>) -> Preparation {
    let (key, record) = subject.begun().await?;
    let other = Activity::began(subject.after(SECOND));
    let begun = subject.store.begin(key, other, subject.start).await;
    expect(
        "begin where a record was",
        answered("begin", begun)?,
        record,
    )?;
    Ok(Prepared::lasting(subject, key, record))
}

async fn touch_moves<S: ActivityStore>(subject: &Subject<'_, S>) -> Preparation {
    let touch = subject.touch_after(SECOND);
    let operation = move |store: S, key| async move {
        let before = answered("touch", store.touch(key, touch).await)?;
        Ok(before.map(|before| before.active_at(touch.last_activity())))
    };
    moves(subject, operation).await
}

async fn touch_never_shortens<S: ActivityStore>(subject: &Subject<'_, S>) -> Preparation {
    let (key, record) = subject.begun().await?;
    let touch = soon_over(subject)?;
    subject.touch(key, touch).await?;
    let record = record.active_at(touch.last_activity());
    Ok(Prepared::lasting(subject, key, record))
}

async fn revoke_moves<S: ActivityStore>(subject: &Subject<'_, S>) -> Preparation {
    let record = Activity::began(subject.start).revoked();
    let keep_until = subject.keep_for_a_day();
    let operation = move |store: S, key| async move {
        let revoked = answered("revoke", store.revoke(key, keep_until).await)?;
        Ok(revoked.map(|_| record))
    };
    moves(subject, operation).await
}

async fn revoke_never_shortens<S: ActivityStore>(subject: &Subject<'_, S>) -> Preparation {
    let (key, record) = subject.begun().await?;
    let revoked = subject.store.revoke(key, subject.start).await;
    expect("revoke", answered("revoke", revoked)?, Some(record))?;
    Ok(Prepared::lasting(subject, key, record.revoked()))
}

/// Runs the checks of `touch_many`.
#[cfg(feature = "_shared")]
pub(super) async fn of_touch_many<S: SharedStore>(
    subject: &Subject<'_, S>,
) -> Vec<(&'static str, Outcome)> {
    let prepared = vec![
        (
            "touch_many moves the removal of a record",
            touch_many_moves(subject).await,
        ),
        (
            "touch_many never moves the removal to an earlier moment",
            touch_many_never_shortens(subject).await,
        ),
    ];
    after_time_passed(subject, prepared).await
}

#[cfg(feature = "_shared")]
async fn touch_many_moves<S: SharedStore>(subject: &Subject<'_, S>) -> Preparation {
    let touch = subject.touch_after(SECOND);
    let operation = move |store: S, key| async move {
        answered("touch_many", store.touch_many(vec![(key, touch)]).await)?;
        answered("load", store.load(key).await)
    };
    moves(subject, operation).await
}

#[cfg(feature = "_shared")]
async fn touch_many_never_shortens<S: SharedStore>(subject: &Subject<'_, S>) -> Preparation {
    let (key, record) = subject.begun().await?;
    let touch = soon_over(subject)?;
    let written = subject.store.touch_many(vec![(key, touch)]).await;
    answered("touch_many", written)?;
    let record = record.active_at(touch.last_activity());
    Ok(Prepared::lasting(subject, key, record))
}

/// Prepares a record that is kept for a short time, and has the operation move its removal.
///
/// The operation returns the record afterwards, or nothing if it found none.
pub(super) async fn moves<S: ActivityStore, F>(
    subject: &Subject<'_, S>,
    operation: impl Fn(S, SessionKey) -> F,
) -> Preparation
where
    F: Future<Output = Result<Option<Activity>, String>> + Send + 'static,
{
    for wait in SHORT {
        let key = fresh_key();
        let short = SystemClock.now().saturating_add(wait);
        let before = Activity::began(subject.start);
        subject.create_until(key, before, short).await?;
        if let Some(record) = operation(subject.store.clone(), key).await? {
            return Ok(Prepared { key, record, short });
        }
    }
    Err("the record was removed before its time: is the clock of the server ahead?".to_owned())
}

/// Returns a touch after which the record need not be kept: its session has ended by the time now.
fn soon_over<S: ActivityStore>(subject: &Subject<'_, S>) -> Result<Touch, String> {
    let forgetful = Policy::builder()
        .with_idle(MINUTE)
        .with_remember_expired_for(Duration::ZERO)
        .build()
        .map_err(|error| error.to_string())?;
    Ok(forgetful.touch(subject.after(SECOND)))
}

/// Lets time pass, and looks whether the records are still there.
pub(super) async fn after_time_passed<S: ActivityStore>(
    subject: &Subject<'_, S>,
    prepared: Vec<(&'static str, Preparation)>,
) -> Vec<(&'static str, Outcome)> {
    let records = prepared
        .iter()
        .filter_map(|(_, record)| record.as_ref().ok());
    let last = records.map(|record| record.short).max();
    let passed = match last {
        Some(last) => pass(subject, last).await,
        None => Ok(()),
    };
    let mut outcomes = Vec::new();
    for (clause, prepared) in prepared {
        let outcome = match (&passed, prepared) {
            (Ok(()), Ok(record)) => record.check(subject).await,
            (Err(reason), Ok(_)) => Err(reason.clone()),
            (_, Err(reason)) => Err(reason),
        };
        outcomes.push((clause, outcome));
    }
    outcomes
}

/// Lets the time pass by which a record that is kept for a short time may be removed.
async fn pass<S: ActivityStore>(subject: &Subject<'_, S>, short: Timestamp) -> Outcome {
    sleep(short.saturating_duration_since(SystemClock.now()) + MARGIN).await;
    // A store may round the moment up to minutes.
    let passing = short.saturating_add(2 * MINUTE);
    let others = together(TASKS, |task| {
        let store = subject.store.clone();
        let policy = subject.policy;
        async move {
            for other in 0..OTHERS {
                let now = passing.saturating_add((task * OTHERS + other) * SECOND / 4);
                answered("touch", store.touch(fresh_key(), policy.touch(now)).await)?;
            }
            Ok(())
        }
    });
    others.await.map(|_| ())
}

impl Prepared {
    /// A record that is kept for a day.
    pub(super) fn lasting<S: ActivityStore>(
        subject: &Subject<'_, S>,
        key: SessionKey,
        record: Activity,
    ) -> Self {
        Self {
            key,
            record,
            short: subject.after(HOUR / 2),
        }
    }

    async fn check<S: ActivityStore>(self, subject: &Subject<'_, S>) -> Outcome {
        let expected = Some(self.record);
        subject
            .expect_record("before its time is over", self.key, expected)
            .await
    }
}
