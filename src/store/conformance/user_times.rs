//! Checks of the moments until which links stay, and the records of sessions that end together.

use std::time::Duration;

use tokio::time::sleep;

use super::removal::{Preparation, Prepared, after_time_passed, moves};
use super::subject::{MINUTE, Outcome, SECOND, Subject, answered, expect, fresh_key, fresh_user};
use crate::clock::port::Clock;
use crate::clock::system::SystemClock;
use crate::session::activity::Activity;
use crate::session::time::Timestamp;
use crate::session::user::{UserKey, UserLink};
use crate::store::user_store::UserStore;

/// How much later than the time of a link the checks look.
const MARGIN: Duration = Duration::from_millis(200);

/// Runs the checks of a `UserStore`.
pub(super) async fn of_each_operation<S: UserStore>(
    subject: &Subject<'_, S>,
) -> Vec<(&'static str, Outcome)> {
    let mut outcomes = vec![
        (
            "a link stays until the time of the last one of its session",
            later_link(subject).await,
        ),
        (
            "a user has a link for as long as it stays, whichever came first",
            short_list(subject).await,
        ),
        ("a link without an end stays", endless(subject).await),
    ];
    outcomes.extend(of_revoke_many(subject).await);
    outcomes
}

/// A session gets longer limits.
async fn later_link<S: UserStore>(subject: &Subject<'_, S>) -> Outcome {
    let user = fresh_user();
    let link = UserLink::new(fresh_key(), subject.start, "stays");
    let was_over = subject.start.saturating_sub(MINUTE);
    for keep_until in [was_over, subject.keep_for_a_day()] {
        link_until(subject, user, link.clone(), keep_until).await?;
    }
    others_make_room(subject, subject.start).await?;
    expect_stays(subject, user, link).await
}

/// The session that leaves first came first, and its time comes.
async fn short_list<S: UserStore>(subject: &Subject<'_, S>) -> Outcome {
    let user = fresh_user();
    let short = SystemClock.now().saturating_add(SECOND);
    let [leaves, stays] = ["leaves", "stays"].map(|label| {
        // Each is the link of another session.
        UserLink::new(fresh_key(), subject.start, label)
    });
    link_until(subject, user, leaves, short).await?;
    link_until(subject, user, stays.clone(), subject.keep_for_a_day()).await?;
    sleep(short.saturating_duration_since(SystemClock.now()) + MARGIN).await;
    others_make_room(subject, short.saturating_add(MARGIN)).await?;
    expect_stays(subject, user, stays).await
}

/// A policy without an absolute timeout has no end.
async fn endless<S: UserStore>(subject: &Subject<'_, S>) -> Outcome {
    let user = fresh_user();
    let link = UserLink::new(fresh_key(), subject.start, "endless");
    link_until(subject, user, link.clone(), Timestamp::MAX).await?;
    let was_over = subject.start.saturating_sub(MINUTE);
    let over = UserLink::new(fresh_key(), subject.start, "over");
    link_until(subject, user, over, was_over).await?;
    others_make_room(subject, subject.start).await?;
    expect_stays(subject, user, link).await
}

async fn link_until<S: UserStore>(
    subject: &Subject<'_, S>,
    user: UserKey,
    link: UserLink,
    keep_until: Timestamp,
) -> Outcome {
    let linked = subject.store.link(user, link, keep_until).await;
    answered("link", linked)
}

/// Links sessions of another user, by which a store may remove links that are over.
async fn others_make_room<S: UserStore>(subject: &Subject<'_, S>, now: Timestamp) -> Outcome {
    let other = fresh_user();
    for _ in 0..4 {
        let link = UserLink::new(fresh_key(), now, "another");
        link_until(subject, other, link, subject.keep_for_a_day()).await?;
    }
    Ok(())
}

/// Fails unless the link is found from both ends.
async fn expect_stays<S: UserStore>(
    subject: &Subject<'_, S>,
    user: UserKey,
    link: UserLink,
) -> Outcome {
    let mut links = answered("links_of", subject.store.links_of(user).await)?;
    links.retain(|found| found.session() == link.session());
    expect("links_of", links, vec![link.clone()])?;
    let found = subject.store.link_of(link.session()).await;
    expect("link_of", answered("link_of", found)?, Some((user, link)))
}

/// Runs the checks of the records that `revoke_many` leaves.
async fn of_revoke_many<S: UserStore>(subject: &Subject<'_, S>) -> Vec<(&'static str, Outcome)> {
    let prepared = vec![
        (
            "revoke_many moves the removal of a record",
            revoke_many_moves(subject).await,
        ),
        (
            "revoke_many never moves the removal to an earlier moment",
            revoke_many_never_shortens(subject).await,
        ),
    ];
    after_time_passed(subject, prepared).await
}

async fn revoke_many_moves<S: UserStore>(subject: &Subject<'_, S>) -> Preparation {
    let record = Activity::began(subject.start).revoked();
    let keep_until = subject.keep_for_a_day();
    let operation = move |store: S, key| async move {
        let revoked = store.revoke_many(vec![key], keep_until).await;
        let revoked = answered("revoke_many", revoked)?;
        Ok(revoked.first().map(|_| record))
    };
    moves(subject, operation).await
}

async fn revoke_many_never_shortens<S: UserStore>(subject: &Subject<'_, S>) -> Preparation {
    let (key, record) = subject.begun().await?;
    let revoked = subject.store.revoke_many(vec![key], subject.start).await;
    let revoked = answered("revoke_many", revoked)?;
    expect("revoke_many", revoked, vec![(key, record)])?;
    Ok(Prepared::lasting(subject, key, record.revoked()))
}
