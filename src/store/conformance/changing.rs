//! Checks of `change`, and of the records of sessions with several ids.

use super::report::Report;
use super::subject::{HOUR, Outcome, SECOND, Subject, answered, expect, fresh_key};
use crate::session::activity::Activity;
use crate::session::change::Change;
use crate::session::key::SessionKey;
use crate::session::limits::Limits;
use crate::store::activity_store::ActivityStore;

pub(super) async fn check<S: ActivityStore>(subject: &Subject<'_, S>, report: &mut Report) {
    report
        .add("change never creates a record", never_creates(subject))
        .await;
    report
        .add(
            "a record keeps its next id and when it was replaced",
            keeps_ids(subject),
        )
        .await;
    report
        .add(
            "change puts a new id behind the expected one only",
            replaces_the_expected(subject),
        )
        .await;
    report
        .add(
            "change links an id and leaves it valid",
            links_without_replacing(subject),
        )
        .await;
    report
        .add(
            "change sets the limits and nothing else",
            sets_limits(subject),
        )
        .await;
    report
        .add(
            "change never changes a session that has ended",
            leaves_ended_alone(subject),
        )
        .await;
    report
        .add(
            "of a change and a revocation at the same time, one sees the other",
            crosses_revoke(subject),
        )
        .await;
    report
        .add(
            "of changes at the same time, one applies",
            crosses_change(subject),
        )
        .await;
}

fn replace<S: ActivityStore>(
    subject: &Subject<'_, S>,
    expected: Option<SessionKey>,
    next: SessionKey,
) -> Change {
    Change::replace_id(subject.policy, subject.after(SECOND), expected, next)
}

async fn never_creates<S: ActivityStore>(subject: &Subject<'_, S>) -> Outcome {
    let key = fresh_key();
    let change = replace(subject, None, fresh_key());
    expect("change", subject.change(key, change).await?, None)?;
    subject.expect_record("afterwards", key, None).await
}

async fn keeps_ids<S: ActivityStore>(subject: &Subject<'_, S>) -> Outcome {
    let limits = Limits::default().with_idle(HOUR);
    let limits = limits.map_err(|error| error.to_string())?;
    let plain = Activity::began(subject.start);
    for record in [
        plain.with_next_id(Some(fresh_key())),
        plain.replaced(subject.after(SECOND)),
        plain
            .replaced(subject.after(SECOND))
            .with_next_id(Some(fresh_key()))
            .with_limits(limits),
        plain.with_next_id(Some(fresh_key())).revoked(),
    ] {
        let (key, record) = subject.created(record).await?;
        subject
            .expect_record("after create", key, Some(record))
            .await?;
        let key = fresh_key();
        expect("begin", subject.begin(key, record).await?, record)?;
        let touch = subject.touch_after(2 * SECOND);
        expect("touch", subject.touch(key, touch).await?, Some(record))?;
        let touched = touch.applied_to(record);
        subject
            .expect_record("after touch", key, Some(touched))
            .await?;
        let keep_until = subject.keep_for_a_day();
        let before = subject.store.revoke(key, keep_until).await;
        expect("revoke", answered("revoke", before)?, Some(touched))?;
        subject
            .expect_record("after revoke", key, Some(touched.revoked()))
            .await?;
    }
    Ok(())
}

async fn replaces_the_expected<S: ActivityStore>(subject: &Subject<'_, S>) -> Outcome {
    let (key, record) = subject.begun().await?;
    let (first, second) = (fresh_key(), fresh_key());
    let change = replace(subject, None, first);
    expect("change", subject.change(key, change).await?, Some(record))?;
    let replaced = change.applied_to(record);
    subject
        .expect_record("after change", key, Some(replaced))
        .await?;
    let unexpected = replace(subject, None, second);
    expect(
        "change of another state",
        subject.change(key, unexpected).await?,
        Some(replaced),
    )?;
    subject
        .expect_record("after it", key, Some(replaced))
        .await?;
    let expected = replace(subject, Some(first), second);
    expect(
        "change of the expected state",
        subject.change(key, expected).await?,
        Some(replaced),
    )?;
    let after = Some(expected.applied_to(replaced));
    subject.expect_record("after it", key, after).await
}

