//! The checks of the contract of `SharedStore`.

use super::concurrent::{AT_ONCE, create_stays, each_at_once};
use super::policies::{self, Cases};
use super::removal;
use super::report::Report;
use super::subject::{MINUTE, Outcome, SECOND, Subject, answered, expect, fresh_key};
use crate::session::activity::Activity;
use crate::session::key::SessionKey;
use crate::session::policy::Policy;
use crate::session::touch::Touch;
use crate::store::shared_store::SharedStore;

/// Checks that a store keeps the contract of [`SharedStore::touch_many`]. Use it in addition to
/// [`check`](super::check).
///
/// # Panics
///
/// If the store breaks the contract. The message lists every broken clause, what was expected and
/// what was found.
pub async fn check_shared<S: SharedStore>(store: &S) {
    let subject = &Subject::new(store);
    let mut report = Report::of("SharedStore");
    report
        .add(
            "touch_many treats each touch as touch does",
            by_the_rules(subject),
        )
        .await;
    report
        .add(
            "touch_many answers each record as it was, with its key",
            answers(subject),
        )
        .await;
    report
        .add(
            "touch_many takes no touches, and thousands",
            of_any_length(subject),
        )
        .await;
    report
        .add(
            "touch_many goes by the policy that each touch brings",
            each_case(subject, policies::its_policy),
        )
        .await;
    report
        .add(
            "touch_many obeys a policy that is never early",
            each_case(subject, policies::never_early),
        )
        .await;
    report
        .add(
            "touch_many obeys a session's own limits",
            own_limits(subject),
        )
        .await;
    for (clause, outcome) in removal::of_touch_many(subject).await {
        report.note(clause, outcome);
    }
    report
        .add(
            "touch_many never undoes a concurrent revocation",
            concurrent_revocation(subject),
        )
        .await;
    report
        .add(
            "touch_many never overwrites a concurrent create",
            concurrent_create(subject),
        )
        .await;
    report.finish();
}

async fn by_the_rules<S: SharedStore>(subject: &Subject<'_, S>) -> Outcome {
    let now = subject.after(2 * MINUTE);
    let at = subject.after(MINUTE);
    let late = subject.policy.touch(now).for_activity_at(at);
    let rarely = Policy::builder()
        .with_touch_every(2 * MINUTE)
        .build()
        .map_err(|error| error.to_string())?;
    let live = Activity::began(subject.start);
    let idle = Activity::began(subject.start.saturating_sub(subject.policy.idle()));
    let ending = idle.active_at(idle.last_activity().saturating_add(90 * SECOND));
    let old = Activity::began(subject.start.saturating_sub(subject.policy.absolute()))
        .active_at(subject.start);
    let ahead = live.active_at(now);
    // When, the record before, the touch, and the record afterwards.
    let cases = [
        (
            "of a live session",
            Some(live),
            late,
            Some(live.active_at(at)),
        ),
        ("of an unknown session", None, late, None),
        (
            "of a revoked session",
            Some(live.revoked()),
            late,
            Some(live.revoked()),
        ),
        ("of an idle session", Some(idle), late, Some(idle)),
        (
            "of a session that has ended meanwhile",
            Some(ending),
            late,
            Some(ending),
        ),
        ("of an old session", Some(old), late, Some(old)),
        (
            "of a session that was active later",
            Some(ahead),
            late,
            Some(ahead),
        ),
        (
            "that is not due",
            Some(live),
            rarely.touch(now).for_activity_at(at),
            Some(live),
        ),
        (
            "that is due",
            Some(live),
            rarely.touch(now),
            Some(live.active_at(now)),
        ),
    ];
    let mut touches = Vec::new();
    let mut expected = Vec::new();
    for (when, before, touch, after) in cases {
        let key = fresh_key();
        if let Some(before) = before {
            subject.create(key, before).await?;
        }
        touches.push((key, touch));
        expected.push((when, key, after));
    }
    touch_many(subject, touches).await?;
    for (when, key, after) in expected {
        subject
            .expect_record(&format!("after the touch {when}"), key, after)
            .await?;
    }
    Ok(())
}

