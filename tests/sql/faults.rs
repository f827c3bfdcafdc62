//! Tests of databases that die, freeze or lose their connections.

use std::future::Future;
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use sqlx::postgres::PgPoolOptions;
use sqlx::sqlite::SqlitePool;
use tokio::sync::watch;
use tower_login_timeout::{
    ActivityStore, MySqlStore, PostgresStore, SessionKey, SqlDatabase, SqlStore, SqliteStore,
    StoreEvent, Timestamp,
};

use crate::common::databases::{mariadb_url, postgresql_url, start_mariadb, start_postgresql};
use crate::common::servers::{Folder, Server};

use super::suite::{NOON, SECOND, STORE_TIMEOUT, begin, eventually, later, policy};

const SESSIONS: usize = 20;
const CLIENTS: usize = 16;

/// Tasks that touch sessions as fast as they can, and count the answers.
struct Load {
    answered: AtomicUsize,
    failed: AtomicUsize,
    stop: AtomicBool,
    moment: AtomicU64,
}

impl Load {
    fn start<DB: SqlDatabase>(
        store: &SqlStore<DB>,
        keys: &[SessionKey],
    ) -> (Arc<Self>, Vec<tokio::task::JoinHandle<()>>) {
        let load = Arc::new(Self {
            answered: AtomicUsize::new(0),
            failed: AtomicUsize::new(0),
            stop: AtomicBool::new(false),
            moment: AtomicU64::new(0),
        });
        let clients = (0..CLIENTS).map(|client| {
            let (load, store, keys) = (Arc::clone(&load), store.clone(), keys.to_vec());
            tokio::spawn(async move {
                for key in keys.iter().cycle().skip(client) {
                    if load.stop.load(Ordering::Relaxed) {
                        return;
                    }
                    load.touch(&store, *key).await;
                }
            })
        });
        let clients = clients.collect();
        (load, clients)
    }

