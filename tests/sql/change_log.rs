//! Tests of the log of changes, which every SQL database must pass.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::task::JoinSet;
use tower_login_timeout::{
    Activity, ActivityStore, Change, Changed, Changes, Limits, LogPosition, SessionKey,
    SharedStore, SqlDatabase, SqlStore, Timestamp,
};

use super::suite::{Inside, NOON, SECOND, Subject, begin_for_good, eventually, later, policy};

/// The largest number of keys in one answer.
const MAX_CHANGES: usize = 10_000;

/// Defines the tests of the log in a module. Its function `subject` prepares a table.
macro_rules! tests_of_the_change_log {
    () => {
        tests_of_the_change_log! {
            the_log_holds_changes_and_no_activity,
            a_change_leaves_the_log_after_a_while,
            without_a_position_any_session_may_have_changed,
            a_clock_that_was_set_is_noticed_for_a_while,
            an_old_position_and_another_server_break_the_log,
            too_many_changes_are_any_change,
            a_change_that_waits_for_a_lock_is_logged,
            a_reader_misses_none_of_many_changes,
            a_table_without_the_log_says_what_to_do,
        }
    };
    ($($guarantee:ident,)+) => {
        $(
            #[tokio::test(flavor = "multi_thread")]
            async fn $guarantee() {
                // A server has one table for each test.
                let table = stringify!($guarantee);
                let subject = subject(&table[..table.len().min(40)]).await;
                crate::sql::change_log::$guarantee(&subject).await;
            }
        )+
    };
}
pub(crate) use tests_of_the_change_log;

/// A database that can be looked into, and that other nodes connect to.
pub trait Nodes: Inside {
    type DB: SqlDatabase;

    /// Connects another node, with these settings in its URL.
    async fn connect(&self, settings: &str) -> SqlStore<Self::DB>;
    /// Makes each write to the table slow after it has taken the time, if the database can do that.
    async fn slow_writes(&self, table: &str);
}

/// A node that follows the log.
pub struct Follower<DB: SqlDatabase> {
    store: SqlStore<DB>,
    position: LogPosition,
    seen: BTreeSet<SessionKey>,
}

impl<DB: SqlDatabase> Follower<DB> {
    /// Begins at the end of the log.
    pub async fn of(store: &SqlStore<DB>) -> Self {
        let end = store.changes_since(None).await.unwrap();
        assert_eq!(end.changed(), &Changed::Any);
        Self {
            store: store.clone(),
            position: end.position().clone(),
            seen: BTreeSet::new(),
        }
    }

    /// Reads the log once. Returns the keys.
    pub async fn read(&mut self) -> BTreeSet<SessionKey> {
        let read = self.store.changes_since(Some(self.position.clone()));
        let read = read.await.unwrap();
        assert!(!read.has_more());
        self.position = read.position().clone();
        let keys = these(&read);
        self.seen.extend(&keys);
        keys
    }
}

fn these(changes: &Changes) -> BTreeSet<SessionKey> {
    match changes.changed() {
        Changed::These(keys) => keys.iter().copied().collect(),
        other => panic!("{other:?}"),
    }
}

fn keys<const N: usize>(ids: [&str; N]) -> BTreeSet<SessionKey> {
    ids.map(SessionKey::of).into()
}

/// Begins a session, which is no change.
async fn begin_quietly<DB: SqlDatabase>(store: &SqlStore<DB>, id: &str) -> SessionKey {
    let key = SessionKey::of(id);
    let activity = Activity::began(NOON);
    store.begin(key, activity, Timestamp::MAX).await.unwrap();
    key
}

/// Begins a session, and starts it anew, which is a change.
async fn start_anew<DB: SqlDatabase>(store: &SqlStore<DB>, id: &str) -> SessionKey {
    begin_quietly(store, id).await;
    begin_for_good(store, id, NOON).await
}

/// Changes the limits of a live session.
fn other_limits() -> Change {
    let limits = Limits::default().with_idle(SECOND * 600).unwrap();
    Change::set_limits(policy(900, 0), later(NOON, 1), limits)
}

/// Returns a position that differs by so many milliseconds: in the server that answered, the time
/// of the database, and that of the process.
fn shifted(position: &LogPosition, by: [i64; 3]) -> LogPosition {
    let mut bytes = position.as_bytes().to_vec();
    for (number, by) in bytes.chunks_exact_mut(8).zip(by) {
        let value = i64::from_be_bytes(number.try_into().unwrap());
        number.copy_from_slice(&(value + by).to_be_bytes());
    }
    LogPosition::from_bytes(bytes)
}

