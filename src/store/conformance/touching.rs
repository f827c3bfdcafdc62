//! Checks of `touch`.

use std::time::Duration;

use super::subject::{HOUR, MINUTE, Outcome, SECOND, Subject, expect, fresh_key};
use crate::session::activity::Activity;
use crate::session::policy::Policy;
use crate::store::activity_store::ActivityStore;

pub(super) async fn never_creates<S: ActivityStore>(subject: &Subject<'_, S>) -> Outcome {
    let key = fresh_key();
    let answer = subject.touch(key, subject.touch_after(SECOND)).await?;
    expect("touch of an unknown session", answer, None)?;
    subject.expect_record("afterwards", key, None).await
}

pub(super) async fn never_backwards<S: ActivityStore>(subject: &Subject<'_, S>) -> Outcome {
    let (key, activity) = subject.begun().await?;
    let later = subject.touch_after(2 * MINUTE);
    subject.touch(key, later).await?;
    subject.touch(key, subject.touch_after(MINUTE)).await?;
    let expected = Some(activity.active_at(later.last_activity()));
    subject
        .expect_record("after an older touch", key, expected)
        .await?;
    // A clock that was set back to before the session began.
    let long_ago = subject.policy.touch(subject.start.saturating_sub(HOUR));
    subject.touch(key, long_ago).await?;
    subject
        .expect_record("after a touch before the beginning", key, expected)
        .await
}

pub(super) async fn never_revives_idle<S: ActivityStore>(subject: &Subject<'_, S>) -> Outcome {
    let (key, activity) = subject.begun().await?;
    // Equality expires.
    let too_late = subject.touch_after(subject.policy.idle());
    let answer = subject.touch(key, too_late).await?;
    expect("touch at the idle timeout", answer, Some(activity))?;
    subject
        .expect_record("after a touch at the idle timeout", key, Some(activity))
        .await?;

    let just_in_time = subject.touch_after(subject.policy.idle() - Duration::from_millis(1));
    subject.touch(key, just_in_time).await?;
    let expected = Some(activity.active_at(just_in_time.last_activity()));
    subject
        .expect_record(
            "after a touch a millisecond before the idle timeout",
            key,
            expected,
        )
        .await
}

pub(super) async fn never_revives_absolute<S: ActivityStore>(subject: &Subject<'_, S>) -> Outcome {
    let absolute = subject.policy.absolute();
    let old = Activity::began(subject.start.saturating_sub(absolute))
        .active_at(subject.start.saturating_sub(SECOND));
    let (key, old) = subject.created(old).await?;
    let answer = subject
        .touch(key, subject.policy.touch(subject.start))
        .await?;
    expect("touch at the absolute timeout", answer, Some(old))?;
    subject
        .expect_record("after a touch at the absolute timeout", key, Some(old))
        .await
}

pub(super) async fn never_revives_revoked<S: ActivityStore>(subject: &Subject<'_, S>) -> Outcome {
    let (key, activity) = subject.begun().await?;
    subject.revoke(key).await?;
    for wait in [SECOND, MINUTE] {
        let answer = subject.touch(key, subject.touch_after(wait)).await?;
        expect(
            "touch of a revoked session",
            answer,
            Some(activity.revoked()),
        )?;
        subject
            .expect_record("after the touch", key, Some(activity.revoked()))
            .await?;
    }
    let (key, activity) = subject.created(activity.revoked()).await?;
    let answer = subject.touch(key, subject.touch_after(SECOND)).await?;
    expect(
        "touch of a session created as revoked",
        answer,
        Some(activity),
    )
}

pub(super) async fn answers_before<S: ActivityStore>(subject: &Subject<'_, S>) -> Outcome {
    let (key, activity) = subject.begun().await?;
    let mut before = activity;
    for wait in [SECOND, 2 * SECOND, MINUTE] {
        let touch = subject.touch_after(wait);
        expect("touch", subject.touch(key, touch).await?, Some(before))?;
        before = before.active_at(touch.last_activity());
        subject
            .expect_record("after the touch", key, Some(before))
            .await?;
    }
    Ok(())
}

pub(super) async fn only_when_due<S: ActivityStore>(subject: &Subject<'_, S>) -> Outcome {
    let every = rarely(MINUTE)?;
    let (key, activity) = subject.begun().await?;
    let early = every.touch(subject.after(MINUTE - Duration::from_millis(1)));
    expect(
        "touch that is not due",
        subject.touch(key, early).await?,
        Some(activity),
    )?;
    subject
        .expect_record("after a touch that is not due", key, Some(activity))
        .await?;

    let due = every.touch(subject.after(MINUTE));
    expect(
        "touch that is due",
        subject.touch(key, due).await?,
        Some(activity),
    )?;
    let expected = Some(activity.active_at(due.last_activity()));
    subject
        .expect_record("after a touch that is due", key, expected)
        .await
}

pub(super) async fn late_is_judged_now<S: ActivityStore>(subject: &Subject<'_, S>) -> Outcome {
    let (key, activity) = subject.begun().await?;
    let active_at = subject.after(MINUTE);
    let too_late = subject
        .touch_after(subject.policy.idle() + SECOND)
        .for_activity_at(active_at);
    expect(
        "late touch of an ended session",
        subject.touch(key, too_late).await?,
        Some(activity),
    )?;
    subject
        .expect_record(
            "after a late touch of an ended session",
            key,
            Some(activity),
        )
        .await?;

    let late = subject.touch_after(2 * MINUTE).for_activity_at(active_at);
    subject.touch(key, late).await?;
    let expected = Some(activity.active_at(active_at));
    subject
        .expect_record("after a late touch of a live session", key, expected)
        .await
}

pub(super) async fn passive_never_moves<S: ActivityStore>(subject: &Subject<'_, S>) -> Outcome {
    let (key, activity) = subject.begun().await?;
    let passive = subject.touch_after(MINUTE).passive();
    let answer = subject.touch(key, passive).await?;
    expect("passive touch", answer, Some(activity))?;
    subject
        .expect_record("after a passive touch", key, Some(activity))
        .await
}

fn rarely(touch_every: Duration) -> Result<Policy, String> {
    Policy::builder()
        .with_touch_every(touch_every)
        .build()
        .map_err(|error| error.to_string())
}
