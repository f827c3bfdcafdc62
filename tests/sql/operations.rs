//! Tests of what an operator meets with every SQL server. They are written once and defined for
//! each.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use sqlx::Pool;
use sqlx::pool::PoolOptions;
use tokio::task::JoinSet;
use tower_login_timeout::{
    Activity, ActivityStore, AnyStore, Clock, ManualClock, SessionKey, SharedStore, SqlDatabase,
    SqlStore, SystemClock, Timestamp, UserKey, UserLink, UserStore,
};

use super::suite::{NOON, SECOND, STORE_TIMEOUT, begin, eventually, later, policy};

/// Defines the tests of this file in a module. Its `Database` is an `Operator`.
macro_rules! operations_of_every_server {
    () => {
        operations_of_every_server! {
            a_locked_table_costs_no_connection_beyond_the_pool,
            a_locked_table_costs_no_connection_beyond_the_pool_of_an_application,
            one_locked_row_closes_no_connection_of_an_application,
            the_end_of_one_users_sessions_waits_for_no_other_row,
            a_deadlock_is_repeated,
            a_table_that_exists_needs_no_right_to_create_it,
            a_node_whose_clock_is_ahead_removes_no_live_session,
            another_node_sweeps_when_the_first_is_gone,
            settings_are_read_from_the_url,
        }
    };
    ($($guarantee:ident,)+) => {
        $(
            #[tokio::test(flavor = "multi_thread")]
            async fn $guarantee() {
                let database = Database::shared().await;
                crate::sql::operations::$guarantee(&database).await;
            }
        )+
    };
}
pub(crate) use operations_of_every_server;

/// What an operator does with a server. The connection for this does not belong to a store.
pub trait Operator {
    type DB: SqlDatabase;

    /// Returns a URL for one test. The server shows this name for the connections of the URL.
    async fn url_of(&self, name: &str) -> String;
    /// Returns the URL of a user who may read and write the rows of this table, and nothing else.
    async fn url_of_a_user_of(&self, table: &str) -> String;
    async fn connect(url: &str) -> SqlStore<Self::DB>;
    fn from_pool(pool: Pool<Self::DB>) -> SqlStore<Self::DB>;
    async fn run(&self, sql: impl Into<String>);
    async fn number(&self, sql: impl Into<String>) -> i64;
    /// Returns the ids of the connections with this name, as the server sees them.
    async fn connections(&self, name: &str) -> BTreeSet<i64>;
    /// Returns the ids of the connections with this name that wait for a lock.
    async fn waiting(&self, name: &str) -> BTreeSet<i64>;
    /// Locks a whole table.
    async fn lock(&self, table: &str);
    /// Gives up the lock of a whole table.
    async fn unlock(&self);
    /// Begins a transaction that goes on when the server has to end one of two.
    async fn begin_what_survives_a_deadlock(&self, table: &str);
    /// Reads how many deadlocks there were.
    const DEADLOCKS: &str;
    /// Fails if a connection of the pool has other time limits than a new one.
    async fn limits_are_as_new(pool: &Pool<Self::DB>);
    /// Writes the id of a session as an SQL literal.
    fn literal(key: SessionKey) -> String;

    /// Returns a store with its own table, whose connections have the same name.
    async fn store(&self, name: &str) -> SqlStore<Self::DB> {
        let store = Self::connect(&self.url_of(name).await).await;
        let store = store.with_table(name).unwrap();
        store.migrate().await.unwrap();
        store
    }
}

/// Adds settings to a URL.
pub fn with_settings(url: &str, settings: &str) -> String {
    let sign = if url.contains('?') { '&' } else { '?' };
    format!("{url}{sign}{settings}")
}

