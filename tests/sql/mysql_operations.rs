//! Tests of what an operator meets with MySQL and MariaDB: locks, switch-overs, rights and logins.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use sqlx::mysql::{MySqlConnectOptions, MySqlConnection, MySqlPool, MySqlPoolOptions};
use sqlx::{AssertSqlSafe, Connection};
use tokio::task::JoinSet;
use tower_login_timeout::{
    Activity, ActivityStore, AnyStore, Clock, ManualClock, MySqlStore, SessionKey, SharedStore,
    SystemClock, Timestamp, conformance,
};

use crate::common::databases::{Held, Shared, mariadb_url, start_mariadb};
use crate::common::servers::Server;
use crate::sql::suite::{NOON, SECOND, begin, eventually, later, policy};

static SERVER: Shared = Shared::new(start_server);

/// Starts one server at a time: two that are installed together use the same temporary files.
fn start_server() -> Server {
    static STARTING: Mutex<()> = Mutex::new(());
    let _starting = STARTING.lock().unwrap_or_else(PoisonError::into_inner);
    start_mariadb()
}

/// A limit with the second that MySQL takes to give up a lock.
const STORE_TIMEOUT: Duration = crate::sql::suite::STORE_TIMEOUT;

/// A server, and a connection that does not belong to a store.
struct Database {
    url: String,
    admin: MySqlPool,
    /// Counts connections.
    counter: MySqlPool,
    _server: Option<Held>,
}

impl Database {
    async fn shared() -> Self {
        let server = SERVER.hold();
        let url = mariadb_url(server.port);
        Self {
            _server: Some(server),
            ..Self::at(url).await
        }
    }

    async fn at(url: String) -> Self {
        let mut app = MySqlConnection::connect(&url).await.unwrap();
        let socket: String = sqlx::query_scalar("SELECT @@socket")
            .fetch_one(&mut app)
            .await
            .unwrap();
        let root = MySqlConnectOptions::new()
            .username("root")
            .socket(socket)
            .database("app");
        let one = MySqlPoolOptions::new().max_connections(1);
        Self {
            url,
            admin: one.clone().connect_with(root.clone()).await.unwrap(),
            counter: one.connect_with(root).await.unwrap(),
            _server: None,
        }
    }