async fn answers<S: SharedStore>(subject: &Subject<'_, S>) -> Outcome {
    let touch = subject.touch_after(MINUTE);
    let idle = Activity::began(subject.start.saturating_sub(subject.policy.idle()));
    let mut expected = Vec::new();
    for record in [
        Activity::began(subject.start),
        Activity::began(subject.start).active_at(touch.last_activity()),
        Activity::began(subject.start).revoked(),
        idle,
    ] {
        expected.push(subject.created(record).await?);
    }
    let mut touches: Vec<_> = expected.iter().map(|(key, _)| (*key, touch)).collect();
    // There is no answer about an unknown session.
    touches.push((fresh_key(), touch));
    touches.sort_unstable_by_key(|(key, _)| *key);
    let answers = answered("touch_many", subject.store.touch_many(touches).await)?;
    let mut found = Vec::with_capacity(answers.len());
    for (key, answer) in answers {
        found.push((key, answered("touch_many", answer)?));
    }
    expected.sort_unstable_by_key(|(key, _)| *key);
    found.sort_unstable_by_key(|(key, _)| *key);
    expect("touch_many", found, expected)
}

async fn of_any_length<S: SharedStore>(subject: &Subject<'_, S>) -> Outcome {
    touch_many(subject, Vec::new()).await?;
    let touch = subject.touch_after(SECOND);
    let mut touches: Vec<_> = (0..3_000).map(|_| (fresh_key(), touch)).collect();
    touches.sort_unstable_by_key(|(key, _)| *key);
    let activity = Activity::began(subject.start);
    let expected = Some(activity.active_at(touch.last_activity()));
    // The first and the last are among them, and those around the likely size of a batch.
    let live: Vec<_> = [0, 999, 1_000, 2_000, 2_999]
        .iter()
        .filter_map(|index| touches.get(*index).copied())
        .collect();
    for (key, _) in &live {
        subject.create(*key, activity).await?;
    }
    touch_many(subject, touches).await?;
    for (key, _) in live {
        subject
            .expect_record("after a touch among thousands", key, expected)
            .await?;
    }
    Ok(())
}

/// Touches all cases in one batch, and compares the records afterwards.
async fn each_case<S: SharedStore>(subject: &Subject<'_, S>, cases: Cases<S>) -> Outcome {
    let mut touches = Vec::new();
    let mut touched = Vec::new();
    for case in cases(subject)? {
        let (key, _) = subject.created(case.before).await?;
        touches.push((key, case.touch));
        touched.push((key, case));
    }
    touch_many(subject, touches).await?;
    for (key, case) in touched {
        let when = format!("after a touch {}", case.when);
        subject
            .expect_record(&when, key, Some(case.after()))
            .await?;
    }
    Ok(())
}

async fn own_limits<S: SharedStore>(subject: &Subject<'_, S>) -> Outcome {
    each_case(subject, policies::own_idle).await?;
    each_case(subject, policies::own_absolute).await?;
    each_case(subject, policies::no_limits).await
}

async fn concurrent_revocation<S: SharedStore>(subject: &Subject<'_, S>) -> Outcome {
    for _ in 0..8 {
        let (key, _) = subject.begun().await?;
        let operations = each_at_once(|n| {
            let store = subject.store.clone();
            let touch = subject.touch_after((1 + n) * SECOND);
            let keep_until = subject.keep_for_a_day();
            async move {
                if n == AT_ONCE / 2 {
                    let revoked = store.revoke(key, keep_until).await;
                    let was_there = answered("revoke", revoked)?.is_some();
                    expect("whether there was a record", was_there, true)
                } else {
                    answered("touch_many", store.touch_many(vec![(key, touch)]).await).map(drop)
                }
            }
        });
        operations.await?;
        let found = subject.load(key).await?;
        let revoked = found.map(|activity| activity.is_revoked());
        expect("whether it is revoked afterwards", revoked, Some(true))?;
    }
    Ok(())
}

async fn concurrent_create<S: SharedStore>(subject: &Subject<'_, S>) -> Outcome {
    let policy = subject.policy;
    let touch_many = move |store: S, key, now| async move {
        let touches = vec![(key, policy.touch(now))];
        answered("touch_many", store.touch_many(touches).await).map(drop)
    };
    create_stays(subject, |created| [created; 2], touch_many).await
}

async fn touch_many<S: SharedStore>(
    subject: &Subject<'_, S>,
    mut touches: Vec<(SessionKey, Touch)>,
) -> Outcome {
    touches.sort_unstable_by_key(|(key, _)| *key);
    let answers = answered("touch_many", subject.store.touch_many(touches).await)?;
    for (_, answer) in answers {
        answered("touch_many", answer)?;
    }
    Ok(())
}
