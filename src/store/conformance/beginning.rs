//! Checks of `create` and `begin`.

use super::subject::{HOUR, MINUTE, Outcome, SECOND, Subject, expect, fresh_key};
use crate::session::activity::Activity;
use crate::session::limits::Limits;
use crate::store::activity_store::ActivityStore;

pub(super) async fn create_replaces<S: ActivityStore>(subject: &Subject<'_, S>) -> Outcome {
    let key = fresh_key();
    let plain = Activity::began(subject.start);
    let limits = Limits::default()
        .with_idle(HOUR)
        .and_then(|limits| limits.with_absolute(10 * HOUR))
        .map_err(|error| error.to_string())?;
    // Each differs from the one before in every value, and so does the last from the first.
    let records = [
        plain,
        Activity::began(subject.after(MINUTE))
            .active_at(subject.after(2 * MINUTE))
            .with_limits(limits)
            .revoked(),
        // Earlier, live again, and without limits: the application starts the session anew.
        Activity::began(subject.start.saturating_sub(MINUTE)),
        Activity::began(subject.start).with_limits(limits),
        plain.revoked(),
        plain,
    ];
    for record in records {
        subject.create(key, record).await?;
        subject
            .expect_record("after create", key, Some(record))
            .await?;
    }
    subject.touch(key, subject.touch_after(SECOND)).await?;
    let expected = Some(plain.active_at(subject.after(SECOND)));
    subject
        .expect_record("after create and a touch", key, expected)
        .await
}

pub(super) async fn begin_where_absent<S: ActivityStore>(subject: &Subject<'_, S>) -> Outcome {
    let key = fresh_key();
    let first = Activity::began(subject.start);
    expect(
        "begin where nothing was",
        subject.begin(key, first).await?,
        first,
    )?;
    subject
        .expect_record("after begin", key, Some(first))
        .await?;

    let second = Activity::began(subject.after(MINUTE));
    expect(
        "begin where a record was",
        subject.begin(key, second).await?,
        first,
    )?;
    subject
        .expect_record("after begin where a record was", key, Some(first))
        .await?;

    subject.touch(key, subject.touch_after(SECOND)).await?;
    let touched = first.active_at(subject.after(SECOND));
    expect(
        "begin after a touch",
        subject.begin(key, second).await?,
        touched,
    )?;

    subject.revoke(key).await?;
    let revoked = touched.revoked();
    expect(
        "begin of a revoked session",
        subject.begin(key, second).await?,
        revoked,
    )?;
    subject
        .expect_record("after begin of a revoked session", key, Some(revoked))
        .await?;

    let ended = Activity::began(subject.start.saturating_sub(20 * HOUR));
    let (key, ended) = subject.created(ended).await?;
    expect(
        "begin of a session that has expired",
        subject.begin(key, second).await?,
        ended,
    )
}
