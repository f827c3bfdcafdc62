//! Tests of what an operator meets with PostgreSQL: what every server has to pass, and poolers,
//! switch-overs, isolation levels, sockets and passwords.

use std::collections::BTreeSet;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicUsize, Ordering};
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{AssertSqlSafe, Postgres};
use tokio::task::JoinSet;
use tower_login_timeout::{
    Activity, ActivityStore, AnyStore, CachedStore, Clock, ManualClock, PostgresStore, SessionKey,
    SystemClock, Timestamp, conformance,
};

use crate::common::databases::{Held, Shared, postgresql_url, start_postgresql};
use crate::common::servers::{Program, Server};
use crate::sql::change_log::follow_many_changes;
use crate::sql::operations::{
    Operator, application_pool, operations_of_every_server, with_settings,
};
use crate::sql::suite::{
    NOON, SECOND, begin, begin_for_good, eventually, hex, later, one_connection, policy, soon,
};

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
        Self {
            admin: one_connection(&url).await,
            url,
            _server: None,
        }
    }

    /// Reads a list of the server that has process ids of connections.
    async fn pids(&self, condition: &str) -> BTreeSet<i64> {
        // Within a transaction, the view shows its first state until this is called.
        self.run("SELECT pg_stat_clear_snapshot()").await;
        let sql = format!("SELECT pid::bigint FROM pg_stat_activity WHERE {condition}");
        let pids = sqlx::query_scalar(AssertSqlSafe(sql));
        let pids = pids.fetch_all(&self.admin).await.unwrap();
        pids.into_iter().collect()
    }
}

impl Operator for Database {
    type DB = Postgres;

    async fn url_of(&self, name: &str) -> String {
        with_settings(&self.url, &format!("application_name={name}"))
    }

    async fn url_of_a_user_of(&self, table: &str) -> String {
        let grant = format!(
            "CREATE ROLE plain LOGIN PASSWORD 'secret';
            GRANT SELECT, INSERT, UPDATE, DELETE ON {table} TO plain"
        );
        self.run(grant).await;
        self.url.replace("app:", "plain:")
    }

    async fn connect(url: &str) -> PostgresStore {
        PostgresStore::connect(url).await.unwrap()
    }

    fn from_pool(pool: PgPool) -> PostgresStore {
        PostgresStore::from_pool(pool)
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

    async fn connections(&self, name: &str) -> BTreeSet<i64> {
        self.pids(&format!("application_name = '{name}'")).await
    }

    async fn waiting(&self, name: &str) -> BTreeSet<i64> {
        let condition = format!("application_name = '{name}' AND wait_event_type = 'Lock'");
        self.pids(&condition).await
    }

    async fn lock(&self, table: &str) {
        let lock = format!("BEGIN; LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE");
        self.run(lock).await;
    }

    async fn unlock(&self) {
        self.run("COMMIT").await;
    }

    async fn begin_what_survives_a_deadlock(&self, _table: &str) {
        // The transaction that looks for a deadlock first is ended.
        self.run("SET deadlock_timeout = '1min'; BEGIN").await;
    }

    const DEADLOCKS: &str = "SELECT deadlocks FROM pg_stat_database WHERE datname = 'postgres'";

    async fn limits_are_as_new(pool: &PgPool) {
        for (setting, expected) in [("statement_timeout", "0"), ("lock_timeout", "0")] {
            let sql = AssertSqlSafe(format!("SHOW {setting}"));
            let value: String = sqlx::query_scalar(sql).fetch_one(pool).await.unwrap();
            assert_eq!(value, expected, "{setting}");
        }
    }

    fn literal(key: SessionKey) -> String {
        format!("decode('{}', 'hex')", hex(&key.to_bytes()))
    }
}

operations_of_every_server!();

#[tokio::test(flavor = "multi_thread")]
async fn one_lost_connection_costs_an_application_no_other() {
    let database = Database::shared().await;
    let key = begin(&database.store("one_lost").await, "lost", NOON).await;
    let pool = application_pool(&database.url_of("one_lost_app").await, 8).await;
    let store = PostgresStore::from_pool(pool.clone())
        .with_table("one_lost")
        .unwrap();
    let before = database.connections("one_lost_app").await;
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
    let after = database.connections("one_lost_app").await;
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
    conformance::check_users(&store).await;
    // Other connections of the same two do other things meanwhile.
    let mut callers = JoinSet::new();
    for caller in 0..20_u64 {
        let store = store.clone();
        callers.spawn(async move {
            // A sweep that the checks of the contract started may still run, years later.
            let key = begin_for_good(&store, &format!("caller {caller}"), NOON).await;
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
        .with_table("bounced_pool")
        .unwrap();
    conformance::check(&store).await;
    conformance::check_shared(&store).await;
    conformance::check_change_log(&store, &store).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_of_changes_is_followed_through_pgbouncer() {
    let database = Database::shared().await;
    database.store("bounced_log").await;
    let pgbouncer = start_pgbouncer(SERVER.hold().port);
    let url = postgresql_url(pgbouncer.port());
    let url = format!("{url}?persistent-statements=no&table=bounced_log&timeout=4s");
    let nodes = [
        PostgresStore::connect(&url).await.unwrap(),
        PostgresStore::connect(&url).await.unwrap(),
    ];
    follow_many_changes(&nodes[0], &nodes[1]).await;
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
    eventually("the server has ended the statement", SECOND, async || {
        database.waiting("bounced_lock").await.is_empty()
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
            let key = begin_for_good(&store, &format!("strict {level} {number}"), NOON).await;
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
    let id = Database::literal(keys[1]);
    database
        .run(format!(
            "UPDATE one_malformed SET created_at = -1 WHERE id = {id}"
        ))
        .await;
    soon(cached.flush(Duration::from_secs(10))).await.unwrap();
    let activity = store.load(keys[0]).await.unwrap().unwrap();
    assert_eq!(activity.last_activity(), later(now, 10));
}

/// Lets nodes that share a table work for a while. Returns how many rows they read.
async fn rows_read(database: &Database, table: &str, nodes: usize) -> i64 {
    let mut stores = Vec::new();
    for _ in 0..nodes {
        let url = with_settings(&database.url_of(table).await, "pool=1");
        stores.push(Database::connect(&url).await.with_table(table).unwrap());
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
        database.connections(table).await.is_empty()
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
async fn a_unix_socket_works() {
    let database = Database::shared().await;
    let setting = "SELECT setting FROM pg_settings WHERE name = 'unix_socket_directories'";
    let folder: String = sqlx::query_scalar(setting)
        .fetch_one(&database.admin)
        .await
        .unwrap();
    let url = database.url_of("by_socket").await;
    let url = with_settings(&url, &format!("host={folder}&table=by_socket"));
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
        let url = with_settings(&database.url_of("rotated").await, "pool=2&table=rotated");
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
        // The last wait after a refused password may be half a minute.
        eventually("the node is back", SECOND * 40, async || {
            store.load(SessionKey::of("any")).await.is_ok()
        })
        .await;
    }
    stop.store(true, Ordering::Relaxed);
    while let Some(caller) = callers.join_next().await {
        caller.unwrap();
    }
}
