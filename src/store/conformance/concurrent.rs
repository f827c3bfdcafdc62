//! Checks of operations that run at the same time.

use super::subject::{Outcome, SECOND, Subject, answered, expect, fresh_key};
use crate::session::activity::Activity;
use crate::store::activity_store::ActivityStore;

const AT_ONCE: u32 = 16;

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

/// Runs enough tasks at the same time to make a race likely.
async fn each_at_once<F, T>(task: impl Fn(u32) -> F) -> Result<Vec<T>, String>
where
    F: Future<Output = Result<T, String>> + Send + 'static,
    T: Send + 'static,
{
    let tasks: Vec<_> = (0..AT_ONCE).map(|n| tokio::spawn(task(n))).collect();
    let mut answers = Vec::new();
    for task in tasks {
        answers.push(task.await.map_err(|panic| panic.to_string())??);
    }
    Ok(answers)
}
