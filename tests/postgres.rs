//! Does PostgreSQL keep the contract?

use std::time::Duration;

use sqlx::postgres::{PgPool, PgPoolOptions};
use sqlx::{AssertSqlSafe, Postgres, Row};
use tower_login_timeout::{
    ActivityStore, Announced, Clock, PostgresStore, SessionKey, SharedStore, StoreClock,
    SystemClock, Timestamp, conformance,
};

mod servers;
mod sql;

use sql::servers::{Held, Shared, postgresql_url, start_postgresql};
use sql::{Inside, NOON, SECOND, Subject, begin, eventually, hex, later, policy, soon};

static SERVER: Shared = Shared::new(start_postgresql);

struct Database {
    pool: PgPool,
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
        // Every write, and every lock on a row, leaves its transaction in one of these.
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
            // Within a transaction it shows who was there at the first look, until this is called.
            self.run("SELECT pg_stat_clear_snapshot()".to_owned()).await;
            self.number(waiting.clone()).await > 0
        })
        .await;
    }

    fn literal(bytes: &[u8]) -> String {
        format!("decode('{}', 'hex')", hex(bytes))
    }

    fn insert_ended(table: &str, rows: usize, ended: Timestamp) -> String {
        let ended = ended.as_unix_millis();
        format!(
            "INSERT INTO {table} SELECT decode(md5(row::text), 'hex'), 1, 1, NULL, NULL, FALSE, {ended}
            FROM generate_series(1, {rows}) AS row"
        )
    }
}

async fn subject(table: &'static str) -> Subject<Postgres, Database> {
    let server = SERVER.hold();
    let url = postgresql_url(server.port);
    // So that the connections of one test can be told from those of others.
    let store = PostgresStore::connect(&format!("{url}?application_name={table}"))
        .await
        .unwrap()
        .with_table(table)
        .unwrap();
    store.migrate().await.unwrap();
    let pool = PgPoolOptions::new()
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

#[tokio::test(flavor = "multi_thread")]
async fn it_pushes_revocations() {
    let subject = subject("pushes").await;
    conformance::check_push(&subject.store, &subject.store).await;
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

/// A request that is dropped in the middle of a statement does not take the connection with it.
#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_request_costs_no_connection() {
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
async fn it_writes_only_when_due() {
    subject("due").await.writes_only_when_due().await;
}

#[tokio::test]
async fn malformed_rows_are_errors() {
    subject("malformed").await.malformed_rows_are_errors().await;
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
        let ask = move || std::future::ready(Ok::<_, std::convert::Infallible>(theirs.now()));
        clocks.push(StoreClock::follow(ask).await.unwrap());
    }
    subject
        .clocks_that_follow_agree([&clocks[0], &clocks[1]])
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn dropped_operations_leak_nothing() {
    let subject = subject("dropped").await;
    subject.dropped_operations_leak_nothing().await;
    let open = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'dropped' AND state LIKE 'idle in transaction%'";
    assert_eq!(subject.inside.number(open.to_owned()).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_happens_meanwhile_stands() {
    subject("meanwhile")
        .await
        .what_happens_meanwhile_stands()
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

/// A trigger writes down whether the transaction that wrote waits for the disk.
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

/// No index changes with a touch.
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

/// Who listens is told when it may have missed something, and is told of the next revocation all the same.
#[tokio::test]
async fn a_lost_listener_says_so_and_listens_again() {
    let subject = subject("lost").await;
    let mut revocations = subject.store.revocations();
    assert_eq!(soon(revocations.next()).await, Announced::Missed);
    let lose = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%lost_revoked%'";
    subject.inside.run(lose.to_owned()).await;
    assert_eq!(soon(revocations.next()).await, Announced::Missed);
    let key = begin(&subject.store, "lost", NOON).await;
    subject.store.revoke(key, NOON).await.unwrap();
    assert_eq!(soon(revocations.next()).await, Announced::Revoked(key));
    drop(revocations);
    eventually("nobody listens any more", SECOND * 10, async || {
        let listening =
            "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'LISTEN%lost_revoked%'";
        subject.inside.number(listening.to_owned()).await == 0
    })
    .await;
}

#[tokio::test]
async fn nothing_shows_the_password() {
    let subject = subject("shows").await;
    let url = postgresql_url(SERVER.hold().port);
    let wrong = url.replace("secret", "not-so-secret");
    let nowhere = url
        .replace("/postgres", "/nowhere")
        .replace("127.0.0.1:", "127.0.0.1:1");
    let mut shown = vec![format!("{:?}", subject.store)];
    for url in [
        wrong.as_str(),
        nowhere.as_str(),
        "postgres://app:secret@[",
        "postgres://app:secret@a:1?sslmode=perhaps",
    ] {
        let error = PostgresStore::connect(url).await.unwrap_err();
        shown.push(format!("{error} {error:?}"));
        shown.extend(std::error::Error::source(&error).map(ToString::to_string));
    }
    let key = SessionKey::of("shows");
    let elsewhere = subject.store.with_table("elsewhere").unwrap();
    let error = elsewhere.load(key).await.unwrap_err();
    assert!(error.to_string().contains("migrate()"), "{error:?}");
    shown.push(format!("{error} {error:?}"));
    for shown in shown {
        assert!(!shown.contains("secret"), "{shown}");
    }
}
