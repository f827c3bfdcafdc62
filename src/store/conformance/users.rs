//! The checks of the contract of `UserStore`.

use super::report::Report;
use super::subject::{MINUTE, Outcome, Subject, answered, expect, fresh_key, fresh_user};
use super::user_times;
use crate::session::activity::Activity;
use crate::session::key::SessionKey;
use crate::session::user::{UserKey, UserLink};
use crate::store::user_store::UserStore;

/// How many sessions a user has who has many.
const MANY: usize = 500;

/// Checks that a store keeps the contract of [`UserStore`]. Use it in addition to
/// [`check`](super::check).
///
/// # Panics
///
/// If the store breaks the contract. The message lists every broken clause, what was expected and
/// what was found.
pub async fn check_users<S: UserStore>(store: &S) {
    let subject = &Subject::new(store);
    let mut report = Report::of("UserStore");
    report
        .add("a link is found from both ends", both_ends(subject))
        .await;
    report
        .add("a user has all links and no others", no_others(subject))
        .await;
    report
        .add(
            "a new link replaces the session's old one",
            replaces(subject),
        )
        .await;
    report
        .add("a label is returned as it was given", labels(subject))
        .await;
    report
        .add("unlink removes the links that are named", unlinks(subject))
        .await;
    report
        .add(
            "unlink keeps a link that leads to another user by now",
            keeps_another_user(subject),
        )
        .await;
    report
        .add(
            "a link needs no session, and makes none",
            needs_no_session(subject),
        )
        .await;
    report
        .add("a link stays until its time", stays(subject))
        .await;
    report
        .add(
            "load_many answers each record as load does",
            loads_many(subject),
        )
        .await;
    report
        .add(
            "revoke_many ends each session as revoke does",
            revokes_many(subject),
        )
        .await;
    for (clause, outcome) in user_times::of_each_operation(subject).await {
        report.note(clause, outcome);
    }
    report.finish();
}

impl<S: UserStore> Subject<'_, S> {
    fn new_link(&self, label: &str) -> UserLink {
        UserLink::new(fresh_key(), self.start, label)
    }

    async fn link(&self, user: UserKey, link: &UserLink) -> Outcome {
        let linked = self.store.link(user, link.clone(), self.keep_for_a_day());
        answered("link", linked.await)
    }

    async fn linked(&self, user: UserKey, label: &str) -> Result<UserLink, String> {
        let link = self.new_link(label);
        self.link(user, &link).await?;
        Ok(link)
    }

    async fn unlink(&self, user: UserKey, sessions: Vec<SessionKey>) -> Outcome {
        answered("unlink", self.store.unlink(user, sessions).await)
    }

    /// Fails unless the user has exactly these links.
    async fn expect_links(&self, user: UserKey, mut expected: Vec<UserLink>) -> Outcome {
        let mut found = answered("links_of", self.store.links_of(user).await)?;
        found.sort_unstable_by_key(UserLink::session);
        expected.sort_unstable_by_key(UserLink::session);
        expect("links_of", found, expected)
    }

    /// Fails unless the session has exactly this link.
    async fn expect_link(
        &self,
        session: SessionKey,
        expected: Option<(UserKey, UserLink)>,
    ) -> Outcome {
        let found = answered("link_of", self.store.link_of(session).await)?;
        expect("link_of", found, expected)
    }
}

async fn both_ends<S: UserStore>(subject: &Subject<'_, S>) -> Outcome {
    let user = fresh_user();
    let link = subject.linked(user, "phone").await?;
    subject.expect_links(user, vec![link.clone()]).await?;
    subject
        .expect_link(link.session(), Some((user, link)))
        .await?;
    subject.expect_links(fresh_user(), Vec::new()).await?;
    subject.expect_link(fresh_key(), None).await
}

async fn no_others<S: UserStore>(subject: &Subject<'_, S>) -> Outcome {
    let (user, other) = (fresh_user(), fresh_user());
    let mut links = Vec::new();
    for number in 0..MANY {
        links.push(subject.linked(user, &number.to_string()).await?);
        if number % 100 == 0 {
            subject.linked(other, "other").await?;
        }
    }
    subject.expect_links(user, links).await
}

async fn replaces<S: UserStore>(subject: &Subject<'_, S>) -> Outcome {
    let (user, other) = (fresh_user(), fresh_user());
    let first = subject.linked(user, "before").await?;
    let session = first.session();
    let again = UserLink::new(session, subject.after(MINUTE), "afterwards");
    subject.link(user, &again).await?;
    subject.expect_links(user, vec![again.clone()]).await?;
    subject
        .expect_link(session, Some((user, again.clone())))
        .await?;
    subject.link(other, &again).await?;
    subject
        .expect_link(session, Some((other, again.clone())))
        .await?;
    subject.expect_links(other, vec![again]).await?;
    subject.expect_links(user, Vec::new()).await
}

async fn labels<S: UserStore>(subject: &Subject<'_, S>) -> Outcome {
    let user = fresh_user();
    for label in [
        "",
        "'; DROP TABLE x; --",
        "\0\n\r\t\\\"",
        " Zoë’s 📱 ",
        &"é".repeat(128),
    ] {
        let link = subject.linked(user, label).await?;
        subject
            .expect_link(link.session(), Some((user, link)))
            .await?;
    }
    Ok(())
}

