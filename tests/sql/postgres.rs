//! Tests of the PostgreSQL store against a server.

use std::convert::Infallible;
use std::error::Error;
use std::future::ready;
use std::time::Duration;

use sqlx::postgres::PgPool;
use sqlx::{AssertSqlSafe, Postgres, Row};
use tower_login_timeout::{
    Activity, ActivityStore, Changed, Clock, PostgresStore, SessionKey, SharedStore, StoreClock,
    SystemClock, Timestamp,
};

use crate::common::databases::{Held, Shared, postgresql_url, start_postgresql};

use super::change_log::{Follower, Nodes, tests_of_the_change_log};
use super::suite::{
    Inside, NOON, SECOND, Subject, begin, eventually, hex, later, one_connection, policy, soon,
};
use super::suite::{tests_of_every_database, tests_of_every_server};

static SERVER: Shared = Shared::new(start_postgresql);

struct Database {
    pool: PgPool,
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
        // Every write and every lock of a row changes one of these.
        let sql =
            format!("SELECT string_agg(ctid::text || xmin || xmax, ',' ORDER BY id) FROM {table}");
        sqlx::query_scalar(AssertSqlSafe(sql))
            .fetch_one(&self.pool)
            .await
            .unwrap()
    }

    const BEGIN: &str = "BEGIN";

    async fn held_up(&self, table: &str) {
        let waiting = format!(
            "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND application_name = '{table}'"
        );
        eventually("somebody waits", SECOND * 5, async || {
            // Within a transaction, PostgreSQL shows the state of the first look until this is
            // called.
            self.run("SELECT pg_stat_clear_snapshot()".to_owned()).await;
            self.number(waiting.clone()).await > 0
        })
        .await;
    }

    async fn no_transaction_is_open(&self, table: &str) {
        let open = format!(
            "SELECT count(*) FROM pg_stat_activity
            WHERE application_name = '{table}' AND state LIKE 'idle in transaction%'"
        );
        assert_eq!(self.number(open).await, 0);
    }

    fn literal(bytes: &[u8]) -> String {
        format!("decode('{}', 'hex')", hex(bytes))
    }

    fn insert_ended(table: &str, rows: usize, ended: Timestamp) -> String {
        let ended = ended.as_unix_millis();
        format!(
            "INSERT INTO {table} SELECT decode(md5(row::text), 'hex'), 1, 1, NULL, NULL, FALSE, {ended}, NULL, ''
            FROM generate_series(1, {rows}) AS row"
        )
    }
}

impl Nodes for Database {
    type DB = Postgres;

    async fn connect(&self, settings: &str) -> PostgresStore {
        let url = format!("{}&{settings}", self.url);
        PostgresStore::connect(&url).await.unwrap()
    }

    async fn slow_writes(&self, table: &str) {
        let trigger = format!(
            "CREATE FUNCTION {table}_slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                PERFORM pg_sleep(random() * 0.3);
                RETURN NEW;
            END $$;
            CREATE TRIGGER slow BEFORE INSERT OR UPDATE ON {table}
            FOR EACH ROW EXECUTE FUNCTION {table}_slow();"
        );
        self.run(trigger).await;
    }
}

async fn subject(table: &'static str) -> Subject<Postgres, Database> {
    let server = SERVER.hold();
    let url = postgresql_url(server.port);
    let inside = Database {
        pool: one_connection(&url).await,
        // The name shows which connections belong to which test.
        url: format!("{url}?application_name={table}"),
        _server: server,
    };
    let store = PostgresStore::connect(&inside.url).await.unwrap();
    Subject::new(store, table, inside).await
}

/// Returns URLs that connect to nothing, from the URL of the server.
fn wrong_urls(url: &str) -> [String; 4] {
    [
        url.replace("secret", "not-so-secret"),
        url.replace("/postgres", "/nowhere")
            .replace("127.0.0.1:", "127.0.0.1:1"),
        "postgres://app:secret@[".to_owned(),
        "postgres://app:secret@a:1?sslmode=perhaps".to_owned(),
    ]
}

