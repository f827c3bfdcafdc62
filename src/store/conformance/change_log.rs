//! The checks of the log of changes.

use std::collections::{BTreeSet, HashSet};
use std::pin::pin;

use tokio::task::{JoinSet, yield_now};

use super::concurrent::AT_ONCE;
use super::report::Report;
use super::subject::{HOUR, Outcome, SECOND, Subject, answered, expect, fresh_key};
use crate::session::change::Change;
use crate::session::key::SessionKey;
use crate::session::limits::Limits;
use crate::store::change_log::{Changed, Changes, LogPosition};
use crate::store::shared_store::SharedStore;

/// How many sessions each task revokes while the log is read.
const REVOKED_BY_EACH: usize = 25;

/// Checks that a store keeps the contract of [`SharedStore::changes_since`]: what one handle
/// changes is in the log that another one reads. Use it in addition to
/// [`check_shared`](super::check_shared).
///
/// The handles may be clones, or belong to two nodes that share a server. The log must go back to
/// the beginning of the check, so nothing else may fill it meanwhile.
///
/// # Panics
///
/// If the store breaks the contract. The message lists every broken clause, what was expected and
/// what was found.
pub async fn check_change_log<S: SharedStore>(changing: &S, reading: &S) {
    let subject = &Subject::new(changing);
    let mut report = Report::of("SharedStore");
    report
        .add(
            "the log names what was revoked, changed or replaced",
            names_changes(subject, reading),
        )
        .await;
    report
        .add(
            "the log names no activity and no new session",
            leaves_out_activity(subject, reading),
        )
        .await;
    report
        .add(
            "without a position of this log, any session may have changed",
            foreign_position(subject, reading),
        )
        .await;
    report
        .add(
            "each reader of the log gets every change",
            readers_are_apart(subject, reading),
        )
        .await;
    report
        .add(
            "the log names a change only when it can be read",
            comes_after_the_change(subject, reading),
        )
        .await;
    report
        .add(
            "of many changes at the same time, the log names each",
            many_changes(subject, reading),
        )
        .await;
    report.finish();
}

/// A reader of the log, and where it has read to.
pub(super) struct Reader<'a, S> {
    store: &'a S,
    position: LogPosition,
}

impl<'a, S: SharedStore> Reader<'a, S> {
    /// Begins at the end of the log.
    pub(super) async fn start(store: &'a S) -> Result<Self, String> {
        let first = read(store, None).await?;
        let mut reader = Self {
            store,
            position: first.position().clone(),
        };
        if first.has_more() {
            reader.changes().await?;
        }
        Ok(reader)
    }

    /// Reads to the end of the log. Returns the keys that it names.
    async fn changes(&mut self) -> Result<BTreeSet<SessionKey>, String> {
        let mut keys = BTreeSet::new();
        loop {
            let changes = read(self.store, Some(self.position.clone())).await?;
            match changes.changed() {
                Changed::These(these) => keys.extend(these),
                Changed::Any => {
                    return Err(
                        "changes_since: expected keys, since the log goes back to the \
                                position, found that any session may have changed"
                            .to_owned(),
                    );
                }
            }
            self.position = changes.position().clone();
            if !changes.has_more() {
                return Ok(keys);
            }
        }
    }
}

async fn read<S: SharedStore>(store: &S, position: Option<LogPosition>) -> Result<Changes, String> {
    answered("changes_since", store.changes_since(position).await)
}

async fn names_changes<S: SharedStore>(subject: &Subject<'_, S>, reading: &S) -> Outcome {
    let policy = subject.policy;
    let limits = Limits::default().with_idle(HOUR);
    let limits = limits.map_err(|error| error.to_string())?;
    let now = subject.after(SECOND);
    let (revoked, _) = subject.begun().await?;
    let (limited, _) = subject.begun().await?;
    let (rotated, _) = subject.begun().await?;
    let (replaced, activity) = subject.begun().await?;
    let mut reader = Reader::start(reading).await?;

    subject.revoke(revoked).await?;
    named(&mut reader, "revoked", revoked).await?;
    let change = Change::set_limits(policy, now, limits);
    subject.change(limited, change).await?;
    named(&mut reader, "given limits", limited).await?;
    let change = Change::replace_id(policy, now, None, fresh_key());
    subject.change(rotated, change).await?;
    named(&mut reader, "given a next id", rotated).await?;
    subject.create(replaced, activity.active_at(now)).await?;
    named(&mut reader, "created anew", replaced).await
}