/// Returns a pool of an application that has so many idle connections.
pub async fn application_pool<DB: SqlDatabase>(url: &str, connections: u32) -> Pool<DB> {
    let pool = PoolOptions::new()
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
async fn idle<DB: SqlDatabase>(pool: &Pool<DB>, connections: u32) {
    eventually("all connections are idle", SECOND * 5, async || {
        pool.num_idle() == connections as usize && pool.size() == connections
    })
    .await;
}

/// Calls the store from 64 tasks while the table is locked. Returns the largest number of
/// connections.
async fn most_connections_while_locked<D: Operator>(
    database: &D,
    store: &SqlStore<D::DB>,
    name: &str,
    key: SessionKey,
) -> usize {
    database.lock(name).await;
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
        most = most.max(database.connections(name).await.len());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    stop.store(true, Ordering::Relaxed);
    while let Some(caller) = callers.join_next().await {
        caller.unwrap();
    }
    database.unlock().await;
    eventually("the store answers again", SECOND * 5, async || {
        store.load(key).await.is_ok()
    })
    .await;
    most.max(database.connections(name).await.len())
}

pub async fn a_locked_table_costs_no_connection_beyond_the_pool<D: Operator>(database: &D) {
    let store = database.store("locked").await;
    let key = begin(&store, "locked", NOON).await;
    let most = most_connections_while_locked(database, &store, "locked", key).await;
    assert!(most <= 10, "{most} connections");
}

pub async fn a_locked_table_costs_no_connection_beyond_the_pool_of_an_application<D: Operator>(
    database: &D,
) {
    database.store("locked_app").await;
    let pool = application_pool(&database.url_of("locked_app").await, 5).await;
    let store = D::from_pool(pool).with_table("locked_app").unwrap();
    // The connection that migrated closes when its store is gone.
    eventually("five connections", SECOND * 5, async || {
        database.connections("locked_app").await.len() == 5
    })
    .await;
    let key = begin(&store, "locked", NOON).await;
    let most = most_connections_while_locked(database, &store, "locked_app", key).await;
    assert!(most <= 5, "{most} connections");
}

pub async fn the_end_of_one_users_sessions_waits_for_no_other_row<D: Operator>(database: &D) {
    let store = database.store("ends").await;
    let (user, keep_until) = (UserKey::from_bytes([7; 16]), Timestamp::MAX);
    let mut keys = Vec::new();
    for number in 0..200 {
        let key = begin(&store, &format!("session {number}"), NOON).await;
        let link = UserLink::new(key, NOON, "");
        store.link(user, link, keep_until).await.unwrap();
        keys.push(key);
    }
    let another = D::literal(keys.pop().unwrap());
    for (table, id) in [("ends", "id"), ("ends_users", "session")] {
        database
            .run(format!(
                "BEGIN; UPDATE {table} SET keep_until = 4102444800000 WHERE {id} = {another}"
            ))
            .await;
        let ended = store.revoke_many(keys.clone(), keep_until).await.unwrap();
        assert_eq!(ended.len(), keys.len());
        store.unlink(user, keys.clone()).await.unwrap();
        database.run("COMMIT").await;
    }
    assert_eq!(store.links_of(user).await.unwrap().len(), 1);
}

pub async fn one_locked_row_closes_no_connection_of_an_application<D: Operator>(database: &D) {
    let key = begin(&database.store("one_row").await, "row", NOON).await;
    let pool = application_pool(&database.url_of("one_row_app").await, 20).await;
    let store = D::from_pool(pool.clone()).with_table("one_row").unwrap();
    let before = database.connections("one_row_app").await;
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
    assert_eq!(database.connections("one_row_app").await, before);
    // Nothing was left on them.
    for _ in 0..20 {
        D::limits_are_as_new(&pool).await;
    }
}

/// The server ends the statement of the store, which has to be repeated.
pub async fn a_deadlock_is_repeated<D: Operator>(database: &D) {
    let store = database.store("deadlock").await;
    let mut keys = [
        begin(&store, "one", NOON).await,
        begin(&store, "two", NOON).await,
    ];
    keys.sort_unstable();
    let update = |key| {
        let id = D::literal(key);
        format!("UPDATE deadlock SET keep_until = keep_until + 1 WHERE id = {id}")
    };
    database.begin_what_survives_a_deadlock("deadlock").await;
    database.run(update(keys[1])).await;
    let touches = keys
        .map(|key| (key, policy(900, 0).touch(later(NOON, 1))))
        .to_vec();
    let touched = tokio::spawn(store.touch_many(touches));
    eventually("the store waits", SECOND * 5, async || {
        database.waiting("deadlock").await.len() == 1
    })
    .await;
    database.run(format!("{}; COMMIT", update(keys[0]))).await;
    touched.await.unwrap().unwrap();
    for key in keys {
        let activity = store.load(key).await.unwrap().unwrap();
        assert_eq!(activity.last_activity(), later(NOON, 1));
    }
    eventually("there was a deadlock", SECOND * 5, async || {
        database.number(D::DEADLOCKS).await > 0
    })
    .await;
}

pub async fn a_table_that_exists_needs_no_right_to_create_it<D: Operator>(database: &D) {
    database.store("granted").await;
    let url = database.url_of_a_user_of("granted").await;
    let store = AnyStore::connect(&with_settings(&url, "table=granted"))
        .await
        .unwrap();
    let key = SessionKey::of("granted");
    let activity = Activity::began(NOON);
    store.create(key, activity, Timestamp::MAX).await.unwrap();
    assert_eq!(store.load(key).await.unwrap(), Some(activity));
    assert!(store.revoke(key, NOON).await.unwrap().is_some());
    // It may not create another.
    let error = AnyStore::connect(&with_settings(&url, "table=missing"))
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

/// Starts a sweep by the time of a clock, which goes forward.
async fn sweep<DB: SqlDatabase>(store: &SqlStore<DB>, clock: &ManualClock) {
    clock.advance(SECOND * 70);
    let touch = policy(900, 0).touch(clock.now());
    store.touch(SessionKey::of("unknown"), touch).await.unwrap();
}

/// Sweeps by the time of a clock until so many rows are left.
async fn sweep_until<D: Operator>(
    database: &D,
    table: &str,
    store: &SqlStore<D::DB>,
    clock: &ManualClock,
    rows: i64,
) {
    let count = format!("SELECT count(*) FROM {table}");
    eventually("old rows are removed", SECOND * 10, async || {
        sweep(store, clock).await;
        database.number(count.clone()).await == rows
    })
    .await;
}

pub async fn a_node_whose_clock_is_ahead_removes_no_live_session<D: Operator>(database: &D) {
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
    sweep_until(database, "ahead", &store, &clock, 1).await;
    for _ in 0..50 {
        sweep(&store, &clock).await;
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(store.load(live).await.unwrap(), Some(activity));
}

pub async fn another_node_sweeps_when_the_first_is_gone<D: Operator>(database: &D) {
    let first = database.store("heir").await;
    let second = database.store("heir").await;
    let old = async |store: &SqlStore<D::DB>| {
        let created = store.create(SessionKey::of("old"), Activity::began(NOON), NOON);
        created.await.unwrap();
    };
    let clock = ManualClock::at(later(NOON, 10));
    old(&first).await;
    sweep_until(database, "heir", &first, &clock, 0).await;
    // Another node holds the claim for an hour from now on. A sweep of the first store that is
    // still under way can then not remove the next row.
    database
        .run("UPDATE heir_sweep SET sweeper = -1, held_until = held_until + 3600000")
        .await;
    old(&second).await;
    for _ in 0..20 {
        sweep(&second, &clock).await;
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(database.number("SELECT count(*) FROM heir").await, 1);
    // Its claim runs out.
    database.run("UPDATE heir_sweep SET held_until = 0").await;
    sweep_until(database, "heir", &second, &clock, 0).await;
}

pub async fn settings_are_read_from_the_url<D: Operator>(database: &D) {
    let url = database.url_of("by_url").await;
    let url = with_settings(&url, "pool=3&timeout=300ms&table=by_url");
    let store = AnyStore::connect(&url).await.unwrap();
    let key = SessionKey::of("by url");
    store
        .create(key, Activity::began(NOON), Timestamp::MAX)
        .await
        .unwrap();
    assert_eq!(database.number("SELECT count(*) FROM by_url").await, 1);
    database.lock("by_url").await;
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
    database.unlock().await;
}