/// Returns the time of the database in a position.
fn database_time(position: &LogPosition) -> i64 {
    let bytes = position.as_bytes()[8..16].try_into().unwrap();
    i64::from_be_bytes(bytes)
}

pub async fn the_log_holds_changes_and_no_activity<I: Nodes>(subject: &Subject<I::DB, I>) {
    let store = &subject.store;
    let mut follower = Follower::of(store).await;
    let touch = policy(900, 0).touch(later(NOON, 1));
    let quiet = ["touched", "gathered", "revoked", "changed", "not changed"];
    for id in quiet {
        begin_quietly(store, id).await;
    }
    begin_for_good(store, "new", NOON).await;
    let [touched, gathered, revoked, changed, not_changed] = quiet.map(SessionKey::of);
    store.touch(touched, touch).await.unwrap().unwrap();
    let found = store.touch_many(vec![(gathered, touch)]).await.unwrap();
    assert_eq!(found.len(), 1);
    for key in [touched, gathered] {
        let activity = store.load(key).await.unwrap().unwrap();
        assert_eq!(activity.last_activity(), later(NOON, 1));
    }
    let unknown = SessionKey::of("unknown");
    assert_eq!(store.revoke(unknown, NOON).await.unwrap(), None);
    assert_eq!(store.change(unknown, other_limits()).await.unwrap(), None);
    let expected = Some(SessionKey::of("another rotation"));
    let replace = Change::replace_id(policy(900, 0), later(NOON, 1), expected, unknown);
    store.change(not_changed, replace).await.unwrap().unwrap();
    assert_eq!(follower.read().await, BTreeSet::new());

    // Each change is in the log when its operation has returned, and the record can be read.
    store.revoke(revoked, Timestamp::MAX).await.unwrap();
    assert_eq!(follower.read().await, keys(["revoked"]));
    store.change(changed, other_limits()).await.unwrap();
    assert!(follower.read().await.contains(&changed));
    let created = start_anew(store, "created").await;
    assert!(follower.read().await.contains(&created));
    begin_for_good(store, "not changed", NOON).await;
    follower.read().await;
    let all = keys(["revoked", "changed", "created", "not changed"]);
    assert_eq!(follower.seen, all);
    // Later activity leaves the change in the log.
    store.touch(changed, touch).await.unwrap();
    store.touch_many(vec![(created, touch)]).await.unwrap();
    let mut second = Follower::of(store).await;
    assert_eq!(second.read().await, all);
}

pub async fn a_change_leaves_the_log_after_a_while<I: Nodes>(subject: &Subject<I::DB, I>) {
    let store = &subject.store;
    let mut follower = Follower::of(store).await;
    start_anew(store, "created").await;
    assert_eq!(follower.read().await, keys(["created"]));
    tokio::time::sleep(Duration::from_millis(2500)).await;
    assert_eq!(follower.read().await, keys(["created"]), "too early");
    eventually("it is read no more", SECOND * 5, async || {
        let read = follower
            .store
            .changes_since(Some(follower.position.clone()));
        let read = read.await.unwrap();
        let position = read.position().clone();
        let next = follower.store.changes_since(Some(position)).await.unwrap();
        these(&next).is_empty()
    })
    .await;
}

pub async fn without_a_position_any_session_may_have_changed<I: Nodes>(
    subject: &Subject<I::DB, I>,
) {
    let store = &subject.store;
    begin_quietly(store, "quiet").await;
    let odd = [vec![], vec![0; 23], vec![0; 25], b"17".to_vec()];
    let odd = odd.map(|bytes| Some(LogPosition::from_bytes(bytes)));
    for position in odd.into_iter().chain([None]) {
        let read = store.changes_since(position).await.unwrap();
        assert_eq!(read.changed(), &Changed::Any);
        // From there on, the log is read.
        let next = store.changes_since(Some(read.position().clone())).await;
        assert_eq!(these(&next.unwrap()), BTreeSet::new());
    }
}

/// The clock of a real server cannot be set. So positions pretend that it has another time now than
/// it had then.
pub async fn a_clock_that_was_set_is_noticed_for_a_while<I: Nodes>(subject: &Subject<I::DB, I>) {
    let store = &subject.store;
    let now = Follower::of(store).await.position;
    for by in [2_000, 3_600_000, -5_000, -3_600_000] {
        let before = shifted(&now, [0, by, 0]);
        // A statement that is under way may have taken the time before the clock was set. So the
        // next reads say the same.
        let mut position = before.clone();
        for _ in 0..3 {
            let read = store.changes_since(Some(position)).await.unwrap();
            assert_eq!(read.changed(), &Changed::Any, "{by}");
            position = read.position().clone();
        }
        // After ten seconds, they go on with the new time.
        let later = shifted(&position, [0, 0, -11_000]);
        let read = store.changes_since(Some(later)).await.unwrap();
        assert_eq!(read.changed(), &Changed::Any, "{by}");
        let next = store.changes_since(Some(read.position().clone())).await;
        assert_eq!(these(&next.unwrap()), BTreeSet::new(), "{by}");
    }
    // Clocks that are slewed, and answers that are slow.
    for by in [500, -500] {
        let read = store.changes_since(Some(shifted(&now, [0, by, 0]))).await;
        assert_eq!(these(&read.unwrap()), BTreeSet::new(), "{by}");
    }
}