pub(super) async fn named<S: SharedStore>(
    reader: &mut Reader<'_, S>,
    what: &str,
    key: SessionKey,
) -> Outcome {
    let is_named = reader.changes().await?.contains(&key);
    expect(
        &format!("whether the log names a session that was {what}"),
        is_named,
        true,
    )
}

async fn leaves_out_activity<S: SharedStore>(subject: &Subject<'_, S>, reading: &S) -> Outcome {
    let (touched, _) = subject.begun().await?;
    let (many, activity) = subject.begun().await?;
    let mut reader = Reader::start(reading).await?;

    let touch = subject.touch_after(SECOND);
    let (created, _) = subject.begun().await?;
    let begun = fresh_key();
    subject.begin(begun, activity).await?;
    subject.begin(touched, activity).await?;
    subject.touch(touched, touch).await?;
    subject.load(touched).await?;
    let touches = vec![(many, touch)];
    answered("touch_many", subject.store.touch_many(touches).await)?;

    let changes = reader.changes().await?;
    for (what, key) in [
        ("created", created),
        ("begun", begun),
        ("touched", touched),
        ("touched by touch_many", many),
    ] {
        let what = format!("whether the log names a session that was {what}");
        expect(&what, changes.contains(&key), false)?;
    }
    Ok(())
}

async fn foreign_position<S: SharedStore>(subject: &Subject<'_, S>, reading: &S) -> Outcome {
    let (key, _) = subject.begun().await?;
    subject.revoke(key).await?;
    let foreign = LogPosition::from_bytes(*b"a position of another store");
    for (which, position) in [("no position", None), ("a foreign one", Some(foreign))] {
        let changes = read(reading, position).await?;
        let what = format!("changes_since with {which}");
        expect(&what, changes.changed(), &Changed::Any)?;
    }
    Ok(())
}

async fn readers_are_apart<S: SharedStore>(subject: &Subject<'_, S>, reading: &S) -> Outcome {
    let (first, _) = subject.begun().await?;
    let (second, _) = subject.begun().await?;
    let mut one = Reader::start(reading).await?;
    let mut other = Reader::start(subject.store).await?;
    subject.revoke(first).await?;
    named(&mut one, "revoked", first).await?;
    subject.revoke(second).await?;
    named(&mut one, "revoked", second).await?;
    let changes = other.changes().await?;
    let both = changes.contains(&first) && changes.contains(&second);
    expect("whether a later reader gets both changes", both, true)
}

/// Reads the log at each step of a revocation.
async fn comes_after_the_change<S: SharedStore>(subject: &Subject<'_, S>, reading: &S) -> Outcome {
    for _ in 0..AT_ONCE {
        let (key, _) = subject.begun().await?;
        let mut reader = Reader::start(reading).await?;
        let mut revocation = pin!(subject.revoke(key));
        loop {
            tokio::select! {
                biased;
                revoked = &mut revocation => break expect("whether there was a session to revoke", revoked?, true)?,
                changes = reader.changes() => if changes?.contains(&key) {
                    let found = subject.load(key).await?;
                    let revoked = found.map(|activity| activity.is_revoked());
                    let what = "whether a session is revoked when the log names it";
                    expect(what, revoked, Some(true))?;
                },
            }
        }
    }
    Ok(())
}

/// Revokes sessions in many tasks, and reads the log meanwhile.
async fn many_changes<S: SharedStore>(subject: &Subject<'_, S>, reading: &S) -> Outcome {
    let mut missing = HashSet::new();
    let mut shares = Vec::new();
    for _ in 0..AT_ONCE {
        let mut share = Vec::new();
        for _ in 0..REVOKED_BY_EACH {
            share.push(subject.begun().await?.0);
        }
        missing.extend(share.iter().copied());
        shares.push(share);
    }
    let mut reader = Reader::start(reading).await?;
    let mut tasks = JoinSet::new();
    for share in shares {
        let (store, keep_until) = (subject.store.clone(), subject.keep_for_a_day());
        tasks.spawn(async move {
            for key in share {
                answered("revoke", store.revoke(key, keep_until).await)?;
                yield_now().await;
            }
            Ok::<_, String>(())
        });
    }
    while !tasks.is_empty() {
        while let Some(ended) = tasks.try_join_next() {
            ended.map_err(|panic| panic.to_string())??;
        }
        for key in reader.changes().await? {
            missing.remove(&key);
        }
        yield_now().await;
    }
    expect("how many changes the log lacks", missing.len(), 0)
}