async fn links_without_replacing<S: ActivityStore>(subject: &Subject<'_, S>) -> Outcome {
    let (key, record) = subject.begun().await?;
    let next = fresh_key();
    let link = Change::link(subject.policy, subject.after(SECOND), None, next);
    expect("change", subject.change(key, link).await?, Some(record))?;
    let linked = Some(record.with_next_id(Some(next)));
    subject.expect_record("after change", key, linked).await
}

async fn sets_limits<S: ActivityStore>(subject: &Subject<'_, S>) -> Outcome {
    let limits = Limits::default().with_idle(HOUR);
    let limits = limits.map_err(|error| error.to_string())?;
    let linked = Activity::began(subject.start).with_next_id(Some(fresh_key()));
    let (key, record) = subject.created(linked).await?;
    for limits in [limits, Limits::default()] {
        let change = Change::set_limits(subject.policy, subject.after(SECOND), limits);
        subject.change(key, change).await?;
        let after = Some(record.with_limits(limits));
        subject.expect_record("after change", key, after).await?;
    }
    Ok(())
}

async fn leaves_ended_alone<S: ActivityStore>(subject: &Subject<'_, S>) -> Outcome {
    let idle = Activity::began(subject.start.saturating_sub(20 * HOUR));
    let long_replaced = Activity::began(subject.start.saturating_sub(120 * SECOND));
    let long_replaced = long_replaced.replaced(subject.start.saturating_sub(60 * SECOND));
    let revoked = Activity::began(subject.start).revoked();
    for record in [idle, long_replaced, revoked] {
        let (key, record) = subject.created(record).await?;
        let now = subject.after(SECOND);
        let limits = Change::set_limits(subject.policy, now, Limits::default());
        for change in [replace(subject, None, fresh_key()), limits] {
            expect("change", subject.change(key, change).await?, Some(record))?;
            subject
                .expect_record("afterwards", key, Some(record))
                .await?;
        }
    }
    Ok(())
}

async fn crosses_revoke<S: ActivityStore>(subject: &Subject<'_, S>) -> Outcome {
    for _ in 0..20 {
        let (key, _) = subject.begun().await?;
        let next = fresh_key();
        let change = replace(subject, None, next);
        let keep_until = subject.keep_for_a_day();
        let (store, other) = (subject.store.clone(), subject.store.clone());
        let changing =
            tokio::spawn(async move { answered("change", store.change(key, change).await) });
        let revoking =
            tokio::spawn(async move { answered("revoke", other.revoke(key, keep_until).await) });
        let joined = |error: tokio::task::JoinError| error.to_string();
        let changed = changing.await.map_err(joined)??;
        let revoked = revoking.await.map_err(joined)??;
        let change_saw_revocation = changed.is_some_and(|before| before.is_revoked());
        let revoke_saw_change = revoked.is_some_and(|before| before.next_id() == Some(next));
        expect(
            "whether just one saw the other",
            change_saw_revocation ^ revoke_saw_change,
            true,
        )?;
    }
    Ok(())
}

async fn crosses_change<S: ActivityStore>(subject: &Subject<'_, S>) -> Outcome {
    for _ in 0..10 {
        let (key, record) = subject.begun().await?;
        let mut changing = Vec::new();
        for _ in 0..4 {
            let (store, change) = (subject.store.clone(), replace(subject, None, fresh_key()));
            changing.push(tokio::spawn(async move {
                answered("change", store.change(key, change).await)
            }));
        }
        let mut applied = 0;
        for change in changing {
            let before = change.await.map_err(|error| error.to_string())??;
            applied += usize::from(before == Some(record));
        }
        expect("how many found the record unchanged", applied, 1)?;
    }
    Ok(())
}
