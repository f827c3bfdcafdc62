//! Tests that every SQL database must pass. They are written once and defined for each database.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

#[cfg(any(feature = "postgres", feature = "mysql"))]
use sqlx::{Pool, pool::PoolOptions};
use tower_login_timeout::{
    Activity, ActivityStore, Clock, Limits, ManualClock, Policy, SessionKey, SharedStore,
    SqlDatabase, SqlError, SqlStore, StoreEvent, Timestamp, Verdict,
};

pub const NOON: Timestamp = Timestamp::from_unix_millis(1_700_000_000_000);
pub const SECOND: Duration = Duration::from_secs(1);

/// How long an operation may take: its own limit, and what a busy machine adds.
pub const STORE_TIMEOUT: Duration = Duration::from_millis(1500);

/// Defines the tests of every database in a module. Its function `subject` prepares a table.
macro_rules! tests_of_every_database {
    () => {
        #[cfg(feature = "conformance")]
        #[tokio::test(flavor = "multi_thread")]
        async fn it_keeps_the_contract() {
            let subject = subject("contract").await;
            tower_login_timeout::conformance::check(&subject.store).await;
            tower_login_timeout::conformance::check_shared(&subject.store).await;
            tower_login_timeout::conformance::check_users(&subject.store).await;
            let (store, other) = (&subject.store, &subject.store.clone());
            tower_login_timeout::conformance::check_users_change_log(store, other).await;
        }

        #[tokio::test]
        async fn it_writes_only_when_due() {
            subject("due").await.writes_only_when_due().await;
        }

        #[tokio::test]
        async fn malformed_rows_are_errors() {
            subject("malformed").await.malformed_rows_are_errors().await;
        }

        #[tokio::test]
        async fn removal_survives_failures() {
            subject("removal").await.removal_survives_failures().await;
        }

        #[tokio::test]
        async fn clocks_that_are_apart_revive_nothing() {
            subject("apart")
                .await
                .clocks_that_are_apart_revive_nothing()
                .await;
        }

        #[tokio::test(flavor = "multi_thread")]
        async fn dropped_operations_leak_nothing() {
            subject("dropped")
                .await
                .dropped_operations_leak_nothing()
                .await;
        }

        #[tokio::test(flavor = "multi_thread")]
        async fn a_touch_overwrites_no_change_made_meanwhile() {
            subject("meanwhile")
                .await
                .a_touch_overwrites_no_change_made_meanwhile()
                .await;
        }

        #[tokio::test(flavor = "multi_thread")]
        async fn removal_is_never_moved_to_an_earlier_time() {
            subject("closer")
                .await
                .removal_is_never_moved_to_an_earlier_time()
                .await;
        }

        #[tokio::test(flavor = "multi_thread")]
        async fn a_revocation_that_has_begun_is_finished() {
            subject("begun")
                .await
                .a_revocation_that_has_begun_is_finished()
                .await;
        }

        #[tokio::test]
        async fn a_touch_of_a_locked_row_fails_in_time() {
            subject("held")
                .await
                .a_touch_of_a_locked_row_fails_in_time()
                .await;
        }

        #[tokio::test]
        async fn limits_are_kept() {
            subject("limits").await.limits_are_kept().await;
        }

        #[tokio::test(flavor = "multi_thread")]
        async fn many_touches_are_written() {
            subject("many").await.many_touches_are_written().await;
        }
    };
}
pub(crate) use tests_of_every_database;

/// Defines the tests of every database that is a server. The module also has `SERVER`.
#[cfg(any(feature = "postgres", feature = "mysql"))]
macro_rules! tests_of_every_server {
    ($Store:ident at $url:ident, unreachable by $wrong_urls:ident) => {
        #[tokio::test]
        async fn clocks_that_follow_the_database_agree() {
            let subject = subject("agree").await;
            let clock = subject.store.clock().await.unwrap();
            let now = SystemClock.now();
            let apart = clock.now().saturating_duration_since(now);
            assert!(apart < SECOND, "the server is on this machine: {apart:?}");
            let mut clocks = Vec::new();
            for _node in 0..2 {
                let theirs = subject.store.clock().await.unwrap();
                let ask = move || ready(Ok::<_, Infallible>(theirs.now()));
                clocks.push(StoreClock::follow(ask).await.unwrap());
            }
            subject
                .clocks_that_follow_agree([&clocks[0], &clocks[1]])
                .await;
        }

        #[tokio::test]
        async fn nothing_shows_the_password() {
            let subject = subject("shows").await;
            let mut shown = vec![format!("{:?}", subject.store)];
            for url in $wrong_urls(&$url(SERVER.hold().port)) {
                let error = $Store::connect(&url).await.unwrap_err();
                shown.push(format!("{error} {error:?}"));
                shown.extend(error.source().map(ToString::to_string));
            }
            let elsewhere = subject.store.with_table("elsewhere").unwrap();
            let error = elsewhere.load(SessionKey::of("shows")).await.unwrap_err();
            assert!(error.to_string().contains("migrate()"), "{error:?}");
            shown.push(format!("{error} {error:?}"));
            for shown in shown {
                assert!(!shown.contains("secret"), "{shown}");
            }
        }
    };
}
#[cfg(any(feature = "postgres", feature = "mysql"))]
pub(crate) use tests_of_every_server;

