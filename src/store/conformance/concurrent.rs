//! Checks of operations that run at the same time.

use std::future::Future;

use super::subject::{HOUR, Outcome, SECOND, Subject, answered, expect, fresh_key};
use crate::session::activity::Activity;
use crate::session::key::SessionKey;
use crate::session::time::Timestamp;
use crate::store::activity_store::ActivityStore;

pub(super) const AT_ONCE: u32 = 16;

pub(super) async fn begins_agree<S: ActivityStore>(subject: &Subject<'_, S>) -> Outcome {
    for _ in 0..8 {
        let key = fresh_key();
        let begins = each_at_once(|n| {
            let store = subject.store.clone();
            let activity = Activity::began(subject.after(n * SECOND));
            let keep_until = subject.keep_until(&activity);
            async move { answered("begin", store.begin(key, activity, keep_until).await) }
        });
        let begun = begins.await?;
        let there = subject.load(key).await?;
        for answer in begun {
            expect("begin, one of several at once", Some(answer), there)?;
        }
    }
    Ok(())
}

pub(super) async fn touches_are_monotone<S: ActivityStore>(subject: &Subject<'_, S>) -> Outcome {
    for _ in 0..8 {
        let (key, activity) = subject.begun().await?;
        let touches = each_at_once(|n| {
            let store = subject.store.clone();
            // In another order: 7 and 16 have no common factor.
            let touch = subject.touch_after((1 + n * 7 % AT_ONCE) * SECOND);
            async move { answered("touch", store.touch(key, touch).await) }
        });
        for answer in touches.await? {
            expect("touch, one of several at once", answer.is_some(), true)?;
        }
        let expected = Some(activity.active_at(subject.after(AT_ONCE * SECOND)));
        subject
            .expect_record("after touches at once", key, expected)
            .await?;
    }
    Ok(())
}

pub(super) async fn touch_and_revoke<S: ActivityStore>(subject: &Subject<'_, S>) -> Outcome {
    for _ in 0..8 {
        let (key, _) = subject.begun().await?;
        let operations = each_at_once(|n| {
            let store = subject.store.clone();
            let touch = subject.touch_after((1 + n) * SECOND);
            let keep_until = subject.keep_for_a_day();
            async move {
                if n == AT_ONCE / 2 {
                    answered("revoke", store.revoke(key, keep_until).await)
                        .map(|before| before.is_some())
                } else {
                    answered("touch", store.touch(key, touch).await).map(|before| before.is_some())
                }
            }
        });
        for found in operations.await? {
            expect("touch or revoke, at once", found, true)?;
        }
        let revoked = subject
            .load(key)
            .await?
            .map(|activity| activity.is_revoked());
        expect("whether it is revoked afterwards", revoked, Some(true))?;
    }
    Ok(())
}

/// Touches, revokes or begins a session while one task creates it anew. The new record stays.
pub(super) async fn create_stays<S: ActivityStore, F>(
    subject: &Subject<'_, S>,
    allowed: fn(Activity) -> [Activity; 2],
    operation: impl Fn(S, SessionKey, Timestamp) -> F,
) -> Outcome
where
    F: Future<Output = Outcome> + Send + 'static,
{
    for round in 0..8 {
        let key = fresh_key();
        // With a record before, and without.
        if round % 2 == 0 {
            subject.create(key, Activity::began(subject.start)).await?;
        }
        // Later than every touch, so that no touch moves it.
        let created = Activity::began(subject.after(HOUR / 4));
        let keep_until = subject.keep_until(&created);
        let operations = each_at_once(|n| {
            let store = subject.store.clone();
            let other = operation(store.clone(), key, subject.after((1 + n) * SECOND));
            async move {
                if n == AT_ONCE / 2 {
                    answered("create", store.create(key, created, keep_until).await)
                } else {
                    other.await
                }
            }
        });
        operations.await?;
        let found = subject.load(key).await?;
        let allowed = allowed(created).map(Some);
        if !allowed.contains(&found) {
            return Err(format!(
                "load after a create at the same time: expected {allowed:?}, found {found:?}"
            ));
        }
    }
    Ok(())
}

pub(super) async fn touch_and_create<S: ActivityStore>(subject: &Subject<'_, S>) -> Outcome {
    let policy = subject.policy;
    let touch = move |store: S, key, now| async move {
        answered("touch", store.touch(key, policy.touch(now)).await).map(|_| ())
    };
    create_stays(subject, |created| [created; 2], touch).await
}

pub(super) async fn begin_and_create<S: ActivityStore>(subject: &Subject<'_, S>) -> Outcome {
    let keep_until = subject.keep_for_a_day();
    let begin = move |store: S, key, now| async move {
        let begun = store.begin(key, Activity::began(now), keep_until).await;
        answered("begin", begun).map(|_| ())
    };
    create_stays(subject, |created| [created; 2], begin).await
}

pub(super) async fn revoke_and_create<S: ActivityStore>(subject: &Subject<'_, S>) -> Outcome {
    let keep_until = subject.keep_for_a_day();
    let revoke = move |store: S, key, _| async move {
        answered("revoke", store.revoke(key, keep_until).await).map(|_| ())
    };
    create_stays(subject, |created| [created, created.revoked()], revoke).await
}

/// Runs enough tasks at the same time to make a race likely.
pub(super) async fn each_at_once<F, T>(task: impl Fn(u32) -> F) -> Result<Vec<T>, String>
where
    F: Future<Output = Result<T, String>> + Send + 'static,
    T: Send + 'static,
{
    together(AT_ONCE, task).await
}

/// Runs so many tasks at the same time.
pub(super) async fn together<F, T>(count: u32, task: impl Fn(u32) -> F) -> Result<Vec<T>, String>
where
    F: Future<Output = Result<T, String>> + Send + 'static,
    T: Send + 'static,
{
    let tasks: Vec<_> = (0..count).map(|n| tokio::spawn(task(n))).collect();
    let mut answers = Vec::new();
    for task in tasks {
        answers.push(task.await.map_err(|panic| panic.to_string())??);
    }
    Ok(answers)
}