pub async fn an_old_position_and_another_server_break_the_log<I: Nodes>(
    subject: &Subject<I::DB, I>,
) {
    let store = &subject.store;
    let now = Follower::of(store).await.position;
    let recent = shifted(&now, [0, -5_000, -5_000]);
    let read = store.changes_since(Some(recent)).await.unwrap();
    assert_eq!(these(&read), BTreeSet::new());
    for by in [
        [1, 0, 0],
        [-1, 0, 0],
        [0, -11_000, -11_000],
        [0, 60_000, 60_000],
    ] {
        let read = store.changes_since(Some(shifted(&now, by))).await.unwrap();
        assert_eq!(read.changed(), &Changed::Any, "{by:?}");
        let next = store.changes_since(Some(read.position().clone())).await;
        assert_eq!(these(&next.unwrap()), BTreeSet::new(), "{by:?}");
    }
}

pub async fn too_many_changes_are_any_change<I: Nodes>(subject: &Subject<I::DB, I>) {
    let store = &subject.store;
    let mut follower = Follower::of(store).await;
    let table = subject.table;
    let run = async |sql: String| subject.inside.run(sql).await;
    run(I::insert_ended(table, MAX_CHANGES, Timestamp::MAX)).await;
    let until = database_time(&follower.position) + 60_000;
    run(format!("UPDATE {table} SET logged_until = {until}")).await;
    assert_eq!(follower.read().await.len(), MAX_CHANGES);
    let key = start_anew(store, "one more").await;
    let position = follower.position.clone();
    let read = store.changes_since(Some(position)).await.unwrap();
    assert_eq!(read.changed(), &Changed::Any);
    // The next read begins after them. Those that are still logged are too many.
    let id = I::literal(&key.to_bytes());
    run(format!(
        "UPDATE {table} SET logged_until = NULL WHERE id <> {id}"
    ))
    .await;
    let next = store.changes_since(Some(read.position().clone())).await;
    assert_eq!(these(&next.unwrap()), [key].into());
}

