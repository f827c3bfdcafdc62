//! Tests of the SQLite store, each on a file of its own.

use std::str::FromStr;

use sqlx::Row;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool, SqlitePoolOptions};
use tower_login_timeout::{
    Activity, ActivityStore, Changed, Clock, SessionKey, SharedStore, SqliteStore, SystemClock,
    Timestamp,
};

use crate::common::servers::Folder;

use super::change_log::{Nodes, tests_of_the_change_log};
use super::suite::{Inside, NOON, Subject, begin, hex, later, policy, tests_of_every_database};

struct File {
    pool: SqlitePool,
    url: String,
    _folder: Folder,
}

impl Inside for File {
    async fn run(&self, sql: String) {
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql))
            .execute(&self.pool)
            .await
            .unwrap();
    }

    async fn number(&self, sql: String) -> i64 {
        sqlx::query_scalar(sqlx::AssertSqlSafe(sql))
            .fetch_one(&self.pool)
            .await
            .unwrap()
    }

    async fn version(&self, _: &str) -> String {
        // It changes for this connection when another connection commits.
        self.number("PRAGMA data_version".to_owned())
            .await
            .to_string()
    }

    const BEGIN: &str = "BEGIN IMMEDIATE";

    async fn held_up(&self, _: &str) {
        // SQLite does not show who waits. If nobody waits yet, the test checks less, but does not
        // fail.
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }

    fn literal(bytes: &[u8]) -> String {
        format!("x'{}'", hex(bytes))
    }

    fn insert_ended(table: &str, rows: usize, ended: Timestamp) -> String {
        let ended = ended.as_unix_millis();
        format!(
            "WITH RECURSIVE row (number) AS (SELECT 1 UNION ALL SELECT number + 1 FROM row LIMIT {rows})
            INSERT INTO {table} SELECT randomblob(16), 1, 1, NULL, NULL, FALSE, {ended}, NULL, x'', NULL FROM row"
        )
    }
}

impl Nodes for File {
    type DB = sqlx::Sqlite;

    async fn connect(&self, settings: &str) -> SqliteStore {
        let url = format!("{}?{settings}", self.url);
        SqliteStore::connect(&url).await.unwrap()
    }

    /// SQLite has one writer at a time, and takes the time when it is its turn.
    async fn slow_writes(&self, _: &str) {}
}

/// Prepares a file with the default table.
async fn subject(test: &str) -> Subject<sqlx::Sqlite, File> {
    let folder = Folder::new(&format!("sqlite-{test}"));
    let url = format!("sqlite:{}/sessions.db", folder.path().display());
    let store = SqliteStore::connect(&url).await.unwrap();
    store.migrate().await.unwrap();
    let pool = SqlitePoolOptions::new().max_connections(1);
    let pool = pool.connect(&url).await.unwrap();
    Subject {
        store,
        table: "session_activity",
        inside: File {
            pool,
            url,
            _folder: folder,
        },
    }
}

tests_of_every_database!();
tests_of_the_change_log!();

#[cfg(feature = "conformance")]
#[tokio::test(flavor = "multi_thread")]
async fn a_pool_of_the_application_keeps_it_too() {
    let subject = subject("pool").await;
    let options = SqliteConnectOptions::from_str(&subject.inside.url).unwrap();
    let pool = SqlitePoolOptions::new()
        .max_connections(2)
        .connect_with(options);
    let store = SqliteStore::from_pool(pool.await.unwrap()).await.unwrap();
    let store = store.with_table("sessions_2").unwrap();
    store.migrate().await.unwrap();
    store.migrate().await.unwrap();
    tower_login_timeout::conformance::check(&store).await;
}

#[tokio::test]
async fn ended_records_leave_and_the_file_shrinks() {
    let subject = subject("ended").await;
    let pages = async || subject.inside.number("PRAGMA page_count".to_owned()).await;
    let before = pages().await;
    subject.ended_records_leave().await;
    let after = pages().await;
    assert!(after <= before + 4, "{after} pages, of {before} before");
}

