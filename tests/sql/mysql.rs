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
    ActivityStore, Clock, MySqlStore, SessionKey, StoreClock, SystemClock, Timestamp,
};

use crate::common::databases::{Held, Shared, mariadb_url, start_mariadb};

use super::suite::{
    Inside, SECOND, Subject, hex, one_connection, tests_of_every_database, tests_of_every_server,
};

static SERVER: Shared = Shared::new(start_mariadb);

struct Database {
    pool: MySqlPool,
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
            "INSERT INTO {table} SELECT UNHEX(MD5(seq)), 1, 1, NULL, NULL, FALSE, {ended}, NULL, '' FROM seq_1_to_{rows}"
        )
    }
}

async fn subject(table: &'static str) -> Subject<MySql, Database> {
    let server = SERVER.hold();
    let url = mariadb_url(server.port);
    let store = MySqlStore::connect(&url).await.unwrap();
    let inside = Database {
        pool: one_connection(&url).await,
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
