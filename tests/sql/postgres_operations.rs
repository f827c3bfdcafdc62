//! Tests of what an operator meets with PostgreSQL: locks, poolers, switch-overs, rights and
//! clocks.

use std::collections::BTreeSet;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use sqlx::AssertSqlSafe;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use tokio::task::JoinSet;
use tower_login_timeout::{
    Activity, ActivityStore, AnyStore, CachedStore, Clock, ManualClock, PostgresStore, SessionKey,
    SharedStore, SystemClock, Timestamp, conformance,
};

use crate::common::databases::{Held, Shared, postgresql_url, start_postgresql};
use crate::common::servers::{Program, Server};
use crate::sql::suite::{NOON, SECOND, STORE_TIMEOUT, begin, eventually, later, policy, soon};

static SERVER: Shared = Shared::new(start_postgresql);

/// A server that tests share, and a connection that does not belong to a store.
struct Database {
    url: String,
    admin: PgPool,
    _server: Option<Held>,
}

impl Database {
    async fn shared() -> Self {
        let server = SERVER.hold();
        let url = postgresql_url(server.port);
        Self {
            _server: Some(server),
            ..Self::at(url).await
        }
    }

    async fn at(url: String) -> Self {
        let admin = PgPoolOptions::new().max_connections(1).connect(&url).await;
        Self {
            url,
            admin: admin.unwrap(),
            _server: None,
        }
    }

    /// Returns the URL for a test with its own table, whose connections have the same name.
    fn url_of(&self, name: &str) -> String {
        format!("{}?application_name={name}", self.url)
    }

    async fn store(&self, name: &str) -> PostgresStore {
        let store = PostgresStore::connect(&self.url_of(name)).await.unwrap();
        let store = store.with_table(name).unwrap();
        store.migrate().await.unwrap();
        store
    }

    async fn run(&self, sql: impl Into<String>) {
        sqlx::raw_sql(AssertSqlSafe(sql.into()))
            .execute(&self.admin)
            .await
            .unwrap();
    }

    async fn number(&self, sql: impl Into<String>) -> i64 {
        sqlx::query_scalar(AssertSqlSafe(sql.into()))
            .fetch_one(&self.admin)
            .await
            .unwrap()
    }

    /// Counts the connections with this name, as the server sees them.
    async fn connections(&self, name: &str) -> i64 {
        // Within a transaction, the view shows its first state until this is called.
        self.run("SELECT pg_stat_clear_snapshot()").await;
        self.number(format!(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = '{name}'"
        ))
        .await
    }

    /// Returns the process ids of the connections with this name.
    async fn backends(&self, name: &str) -> BTreeSet<i32> {
        let sql = format!("SELECT pid FROM pg_stat_activity WHERE application_name = '{name}'");
        let pids: Vec<i32> = sqlx::query_scalar(AssertSqlSafe(sql))
            .fetch_all(&self.admin)
            .await
            .unwrap();
        pids.into_iter().collect()
    }
}

/// Returns a pool of an application that has so many idle connections.
async fn application_pool(url: &str, connections: u32) -> PgPool {
    let pool = PgPoolOptions::new()
        .max_connections(connections)
        .connect(url)
        .await
        .unwrap();
    let mut held = Vec::new();
    for _ in 0..connections {
        held.push(pool.acquire().await.unwrap());
    }
    drop(held);
    idle(&pool, connections).await;
    pool
}

/// Waits until so many connections of a pool are idle.
async fn idle(pool: &PgPool, connections: u32) {
    eventually("all connections are idle", SECOND * 5, async || {
        pool.num_idle() == connections as usize && pool.size() == connections
    })
    .await;
}

