//! Tests of what an operator meets with MySQL and MariaDB: what every server has to pass, and
//! switch-overs, isolation levels and logins.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use sqlx::mysql::{MySqlConnectOptions, MySqlConnection, MySqlPool, MySqlPoolOptions};
use sqlx::{AssertSqlSafe, Connection, MySql};
use tokio::task::JoinSet;
use tower_login_timeout::{
    Activity, ActivityStore, Clock, MySqlStore, SessionKey, SharedStore, SystemClock, conformance,
};

use crate::common::databases::{Held, Shared, mariadb_url, start_mariadb};
use crate::common::servers::Server;
use crate::sql::change_log::follow_many_changes;
use crate::sql::operations::{Operator, operations_of_every_server, with_settings};
use crate::sql::suite::{NOON, SECOND, begin, begin_for_good, eventually, hex, later, policy};

static SERVER: Shared = Shared::new(start_server);

/// Starts one server at a time: two that are installed together use the same temporary files.
fn start_server() -> Server {
    static STARTING: Mutex<()> = Mutex::new(());
    let _starting = STARTING.lock().unwrap_or_else(PoisonError::into_inner);
    start_mariadb()
}

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

    /// Reads a list of the server that has ids of connections.
    async fn ids(&self, sql: &str) -> BTreeSet<i64> {
        // MariaDB now and then closes the connection that reads this list, with "Got an error
        // writing communication packets" in its log. So it is not the connection that holds the
        // locks, and the list is read again.
        for _ in 0..3 {
            let ids = sqlx::query_scalar(AssertSqlSafe(sql.to_owned()));
            match ids.fetch_all(&self.counter).await {
                Ok(ids) => return ids.into_iter().collect(),
                Err(sqlx::Error::Io(_)) => {}
                Err(error) => panic!("{error}"),
            }
        }
        panic!("the list of connections cannot be read");
    }
}

impl Operator for Database {
    type DB = MySql;

    async fn url_of(&self, name: &str) -> String {
        // The server counts connections by user. The user has rights on the database `app` only.
        let create = format!(
            "CREATE USER IF NOT EXISTS {name}@'%' IDENTIFIED BY 'secret';
            GRANT ALL ON app.* TO {name}@'%'"
        );
        self.run(create).await;
        self.url.replace("app:", &format!("{name}:"))
    }

    async fn url_of_a_user_of(&self, table: &str) -> String {
        let grant = format!(
            "CREATE USER plain@'%' IDENTIFIED BY 'secret';
            GRANT SELECT, INSERT, UPDATE, DELETE ON app.{table} TO plain@'%'"
        );
        self.run(grant).await;
        self.url.replace("app:", "plain:")
    }

    async fn connect(url: &str) -> MySqlStore {
        MySqlStore::connect(url).await.unwrap()
    }

    fn from_pool(pool: MySqlPool) -> MySqlStore {
        MySqlStore::from_pool(pool)
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
        let sql = format!(
            "SELECT CAST(id AS SIGNED) FROM information_schema.processlist WHERE user = '{name}'"
        );
        self.ids(&sql).await
    }

    async fn waiting(&self, name: &str) -> BTreeSet<i64> {
        let sql = format!(
            "SELECT CAST(id AS SIGNED) FROM information_schema.innodb_trx
            JOIN information_schema.processlist ON id = trx_mysql_thread_id
            WHERE trx_state = 'LOCK WAIT' AND user = '{name}'"
        );
        // InnoDB makes this list anew only if nobody has read it for 100 ms.
        tokio::time::sleep(Duration::from_millis(120)).await;
        self.ids(&sql).await
    }

    async fn lock(&self, table: &str) {
        self.run(format!("LOCK TABLES {table} WRITE")).await;
    }

    async fn unlock(&self) {
        self.run("UNLOCK TABLES").await;
    }

    async fn begin_what_survives_a_deadlock(&self, table: &str) {
        // The transaction that changed more rows goes on.
        let far = later(NOON, 10_000_000).as_unix_millis();
        let script = format!(
            "INSERT INTO {table} SELECT UNHEX(MD5(seq)), 1, 1, NULL, NULL, FALSE, {far}, NULL, '', NULL
            FROM seq_1_to_20;
            SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED;
            BEGIN; UPDATE {table} SET keep_until = keep_until + 1 WHERE created_at = 1"
        );
        self.run(script).await;
    }

    const DEADLOCKS: &str = "SELECT CAST(variable_value AS SIGNED)
        FROM information_schema.global_status WHERE variable_name = 'Innodb_deadlocks'";

    async fn limits_are_as_new(pool: &MySqlPool) {
        let settings = "SELECT CAST(@@max_statement_time + @@innodb_lock_wait_timeout AS SIGNED)";
        let value: i64 = sqlx::query_scalar(settings).fetch_one(pool).await.unwrap();
        assert_eq!(value, 50);
    }

    fn literal(key: SessionKey) -> String {
        format!("x'{}'", hex(&key.to_bytes()))
    }
}

operations_of_every_server!();

#[tokio::test(flavor = "multi_thread")]
async fn the_contract_holds_over_the_pool_of_an_application_and_without_prepared_statements() {
    let database = Database::shared().await;
    database.store("contract").await;
    let pool = MySqlPool::connect(&database.url).await.unwrap();
    let url = format!("{}?persistent-statements=no&table=contract", database.url);
    for store in [
        MySqlStore::from_pool(pool).with_table("contract").unwrap(),
        MySqlStore::connect(&url).await.unwrap(),
    ] {
        conformance::check(&store).await;
        conformance::check_shared(&store).await;
        follow_many_changes(&store, &store).await;
        database.run("TRUNCATE contract").await;
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
    let store = database.store("switched").await;
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
    let url = with_settings(&database.url, "timeout=20s");
    let own = Database::connect(&url).await.with_table("strict").unwrap();
    own.migrate().await.unwrap();
    let pool = MySqlPool::connect(&database.url).await.unwrap();
    let given = MySqlStore::from_pool(pool).with_table("strict").unwrap();
    for (number, store) in [own, given].into_iter().enumerate() {
        conformance::check(&store).await;
        conformance::check_shared(&store).await;
        let key = begin_for_good(&store, &format!("strict {number}"), NOON).await;
        let id = Database::literal(key);
        let hold = format!("BEGIN; UPDATE strict SET keep_until = keep_until + 1 WHERE id = {id}");
        database.run(hold).await;
        let touch = policy(900, 0).touch(later(NOON, 1));
        let touched = match number {
            0 => tokio::spawn(async move { store.touch(key, touch).await.map(drop) }),
            _ => tokio::spawn(async move { store.touch_many(vec![(key, touch)]).await.map(drop) }),
        };
        // The server says at which level the statement runs that waits for the row.
        let level = "SELECT count(*) FROM information_schema.innodb_trx
            WHERE trx_state = 'LOCK WAIT' AND trx_isolation_level = 'READ COMMITTED'";
        eventually("it waits, read committed", SECOND * 15, async || {
            // InnoDB makes this list anew only if nobody has read it for 100 ms.
            tokio::time::sleep(Duration::from_millis(150)).await;
            database.number(level).await == 1
        })
        .await;
        database.run("COMMIT").await;
        touched.await.unwrap().unwrap();
    }
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