/// A store with its own table, and a connection to look into the database.
pub struct Subject<DB: SqlDatabase, I> {
    pub store: SqlStore<DB>,
    pub table: &'static str,
    pub inside: I,
}

/// A connection to the database that does not go through the store.
pub trait Inside {
    async fn run(&self, sql: String);
    async fn number(&self, sql: String) -> i64;
    /// Returns a text that every write to the table changes.
    async fn version(&self, table: &str) -> String;
    /// The statement that begins a transaction that writes.
    const BEGIN: &str;
    /// Waits until another connection waits for a lock in the table.
    async fn held_up(&self, table: &str);
    /// Fails if the store has left a transaction open on this table.
    async fn no_transaction_is_open(&self, _table: &str) {}
    /// Writes these bytes as an SQL literal.
    fn literal(bytes: &[u8]) -> String;
    /// Returns a statement that inserts this number of records that end at that moment.
    fn insert_ended(table: &str, rows: usize, ended: Timestamp) -> String;
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub fn later(at: Timestamp, seconds: u64) -> Timestamp {
    at.saturating_add(SECOND * u32::try_from(seconds).unwrap())
}

pub fn policy(idle: u64, touch_every: u64) -> Policy {
    Policy::builder()
        .with_idle(SECOND * u32::try_from(idle).unwrap())
        .with_touch_every(SECOND * u32::try_from(touch_every).unwrap())
        .build()
        .unwrap()
}

/// Creates a session that began at that moment.
pub async fn begin<S: ActivityStore<Error = SqlError>>(
    store: &S,
    id: &str,
    at: Timestamp,
) -> SessionKey {
    let key = SessionKey::of(id);
    let activity = Activity::began(at);
    let keep_until = Policy::default().keep_until(&activity);
    store.create(key, activity, keep_until).await.unwrap();
    key
}

/// Creates a session that began at that moment. Its record is never swept, however long the test
/// takes.
pub async fn begin_for_good<S: ActivityStore<Error = SqlError>>(
    store: &S,
    id: &str,
    at: Timestamp,
) -> SessionKey {
    let key = SessionKey::of(id);
    let activity = Activity::began(at);
    store.create(key, activity, Timestamp::MAX).await.unwrap();
    key
}

/// Asks again and again until the answer is yes.
pub async fn eventually<F: Future<Output = bool>>(
    what: &str,
    patience: Duration,
    mut answer: impl FnMut() -> F,
) {
    let start = Instant::now();
    while !answer().await {
        assert!(
            start.elapsed() < patience,
            "not within {patience:?}: {what}"
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Connects to a database with one connection, which does not belong to a store.
#[cfg(any(feature = "postgres", feature = "mysql"))]
pub async fn one_connection<DB: SqlDatabase>(url: &str) -> Pool<DB> {
    let pool = PoolOptions::new().max_connections(1);
    pool.connect(url).await.unwrap()
}

impl<DB: SqlDatabase, I: Inside> Subject<DB, I> {
    /// Gives the store a table of its own.
    #[cfg(any(feature = "postgres", feature = "mysql"))]
    pub async fn new(store: SqlStore<DB>, table: &'static str, inside: I) -> Self {
        let store = store.with_table(table).unwrap();
        store.migrate().await.unwrap();
        Self {
            store,
            table,
            inside,
        }
    }

    async fn count(&self) -> i64 {
        self.inside
            .number(format!("SELECT count(*) FROM {}", self.table))
            .await
    }

    /// A touch writes once when it is due. It writes nothing while the record is newer than
    /// `touch_every`.
    pub async fn writes_only_when_due(&self) {
        let policy = policy(900, 10);
        let key = begin(&self.store, "fresh", NOON).await;
        let touch = policy.touch(NOON);
        self.store.touch(key, touch).await.unwrap().unwrap();
        // The first operation starts a sweep, which writes once. The version of SQLite counts that
        // too.
        let claims = format!("SELECT count(*) FROM {}_sweep", self.table);
        eventually("the sweep is claimed", SECOND * 10, async || {
            self.inside.number(claims.clone()).await == 1
        })
        .await;
        let before = self.inside.version(self.table).await;
        for second in 0..10 {
            let touch = policy.touch(later(NOON, second));
            self.store.touch(key, touch).await.unwrap().unwrap();
            self.store.touch_many(vec![(key, touch)]).await.unwrap();
            self.store
                .touch(SessionKey::of("unknown"), touch)
                .await
                .unwrap();
        }
        assert_eq!(self.inside.version(self.table).await, before);
        self.store
            .touch(key, policy.touch(later(NOON, 10)))
            .await
            .unwrap();
        let after = self.inside.version(self.table).await;
        assert_ne!(after, before);
        self.store
            .touch_many(vec![(key, policy.touch(later(NOON, 20)))])
            .await
            .unwrap();
        assert_ne!(self.inside.version(self.table).await, after);
    }

    /// A malformed row is an error, except in a batch, which skips it and writes the others.
    pub async fn malformed_rows_are_errors(&self) {
        let spoilt = [
            "created_at = -1",
            "last_activity = -1",
            "created_at = 9223372036854775807",
            "last_activity = created_at - 1",
            "idle_limit = 0",
            "absolute_limit = -5",
        ];
        let policy = policy(900, 0);
        let touch = policy.touch(later(NOON, 60));
        let skipped = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&skipped);
        let table = self.table;
        let observed = self
            .store
            .clone()
            .with_observer(move |event: &StoreEvent<'_>| {
                if let StoreEvent::MalformedRows {
                    table: of, rows, ..
                } = event
                {
                    assert_eq!(*of, table);
                    count.fetch_add(*rows, Ordering::Relaxed);
                }
            });
        for (number, spoil) in spoilt.into_iter().enumerate() {
            let key = begin(&self.store, &format!("spoilt {number}"), NOON).await;
            let id = I::literal(&key.to_bytes());
            self.inside
                .run(format!("UPDATE {} SET {spoil} WHERE id = {id}", self.table))
                .await;
            let sound = begin(&self.store, &format!("sound {number}"), NOON).await;
            let loaded = self.store.load(key).await.unwrap_err();
            assert!(
                loaded.to_string().contains("malformed"),
                "{spoil}: {loaded}"
            );
            self.store.touch(key, touch).await.unwrap_err();
            let activity = Activity::began(NOON);
            self.store.begin(key, activity, NOON).await.unwrap_err();
            let both = vec![(key, touch), (sound, touch)];
            observed.touch_many(both).await.unwrap();
            assert_eq!(skipped.load(Ordering::Relaxed), number + 1, "{spoil}");
            let touched = self.store.load(sound).await.unwrap().unwrap();
            assert_eq!(touched.last_activity(), later(NOON, 60), "{spoil}");
            // Creating the session again repairs the row.
            self.store
                .create(key, activity, Timestamp::MAX)
                .await
                .unwrap();
            assert_eq!(self.store.load(key).await.unwrap(), Some(activity));
        }
    }

    /// A hundred thousand ended records are removed while only `touch` is called. A record that has
    /// not ended stays.
    pub async fn ended_records_leave(&self) {
        const ROWS: usize = 100_000;
        let live = begin(&self.store, "live", NOON).await;
        self.inside
            .run(I::insert_ended(self.table, ROWS, NOON))
            .await;
        assert_eq!(self.count().await, ROWS as i64 + 1);
        let clock = ManualClock::at(NOON);
        eventually(
            "the ended records leave",
            Duration::from_secs(60),
            async || {
                clock.advance(Duration::from_millis(200));
                let touch = policy(900, 60).touch(clock.now());
                self.store
                    .touch(SessionKey::of("unknown"), touch)
                    .await
                    .unwrap();
                self.count().await == 1
            },
        )
        .await;
        assert!(self.store.load(live).await.unwrap().is_some());
    }

    /// Removal goes on after it has failed.
    pub async fn removal_survives_failures(&self) {
        let away = format!("{}_away", self.table);
        let rename = |from: &str, to: &str| format!("ALTER TABLE {from} RENAME TO {to}");
        self.inside.run(I::insert_ended(self.table, 1, NOON)).await;
        self.inside.run(rename(self.table, &away)).await;
        let clock = ManualClock::at(NOON);
        let touch = async || {
            clock.advance(SECOND);
            let touch = policy(900, 0).touch(clock.now());
            self.store.touch(SessionKey::of("unknown"), touch).await
        };
        for _ in 0..5 {
            let error = touch().await.unwrap_err().to_string();
            assert!(error.contains("migrate()"), "{error}");
        }
        self.inside.run(rename(&away, self.table)).await;
        eventually("the record leaves", Duration::from_secs(10), async || {
            touch().await.unwrap();
            self.count().await == 0
        })
        .await;
    }

    /// Two nodes have clocks that are two minutes apart. Activity never moves backwards, and no
    /// ended session comes back.
    pub async fn clocks_that_are_apart_revive_nothing(&self) {
        for idle in [60, 900] {
            self.clocks_apart(policy(idle, 0), &format!("apart {idle}"))
                .await;
        }
    }

    async fn clocks_apart(&self, policy: Policy, id: &str) {
        let behind = ManualClock::at(NOON);
        let ahead = ManualClock::at(later(NOON, 120));
        let (one, other) = (self.store.clone(), self.store.clone());
        let key = begin(&one, id, behind.now()).await;
        let mut latest = NOON;
        let mut ended_ahead = false;
        for _ in 0..20 {
            behind.advance(SECOND * 5);
            ahead.advance(SECOND * 5);
            for (store, clock) in [(&one, &behind), (&other, &ahead), (&one, &behind)] {
                let before = store.touch(key, policy.touch(clock.now())).await.unwrap();
                let verdict = policy.decide(before, clock.now());
                let after = store.load(key).await.unwrap().unwrap();
                assert!(after.last_activity() >= latest, "moved backwards");
                if let Verdict::Expired(_) = verdict {
                    ended_ahead = true;
                    assert_eq!(Some(after), before, "an ended session was changed");
                }
                latest = after.last_activity();
            }
        }
        assert_eq!(ended_ahead, policy.idle() < SECOND * 120);
        other.revoke(key, later(NOON, 86_400)).await.unwrap();
        let revoked = one.load(key).await.unwrap().unwrap();
        for (store, clock) in [(&one, &behind), (&other, &ahead)] {
            let touch = policy.touch(clock.now());
            assert_eq!(store.touch(key, touch).await.unwrap(), Some(revoked));
            store.touch_many(vec![(key, touch)]).await.unwrap();
            assert_eq!(store.load(key).await.unwrap(), Some(revoked));
        }
    }

    /// With clocks that follow the database, the two nodes agree.
    #[cfg(any(feature = "postgres", feature = "mysql"))]
    pub async fn clocks_that_follow_agree(&self, clocks: [&dyn Clock; 2]) {
        let policy = policy(60, 0);
        let [one, other] = clocks;
        let key = begin(&self.store, "agreed", one.now()).await;
        for _ in 0..20 {
            for clock in [one, other] {
                let now = clock.now();
                let before = self.store.touch(key, policy.touch(now)).await.unwrap();
                let verdict = policy.decide(before, now);
                assert!(matches!(verdict, Verdict::Active { .. }), "{verdict:?}");
            }
        }
    }

    /// Operations that are dropped keep no connection and leave no transaction open.
    pub async fn dropped_operations_leak_nothing(&self) {
        let key = begin(&self.store, "dropped", NOON).await;
        let policy = policy(900, 0);
        for round in 0..200_u32 {
            let at = later(NOON, u64::from(round));
            let touch = self.store.touch(key, policy.touch(at));
            let begun =
                self.store
                    .begin(SessionKey::of(round.to_string()), Activity::began(at), at);
            let many = self.store.touch_many(vec![(key, policy.touch(at))]);
            let give_up = Duration::from_micros(u64::from(round) * 5);
            let _ = tokio::time::timeout(give_up, async { tokio::join!(touch, begun, many) }).await;
        }
        // If connections were lost, these would never be answered.
        let at = later(NOON, 300);
        eventually("all are answered", SECOND * 10, async || {
            let all = (0..50).map(|_| tokio::spawn(self.store.touch(key, policy.touch(at))));
            let mut answered = 0;
            for touched in all.collect::<Vec<_>>() {
                answered += usize::from(touched.await.unwrap().is_ok());
            }
            answered == 50
        })
        .await;
        let touched = self.store.load(key).await.unwrap().unwrap();
        assert_eq!(touched.last_activity(), at);
        self.inside.no_transaction_is_open(self.table).await;
    }

    /// Limits are stored exactly, "no limit" too.
    pub async fn limits_are_kept(&self) {
        let limits = Limits::default().with_idle(Duration::MAX).unwrap();
        for limits in [
            limits,
            limits.with_absolute(Duration::from_millis(1)).unwrap(),
        ] {
            let key = SessionKey::of("limited");
            let activity = Activity::began(NOON).with_limits(limits);
            self.store
                .create(key, activity, Timestamp::MAX)
                .await
                .unwrap();
            assert_eq!(self.store.load(key).await.unwrap(), Some(activity));
            let touch = policy(60, 0).touch(NOON.saturating_add(Duration::from_micros(1)));
            self.store.touch_many(vec![(key, touch)]).await.unwrap();
            let touched = self.store.touch(key, touch).await.unwrap().unwrap();
            assert_eq!(touched.limits(), limits);
        }
    }

    /// A batch can be larger than one statement allows.
    pub async fn many_touches_are_written(&self) {
        const MANY: u32 = 2500;
        let keys: Vec<_> = (0..MANY)
            .map(|number| SessionKey::of(number.to_string()))
            .collect();
        let activity = Activity::began(NOON);
        // Not too many wait for the disk at once: each has its time limit.
        for keys in keys.chunks(10) {
            let created = keys
                .iter()
                .map(|key| tokio::spawn(self.store.create(*key, activity, Timestamp::MAX)));
            for created in created.collect::<Vec<_>>() {
                created.await.unwrap().unwrap();
            }
        }
        let ended = keys[7];
        self.store.revoke(ended, NOON).await.unwrap();
        let touch = policy(900, 10).touch(later(NOON, 10));
        // Two nodes write the same sessions at once.
        let both = [1, 2].map(|_| {
            tokio::spawn(
                self.store
                    .touch_many(keys.iter().map(|key| (*key, touch)).collect()),
            )
        });
        for written in both {
            written.await.unwrap().unwrap();
        }
        let moved = format!(
            "SELECT count(*) FROM {} WHERE last_activity = {}",
            self.table,
            later(NOON, 10).as_unix_millis()
        );
        assert_eq!(self.inside.number(moved).await, i64::from(MANY) - 1);
    }

    /// A touch reads a live session, and another connection changes the row before the touch
    /// writes. The touch must not overwrite the change.
    pub async fn a_touch_overwrites_no_change_made_meanwhile(&self) {
        let meanwhile = [
            "revoked = TRUE",
            "last_activity = last_activity + 120000",
            "last_activity = last_activity + 57000",
            "created_at = created_at - 86400000",
            "idle_limit = 1",
            "absolute_limit = 1",
            "last_activity = last_activity - 500, created_at = created_at - 500",
            "id = id",
        ];
        let policy = policy(900, 5);
        for (number, change) in meanwhile.into_iter().enumerate() {
            let key = begin(&self.store, &format!("meanwhile {number}"), NOON).await;
            let touch = policy.touch(later(NOON, 60));
            for batch in [false, true] {
                let id = I::literal(&key.to_bytes());
                let update = format!("UPDATE {} SET {change} WHERE id = {id}", self.table);
                self.inside.run(format!("{}; {update}", I::BEGIN)).await;
                let store = self.store.clone();
                let touched = tokio::spawn(async move {
                    match batch {
                        false => store.touch(key, touch).await.map(drop),
                        true => store.touch_many(vec![(key, touch)]).await.map(drop),
                    }
                });
                self.inside.held_up(self.table).await;
                self.inside.run("COMMIT".to_owned()).await;
                touched.await.unwrap().unwrap();
                let moved = format!(
                    "SELECT count(*) FROM {} WHERE id = {id} AND last_activity = {}",
                    self.table,
                    later(NOON, 60).as_unix_millis(),
                );
                // A transaction that changes nothing does not stop the touch.
                let expected = i64::from(change == "id = id");
                assert_eq!(
                    self.inside.number(moved).await,
                    expected,
                    "{change}, in a batch: {batch}"
                );
                // Reset the row for the batch.
                begin(&self.store, &format!("meanwhile {number}"), NOON).await;
            }
        }
    }

    /// The removal reads a record that has ended, and the session is renewed before the record is
    /// removed. The record stays.
    ///
    /// PostgreSQL does not need this test: its removal skips locked rows.
    pub async fn a_record_that_is_renewed_meanwhile_is_not_removed(&self) {
        let key = SessionKey::of("renewed");
        let activity = Activity::began(NOON);
        self.store
            .create(key, activity, later(NOON, 1))
            .await
            .unwrap();
        let update = format!(
            "UPDATE {} SET keep_until = {}",
            self.table,
            Timestamp::MAX.as_unix_millis()
        );
        self.inside.run(format!("{}; {update}", I::BEGIN)).await;
        let clock = ManualClock::at(NOON);
        let touch = async || {
            clock.advance(SECOND * 100);
            let touch = policy(900, 0).touch(clock.now());
            self.store
                .touch(SessionKey::of("unknown"), touch)
                .await
                .unwrap();
            tokio::time::sleep(Duration::from_millis(5)).await;
        };
        tokio::select! {
            () = self.inside.held_up(self.table) => {}
            () = async { loop { touch().await } } => {}
        }
        self.inside.run("COMMIT".to_owned()).await;
        // The next rounds of removal leave the record alone too.
        for _ in 0..20 {
            touch().await;
            assert_eq!(self.store.load(key).await.unwrap(), Some(activity));
        }
    }

    /// Neither a touch nor a revocation moves the removal of a record to an earlier time.
    pub async fn removal_is_never_moved_to_an_earlier_time(&self) {
        let key = SessionKey::of("closer");
        let far = later(NOON, 10_000_000);
        self.store
            .create(key, Activity::began(NOON), far)
            .await
            .unwrap();
        let keep_until = async || {
            let sql = format!("SELECT max(keep_until) FROM {}", self.table);
            self.inside.number(sql).await
        };
        let touch = policy(900, 0).touch(later(NOON, 1));
        self.store.touch(key, touch).await.unwrap();
        self.store
            .touch_many(vec![(key, policy(900, 0).touch(later(NOON, 2)))])
            .await
            .unwrap();
        self.store.revoke(key, NOON).await.unwrap();
        assert_eq!(keep_until().await, far.as_unix_millis() as i64);
        let further = later(far, 1);
        self.store.revoke(key, further).await.unwrap();
        assert_eq!(keep_until().await, further.as_unix_millis() as i64);
        // A touch keeps the record for as long as the session is alive and remembered.
        let key = begin(&self.store, "closer, too", later(NOON, 20_000_000)).await;
        let touch = policy(900, 0).touch(later(NOON, 20_000_100));
        let seen = self.store.touch(key, touch).await.unwrap().unwrap();
        assert_eq!(
            keep_until().await,
            touch.keep_until(&seen).as_unix_millis() as i64
        );
    }

    /// A revocation that has begun is finished, even if its caller stops waiting.
    pub async fn a_revocation_that_has_begun_is_finished(&self) {
        let key = begin(&self.store, "begun", NOON).await;
        let update = format!("UPDATE {} SET keep_until = keep_until + 1", self.table);
        self.inside.run(format!("{}; {update}", I::BEGIN)).await;
        let revoke = tokio::spawn(self.store.revoke(key, NOON));
        self.inside.held_up(self.table).await;
        revoke.abort();
        assert!(revoke.await.unwrap_err().is_cancelled());
        self.inside.run("COMMIT".to_owned()).await;
        eventually("it is done", SECOND * 5, async || {
            self.store.load(key).await.unwrap().unwrap().is_revoked()
        })
        .await;
    }

    /// Another connection holds a lock on the row. The touch fails in time.
    pub async fn a_touch_of_a_locked_row_fails_in_time(&self) {
        let key = begin(&self.store, "held", NOON).await;
        let update = format!("UPDATE {} SET keep_until = keep_until + 1", self.table);
        self.inside.run(format!("{}; {update}", I::BEGIN)).await;
        let start = Instant::now();
        let touch = policy(900, 0).touch(later(NOON, 1));
        self.store.touch(key, touch).await.unwrap_err();
        assert!(start.elapsed() < STORE_TIMEOUT, "{:?}", start.elapsed());
        self.inside.run("COMMIT".to_owned()).await;
        eventually("it is let go", SECOND * 5, async || {
            self.store.touch(key, touch).await.is_ok()
        })
        .await;
        let touched = self.store.load(key).await.unwrap().unwrap();
        assert_eq!(touched.last_activity(), later(NOON, 1));
    }
}

/// Waits for something that must come within seconds.
#[cfg(feature = "postgres")]
pub async fn soon<T>(coming: impl Future<Output = T>) -> T {
    tokio::time::timeout(SECOND * 20, coming)
        .await
        .expect("it comes soon")
}
