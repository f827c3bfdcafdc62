//! Checks of the values that are stored.

use std::time::Duration;

use super::subject::{HOUR, MINUTE, Outcome, SECOND, Subject, answered, expect, fresh_key};
use crate::session::activity::Activity;
use crate::session::key::SessionKey;
use crate::session::limits::Limits;
use crate::session::policy::Policy;
use crate::session::time::Timestamp;
use crate::store::activity_store::ActivityStore;

pub(super) async fn limits<S: ActivityStore>(subject: &Subject<'_, S>) -> Outcome {
    let plain = Limits::default();
    let each = [Duration::from_millis(1), MINUTE, 100 * HOUR, Duration::MAX];
    let idle = each.map(|limit| plain.with_idle(limit));
    let absolute = each.map(|limit| plain.with_absolute(limit));
    let both = each.map(|limit| plain.with_idle(limit)?.with_absolute(limit));
    for limits in [idle, absolute, both].into_iter().flatten() {
        let limits = limits.map_err(|error| error.to_string())?;
        let activity = Activity::began(subject.start).with_limits(limits);
        let (key, activity) = subject.created(activity).await?;
        subject
            .expect_record("after create", key, Some(activity))
            .await?;
        let key = fresh_key();
        expect("begin", subject.begin(key, activity).await?, activity)?;
        subject
            .expect_record("after begin", key, Some(activity))
            .await?;
        subject.revoke(key).await?;
        subject
            .expect_record("after revoke", key, Some(activity.revoked()))
            .await?;
    }
    Ok(())
}

pub(super) async fn extremes<S: ActivityStore>(subject: &Subject<'_, S>) -> Outcome {
    let first = Activity::began(Timestamp::UNIX_EPOCH);
    let whole_time = first.active_at(Timestamp::MAX);
    let last = Activity::began(Timestamp::MAX);
    for activity in [first, whole_time, last, last.revoked()] {
        let key = fresh_key();
        let created = subject.store.create(key, activity, Timestamp::MAX).await;
        answered("create", created)?;
        subject
            .expect_record("after create", key, Some(activity))
            .await?;
    }
    let unlimited = Policy::builder()
        .with_idle(Duration::MAX)
        .with_absolute(Duration::MAX)
        .build()
        .map_err(|error| error.to_string())?;
    let key = fresh_key();
    let begun = subject.store.begin(key, first, Timestamp::MAX).await;
    expect("begin", answered("begin", begun)?, first)?;
    let touch = unlimited.touch(Timestamp::MAX);
    expect("touch", subject.touch(key, touch).await?, Some(first))?;
    subject
        .expect_record("after touch", key, Some(whole_time))
        .await?;
    let revoked = subject.store.revoke(key, Timestamp::MAX).await;
    expect("revoke", answered("revoke", revoked)?, Some(whole_time))?;
    subject
        .expect_record("after revoke", key, Some(whole_time.revoked()))
        .await
}

pub(super) async fn milliseconds<S: ActivityStore>(subject: &Subject<'_, S>) -> Outcome {
    let millis = |millis| subject.after(Duration::from_millis(millis));
    for offset in [1, 10, 100] {
        let activity = Activity::began(millis(offset)).active_at(millis(2 * offset));
        let (key, activity) = subject.created(activity).await?;
        subject
            .expect_record("after create", key, Some(activity))
            .await?;
        let next = millis(2 * offset + 1);
        subject.touch(key, subject.policy.touch(next)).await?;
        let expected = Some(activity.active_at(next));
        subject
            .expect_record("after a touch a millisecond later", key, expected)
            .await?;
    }
    Ok(())
}

pub(super) async fn load_changes_nothing<S: ActivityStore>(subject: &Subject<'_, S>) -> Outcome {
    let live = Activity::began(subject.start);
    let ended = Activity::began(subject.start.saturating_sub(20 * HOUR));
    for activity in [live, live.revoked(), ended] {
        let (key, activity) = subject.created(activity).await?;
        for _ in 0..3 {
            subject
                .expect_record("for another time", key, Some(activity))
                .await?;
        }
        expect("begin", subject.begin(key, live).await?, activity)?;
    }
    subject
        .expect_record("of an unknown session", fresh_key(), None)
        .await
}

pub(super) async fn clones<S: ActivityStore>(subject: &Subject<'_, S>) -> Outcome {
    let clone = subject.store.clone();
    let other = Subject::new(&clone);
    let (key, activity) = other.begun().await?;
    subject
        .expect_record("after create through a clone", key, Some(activity))
        .await?;
    let touch = other.touch_after(SECOND);
    subject.touch(key, touch).await?;
    let touched = activity.active_at(touch.last_activity());
    other
        .expect_record("through a clone, after a touch", key, Some(touched))
        .await?;
    other.revoke(key).await?;
    drop(clone);
    subject
        .expect_record("after revoke through a clone", key, Some(touched.revoked()))
        .await
}

pub(super) async fn neighbours<S: ActivityStore>(subject: &Subject<'_, S>) -> Outcome {
    let bytes = fresh_key().to_bytes();
    let key = SessionKey::from_bytes(bytes);
    let activity = Activity::began(subject.start);
    subject.create(key, activity).await?;
    // The first and the last bit, and those around the middle, where a store may cut a key in two.
    for bit in [0, 63, 64, 127] {
        let number = u128::from_be_bytes(bytes) ^ (1 << bit);
        let neighbour = SessionKey::from_bytes(number.to_be_bytes());
        subject
            .expect_record("of a neighbour", neighbour, None)
            .await?;
        let other = Activity::began(subject.after(MINUTE));
        subject.create(neighbour, other).await?;
        subject
            .touch(neighbour, subject.touch_after(2 * MINUTE))
            .await?;
        subject.revoke(neighbour).await?;
        subject
            .expect_record("after a neighbour's life", key, Some(activity))
            .await?;
        let expected = other.active_at(subject.after(2 * MINUTE)).revoked();
        subject
            .expect_record("of that neighbour", neighbour, Some(expected))
            .await?;
    }
    subject.touch(key, subject.touch_after(SECOND)).await?;
    let expected = Some(activity.active_at(subject.after(SECOND)));
    subject
        .expect_record("after a touch among neighbours", key, expected)
        .await
}

pub(super) async fn kept_until<S: ActivityStore>(subject: &Subject<'_, S>) -> Outcome {
    let key = fresh_key();
    let activity = Activity::began(subject.start);
    let keep_until = subject.after(2 * HOUR);
    answered(
        "create",
        subject.store.create(key, activity, keep_until).await,
    )?;
    // For some stores, time passes when other sessions are active.
    for minute in 0..120 {
        let now = subject.after(minute * MINUTE);
        let other = Activity::began(now);
        let (other, _) = subject.created(other).await?;
        subject
            .touch(other, subject.policy.touch(now.saturating_add(SECOND)))
            .await?;
    }
    subject
        .expect_record("a minute before its time", key, Some(activity))
        .await
}