#[tokio::test]
async fn its_clock_is_the_clock_of_the_machine() {
    let subject = subject("clock").await;
    let before = SystemClock.now();
    let now = subject.store.clock().now();
    assert!(now >= before && now <= SystemClock.now());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_is_renewed_meanwhile_is_not_removed() {
    subject("renewed")
        .await
        .a_record_that_is_renewed_meanwhile_is_not_removed()
        .await;
}

/// A trigger records the `synchronous` level of the connection: 2 is FULL, 1 is NORMAL.
#[tokio::test]
async fn a_revocation_is_on_the_disk_and_a_touch_does_not_wait_for_it() {
    let subject = subject("careful").await;
    subject
        .inside
        .run("CREATE TABLE written (what TEXT, synchronous INTEGER)".to_owned())
        .await;
    for event in ["INSERT", "UPDATE"] {
        subject.inside.run(format!(
            "CREATE TRIGGER seen_{event} AFTER {event} ON session_activity BEGIN
                INSERT INTO written SELECT CASE WHEN NEW.revoked THEN 'revoke' ELSE '{event}' END, synchronous
                FROM pragma_synchronous; END"
        )).await;
    }
    let key = begin(&subject.store, "careful", NOON).await;
    subject
        .store
        .touch(key, policy(900, 0).touch(later(NOON, 1)))
        .await
        .unwrap();
    subject.store.revoke(key, later(NOON, 1)).await.unwrap();
    let written = sqlx::query("SELECT what, synchronous FROM written ORDER BY rowid");
    let written: Vec<(String, i64)> = written
        .fetch_all(&subject.inside.pool)
        .await
        .unwrap()
        .iter()
        .map(|row| (row.get(0), row.get(1)))
        .collect();
    let expected =
        [("INSERT", 2), ("UPDATE", 1), ("revoke", 2)].map(|(what, level)| (what.to_owned(), level));
    assert_eq!(written, expected);
    assert_eq!(
        subject
            .inside
            .number(
                "SELECT count(*) FROM pragma_journal_mode WHERE journal_mode = 'wal'".to_owned()
            )
            .await,
        1
    );
}

#[tokio::test]
async fn a_database_in_memory_is_refused() {
    for url in [
        "sqlite::memory:",
        "sqlite://:memory:",
        "sqlite:file.db?mode=memory",
    ] {
        let error = SqliteStore::connect(url).await.unwrap_err();
        assert!(error.to_string().contains("MemoryStore"), "{url}: {error}");
    }
    let pool = SqlitePool::connect("sqlite::memory:").await.unwrap();
    SqliteStore::from_pool(pool).await.unwrap_err();
}

#[tokio::test]
async fn a_missing_table_says_what_to_do() {
    let subject = subject("missing").await;
    let store = subject.store.with_table("elsewhere").unwrap();
    let error = store.load(SessionKey::of("a")).await.unwrap_err();
    assert!(error.to_string().contains("migrate()"), "{error:?}");
    let error = store
        .create(SessionKey::of("a"), Activity::began(NOON), NOON)
        .await
        .unwrap_err();
    assert!(error.to_string().contains("migrate()"), "{error:?}");
}

/// A read of the log uses its index, or fails. A process that ended while it created the table may
/// have left it without the index.
#[tokio::test]
async fn the_log_is_read_through_its_index() {
    let subject = subject("by-index").await;
    let position = subject.store.changes_since(None).await.unwrap();
    let changed = begin(&subject.store, "changed", NOON).await;
    subject.store.revoke(changed, NOON).await.unwrap();
    let drop_index = "DROP INDEX session_activity_logged_until";
    subject.inside.run(drop_index.to_owned()).await;
    let read = || {
        subject
            .store
            .changes_since(Some(position.position().clone()))
    };
    let error = read().await.unwrap_err();
    assert!(error.to_string().contains("migrate()"), "{error:?}");
    subject.store.migrate().await.unwrap();
    let keys = Changed::These(vec![changed]);
    assert_eq!(read().await.unwrap().changed(), &keys);
}

#[test]
fn an_operation_outside_a_runtime_is_an_error() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let subject = runtime.block_on(subject("outside"));
    let mut load = std::pin::pin!(subject.store.load(SessionKey::of("a")));
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match std::future::Future::poll(load.as_mut(), &mut context) {
        std::task::Poll::Ready(Err(error)) => {
            assert!(error.to_string().contains("runtime"), "{error}")
        }
        other => panic!("{other:?}"),
    }
}
