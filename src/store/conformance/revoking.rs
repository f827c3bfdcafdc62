//! Checks of `revoke`.

use super::subject::{HOUR, MINUTE, Outcome, SECOND, Subject, expect, fresh_key};
use crate::session::activity::Activity;
use crate::session::limits::Limits;
use crate::store::activity_store::ActivityStore;

pub(super) async fn never_creates<S: ActivityStore>(subject: &Subject<'_, S>) -> Outcome {
    let key = fresh_key();
    expect(
        "revoke of an unknown session",
        subject.revoke(key).await?,
        false,
    )?;
    subject
        .expect_record("after revoke of an unknown session", key, None)
        .await?;
    let first = Activity::began(subject.start);
    expect(
        "begin after revoke of an unknown session",
        subject.begin(key, first).await?,
        first,
    )
}

pub(super) async fn marks<S: ActivityStore>(subject: &Subject<'_, S>) -> Outcome {
    let limits = Limits::default()
        .with_idle(HOUR)
        .map_err(|error| error.to_string())?;
    let activity = Activity::began(subject.start)
        .active_at(subject.after(MINUTE))
        .with_limits(limits);
    let (key, activity) = subject.created(activity).await?;
    expect("revoke", subject.revoke(key).await?, true)?;
    subject
        .expect_record("after revoke", key, Some(activity.revoked()))
        .await?;
    expect(
        "revoke for the second time",
        subject.revoke(key).await?,
        true,
    )?;
    subject
        .expect_record("after the second revoke", key, Some(activity.revoked()))
        .await?;

    let ended = Activity::began(subject.start.saturating_sub(20 * HOUR));
    let (key, ended) = subject.created(ended).await?;
    expect(
        "revoke of a session that has expired",
        subject.revoke(key).await?,
        true,
    )?;
    subject
        .expect_record("after it", key, Some(ended.revoked()))
        .await
}

pub(super) async fn is_final<S: ActivityStore>(subject: &Subject<'_, S>) -> Outcome {
    let (key, activity) = subject.begun().await?;
    let touch = subject.touch_after(SECOND);
    subject.touch(key, touch).await?;
    subject.revoke(key).await?;
    let revoked = Some(activity.active_at(touch.last_activity()).revoked());
    subject.touch(key, subject.touch_after(MINUTE)).await?;
    subject.touch(key, touch).await?;
    subject.begin(key, activity).await?;
    subject.revoke(key).await?;
    subject
        .expect_record("after touches, a begin and a second revoke", key, revoked)
        .await
}
