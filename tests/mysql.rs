//! Do MySQL and MariaDB keep the contract?

use std::convert::Infallible;
use std::error::Error;
use std::future::ready;
use std::time::Duration;

use sqlx::mysql::{MySqlPool, MySqlPoolOptions};
use sqlx::{AssertSqlSafe, MySql};
use tokio::sync::Mutex;
use tokio::time::sleep;
use tower_login_timeout::{
    ActivityStore, Clock, MySqlStore, SessionKey, StoreClock, SystemClock, Timestamp, conformance,
};

mod servers;
mod sql;

use sql::servers::{Held, Shared, mariadb_url, start_mariadb};
use sql::{Inside, SECOND, Subject, hex};

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
        // What the server counts itself.
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
        // What it shows is renewed when nobody looked at it for 100 ms: one test looks at a time.
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
            "INSERT INTO {table} SELECT UNHEX(MD5(seq)), 1, 1, NULL, NULL, FALSE, {ended} FROM seq_1_to_{rows}"
        )
    }
}

async fn subject(table: &'static str) -> Subject<MySql, Database> {
    let server = SERVER.hold();
    let url = mariadb_url(server.port);
    let store = MySqlStore::connect(&url)
        .await
        .unwrap()
        .with_table(table)
        .unwrap();
    store.migrate().await.unwrap();
    let pool = MySqlPoolOptions::new()
        .max_connections(1)
        .connect(&url)
        .await
        .unwrap();
    Subject {
        store,
        table,
        inside: Database {
            pool,
            _server: server,
        },
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_keeps_the_contract() {
    let subject = subject("contract").await;
    conformance::check(&subject.store).await;
    conformance::check_shared(&subject.store).await;
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
async fn ended_records_leave() {
    subject("ended").await.ended_records_leave().await;
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

#[tokio::test]
async fn clocks_that_follow_the_database_agree() {
    let subject = subject("agree").await;
    let clock = subject.store.clock().await.unwrap();
    let apart = clock.now().saturating_duration_since(SystemClock.now());
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

#[tokio::test(flavor = "multi_thread")]
async fn dropped_operations_leak_nothing() {
    subject("dropped")
        .await
        .dropped_operations_leak_nothing()
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_happens_meanwhile_stands() {
    subject("meanwhile")
        .await
        .what_happens_meanwhile_stands()
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_renewed_meanwhile_stays() {
    subject("renewed")
        .await
        .what_is_renewed_meanwhile_stays()
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn removal_comes_no_closer() {
    subject("closer").await.removal_comes_no_closer().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_begun_is_done() {
    subject("begun").await.what_has_begun_is_done().await;
}

#[tokio::test]
async fn what_is_held_up_ends_in_time() {
    subject("held").await.what_is_held_up_ends_in_time().await;
}

#[tokio::test]
async fn limits_are_kept() {
    subject("limits").await.limits_are_kept().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_touches_are_written() {
    subject("many").await.many_touches_are_written().await;
}

#[tokio::test]
async fn nothing_shows_the_password() {
    let subject = subject("shows").await;
    let url = mariadb_url(SERVER.hold().port);
    let wrong = url.replace("secret", "not-so-secret");
    let nowhere = url.replace("/app", "/nowhere");
    let mut shown = vec![format!("{:?}", subject.store)];
    for url in [
        wrong.as_str(),
        nowhere.as_str(),
        "mysql://app:secret@[",
        "mysql://app:secret@a:1?ssl-mode=perhaps",
    ] {
        let error = MySqlStore::connect(url).await.unwrap_err();
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