async fn unlinks<S: UserStore>(subject: &Subject<'_, S>) -> Outcome {
    let user = fresh_user();
    let mut links = Vec::new();
    for number in 0..10 {
        links.push(subject.linked(user, &number.to_string()).await?);
    }
    let kept = links.split_off(4);
    let mut named: Vec<_> = links.iter().map(UserLink::session).collect();
    named.push(fresh_key());
    subject.unlink(user, named).await?;
    subject.unlink(user, Vec::new()).await?;
    subject.expect_links(user, kept).await?;
    for link in links {
        subject.expect_link(link.session(), None).await?;
    }
    Ok(())
}

async fn keeps_another_user<S: UserStore>(subject: &Subject<'_, S>) -> Outcome {
    let (user, other) = (fresh_user(), fresh_user());
    let link = subject.linked(user, "phone").await?;
    subject.link(other, &link).await?;
    subject.unlink(user, vec![link.session()]).await?;
    subject.expect_links(other, vec![link.clone()]).await?;
    subject
        .expect_link(link.session(), Some((other, link)))
        .await
}

async fn needs_no_session<S: UserStore>(subject: &Subject<'_, S>) -> Outcome {
    let user = fresh_user();
    let link = subject.linked(user, "phone").await?;
    let session = link.session();
    subject.expect_record("after a link", session, None).await?;
    subject.unlink(user, vec![session]).await?;
    // Nor does the session's record depend on the link.
    let (session, activity) = subject.begun().await?;
    let link = UserLink::new(session, subject.start, "phone");
    subject.link(user, &link).await?;
    subject.unlink(user, vec![session]).await?;
    subject
        .expect_record("after its link is removed", session, Some(activity))
        .await
}

/// The links that are over make room, and no others do. A list that is kept for long is not cut
/// short by a link that is kept for a shorter time.
async fn stays<S: UserStore>(subject: &Subject<'_, S>) -> Outcome {
    let user = fresh_user();
    let stays = subject.linked(user, "stays").await?;
    let over = subject.new_link("over");
    let was_over = subject.start.saturating_sub(MINUTE);
    answered(
        "link",
        subject.store.link(user, over.clone(), was_over).await,
    )?;
    let newer = subject.linked(user, "newer").await?;
    let mut found = answered("links_of", subject.store.links_of(user).await)?;
    found.retain(|link| *link != over);
    found.sort_unstable_by_key(UserLink::session);
    let mut expected = vec![stays, newer];
    expected.sort_unstable_by_key(UserLink::session);
    expect("links_of", found, expected)
}

async fn loads_many<S: UserStore>(subject: &Subject<'_, S>) -> Outcome {
    let mut expected = Vec::new();
    for number in 0..MANY {
        let began = Activity::began(subject.start);
        let activity = match number % 3 {
            0 => began.with_next_id(Some(fresh_key())),
            1 => began.revoked(),
            _ => began.active_at(subject.after(MINUTE)),
        };
        expected.push(subject.created(activity).await?);
    }
    let mut sessions: Vec<_> = expected.iter().map(|(session, _)| *session).collect();
    sessions.push(fresh_key());
    subject.begun().await?;
    let found = subject.store.load_many(sessions).await;
    let mut found = answered("load_many", found)?;
    found.sort_unstable_by_key(|(session, _)| *session);
    expected.sort_unstable_by_key(|(session, _)| *session);
    expect("load_many", found, expected)?;
    let none = subject.store.load_many(Vec::new()).await;
    expect(
        "load_many of none",
        answered("load_many", none)?,
        Vec::new(),
    )
}

async fn revokes_many<S: UserStore>(subject: &Subject<'_, S>) -> Outcome {
    let next = fresh_key();
    let mut expected = Vec::new();
    for number in 0..MANY {
        let began = Activity::began(subject.start);
        let activity = match number % 3 {
            0 => began.with_next_id(Some(next)),
            1 => began.revoked(),
            _ => began.active_at(subject.after(MINUTE)),
        };
        expected.push(subject.created(activity).await?);
    }
    let mut sessions: Vec<_> = expected.iter().map(|(session, _)| *session).collect();
    sessions.push(fresh_key());
    let (other, stays) = subject.begun().await?;
    let keep_until = subject.keep_for_a_day();
    let revoked = subject.store.revoke_many(sessions, keep_until).await;
    let mut revoked = answered("revoke_many", revoked)?;
    revoked.sort_unstable_by_key(|(session, _)| *session);
    expected.sort_unstable_by_key(|(session, _)| *session);
    expect("revoke_many", revoked, expected.clone())?;
    for (session, before) in expected {
        let after = Some(before.revoked());
        subject
            .expect_record("after revoke_many", session, after)
            .await?;
    }
    let none = subject.store.revoke_many(Vec::new(), keep_until).await;
    expect(
        "revoke_many of none",
        answered("revoke_many", none)?,
        Vec::new(),
    )?;
    subject
        .expect_record("of a session that was not named", other, Some(stays))
        .await
}