/// Calls the store from 64 tasks while the table is locked. Returns the largest number of
/// connections.
async fn most_connections_while_locked(
    database: &Database,
    store: &PostgresStore,
    name: &str,
    key: SessionKey,
) -> i64 {
    let lock = format!("BEGIN; LOCK TABLE {name} IN ACCESS EXCLUSIVE MODE");
    database.run(lock).await;
    let stop = Arc::new(AtomicBool::new(false));
    let mut callers = JoinSet::new();
    for _ in 0..64 {
        let (store, stop) = (store.clone(), Arc::clone(&stop));
        callers.spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                let start = Instant::now();
                let touch = policy(900, 0).touch(later(NOON, 1));
                store.touch(key, touch).await.unwrap_err();
                assert!(start.elapsed() < STORE_TIMEOUT, "{:?}", start.elapsed());
            }
        });
    }
    let mut most = 0;
    let start = Instant::now();
    while start.elapsed() < SECOND * 5 {
        most = most.max(database.connections(name).await);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    stop.store(true, Ordering::Relaxed);
    while let Some(caller) = callers.join_next().await {
        caller.unwrap();
    }
    database.run("COMMIT").await;
    eventually("the store answers again", SECOND * 5, async || {
        store.load(key).await.is_ok()
    })
    .await;
    most.max(database.connections(name).await)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_locked_table_costs_no_connection_beyond_the_pool() {
    let database = Database::shared().await;
    let store = database.store("locked").await;
    let key = begin(&store, "locked", NOON).await;
    let most = most_connections_while_locked(&database, &store, "locked", key).await;
    assert!(most <= 10, "{most} connections");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_locked_table_costs_no_connection_beyond_the_pool_of_an_application() {
    let database = Database::shared().await;
    database.store("locked_app").await;
    let pool = application_pool(&database.url_of("locked_app"), 5).await;
    let store = PostgresStore::from_pool(pool)
        .with_table("locked_app")
        .unwrap();
    // The connection that migrated closes when its store is gone.
    eventually("five connections", SECOND * 5, async || {
        database.connections("locked_app").await == 5
    })
    .await;
    let key = begin(&store, "locked", NOON).await;
    let most = most_connections_while_locked(&database, &store, "locked_app", key).await;
    assert!(most <= 5, "{most} connections");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_locked_row_closes_no_connection_of_an_application() {
    let database = Database::shared().await;
    let key = begin(&database.store("one_row").await, "row", NOON).await;
    let pool = application_pool(&database.url_of("one_row_app"), 20).await;
    let store = PostgresStore::from_pool(pool.clone())
        .with_table("one_row")
        .unwrap();
    let before = database.backends("one_row_app").await;
    assert_eq!(before.len(), 20);
    database
        .run("BEGIN; UPDATE one_row SET keep_until = keep_until + 1")
        .await;
    for _ in 0..3 {
        let touch = policy(900, 0).touch(later(NOON, 1));
        let error = store.touch(key, touch).await.unwrap_err();
        assert!(error.to_string().contains("in time"), "{error}");
    }
    database.run("COMMIT").await;
    idle(&pool, 20).await;
    assert_eq!(database.backends("one_row_app").await, before);
    // Nothing was left on them.
    for _ in 0..20 {
        for (setting, expected) in [("statement_timeout", "0"), ("lock_timeout", "0")] {
            let sql = AssertSqlSafe(format!("SHOW {setting}"));
            let value: String = sqlx::query_scalar(sql).fetch_one(&pool).await.unwrap();
            assert_eq!(value, expected, "{setting}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_lost_connection_costs_an_application_no_other() {
    let database = Database::shared().await;
    let key = begin(&database.store("one_lost").await, "lost", NOON).await;
    let pool = application_pool(&database.url_of("one_lost_app"), 8).await;
    let store = PostgresStore::from_pool(pool.clone())
        .with_table("one_lost")
        .unwrap();
    let before = database.backends("one_lost_app").await;
    database
        .run("BEGIN; UPDATE one_lost SET keep_until = keep_until + 1")
        .await;
    let touch = policy(900, 0).touch(later(NOON, 1));
    let touched = tokio::spawn(store.touch(key, touch));
    let end = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
        WHERE application_name = 'one_lost_app' AND wait_event_type = 'Lock'";
    eventually("one is ended", SECOND, async || {
        database.run("SELECT pg_stat_clear_snapshot()").await;
        database.number(end).await == 1
    })
    .await;
    touched.await.unwrap().unwrap_err();
    database.run("COMMIT").await;
    eventually("the others are there", SECOND * 5, async || {
        pool.num_idle() >= 7
    })
    .await;
    let after = database.backends("one_lost_app").await;
    assert_eq!(before.intersection(&after).count(), 7);
}

/// Starts a pgbouncer that gives each transaction one of two connections.
fn start_pgbouncer(server: u16) -> Server {
    let program = Program {
        name: "pgbouncer",
        package: "pgbouncer",
        also_in: &["/usr/sbin"],
        not_as_root: Some("postgres"),
    };
    let start = move |folder: &Path, port: u16| {
        let file = |name: &str| folder.join(name).display().to_string();
        std::fs::write(file("users"), "\"app\" \"secret\"\n").unwrap();
        let settings = format!(
            "[databases]\npostgres = host=127.0.0.1 port={server} dbname=postgres\n\
             [pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n\
             auth_type = plain\nauth_file = {}\npool_mode = transaction\ndefault_pool_size = 2\n\
             max_client_conn = 500\nquery_wait_timeout = 5\n",
            file("users")
        );
        std::fs::write(file("pgbouncer.ini"), settings).unwrap();
        let mut command = program.command();
        command.arg(file("pgbouncer.ini"));
        command
    };
    let ready = |port: u16| std::net::TcpStream::connect(("127.0.0.1", port)).is_ok();
    Server::start(&program, start, ready)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_contract_holds_through_pgbouncer() {
    let database = Database::shared().await;
    database.store("bounced").await;
    let pgbouncer = start_pgbouncer(SERVER.hold().port);
    let url = postgresql_url(pgbouncer.port());
    let url = format!("{url}?persistent-statements=no&table=bounced&pool=20&timeout=20s");
    let store = PostgresStore::connect(&url).await.unwrap();
    store.migrate().await.unwrap();
    conformance::check(&store).await;
    conformance::check_shared(&store).await;
    // Other connections of the same two do other things meanwhile.
    let mut callers = JoinSet::new();
    for caller in 0..20_u64 {
        let store = store.clone();
        callers.spawn(async move {
            let key = begin(&store, &format!("caller {caller}"), NOON).await;
            for round in 1..=30 {
                let touch = policy(900, 0).touch(later(NOON, round));
                let touched = store.touch(key, touch).await.unwrap().unwrap();
                assert_eq!(touched.last_activity(), later(NOON, round - 1));
            }
            assert!(store.revoke(key, later(NOON, 900)).await.unwrap().is_some());
            assert!(store.load(key).await.unwrap().unwrap().is_revoked());
        });
    }
    while let Some(caller) = callers.join_next().await {
        caller.unwrap();
    }
    let time = store.clock().await.unwrap().now();
    let apart = time.saturating_duration_since(SystemClock.now());
    assert!(apart < SECOND, "{apart:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pool_that_leads_to_pgbouncer_works() {
    let database = Database::shared().await;
    database.store("bounced_pool").await;
    let pgbouncer = start_pgbouncer(SERVER.hold().port);
    let options: PgConnectOptions = postgresql_url(pgbouncer.port()).parse().unwrap();
    let pool = PgPoolOptions::new().max_connections(20);
    let pool = pool
        .connect_with(options.extra_float_digits(None))
        .await
        .unwrap();
    let store = PostgresStore::from_pool(pool)
        .without_listener()
        .with_table("bounced_pool")
        .unwrap();
    conformance::check(&store).await;
    conformance::check_shared(&store).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_locked_row_is_given_up_through_pgbouncer_too() {
    let database = Database::shared().await;
    let key = begin(&database.store("bounced_lock").await, "locked", NOON).await;
    let pgbouncer = start_pgbouncer(SERVER.hold().port);
    let url = postgresql_url(pgbouncer.port());
    let url =
        format!("{url}?persistent-statements=no&table=bounced_lock&application_name=bounced_lock");
    let store = PostgresStore::connect(&url).await.unwrap();
    database
        .run("BEGIN; UPDATE bounced_lock SET keep_until = keep_until + 1")
        .await;
    let touch = policy(900, 0).touch(later(NOON, 1));
    let error = store.touch(key, touch).await.unwrap_err();
    assert!(error.to_string().contains("in time"), "{error}");
    let waiting = "SELECT count(*) FROM pg_stat_activity
        WHERE application_name = 'bounced_lock' AND wait_event_type = 'Lock'";
    eventually("the server has ended the statement", SECOND, async || {
        database.run("SELECT pg_stat_clear_snapshot()").await;
        database.number(waiting).await == 0
    })
    .await;
    database.run("COMMIT").await;
    store.touch(key, touch).await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_near_cache_works_through_pgbouncer() {
    let database = Database::shared().await;
    let direct = database.store("bounced_cache").await;
    let pgbouncer = start_pgbouncer(SERVER.hold().port);
    let url = postgresql_url(pgbouncer.port());
    let url = format!("{url}?persistent-statements=no&table=bounced_cache");
    let store = PostgresStore::connect(&url).await.unwrap();
    let cached = CachedStore::builder(store)
        .with_refresh_after(Duration::from_millis(100))
        .with_max_staleness(Duration::from_millis(200))
        .build()
        .unwrap();
    let now = SystemClock.now();
    let key = begin(&direct, "cached", now).await;
    let touch = || policy(900, 60).touch(SystemClock.now());
    assert!(
        !cached
            .touch(key, touch())
            .await
            .unwrap()
            .unwrap()
            .is_revoked()
    );
    direct.revoke(key, later(now, 900)).await.unwrap();
    eventually("the revocation is seen", SECOND * 3, async || {
        cached
            .touch(key, touch())
            .await
            .unwrap()
            .unwrap()
            .is_revoked()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn prepared_statements_through_pgbouncer_fail_with_a_hint() {
    let database = Database::shared().await;
    database.store("hinted").await;
    let pgbouncer = start_pgbouncer(SERVER.hold().port);
    let options: PgConnectOptions = postgresql_url(pgbouncer.port()).parse().unwrap();
    let options = options.extra_float_digits(None);
    let pools = [1, 2, 3].map(|_| {
        PgPoolOptions::new()
            .max_connections(4)
            .connect_lazy_with(options.clone())
    });
    // This is what a store does that was not told: it prepares statements.
    let mut hints = 0;
    for round in 0..200 {
        let mut connection = pools[round % 3].acquire().await.unwrap();
        let prepared = sqlx::query("SELECT id FROM hinted WHERE id = $1").bind(Vec::<u8>::new());
        if let Err(error) = prepared.fetch_all(&mut *connection).await {
            let error = tower_login_timeout::SqlError::from(error).to_string();
            hints += usize::from(error.contains("persistent-statements=no"));
        }
    }
    assert!(hints > 0);
}

/// A port that leads to one server, and then to another, as the address of a primary server does.
struct Address {
    target: Arc<AtomicU16>,
    port: u16,
}

impl Address {
    fn of(port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let own = listener.local_addr().unwrap().port();
        let listener = tokio::net::TcpListener::from_std(listener).unwrap();
        let target = Arc::new(AtomicU16::new(port));
        let current = Arc::clone(&target);
        tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                let server = SocketAddr::from(([127, 0, 0, 1], current.load(Ordering::Relaxed)));
                tokio::spawn(async move {
                    let mut far = tokio::net::TcpStream::connect(server).await.unwrap();
                    let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
                });
            }
        });
        Self { target, port: own }
    }

    fn leads_to(&self, port: u16) {
        self.target.store(port, Ordering::Relaxed);
    }
}

/// The connections to the old primary server stay up, and it accepts no writes any more.
#[tokio::test(flavor = "multi_thread")]
async fn a_switch_over_that_leaves_connections_up_is_followed() {
    let (old, new) = (start_postgresql(), start_postgresql());
    let [old_database, new_database] = [
        Database::at(postgresql_url(old.port())).await,
        Database::at(postgresql_url(new.port())).await,
    ];
    let address = Address::of(old.port());
    let store = PostgresStore::connect(&postgresql_url(address.port))
        .await
        .unwrap();
    store.migrate().await.unwrap();
    PostgresStore::connect(&new_database.url)
        .await
        .unwrap()
        .migrate()
        .await
        .unwrap();
    let mut creating = JoinSet::new();
    for number in 0..10 {
        let store = store.clone();
        creating.spawn(async move { begin(&store, &number.to_string(), NOON).await });
    }
    creating.join_all().await;
    old_database
        .run("ALTER SYSTEM SET default_transaction_read_only = on")
        .await;
    old_database.run("SELECT pg_reload_conf()").await;
    let read_only = "SELECT count(*) FROM pg_settings
        WHERE name = 'default_transaction_read_only' AND setting = 'on'";
    eventually("it is read-only", SECOND * 5, async || {
        old_database.number(read_only).await == 1
    })
    .await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    address.leads_to(new.port());
    let mut failed = 0;
    for number in 0..20 {
        let activity = Activity::began(NOON);
        let created = store
            .create(SessionKey::of(format!("new {number}")), activity, NOON)
            .await;
        if let Err(error) = created {
            assert!(error.to_string().contains("read-only"), "{error}");
            failed += 1;
        }
    }
    assert!(failed <= 1, "{failed} writes failed");
    let rows = new_database
        .number("SELECT count(*) FROM session_activity")
        .await;
    assert_eq!(rows, 20 - failed);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stricter_isolation_level_of_the_server_changes_nothing() {
    let server = start_postgresql();
    let database = Database::at(postgresql_url(server.port())).await;
    for level in ["serializable", "repeatable read"] {
        database
            .run(format!(
                "ALTER ROLE app SET default_transaction_isolation = '{level}'"
            ))
            .await;
        let own = database.store("strict").await;
        let pool = PgPool::connect(&database.url).await.unwrap();
        let given = PostgresStore::from_pool(pool).with_table("strict").unwrap();
        for (number, store) in [own, given].into_iter().enumerate() {
            conformance::check(&store).await;
            conformance::check_shared(&store).await;
            let key = begin(&store, &format!("strict {level} {number}"), NOON).await;
            let mut callers = JoinSet::new();
            for caller in 0..16_u64 {
                let store = store.clone();
                callers.spawn(async move {
                    for round in 0..30 {
                        let touch = policy(900, 0).touch(later(NOON, round * 16 + caller));
                        store.touch(key, touch).await.unwrap().unwrap();
                    }
                });
            }
            while let Some(caller) = callers.join_next().await {
                caller.unwrap();
            }
        }
    }
}

/// PostgreSQL ends the statement of the store, which has to be repeated.
#[tokio::test(flavor = "multi_thread")]
async fn a_deadlock_is_repeated() {
    let database = Database::shared().await;
    let store = database.store("deadlock").await;
    let mut keys = [
        begin(&store, "one", NOON).await,
        begin(&store, "two", NOON).await,
    ];
    keys.sort_unstable();
    let update = |key: SessionKey| {
        let hex = crate::sql::suite::hex(&key.to_bytes());
        format!("UPDATE deadlock SET keep_until = keep_until + 1 WHERE id = decode('{hex}', 'hex')")
    };
    database.run("SET deadlock_timeout = '1min'").await;
    database.run(format!("BEGIN; {}", update(keys[1]))).await;
    let touches = keys
        .map(|key| (key, policy(900, 0).touch(later(NOON, 1))))
        .to_vec();
    let touched = tokio::spawn(store.touch_many(touches));
    let waiting = "SELECT count(*) FROM pg_stat_activity
        WHERE application_name = 'deadlock' AND wait_event_type = 'Lock'";
    eventually("the store waits", SECOND * 5, async || {
        database.run("SELECT pg_stat_clear_snapshot()").await;
        database.number(waiting).await == 1
    })
    .await;
    database.run(format!("{}; COMMIT", update(keys[0]))).await;
    touched.await.unwrap().unwrap();
    for key in keys {
        let activity = store.load(key).await.unwrap().unwrap();
        assert_eq!(activity.last_activity(), later(NOON, 1));
    }
    let deadlocks = "SELECT deadlocks FROM pg_stat_database WHERE datname = 'postgres'";
    eventually("there was a deadlock", SECOND * 5, async || {
        database.number(deadlocks).await > 0
    })
    .await;
}

#[tokio::test]
async fn a_table_that_exists_needs_no_right_to_create_it() {
    let database = Database::shared().await;
    database.store("granted").await;
    let grant = "CREATE ROLE plain LOGIN PASSWORD 'secret';
        GRANT SELECT, INSERT, UPDATE, DELETE ON granted TO plain";
    database.run(grant).await;
    let url = database.url.replace("app:", "plain:");
    let store = AnyStore::connect(&format!("{url}?table=granted"))
        .await
        .unwrap();
    let key = SessionKey::of("granted");
    let activity = Activity::began(NOON);
    store.create(key, activity, Timestamp::MAX).await.unwrap();
    assert_eq!(store.load(key).await.unwrap(), Some(activity));
    assert!(store.revoke(key, NOON).await.unwrap().is_some());
    // It may not create another.
    let error = AnyStore::connect(&format!("{url}?table=missing"))
        .await
        .unwrap_err();
    assert!(error.to_string().contains("refused"), "{error}");
    // Old rows are removed all the same.
    database.run("UPDATE granted SET keep_until = 1").await;
    let clock = ManualClock::at(later(NOON, 10));
    eventually("the row is removed", SECOND * 5, async || {
        clock.advance(SECOND * 700);
        let touch = policy(900, 0).touch(clock.now());
        store.touch(SessionKey::of("unknown"), touch).await.unwrap();
        database.number("SELECT count(*) FROM granted").await == 0
    })
    .await;
}

#[tokio::test]
async fn one_malformed_row_does_not_stop_a_near_cache() {
    let database = Database::shared().await;
    let store = database.store("one_malformed").await;
    let cached = CachedStore::new(store.clone());
    let now = SystemClock.now();
    let keys = [
        begin(&store, "sound", now).await,
        begin(&store, "spoilt", now).await,
    ];
    let touch = policy(900, 1).touch(later(now, 10));
    for key in keys {
        cached
            .touch(key, policy(900, 1).touch(now))
            .await
            .unwrap()
            .unwrap();
    }
    for key in keys {
        cached.touch(key, touch).await.unwrap().unwrap();
    }
    let hex = crate::sql::suite::hex(&keys[1].to_bytes());
    database
        .run(format!(
            "UPDATE one_malformed SET created_at = -1 WHERE id = decode('{hex}', 'hex')"
        ))
        .await;
    soon(cached.flush(Duration::from_secs(10))).await.unwrap();
    let activity = store.load(keys[0]).await.unwrap().unwrap();
    assert_eq!(activity.last_activity(), later(now, 10));
}

/// Sweeps by the time of a clock until so many rows are left.
async fn sweep_until(
    database: &Database,
    table: &str,
    store: &PostgresStore,
    clock: &ManualClock,
    rows: i64,
) {
    eventually("old rows are removed", SECOND * 10, async || {
        clock.advance(SECOND * 70);
        let touch = policy(900, 0).touch(clock.now());
        store.touch(SessionKey::of("unknown"), touch).await.unwrap();
        database
            .number(format!("SELECT count(*) FROM {table}"))
            .await
            == rows
    })
    .await;
}

#[tokio::test]
async fn a_node_whose_clock_is_ahead_removes_no_live_session() {
    let database = Database::shared().await;
    let store = database.store("ahead").await;
    let now = SystemClock.now();
    let live = SessionKey::of("live");
    let activity = Activity::began(now);
    store
        .create(live, activity, later(now, 3600))
        .await
        .unwrap();
    store
        .create(SessionKey::of("old"), activity, later(now, 0))
        .await
        .unwrap();
    let clock = ManualClock::at(later(now, 25 * 3600));
    sweep_until(&database, "ahead", &store, &clock, 1).await;
    for _ in 0..50 {
        clock.advance(SECOND * 70);
        let touch = policy(900, 0).touch(clock.now());
        store.touch(SessionKey::of("unknown"), touch).await.unwrap();
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(store.load(live).await.unwrap(), Some(activity));
}

/// Lets nodes that share a table work for a while. Returns how many rows they read.
async fn rows_read(database: &Database, table: &str, nodes: usize) -> i64 {
    let mut stores = Vec::new();
    for _ in 0..nodes {
        let url = format!("{}&pool=1", database.url_of(table));
        stores.push(
            PostgresStore::connect(&url)
                .await
                .unwrap()
                .with_table(table)
                .unwrap(),
        );
    }
    let read = format!(
        "SELECT coalesce(idx_tup_fetch, 0) FROM pg_stat_user_tables WHERE relname = '{table}'"
    );
    let before = database.number(read.clone()).await;
    let clock = ManualClock::at(NOON);
    for _ in 0..30 {
        clock.advance(Duration::from_millis(200));
        let touch = policy(900, 0).touch(clock.now());
        for store in &stores {
            store.touch(SessionKey::of("unknown"), touch).await.unwrap();
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // A connection reports what it has read a second after it became idle, or when it ends.
    drop(stores);
    eventually("the connections are closed", SECOND * 10, async || {
        database.connections(table).await == 0
    })
    .await;
    let mut seen = database.number(read.clone()).await;
    loop {
        tokio::time::sleep(SECOND).await;
        let again = database.number(read.clone()).await;
        if again == seen {
            return seen - before;
        }
        seen = again;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_nodes_read_no_more_rows_to_sweep_than_one() {
    let database = Database::shared().await;
    drop(database.store("swept").await);
    let far = later(NOON, 10_000_000).as_unix_millis();
    let rows = format!(
        "INSERT INTO swept SELECT decode(md5(row::text), 'hex'), 1, 1, NULL, NULL, FALSE, {far}, NULL, ''
        FROM generate_series(1, 40000) AS row; ANALYZE swept"
    );
    database.run(rows).await;
    let one = rows_read(&database, "swept", 1).await;
    assert!(one > 5_000, "{one} rows");
    database.run("UPDATE swept_sweep SET held_until = 0").await;
    let ten = rows_read(&database, "swept", 10).await;
    assert!(ten < 2 * one, "one node: {one} rows, ten nodes: {ten}");
}

#[tokio::test]
async fn another_node_sweeps_when_the_first_is_gone() {
    let database = Database::shared().await;
    let first = database.store("heir").await;
    let second = database.store("heir").await;
    let old = async |store: &PostgresStore| {
        let created = store.create(SessionKey::of("old"), Activity::began(NOON), NOON);
        created.await.unwrap();
    };
    let clock = ManualClock::at(later(NOON, 10));
    old(&first).await;
    sweep_until(&database, "heir", &first, &clock, 0).await;
    // Another node holds the claim for an hour from now on. A sweep of the first store that is still
    // under way can then not remove the next row.
    database
        .run("UPDATE heir_sweep SET sweeper = -1, held_until = held_until + 3600000")
        .await;
    old(&second).await;
    for _ in 0..20 {
        clock.advance(SECOND * 70);
        let touch = policy(900, 0).touch(clock.now());
        second
            .touch(SessionKey::of("unknown"), touch)
            .await
            .unwrap();
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(database.number("SELECT count(*) FROM heir").await, 1);
    // Its claim runs out.
    database.run("UPDATE heir_sweep SET held_until = 0").await;
    sweep_until(&database, "heir", &second, &clock, 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_are_read_from_the_url() {
    let database = Database::shared().await;
    let url = format!(
        "{}&pool=3&timeout=300ms&table=by_url",
        database.url_of("by_url")
    );
    let store = AnyStore::connect(&url).await.unwrap();
    let key = SessionKey::of("by url");
    store
        .create(key, Activity::began(NOON), Timestamp::MAX)
        .await
        .unwrap();
    assert_eq!(database.number("SELECT count(*) FROM by_url").await, 1);
    database
        .run("BEGIN; LOCK TABLE by_url IN ACCESS EXCLUSIVE MODE")
        .await;
    let start = Instant::now();
    let loads = (0..20).map(|_| tokio::spawn(store.load(key)));
    for load in loads.collect::<Vec<_>>() {
        load.await.unwrap().unwrap_err();
    }
    assert!(
        start.elapsed() < Duration::from_millis(700),
        "{:?}",
        start.elapsed()
    );
    let connections = database.connections("by_url").await;
    assert!(connections <= 3, "{connections} connections");
    database.run("COMMIT").await;
}

#[tokio::test]
async fn a_unix_socket_works() {
    let database = Database::shared().await;
    let setting = "SELECT setting FROM pg_settings WHERE name = 'unix_socket_directories'";
    let folder: String = sqlx::query_scalar(setting)
        .fetch_one(&database.admin)
        .await
        .unwrap();
    let url = format!(
        "{}&host={folder}&table=by_socket",
        database.url_of("by_socket")
    );
    let store = AnyStore::connect(&url).await.unwrap();
    let activity = Activity::began(NOON);
    store
        .create(SessionKey::of("socket"), activity, Timestamp::MAX)
        .await
        .unwrap();
    let local = "SELECT count(*) FROM pg_stat_activity
        WHERE application_name = 'by_socket' AND client_port = -1";
    assert!(database.number(local).await > 0);
    assert_eq!(database.number("SELECT count(*) FROM by_socket").await, 1);
}

/// Ten nodes with forty callers each lose their connections, and their password is not valid any
/// more.
#[tokio::test(flavor = "multi_thread")]
async fn a_changed_password_does_not_flood_the_server() {
    let server = start_postgresql();
    let database = Database::at(postgresql_url(server.port())).await;
    let mut stores = Vec::new();
    for _ in 0..10 {
        let url = format!("{}&pool=2&table=rotated", database.url_of("rotated"));
        let store = PostgresStore::connect(&url).await.unwrap();
        store.migrate().await.unwrap();
        stores.push(store);
    }
    database.run("ALTER ROLE app PASSWORD 'another'").await;
    let end = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'rotated'";
    database.run(end).await;
    let stop = Arc::new(AtomicBool::new(false));
    let failed = Arc::new(AtomicUsize::new(0));
    let mut callers = JoinSet::new();
    for store in &stores {
        for _ in 0..40 {
            let (store, stop, failed) = (store.clone(), Arc::clone(&stop), Arc::clone(&failed));
            callers.spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    if store.load(SessionKey::of("any")).await.is_err() {
                        failed.fetch_add(1, Ordering::Relaxed);
                    }
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            });
        }
    }
    tokio::time::sleep(SECOND * 5).await;
    let attempts = server
        .log()
        .matches("password authentication failed")
        .count();
    assert!(failed.load(Ordering::Relaxed) > 100, "{failed:?}");
    println!("{attempts} attempts to log in, {failed:?} operations failed");
    // Two connections at once, and then one after about 1, 2 and 4 seconds.
    assert!(attempts <= 10 * 5, "{attempts} attempts");
    database.run("ALTER ROLE app PASSWORD 'secret'").await;
    for store in &stores {
        eventually("the node is back", SECOND * 20, async || {
            store.load(SessionKey::of("any")).await.is_ok()
        })
        .await;
    }
    stop.store(true, Ordering::Relaxed);
    while let Some(caller) = callers.join_next().await {
        caller.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn listeners_end_although_revocations_come_often() {
    let database = Database::shared().await;
    let store = database.store("often").await;
    let key = begin(&store, "often", NOON).await;
    let revoking = store.clone();
    let revocations = tokio::spawn(async move {
        loop {
            revoking.revoke(key, NOON).await.unwrap();
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    for _ in 0..5 {
        let mut listener = store.revocations();
        soon(listener.next()).await;
    }
    let listening =
        "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'LISTEN%often_revoked%'";
    eventually("nobody listens", SECOND * 5, async || {
        database.number(listening).await == 0
    })
    .await;
    revocations.abort();
}