tests_of_every_database!();
tests_of_the_change_log!();
tests_of_the_change_log!(a_change_that_commits_after_later_ones_is_logged,);
tests_of_every_server!(PostgresStore at postgresql_url, unreachable by wrong_urls);

#[cfg(feature = "conformance")]
#[tokio::test(flavor = "multi_thread")]
async fn it_has_a_log_of_changes() {
    let subject = subject("logs").await;
    tower_login_timeout::conformance::check_change_log(&subject.store, &subject.store).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_that_start_together_share_one_table() {
    let subject = subject("together").await;
    for _ in 0..5 {
        subject.inside.run("DROP TABLE together".to_owned()).await;
        let nodes: Vec<_> = (0..8)
            .map(|_| {
                let store = subject.store.clone();
                tokio::spawn(async move { store.migrate().await })
            })
            .collect();
        for node in nodes {
            node.await.unwrap().unwrap();
        }
    }
}

/// A request that is dropped during a statement keeps its connection open.
#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_request_keeps_its_connection() {
    let subject = subject("costs").await;
    let key = begin(&subject.store, "costs", NOON).await;
    let hold = "BEGIN; UPDATE costs SET keep_until = keep_until + 1";
    subject.inside.run(hold.to_owned()).await;
    let revoke = tokio::spawn(subject.store.revoke(key, NOON));
    subject.inside.held_up("costs").await;
    let pid = "SELECT pid::bigint FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND application_name = 'costs'";
    let pid = subject.inside.number(pid.to_owned()).await;
    revoke.abort();
    assert!(revoke.await.unwrap_err().is_cancelled());
    subject.inside.run("COMMIT".to_owned()).await;
    eventually("it is done", SECOND * 5, async || {
        subject.store.load(key).await.unwrap().unwrap().is_revoked()
    })
    .await;
    for _ in 0..20 {
        subject.store.load(key).await.unwrap();
        let alive = format!("SELECT count(*) FROM pg_stat_activity WHERE pid = {pid}");
        assert_eq!(subject.inside.number(alive).await, 1);
    }
}

#[tokio::test]
async fn ended_records_leave_and_the_table_shrinks() {
    let subject = subject("ended").await;
    subject.ended_records_leave().await;
    eventually(
        "the table is small again",
        Duration::from_secs(30),
        async || {
            let size = "SELECT pg_table_size('ended')".to_owned();
            subject.inside.number(size).await < 200_000
        },
    )
    .await;
}

/// A trigger records whether the transaction waits for the disk.
#[tokio::test]
async fn a_revocation_is_on_the_disk_and_a_touch_does_not_wait_for_it() {
    let subject = subject("careful").await;
    let script = "CREATE TABLE written (number serial, what text, waits text);
        CREATE FUNCTION written() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            INSERT INTO written (what, waits)
            SELECT CASE WHEN NEW.revoked THEN 'revoke' ELSE TG_OP END, current_setting('synchronous_commit');
            RETURN NULL;
        END $$;
        CREATE TRIGGER written AFTER INSERT OR UPDATE ON careful FOR EACH ROW EXECUTE FUNCTION written();";
    subject.inside.run(script.to_owned()).await;
    let key = begin(&subject.store, "careful", NOON).await;
    for second in [1, 2] {
        subject
            .store
            .touch(key, policy(900, 0).touch(later(NOON, second)))
            .await
            .unwrap();
    }
    subject
        .store
        .touch_many(vec![(key, policy(900, 0).touch(later(NOON, 3)))])
        .await
        .unwrap();
    subject.store.revoke(key, later(NOON, 1)).await.unwrap();
    let written = sqlx::query("SELECT what, waits FROM written ORDER BY number")
        .fetch_all(&subject.inside.pool);
    let written: Vec<(String, String)> = written
        .await
        .unwrap()
        .iter()
        .map(|row| (row.get(0), row.get(1)))
        .collect();
    let update = ("UPDATE", "off");
    let expected = [("INSERT", "on"), update, update, update, ("revoke", "on")];
    assert_eq!(
        written,
        expected.map(|(what, waits)| (what.to_owned(), waits.to_owned()))
    );
}