    async fn touch<DB: SqlDatabase>(&self, store: &SqlStore<DB>, key: SessionKey) {
        let moment = self.moment.fetch_add(1, Ordering::Relaxed);
        let now = NOON.saturating_add(Duration::from_millis(moment));
        let start = Instant::now();
        let touched = store.touch(key, policy(900, 0).touch(now)).await;
        assert!(
            start.elapsed() < STORE_TIMEOUT,
            "it took {:?}: {touched:?}",
            start.elapsed()
        );
        match touched {
            Ok(Some(activity)) => {
                assert!(!activity.is_revoked());
                self.answered.fetch_add(1, Ordering::Relaxed);
            }
            Ok(None) => panic!("a failing store took a live session for an unknown one"),
            Err(_) => {
                self.failed.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    async fn goes_on(&self, what: &str, counted: &AtomicUsize) {
        let before = counted.load(Ordering::Relaxed);
        eventually(what, SECOND * 30, async || {
            counted.load(Ordering::Relaxed) > before + 2 * CLIENTS
        })
        .await;
    }

    async fn is_answered(&self) {
        self.goes_on("requests are answered", &self.answered).await;
    }

    async fn fails(&self) {
        self.goes_on("requests fail", &self.failed).await;
    }
}

async fn sessions<DB: SqlDatabase>(store: &SqlStore<DB>) -> Vec<SessionKey> {
    let mut keys = Vec::new();
    for number in 0..SESSIONS {
        keys.push(begin(store, &format!("live {number}"), NOON).await);
    }
    keys
}

/// Freezes and thaws the server under load, then kills and restarts it.
///
/// Every request ends in time, none is told that its session is unknown, and all sessions live on
/// as soon as the server is back.
async fn freeze_and_kill<DB: SqlDatabase>(store: SqlStore<DB>, server: &mut Server) {
    store.migrate().await.unwrap();
    let keys = sessions(&store).await;
    let ended = begin(&store, "ended", NOON).await;
    assert!(
        store
            .revoke(ended, later(NOON, 86_400))
            .await
            .unwrap()
            .is_some()
    );
    let (load, clients) = Load::start(&store, &keys);
    load.is_answered().await;

    signal_all(server, "STOP");
    load.fails().await;
    signal_all(server, "CONT");
    recovers(&store, &keys, "thawed").await;
    load.is_answered().await;

    // The children of PostgreSQL would notice that their parent is gone and end too, but later.
    signal_all(server, "KILL");
    load.fails().await;
    server.restart();
    recovers(&store, &keys, "restarted").await;
    load.is_answered().await;

    load.stop.store(true, Ordering::Relaxed);
    for client in clients {
        client.await.unwrap();
    }
    let failed = load.failed.load(Ordering::Relaxed);
    for key in &keys {
        load.touch(&store, *key).await;
    }
    assert_eq!(
        load.failed.load(Ordering::Relaxed),
        failed,
        "it still fails"
    );
    assert!(store.load(ended).await.unwrap().unwrap().is_revoked());
}

/// Waits until the server answers again.
async fn recovers<DB: SqlDatabase>(store: &SqlStore<DB>, keys: &[SessionKey], what: &str) {
    let start = Instant::now();
    eventually("it is back", SECOND * 10, async || {
        store.load(keys[0]).await.is_ok()
    })
    .await;
    println!("{what}: back after {:?}", start.elapsed());
}

/// Sends a signal to the server and to the processes that it started.
fn signal_all(server: &mut Server, signal: &str) {
    let pid = server.pid().unwrap();
    let children = Command::new("ps")
        .args(["-o", "pid=", "--ppid", &pid.to_string()])
        .output()
        .unwrap();
    let children = String::from_utf8(children.stdout).unwrap();
    // The parent comes first, so that it starts no more children.
    let pids = [pid.to_string()]
        .into_iter()
        .chain(children.split_whitespace().map(str::to_owned));
    for pid in pids {
        // A process that has just ended is no failure.
        let _ = Command::new("kill")
            .args(["-s", signal, &pid])
            .stderr(Stdio::null())
            .status()
            .unwrap();
    }
    if signal == "KILL" {
        server.kill();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn postgresql_is_frozen_and_killed() {
    let mut server = start_postgresql();
    let store = PostgresStore::connect(&postgresql_url(server.port()))
        .await
        .unwrap();
    freeze_and_kill(store, &mut server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mariadb_is_frozen_and_killed() {
    let mut server = start_mariadb();
    let store = MySqlStore::connect(&mariadb_url(server.port()))
        .await
        .unwrap();
    freeze_and_kill(store, &mut server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_server_is_reported_once_as_lost_and_once_as_reconnected() {
    let mut server = start_postgresql();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let events = Arc::clone(&seen);
    let store = PostgresStore::connect(&postgresql_url(server.port()))
        .await
        .unwrap()
        .with_observer(move |event: &StoreEvent<'_>| {
            events.lock().unwrap().push(match event {
                StoreEvent::Connected { store, .. } => ("connected", *store, Duration::ZERO),
                StoreEvent::Lost { store, .. } => ("lost", *store, Duration::ZERO),
                StoreEvent::Reconnected { store, away, .. } => ("reconnected", *store, *away),
                event => panic!("{event:?}"),
            });
        });
    store.migrate().await.unwrap();
    let key = SessionKey::of("sesame");
    store.load(key).await.unwrap();
    assert_eq!(
        seen.lock().unwrap().drain(..).collect::<Vec<_>>(),
        [("connected", "postgres", Duration::ZERO)]
    );

    signal_all(&mut server, "KILL");
    let start = Instant::now();
    while start.elapsed() < SECOND {
        store.load(key).await.unwrap_err();
    }
    server.restart();
    eventually("the store answers", SECOND * 20, || async {
        store.load(key).await.is_ok()
    })
    .await;
    let seen = seen.lock().unwrap();
    let [("lost", "postgres", _), ("reconnected", "postgres", away)] = seen[..] else {
        panic!("{seen:?}");
    };
    assert!(away >= SECOND / 2, "{away:?}");
}

/// A restart without requests: the next request is answered, although every connection of the pool
/// is dead.
#[tokio::test(flavor = "multi_thread")]
async fn after_a_quiet_restart_the_first_request_is_answered() {
    let mut server = start_postgresql();
    let store = PostgresStore::connect(&postgresql_url(server.port()))
        .await
        .unwrap();
    store.migrate().await.unwrap();
    let keys = sessions(&store).await;
    let all = |store: PostgresStore| {
        let all = keys
            .iter()
            .map(|key| tokio::spawn(store.touch(*key, policy(900, 0).touch(NOON))));
        all.collect::<Vec<_>>()
    };
    for touched in all(store.clone()) {
        touched.await.unwrap().unwrap().unwrap();
    }
    signal_all(&mut server, "KILL");
    server.restart();
    for touched in all(store.clone()) {
        touched.await.unwrap().unwrap().unwrap();
    }
}

/// A connection that is cut silently, as when a machine loses power: nothing arrives, and nothing
/// is closed.
#[tokio::test(flavor = "multi_thread")]
async fn connections_that_are_cut_silently_are_given_up() {
    let server = start_postgresql();
    let (link, port) = Link::to(server.port()).await;
    // The pool has one connection. If it were not given up, no request would be answered again.
    let pool = PgPoolOptions::new().max_connections(1);
    let pool = pool.connect(&postgresql_url(port)).await.unwrap();
    let store = PostgresStore::from_pool(pool);
    store.migrate().await.unwrap();
    let keys = sessions(&store).await;
    let (load, clients) = Load::start(&store, &keys);
    load.is_answered().await;
    for _ in 0..6 {
        link.cut();
        recovers(&store, &keys, "cut").await;
        load.is_answered().await;
    }
    load.stop.store(true, Ordering::Relaxed);
    for client in clients {
        client.await.unwrap();
    }
}

/// The same without load: after one failed request, all connections of the pool are replaced.
#[tokio::test(flavor = "multi_thread")]
async fn one_failed_request_replaces_all_cut_connections() {
    let server = start_postgresql();
    let (link, port) = Link::to(server.port()).await;
    let store = PostgresStore::connect(&postgresql_url(port)).await.unwrap();
    store.migrate().await.unwrap();
    let keys = sessions(&store).await;
    let all = keys.iter().map(|key| tokio::spawn(store.load(*key)));
    for loaded in all.collect::<Vec<_>>() {
        loaded.await.unwrap().unwrap();
    }
    link.cut();
    let mut failed = 0;
    for key in &keys {
        failed += usize::from(store.load(*key).await.is_err());
    }
    assert!(failed <= 1, "{failed} requests failed");
}

/// Passes bytes between a client and a server. A cut stops all present connections silently. Later
/// ones work.
struct Link(watch::Sender<usize>);

impl Link {
    async fn to(port: u16) -> (Self, u16) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let own = listener.local_addr().unwrap().port();
        let listener = tokio::net::TcpListener::from_std(listener).unwrap();
        let (cuts, _) = watch::channel(0);
        let watched = cuts.clone();
        tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                let mut cut = watched.subscribe();
                tokio::spawn(async move {
                    let server = SocketAddr::from(([127, 0, 0, 1], port));
                    let mut far = tokio::net::TcpStream::connect(server).await.unwrap();
                    let passing = tokio::io::copy_bidirectional(&mut near, &mut far);
                    tokio::select! {
                        _ = passing => {}
                        // Neither end is told.
                        _ = cut.changed() => std::future::pending().await,
                    }
                });
            }
        });
        (Self(cuts), own)
    }

    fn cut(&self) {
        self.0.send_modify(|cuts| *cuts += 1);
    }
}

const FILE: &str = "LOGIN_TIMEOUT_TEST_FILE";

/// Not a test: the program that the next test starts and kills. It prints what was committed.
#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_writes_to_sqlite() {
    let Ok(url) = std::env::var(FILE) else {
        return;
    };
    let store = SqliteStore::connect(&url).await.unwrap();
    store.migrate().await.unwrap();
    let latest = store.load(SessionKey::of("0")).await.unwrap();
    let mut now = latest.map_or(NOON, |activity| activity.last_activity());
    for number in 0..SESSIONS {
        if latest.is_none() {
            begin(&store, &number.to_string(), NOON).await;
        }
    }
    loop {
        now = now.saturating_add(Duration::from_millis(1));
        let touches = (0..SESSIONS).map(|number| {
            let key = SessionKey::of(number.to_string());
            (
                number,
                tokio::spawn(store.touch(key, policy(900, 0).touch(now))),
            )
        });
        for (number, touched) in touches.collect::<Vec<_>>() {
            touched.await.unwrap().unwrap().unwrap();
            println!("committed {number} {}", now.as_unix_millis());
        }
    }
}

/// Kills a process with SIGKILL while it writes. The file is not damaged, and every session has the
/// activity of its last answered touch.
#[tokio::test]
async fn sqlite_survives_kill_9() {
    let folder = Folder::new("sqlite");
    let url = format!("sqlite:{}/sessions.db", folder.path().display());
    // The test harness wants the path without the name of the crate.
    let (_, path) = module_path!().split_once("::").unwrap();
    let name = format!("{path}::a_process_that_writes_to_sqlite");
    let mut committed = [NOON; SESSIONS];
    for round in 0..4_u64 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", &name, "--nocapture"])
            .env(FILE, &url)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let printed = BufReader::new(child.stdout.take().unwrap()).lines();
        // Each round kills the process after a different number of writes, and then reads the rest
        // of its output.
        let mut left = 500 + 111 * round;
        for line in printed {
            let line = line.unwrap();
            let mut words = line
                .split_whitespace()
                .skip_while(|word| !word.ends_with("committed"))
                .skip(1);
            let (Some(number), Some(millis)) = (words.next(), words.next()) else {
                continue;
            };
            // The last line may be incomplete.
            if millis.len() == NOON.as_unix_millis().to_string().len() {
                committed[number.parse::<usize>().unwrap()] =
                    Timestamp::from_unix_millis(millis.parse().unwrap());
            }
            left = left.saturating_sub(1);
            if left == 0 {
                child.kill().unwrap();
            }
        }
        child.wait().unwrap();

        let store = SqliteStore::connect(&url).await.unwrap();
        for (number, committed) in committed.iter().enumerate() {
            let activity = store
                .load(SessionKey::of(number.to_string()))
                .await
                .unwrap()
                .unwrap();
            let (last, one_more) = (
                activity.last_activity(),
                committed.saturating_add(Duration::from_millis(1)),
            );
            assert!(
                last == *committed || last == one_more,
                "{number}: {last:?}, answered {committed:?}"
            );
            assert!(last > NOON);
        }
        let pool = SqlitePool::connect(&url).await.unwrap();
        let sound: String = sqlx::query_scalar("PRAGMA integrity_check")
            .fetch_one(&pool)
            .await
            .unwrap();
        assert_eq!(sound, "ok");
        pool.close().await;
    }
}

/// The server is frozen. Every operation ends with an error in time.
#[tokio::test]
async fn every_operation_ends_in_time() {
    let server = start_postgresql();
    let store = PostgresStore::connect(&postgresql_url(server.port()))
        .await
        .unwrap();
    store.migrate().await.unwrap();
    let key = begin(&store, "frozen", NOON).await;
    let activity = store.load(key).await.unwrap().unwrap();
    let mut server = server;
    signal_all(&mut server, "STOP");
    async fn ends<T: std::fmt::Debug>(
        operation: impl Future<Output = Result<T, tower_login_timeout::SqlError>>,
    ) {
        let start = Instant::now();
        operation.await.unwrap_err();
        assert!(
            start.elapsed() < STORE_TIMEOUT,
            "it took {:?}",
            start.elapsed()
        );
    }
    ends(store.load(key)).await;
    ends(store.touch(key, policy(900, 0).touch(later(NOON, 1)))).await;
    ends(store.create(key, activity, NOON)).await;
    ends(store.begin(key, activity, NOON)).await;
    ends(store.revoke(key, NOON)).await;
    ends(store.clock()).await;
    signal_all(&mut server, "CONT");
    recovers(&store, &[key], "thawed").await;
}
