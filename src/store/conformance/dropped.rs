//! Checks of operations that are dropped half-way.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

use super::subject::{MINUTE, Outcome, SECOND, Subject, expect, fresh_key};
use crate::session::activity::Activity;
use crate::store::activity_store::ActivityStore;

/// More than the size of a usual pool or queue, so that a leak shows.
const ROUNDS: u32 = 64;

/// A dropped operation may take effect or not, and it may do so later. The record stays whole.
pub(super) async fn leaves_whole<S: ActivityStore>(subject: &Subject<'_, S>) -> Outcome {
    for _ in 0..ROUNDS {
        let key = fresh_key();
        let first = Activity::began(subject.start);
        poll_once(subject.store.begin(key, first, subject.keep_for_a_day())).await;
        let found = subject.load(key).await?;
        either("after a dropped begin", found, None, Some(first))?;
        expect(
            "begin after a dropped begin",
            subject.begin(key, first).await?,
            first,
        )?;

        let touch = subject.touch_after(SECOND);
        poll_once(subject.store.touch(key, touch)).await;
        let touched = first.active_at(touch.last_activity());
        either(
            "after a dropped touch",
            subject.load(key).await?,
            Some(first),
            Some(touched),
        )?;
        subject.touch(key, subject.touch_after(MINUTE)).await?;
        let touched = first.active_at(subject.after(MINUTE));
        subject
            .expect_record("after a whole touch", key, Some(touched))
            .await?;

        let (key, live) = subject.begun().await?;
        poll_once(subject.store.load(key)).await;
        poll_once(subject.store.revoke(key, subject.keep_for_a_day())).await;
        let found = subject.load(key).await?;
        either(
            "after a dropped revoke",
            found,
            Some(live),
            Some(live.revoked()),
        )?;
        let revoked = subject.revoke(key).await?;
        expect("revoke after a dropped revoke", revoked, true)?;
        let expected = Some(live.revoked());
        subject
            .expect_record("after a whole revoke", key, expected)
            .await?;

        let (key, old) = subject.begun().await?;
        let new = Activity::began(subject.after(MINUTE));
        poll_once(subject.store.create(key, new, subject.keep_for_a_day())).await;
        either(
            "after a dropped create",
            subject.load(key).await?,
            Some(old),
            Some(new),
        )?;
    }
    Ok(())
}

/// Polls the operation once, and drops it.
async fn poll_once<F: Future>(operation: F) {
    let mut operation = pin!(operation);
    poll_fn(|cx| {
        // The caller is gone, so the answer does not matter.
        let _ = operation.as_mut().poll(cx);
        Poll::Ready(())
    })
    .await;
}

fn either(
    when: &str,
    found: Option<Activity>,
    before: Option<Activity>,
    after: Option<Activity>,
) -> Outcome {
    if found == before || found == after {
        Ok(())
    } else {
        Err(format!(
            "load {when}: expected {before:?} or {after:?}, found {found:?}"
        ))
    }
}