/// A touch changes no index.
#[tokio::test]
async fn touches_leave_the_index_alone() {
    let subject = subject("hot").await;
    let key = begin(&subject.store, "hot", NOON).await;
    for second in 1..=20 {
        let touch = policy(900, 0).touch(later(NOON, second));
        subject.store.touch(key, touch).await.unwrap();
    }
    eventually("20 updates, all of them HOT", Duration::from_secs(10), async || {
        let hot = "SELECT n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = 'hot' AND n_tup_upd = n_tup_hot_upd";
        let hot: Option<i64> = sqlx::query_scalar(hot).fetch_optional(&subject.inside.pool).await.unwrap();
        hot == Some(20)
    })
    .await;
}

/// The planner uses the index of the log, whether it knows the table or not.
#[tokio::test]
async fn the_log_is_read_through_its_index() {
    const READS: i64 = 20;
    let subject = subject("by_index").await;
    // Nearly all sessions have changed, long ago.
    let rows = "ALTER TABLE by_index SET (autovacuum_enabled = false);
        INSERT INTO by_index SELECT decode(md5(row::text), 'hex'), 1, 1, NULL, NULL, FALSE, 1, NULL, '',
            1700000000000 + row FROM generate_series(1, 100000) AS row";
    subject.inside.run(rows.to_owned()).await;
    let scans = "SELECT seq_scan FROM pg_stat_user_tables WHERE relname = 'by_index'";
    let uses =
        "SELECT idx_scan FROM pg_stat_user_indexes WHERE indexrelname = 'by_index_logged_until'";
    let number = async |sql: &str| subject.inside.number(sql.to_owned()).await;
    for known in ["", "ANALYZE by_index"] {
        subject.inside.run(known.to_owned()).await;
        // A connection tells what it did when it has been idle for a second, or ends.
        let node = subject.inside.connect("pool=1").await;
        let node = node.with_table("by_index").unwrap();
        let (scans_before, uses_before) = (number(scans).await, number(uses).await);
        let mut position = node.changes_since(None).await.unwrap().position().clone();
        let changed = begin(&node, "changed", NOON).await;
        node.revoke(changed, NOON).await.unwrap();
        for _ in 0..READS {
            let read = node.changes_since(Some(position)).await.unwrap();
            assert_eq!(read.changed(), &Changed::These(vec![changed]));
            position = read.position().clone();
        }
        drop(node);
        eventually("the index was used", SECOND * 10, async || {
            number(uses).await > uses_before + READS
        })
        .await;
        assert_eq!(number(scans).await, scans_before, "{known}");
    }
}

/// The commit waits for longer than the caller, as for a synchronous replica that is slow. It is
/// logged all the same.
#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_is_committed_after_its_caller_was_told_of_an_error_is_logged() {
    let subject = subject("slow_commit").await;
    let key = SessionKey::of("slow");
    let activity = Activity::began(NOON);
    let began = subject.store.begin(key, activity, Timestamp::MAX);
    began.await.unwrap();
    // No time limit of a statement ends this.
    let trigger = "CREATE FUNCTION slow_commit() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            PERFORM pg_sleep(1.5);
            RETURN NULL;
        END $$;
        CREATE CONSTRAINT TRIGGER slow AFTER UPDATE ON slow_commit DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW EXECUTE FUNCTION slow_commit();";
    subject.inside.run(trigger.to_owned()).await;
    let mut follower = Follower::of(&subject.store).await;
    let revoke = tokio::spawn(subject.store.revoke(key, Timestamp::MAX));
    soon(async {
        while !follower.read().await.contains(&key) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
    let revoked = subject.store.load(key).await.unwrap().unwrap();
    assert!(revoked.is_revoked());
    revoke.await.unwrap().unwrap_err();
}
