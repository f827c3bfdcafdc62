//! Tests of the MySQL store against a MariaDB server.

use std::convert::Infallible;
use std::error::Error;
use std::future::ready;
use std::time::Duration;

use sqlx::mysql::MySqlPool;
use sqlx::{AssertSqlSafe, MySql};
use tokio::sync::Mutex;
use tokio::time::sleep;
use tower_login_timeout::{
    ActivityStore, Changed, Clock, MySqlStore, SessionKey, SharedStore, StoreClock, SystemClock,
    Timestamp,
};

use crate::common::databases::{Held, Shared, mariadb_url, start_mariadb};

use super::change_log::{Nodes, tests_of_the_change_log};
use super::suite::{
    Inside, NOON, SECOND, Subject, begin, eventually, hex, one_connection, tests_of_every_database,
    tests_of_every_server,
};

static SERVER: Shared = Shared::new(start_mariadb);

struct Database {
    pool: MySqlPool,
    url: String,
    _server: Held,
}

impl Inside for Database {
    async fn run(&self, sql: String) {
        sqlx::raw_sql(AssertSqlSafe(sql))
            .execute(&self.pool)
            .await
            .unwrap();
    }

    async fn number(&self, sql: String) -> i64 {
        sqlx::query_scalar(AssertSqlSafe(sql))
            .fetch_one(&self.pool)
            .await
            .unwrap()
    }

    async fn version(&self, table: &str) -> String {
        // The server counts this itself.
        let sql = format!(
            "SELECT CAST(rows_changed AS SIGNED) FROM information_schema.table_statistics
            WHERE table_schema = 'app' AND table_name = '{table}'"
        );
        self.number(sql).await.to_string()
    }

    const BEGIN: &str = "BEGIN";

    async fn held_up(&self, table: &str) {
        let waiting = format!(
            "SELECT count(*) FROM information_schema.innodb_trx
            WHERE trx_state = 'LOCK WAIT' AND trx_query LIKE '%{table}%'"
        );
        // The server refreshes this table only if nobody read it for 100 ms. So one test reads at a
        // time.
        static LOOKING: Mutex<()> = Mutex::const_new(());
        for _ in 0..50 {
            let _looking = LOOKING.lock().await;
            sleep(Duration::from_millis(120)).await;
            if self.number(waiting.clone()).await > 0 {
                return;
            }
        }
        panic!("nobody waits");
    }

    fn literal(bytes: &[u8]) -> String {
        format!("x'{}'", hex(bytes))
    }

    fn insert_ended(table: &str, rows: usize, ended: Timestamp) -> String {
        let ended = ended.as_unix_millis();
        format!(
            "INSERT INTO {table} SELECT UNHEX(MD5(seq)), 1, 1, NULL, NULL, FALSE, {ended}, NULL, '', NULL FROM seq_1_to_{rows}"
        )
    }
}

impl Nodes for Database {
    type DB = MySql;

    async fn connect(&self, settings: &str) -> MySqlStore {
        let url = format!("{}?{settings}", self.url);
        MySqlStore::connect(&url).await.unwrap()
    }

    async fn slow_writes(&self, table: &str) {
        for event in ["INSERT", "UPDATE"] {
            let trigger = format!(
                "CREATE TRIGGER {table}_{event} BEFORE {event} ON {table}
                FOR EACH ROW DO SLEEP(RAND() * 0.3)"
            );
            self.run(trigger).await;
        }
    }
}

async fn subject(table: &'static str) -> Subject<MySql, Database> {
    let server = SERVER.hold();
    let url = mariadb_url(server.port);
    let store = MySqlStore::connect(&url).await.unwrap();
    let inside = Database {
        pool: one_connection(&url).await,
        url,
        _server: server,
    };
    Subject::new(store, table, inside).await
}

/// Returns URLs that connect to nothing, from the URL of the server.
fn wrong_urls(url: &str) -> [String; 4] {
    [
        url.replace("secret", "not-so-secret"),
        url.replace("/app", "/nowhere"),
        "mysql://app:secret@[".to_owned(),
        "mysql://app:secret@a:1?ssl-mode=perhaps".to_owned(),
    ]
}

tests_of_every_database!();
tests_of_the_change_log!();
tests_of_the_change_log!(a_change_that_commits_after_later_ones_is_logged,);
tests_of_every_server!(MySqlStore at mariadb_url, unreachable by wrong_urls);

#[tokio::test]
async fn ended_records_leave() {
    subject("ended").await.ended_records_leave().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_is_renewed_meanwhile_is_not_removed() {
    subject("renewed")
        .await
        .a_record_that_is_renewed_meanwhile_is_not_removed()
        .await;
}

/// A read of the log reads no session that has not changed lately.
#[tokio::test]
async fn the_log_is_read_through_its_index() {
    let subject = subject("by_index").await;
    let position = subject.store.changes_since(None).await.unwrap();
    let rows = Database::insert_ended("by_index", 50_000, Timestamp::MAX);
    subject.inside.run(rows).await;
    // Half of them have changed, long ago.
    let change = "UPDATE by_index SET logged_until = 1700000000000 LIMIT 25000";
    subject.inside.run(change.to_owned()).await;
    let rows_read = async || {
        let sql = "SELECT CAST(rows_read AS SIGNED) FROM information_schema.table_statistics
            WHERE table_schema = 'app' AND table_name = 'by_index'";
        subject.inside.number(sql.to_owned()).await
    };
    let before = rows_read().await;
    let changed = begin(&subject.store, "changed", NOON).await;
    subject.store.revoke(changed, NOON).await.unwrap();
    // The first operation starts a sweep, which reads a page.
    eventually("the sweep has read its page", SECOND * 20, async || {
        rows_read().await - before >= 1000
    })
    .await;
    let before = rows_read().await;
    let read = subject
        .store
        .changes_since(Some(position.position().clone()));
    let read = read.await.unwrap();
    assert_eq!(read.changed(), &Changed::These(vec![changed]));
    let rows = rows_read().await - before;
    assert!((1..10).contains(&rows), "{rows} rows read");
}