    /// Creates a user whose connections can be counted, with rights on the database `app` only.
    async fn user(&self, name: &str) -> String {
        self.run(format!(
            "CREATE USER {name}@'%' IDENTIFIED BY 'secret'; GRANT ALL ON app.* TO {name}@'%'"
        ))
        .await;
        self.url.replace("app:", &format!("{name}:"))
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

    /// Returns the ids of a user's connections, as the server sees them.
    async fn connections(&self, user: &str) -> BTreeSet<i64> {
        let sql = format!(
            "SELECT CAST(id AS SIGNED) FROM information_schema.processlist WHERE user = '{user}'"
        );
        // MariaDB now and then closes the connection that reads this list, with "Got an error writing
        // communication packets" in its log. So it is not the connection that holds the locks, and
        // the list is read again.
        for _ in 0..3 {
            let ids = sqlx::query_scalar(AssertSqlSafe(sql.clone()));
            match ids.fetch_all(&self.counter).await {
                Ok(ids) => return ids.into_iter().collect(),
                Err(sqlx::Error::Io(_)) => {}
                Err(error) => panic!("{error}"),
            }
        }
        panic!("the list of connections cannot be read");
    }
}

async fn store(url: &str, table: &str) -> MySqlStore {
    let store = MySqlStore::connect(url)
        .await
        .unwrap()
        .with_table(table)
        .unwrap();
    store.migrate().await.unwrap();
    store
}

/// Calls the store from 64 tasks while the table is locked. Returns the largest number of
/// connections.
async fn most_connections_while_locked(
    database: &Database,
    store: &MySqlStore,
    (user, table): (&str, &str),
    key: SessionKey,
) -> usize {
    database.run(format!("LOCK TABLES {table} WRITE")).await;
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
        most = most.max(database.connections(user).await.len());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    stop.store(true, Ordering::Relaxed);
    while let Some(caller) = callers.join_next().await {
        caller.unwrap();
    }
    database.run("UNLOCK TABLES").await;
    eventually("the store answers again", SECOND * 5, async || {
        store.load(key).await.is_ok()
    })
    .await;
    most.max(database.connections(user).await.len())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_locked_table_costs_no_connection_beyond_the_pool() {
    let database = Database::shared().await;
    let store = store(&database.user("locked").await, "locked").await;
    let key = begin(&store, "locked", NOON).await;
    let most = most_connections_while_locked(&database, &store, ("locked", "locked"), key).await;
    assert!(most <= 10, "{most} connections");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_locked_table_costs_no_connection_beyond_the_pool_of_an_application() {
    let database = Database::shared().await;
    store(&database.url, "locked_app").await;
    let url = database.user("locked_app").await;
    let pool = MySqlPoolOptions::new()
        .max_connections(5)
        .connect(&url)
        .await
        .unwrap();
    let store = MySqlStore::from_pool(pool)
        .with_table("locked_app")
        .unwrap();
    let key = begin(&store, "locked", NOON).await;
    let names = ("locked_app", "locked_app");
    let most = most_connections_while_locked(&database, &store, names, key).await;
    assert!(most <= 5, "{most} connections");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_locked_row_closes_no_connection_of_an_application() {
    let database = Database::shared().await;
    let key = begin(&store(&database.url, "one_row").await, "row", NOON).await;
    let url = database.user("one_row").await;
    let pool = MySqlPoolOptions::new()
        .max_connections(20)
        .connect(&url)
        .await
        .unwrap();
    let mut held = Vec::new();
    for _ in 0..20 {
        held.push(pool.acquire().await.unwrap());
    }
    drop(held);
    let all_idle = async || pool.num_idle() == 20;
    eventually("all are idle", SECOND * 5, all_idle).await;
    let store = MySqlStore::from_pool(pool.clone())
        .with_table("one_row")
        .unwrap();
    let before = database.connections("one_row").await;
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
    eventually("all are idle", SECOND * 5, all_idle).await;
    assert_eq!(database.connections("one_row").await, before);
    // Nothing was left on them.
    for _ in 0..20 {
        let settings = "SELECT CAST(@@max_statement_time + @@innodb_lock_wait_timeout AS SIGNED)";
        let value: i64 = sqlx::query_scalar(settings).fetch_one(&pool).await.unwrap();
        assert_eq!(value, 50);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_contract_holds_over_the_pool_of_an_application_and_without_prepared_statements() {
    let database = Database::shared().await;
    store(&database.url, "contract").await;
    let pool = MySqlPool::connect(&database.url).await.unwrap();
    let url = format!("{}?persistent-statements=no&table=contract", database.url);
    for store in [
        MySqlStore::from_pool(pool).with_table("contract").unwrap(),
        MySqlStore::connect(&url).await.unwrap(),
    ] {
        conformance::check(&store).await;
        conformance::check_shared(&store).await;
        let apart = store.clock().await.unwrap().now();
        let apart = apart.saturating_duration_since(SystemClock.now());
        assert!(apart < SECOND, "{apart:?}");
    }
}

/// A switch-over sets the old primary server read-only, and connections stay up.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_became_read_only_costs_the_connections_that_lead_to_it() {
    let server = start_server();
    let database = Database::at(mariadb_url(server.port())).await;
    let store = store(&database.user("switched").await, "switched").await;
    let mut creating = JoinSet::new();
    for number in 0..10 {
        let store = store.clone();
        creating.spawn(async move { begin(&store, &number.to_string(), NOON).await });
    }
    creating.join_all().await;
    let before = database.connections("switched").await;
    assert!(!before.is_empty());
    database.run("SET GLOBAL read_only = ON").await;
    let created = store
        .create(SessionKey::of("new"), Activity::began(NOON), NOON)
        .await;
    let error = created.unwrap_err().to_string();
    assert!(error.contains("read-only"), "{error}");
    database.run("SET GLOBAL read_only = OFF").await;
    begin(&store, "new", NOON).await;
    // All connections are new: they would lead to the new primary server.
    eventually("the old ones are closed", SECOND * 5, async || {
        database.connections("switched").await.is_disjoint(&before)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stricter_isolation_level_of_the_server_changes_nothing() {
    let server = start_server();
    let database = Database::at(mariadb_url(server.port())).await;
    database
        .run("SET GLOBAL TRANSACTION ISOLATION LEVEL SERIALIZABLE")
        .await;
    let own = store(&format!("{}?timeout=5s", database.url), "strict").await;
    let pool = MySqlPool::connect(&database.url).await.unwrap();
    let given = MySqlStore::from_pool(pool).with_table("strict").unwrap();
    for (number, store) in [own, given].into_iter().enumerate() {
        conformance::check(&store).await;
        conformance::check_shared(&store).await;
        let key = begin(&store, &format!("strict {number}"), NOON).await;
        let hex = crate::sql::suite::hex(&key.to_bytes());
        let hold =
            format!("BEGIN; UPDATE strict SET keep_until = keep_until + 1 WHERE id = x'{hex}'");
        database.run(hold).await;
        let touch = policy(900, 0).touch(later(NOON, 1));
        let touched = match number {
            0 => tokio::spawn(async move { store.touch(key, touch).await.map(drop) }),
            _ => tokio::spawn(store.touch_many(vec![(key, touch)])),
        };
        // The server says at which level the statement runs that waits for the row.
        let level = "SELECT count(*) FROM information_schema.innodb_trx
            WHERE trx_state = 'LOCK WAIT' AND trx_isolation_level = 'READ COMMITTED'";
        eventually("it waits, read committed", SECOND * 4, async || {
            // InnoDB makes this list anew only if nobody has read it for 100 ms.
            tokio::time::sleep(Duration::from_millis(150)).await;
            tokio::time::sleep(Duration::from_millis(120)).await;
            database.number(level).await == 1
        })
        .await;
        database.run("COMMIT").await;
        touched.await.unwrap().unwrap();
    }
}

/// MariaDB ends the statement of the store, which has to be repeated.
#[tokio::test(flavor = "multi_thread")]
async fn a_deadlock_is_repeated() {
    let database = Database::shared().await;
    let store = store(&database.user("deadlock").await, "deadlock").await;
    let mut keys = [
        begin(&store, "one", NOON).await,
        begin(&store, "two", NOON).await,
    ];
    keys.sort_unstable();
    // The transaction that changed more rows goes on.
    for number in 0..20 {
        begin(&store, &format!("more {number}"), later(NOON, 1)).await;
    }
    let update = |condition: String| {
        format!("UPDATE deadlock SET keep_until = keep_until + 1 WHERE {condition}")
    };
    let by_id = |key: SessionKey| format!("id = x'{}'", crate::sql::suite::hex(&key.to_bytes()));
    let hold = format!("created_at > {}", NOON.as_unix_millis());
    database
        .run("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")
        .await;
    database
        .run(format!(
            "BEGIN; {}; {}",
            update(by_id(keys[1])),
            update(hold)
        ))
        .await;
    let touches = keys
        .map(|key| (key, policy(900, 0).touch(later(NOON, 1))))
        .to_vec();
    let touched = tokio::spawn(store.touch_many(touches));
    let waiting = "SELECT count(*) FROM information_schema.innodb_trx
        JOIN information_schema.processlist ON id = trx_mysql_thread_id
        WHERE trx_state = 'LOCK WAIT' AND user = 'deadlock'";
    eventually("the store waits", SECOND * 5, async || {
        tokio::time::sleep(Duration::from_millis(120)).await;
        database.number(waiting).await == 1
    })
    .await;
    database
        .run(format!("{}; COMMIT", update(by_id(keys[0]))))
        .await;
    touched.await.unwrap().unwrap();
    for key in keys {
        let activity = store.load(key).await.unwrap().unwrap();
        assert_eq!(activity.last_activity(), later(NOON, 1));
    }
    let deadlocks = "SELECT CAST(variable_value AS SIGNED) FROM information_schema.global_status
        WHERE variable_name = 'Innodb_deadlocks'";
    assert!(database.number(deadlocks).await > 0);
}

#[tokio::test]
async fn a_table_that_exists_needs_no_right_to_create_it() {
    let database = Database::shared().await;
    store(&database.url, "granted").await;
    let grant = "CREATE USER plain@'%' IDENTIFIED BY 'secret';
        GRANT SELECT, INSERT, UPDATE, DELETE ON app.granted TO plain@'%'";
    database.run(grant).await;
    let url = database.url.replace("app:", "plain:");
    let store = AnyStore::connect(&format!("{url}?table=granted"))
        .await
        .unwrap();
    let key = SessionKey::of("granted");
    let activity = Activity::began(NOON);
    store.create(key, activity, Timestamp::MAX).await.unwrap();
    assert_eq!(store.load(key).await.unwrap(), Some(activity));
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
async fn a_node_whose_clock_is_ahead_removes_no_live_session() {
    let database = Database::shared().await;
    let store = store(&database.url, "ahead").await;
    let now = SystemClock.now();
    let (live, activity) = (SessionKey::of("live"), Activity::began(now));
    store
        .create(live, activity, later(now, 3600))
        .await
        .unwrap();
    store
        .create(SessionKey::of("old"), activity, later(now, 0))
        .await
        .unwrap();
    let clock = ManualClock::at(later(now, 25 * 3600));
    let touch = async || {
        clock.advance(SECOND * 70);
        let touch = policy(900, 0).touch(clock.now());
        store.touch(SessionKey::of("unknown"), touch).await.unwrap();
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    eventually("the old row is removed", SECOND * 10, async || {
        touch().await;
        database.number("SELECT count(*) FROM ahead").await == 1
    })
    .await;
    for _ in 0..50 {
        touch().await;
    }
    assert_eq!(store.load(live).await.unwrap(), Some(activity));
}

#[tokio::test]
async fn another_node_sweeps_when_the_first_is_gone() {
    let database = Database::shared().await;
    let (first, second) = (
        store(&database.url, "heir").await,
        store(&database.url, "heir").await,
    );
    let clock = ManualClock::at(later(NOON, 10));
    let sweep = async |store: &MySqlStore| {
        clock.advance(SECOND * 70);
        let touch = policy(900, 0).touch(clock.now());
        store.touch(SessionKey::of("unknown"), touch).await.unwrap();
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    let rows = async || database.number("SELECT count(*) FROM heir").await;
    first
        .create(SessionKey::of("1"), Activity::began(NOON), NOON)
        .await
        .unwrap();
    eventually("the first sweeps", SECOND * 5, async || {
        sweep(&first).await;
        rows().await == 0
    })
    .await;
    second
        .create(SessionKey::of("2"), Activity::began(NOON), NOON)
        .await
        .unwrap();
    for _ in 0..20 {
        sweep(&second).await;
    }
    assert_eq!(rows().await, 1);
    database.run("UPDATE heir_sweep SET held_until = 0").await;
    eventually("the second sweeps", SECOND * 5, async || {
        sweep(&second).await;
        rows().await == 0
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_are_read_from_the_url() {
    let database = Database::shared().await;
    let url = database.user("by_url").await;
    let store = AnyStore::connect(&format!("{url}?pool=3&timeout=300ms&table=by_url")).await;
    let store = store.unwrap();
    let key = SessionKey::of("by url");
    store
        .create(key, Activity::began(NOON), Timestamp::MAX)
        .await
        .unwrap();
    assert_eq!(database.number("SELECT count(*) FROM by_url").await, 1);
    database.run("LOCK TABLES by_url WRITE").await;
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
    let connections = database.connections("by_url").await.len();
    assert!(connections <= 3, "{connections} connections");
    database.run("UNLOCK TABLES").await;
}

/// Plays a MySQL 8 without TLS, up to the point at which it asks for the password itself.
fn mysql_8_without_tls() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            // The greeting: protocol 10, version, thread, nonce, capabilities, plugin.
            let capabilities: u32 = 0x0008_a201 | 0x0020_0000;
            let mut greeting = vec![10];
            greeting.extend(b"8.0.36\0");
            greeting.extend(7_u32.to_le_bytes());
            greeting.extend(b"12345678\0");
            greeting.extend((capabilities as u16).to_le_bytes());
            greeting.push(255);
            greeting.extend(2_u16.to_le_bytes());
            greeting.extend(((capabilities >> 16) as u16).to_le_bytes());
            greeting.push(21);
            greeting.extend([0; 10]);
            greeting.extend(b"123456789012\0");
            greeting.extend(b"caching_sha2_password\0");
            let mut packet = (greeting.len() as u32).to_le_bytes()[..3].to_vec();
            packet.push(0);
            packet.extend(greeting);
            stream.write_all(&packet).unwrap();
            let mut header = [0; 4];
            if stream.read_exact(&mut header).is_err() {
                continue;
            }
            let length = u32::from_le_bytes([header[0], header[1], header[2], 0]);
            let mut answer = vec![0; length as usize];
            stream.read_exact(&mut answer).unwrap();
            // "Perform full authentication".
            stream.write_all(&[2, 0, 0, header[3] + 1, 1, 4]).unwrap();
            // The client asks for the public key of the server. The key is of no use to it.
            let mut request = [0; 5];
            if stream.read_exact(&mut request).is_ok() {
                let key = b"\x01key";
                stream.write_all(&[4, 0, 0, request[3] + 1]).unwrap();
                stream.write_all(key).unwrap();
            }
            let _ = stream.read(&mut header);
        }
    });
    port
}

#[tokio::test]
async fn a_login_that_needs_tls_says_so() {
    let port = mysql_8_without_tls();
    let url = format!("mysql://app:secret@127.0.0.1:{port}/app?ssl-mode=DISABLED");
    let error = MySqlStore::connect(&url).await.unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("caching_sha2_password") && text.contains("sql-tls"),
        "{error:?}"
    );
}