/// Other transactions hold the rows for longer than a default node logs its changes. The node that
/// changes them has more time, and its changes wait. Meanwhile, another node reads the log again
/// and again.
pub async fn a_change_that_waits_for_a_lock_is_logged<I: Nodes>(subject: &Subject<I::DB, I>) {
    const HELD: Duration = Duration::from_millis(3300);
    let patient = subject.inside.connect("timeout=8s").await;
    let patient = patient.with_table(subject.table).unwrap();
    let hold = format!("UPDATE {} SET keep_until = keep_until - 1", subject.table);
    // After a rollback, PostgreSQL goes on with the time from before it waited.
    for end in ["COMMIT", "ROLLBACK"] {
        let ids = ["revoked", "changed", "created"].map(|what| format!("{what} {end}"));
        let mut waiting = BTreeSet::new();
        for id in &ids {
            waiting.insert(begin_quietly(&subject.store, id).await);
        }
        let [revoked, changed, created] = ids.map(SessionKey::of);
        let mut follower = Follower::of(&subject.store).await;
        subject.inside.run(format!("{}; {hold}", I::BEGIN)).await;
        let mut changes = JoinSet::new();
        let store = patient.clone();
        changes.spawn(async move { store.revoke(revoked, Timestamp::MAX).await.map(drop) });
        let store = patient.clone();
        changes.spawn(async move { store.change(changed, other_limits()).await.map(drop) });
        let create = patient.create(created, Activity::began(NOON), Timestamp::MAX);
        changes.spawn(create);
        subject.inside.held_up(subject.table).await;
        let start = std::time::Instant::now();
        while start.elapsed() < HELD {
            let early = follower.read().await;
            assert!(early.is_disjoint(&waiting), "{end}: not committed yet");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        subject.inside.run(end.to_owned()).await;
        while let Some(done) = changes.join_next().await {
            done.unwrap().unwrap();
        }
        let read = follower.read().await;
        assert!(
            waiting.is_subset(&read),
            "{end}: {} missed",
            waiting.difference(&read).count()
        );
    }
}

pub async fn a_reader_misses_none_of_many_changes<I: Nodes>(subject: &Subject<I::DB, I>) {
    let patient = subject.inside.connect("timeout=4s").await;
    let patient = patient.with_table(subject.table).unwrap();
    subject.inside.slow_writes(subject.table).await;
    follow_many_changes(&patient, &subject.store).await;
}

/// Changes sessions on one node, from many tasks. Another node reads the log as fast as it can, and
/// must miss none: what was changed when a read began is in it, or in one before.
pub async fn follow_many_changes<DB: SqlDatabase>(writer: &SqlStore<DB>, reader: &SqlStore<DB>) {
    const WRITERS: usize = 8;
    const SESSIONS: usize = 20;
    let changed = Arc::new(Mutex::new(BTreeSet::new()));
    let locked = |changed: &Mutex<BTreeSet<SessionKey>>| -> BTreeSet<SessionKey> {
        changed
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    };
    let mut follower = Follower::of(reader).await;
    let mut writers = JoinSet::new();
    for number in 0..WRITERS {
        let (store, changed) = (writer.clone(), Arc::clone(&changed));
        writers.spawn(async move {
            for session in 0..SESSIONS {
                let id = format!("writer {number} session {session}");
                let key = match session % 3 {
                    0 => start_anew(&store, &id).await,
                    1 => {
                        let key = begin_quietly(&store, &id).await;
                        store.change(key, other_limits()).await.unwrap().unwrap();
                        key
                    }
                    _ => {
                        let key = begin_quietly(&store, &id).await;
                        store.revoke(key, Timestamp::MAX).await.unwrap().unwrap();
                        key
                    }
                };
                let mut changed = changed.lock().unwrap_or_else(PoisonError::into_inner);
                changed.insert(key);
            }
        });
    }
    let mut reads = 0;
    while !writers.is_empty() {
        while let Some(done) = writers.try_join_next() {
            done.unwrap();
        }
        let before = locked(&changed);
        follower.read().await;
        reads += 1;
        let missed = before.difference(&follower.seen).count();
        assert_eq!(missed, 0, "of {} in read {reads}", before.len());
    }
    assert_eq!(locked(&changed).len(), WRITERS * SESSIONS);
    assert!(reads > 10, "{reads} reads");
}

/// A table of an older version has no such column.
pub async fn a_table_without_the_log_says_what_to_do<I: Nodes>(subject: &Subject<I::DB, I>) {
    let old = format!("{}_old", subject.table);
    let columns = "id, created_at, last_activity, idle_limit, absolute_limit, revoked, keep_until, \
                   replaced_at, next_id";
    let create = format!(
        "CREATE TABLE {old} AS SELECT {columns} FROM {}",
        subject.table
    );
    subject.inside.run(create).await;
    let key = format!("CREATE UNIQUE INDEX {old}_id ON {old} (id)");
    subject.inside.run(key).await;
    let store = subject.store.clone().with_table(&old).unwrap();
    let key = SessionKey::of("old");
    let create = store.create(key, Activity::began(NOON), NOON);
    for error in [
        store.changes_since(None).await.unwrap_err(),
        store.revoke(key, NOON).await.unwrap_err(),
        create.await.unwrap_err(),
        store.migrate().await.unwrap_err(),
    ] {
        let text = error.to_string();
        assert!(text.contains("other columns"), "{error:?}");
    }
    assert_eq!(store.load(key).await.unwrap(), None);
}

/// A change waits for a row, and later ones are committed and read first.
#[cfg(any(feature = "postgres", feature = "mysql"))]
pub async fn a_change_that_commits_after_later_ones_is_logged<I: Nodes>(
    subject: &Subject<I::DB, I>,
) {
    let store = &subject.store;
    let first = begin_quietly(store, "first").await;
    let mut follower = Follower::of(store).await;
    let (table, id) = (subject.table, I::literal(&first.to_bytes()));
    let hold = format!("UPDATE {table} SET keep_until = keep_until - 1 WHERE id = {id}");
    subject.inside.run(format!("{}; {hold}", I::BEGIN)).await;
    let patient = subject.inside.connect("timeout=8s").await;
    let patient = patient.with_table(table).unwrap();
    let revoked = tokio::spawn(patient.revoke(first, Timestamp::MAX));
    subject.inside.held_up(subject.table).await;
    for id in ["second", "third"] {
        let later = start_anew(store, id).await;
        let read = follower.read().await;
        assert!(read.contains(&later) && !read.contains(&first));
    }
    subject.inside.run("ROLLBACK".to_owned()).await;
    revoked.await.unwrap().unwrap().unwrap();
    assert!(follower.read().await.contains(&first));
}
