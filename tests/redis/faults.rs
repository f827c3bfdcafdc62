//! Tests of `RedisStore` while servers die, freeze, move slots and fail over.
//!
//! A live session is never answered as unknown or over. If the store cannot know, it answers an
//! error soon.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use tower_login_timeout::{
    Activity, ActivityStore, BoxError, Clock, Policy, RedisStore, SessionKey, SystemClock,
    Timestamp, Verdict,
};

use crate::common::redis::{Cluster, Watched, cli, info, name, one, url};
use crate::common::servers::{Server, poll};

type Result<T = ()> = std::result::Result<T, BoxError>;

/// The default deadline of the store, and what a busy machine may add.
const DEADLINE: Duration = Duration::from_millis(500);
const SLACK: Duration = Duration::from_millis(500);
const PATIENCE: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread")]
async fn sessions_survive_a_killed_and_restarted_server() -> Result {
    let mut server = one();
    let store = RedisStore::connect(&url(&server)).await?;
    let load = Load::on(&store).await?;
    for _ in 0..3 {
        load.until_answers(200).await;
        server.kill();
        load.until_errors(200).await;
        // While the server is known to be away, no request waits.
        let start = Instant::now();
        assert!(store.load(key(0)).await.is_err());
        assert!(
            start.elapsed() < Duration::from_millis(100),
            "{:?}",
            start.elapsed()
        );
        server.begin_restart();
        server.wait_until_ready();
        load.is_answered_within(Duration::from_millis(250)).await;
    }
    load.until_answers(200).await;
    load.finish(DEADLINE).await;
    all_are_live(&store).await
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_survive_a_frozen_server() -> Result {
    let server = one();
    let store = RedisStore::connect(&url(&server)).await?;
    let load = Load::on(&store).await?;
    for _ in 0..2 {
        load.until_answers(200).await;
        server.freeze();
        load.until_errors(200).await;
        // After the store has noticed, no request waits.
        let noticed = async {
            loop {
                let start = Instant::now();
                assert!(store.load(key(0)).await.is_err());
                if start.elapsed() < Duration::from_millis(50) {
                    break;
                }
            }
        };
        tokio::time::timeout(PATIENCE, noticed).await?;
        server.thaw();
        load.is_answered_within(Duration::from_millis(250)).await;
    }
    load.until_answers(200).await;
    load.finish(DEADLINE).await;
    all_are_live(&store).await
}

/// The other end neither answers nor closes the connection.
#[tokio::test(flavor = "multi_thread")]
async fn a_silent_connection_is_noticed() -> Result {
    let server = one();
    let relay = Relay::to(server.port()).await?;
    let store = RedisStore::connect(&format!("redis://127.0.0.1:{}", relay.port)).await?;
    relay.silence_those_that_are_open();
    // The store notices although there are no requests. So the first one is answered.
    sleep(4 * DEADLINE).await;
    store.load(key(0)).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_survive_a_moved_cluster_slot() -> Result {
    let cluster = Cluster::start(3, 0);
    let store = RedisStore::connect(&cluster.url()).await?;
    let load = Load::on(&store).await?;
    load.until_answers(200).await;
    // A slot with sessions is moved there and back.
    let slot = cli(
        cluster.nodes[0].port(),
        &["CLUSTER", "KEYSLOT", &name(key(0))],
    );
    let slot = slot.trim();
    let owner =
        |node: &&Server| cli(node.port(), &["CLUSTER", "COUNTKEYSINSLOT", slot]).trim() != "0";
    let home = cluster
        .nodes
        .iter()
        .find(owner)
        .expect("somebody has the session");
    let other = cluster
        .nodes
        .iter()
        .find(|node| node.port() != home.port())
        .expect("another node");
    for (from, to) in [(home, other), (other, home), (home, other)] {
        let (from_id, to_id) = (id(from), id(to));
        cli(
            to.port(),
            &["CLUSTER", "SETSLOT", slot, "IMPORTING", &from_id],
        );
        cli(
            from.port(),
            &["CLUSTER", "SETSLOT", slot, "MIGRATING", &to_id],
        );
        load.until_answers(200).await;
        let to_port = to.port().to_string();
        loop {
            let keys = cli(from.port(), &["CLUSTER", "GETKEYSINSLOT", slot, "1"]);
            let Some(key) = keys.lines().next().filter(|key| !key.is_empty()) else {
                break;
            };
            cli(
                from.port(),
                &["MIGRATE", "127.0.0.1", &to_port, key, "0", "5000"],
            );
        }
        // The slot is empty on the old node, and the new node does not own it yet.
        load.until_answers(200).await;
        cli(to.port(), &["CLUSTER", "SETSLOT", slot, "NODE", &to_id]);
        load.until_answers(200).await;
        cli(from.port(), &["CLUSTER", "SETSLOT", slot, "NODE", &to_id]);
        load.until_answers(200).await;
    }
    assert_eq!(load.errors(), 0, "{:?}", load.seen.last_error);
    load.finish(DEADLINE).await;
    all_are_live(&store).await
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_survive_a_cluster_master_that_dies_or_freezes() -> Result {
    let mut cluster = Cluster::start(3, 1);
    let store = RedisStore::connect(&cluster.url()).await?;
    let load = Load::on(&store).await?;
    load.until_answers(200).await;
    let replicated = || cluster.nodes.iter().all(in_step);
    assert!(poll(PATIENCE, replicated));

    let master = |cluster: &Cluster| {
        cluster
            .nodes
            .iter()
            .position(|node| info(node.port(), "replication").contains("role:master"))
    };
    let dying = master(&cluster).expect("a master");
    cluster.nodes[dying].kill();
    load.until_errors(1).await;
    load.until_everyone_is_answered().await;
    cluster.nodes[dying].restart();
    cluster.wait_until_whole();

    let freezing = master(&cluster).expect("a master");
    cluster.nodes[freezing].freeze();
    load.until_errors(1).await;
    // The replica has taken over. The frozen master does not report that.
    load.until_everyone_is_answered().await;
    cluster.nodes[freezing].thaw();
    load.until_answers(500).await;
    load.finish(DEADLINE).await;
    all_are_live(&store).await
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_survive_a_dead_and_a_frozen_master_behind_sentinels() -> Result {
    let mut watched = Watched::start();
    let store = RedisStore::builder()
        .with_replicas_per_revocation(1)
        .connect(&watched.url())
        .await?;
    let now = SystemClock.now();
    let gone = SessionKey::of("gone");
    let load = Load::on(&store).await?;
    store
        .create(gone, Activity::began(now), Timestamp::MAX)
        .await?;
    load.until_answers(200).await;
    assert!(store.revoke(gone, Timestamp::MAX).await?.is_some());
    assert!(poll(PATIENCE, || in_step(&watched.servers[1])));

    watched.servers[0].kill();
    load.until_errors(1).await;
    load.until_everyone_is_answered().await;
    assert!(
        store
            .load(gone)
            .await?
            .is_some_and(|gone| gone.is_revoked()),
        "the revocation is undone"
    );

    // The old master starts as a master, and the Sentinels make it a replica some seconds later.
    // Only then it has what it missed: on a busy disk, its last writes may not be in its own file.
    watched.servers[0].restart();
    assert!(
        poll(PATIENCE, || follows(&watched.servers[0])),
        "{}",
        watched.servers[0].log()
    );
    let knows = || {
        cli(
            watched.sentinels[0].port(),
            &["SENTINEL", "REPLICAS", "mymaster"],
        )
        .contains("\nslave\n")
    };
    assert!(poll(PATIENCE, knows));
    watched.servers[1].freeze();
    load.until_errors(1).await;
    load.until_everyone_is_answered().await;
    watched.servers[1].thaw();
    load.until_answers(500).await;
    load.finish(DEADLINE).await;
    all_are_live(&store).await?;
    assert!(
        store
            .load(gone)
            .await?
            .is_some_and(|gone| gone.is_revoked()),
        "the revocation is undone"
    );
    Ok(())
}

/// A planned fail-over. The old master becomes a replica, and would answer reads.
#[tokio::test(flavor = "multi_thread")]
async fn sessions_survive_a_planned_fail_over_behind_sentinels() -> Result {
    let watched = Watched::start();
    let store = RedisStore::connect(&watched.url()).await?;
    let load = Load::on(&store).await?;
    load.until_answers(200).await;
    cli(
        watched.sentinels[0].port(),
        &["SENTINEL", "FAILOVER", "mymaster"],
    );
    let handed_over = || info(watched.servers[0].port(), "replication").contains("role:slave");
    assert!(poll(PATIENCE, handed_over));
    load.until_everyone_is_answered().await;
    // The requests go to the new master.
    cli(watched.servers[1].port(), &["CONFIG", "RESETSTAT"]);
    load.until_answers(100).await;
    assert!(info(watched.servers[1].port(), "commandstats").contains("cmdstat_get:"));
    load.finish(DEADLINE).await;
    all_are_live(&store).await
}

const SESSIONS: u64 = 200;
const CALLERS: u64 = 32;

fn key(number: u64) -> SessionKey {
    SessionKey::of(number.to_string())
}

fn policy() -> Policy {
    // Some touches are due, and some are not.
    let policy = Policy::builder().with_touch_every(Duration::from_millis(50));
    policy.build().expect("a policy")
}

/// Tasks that touch live sessions all the time.
struct Load {
    seen: Arc<Seen>,
    callers: JoinSet<Vec<String>>,
}

#[derive(Default)]
struct Seen {
    over: AtomicBool,
    answers: AtomicU64,
    errors: AtomicU64,
    last_error: Mutex<Option<BoxError>>,
    slowest_micros: AtomicU64,
    /// When each task got its last answer, in milliseconds from the start.
    answered: [AtomicU64; CALLERS as usize],
}

impl Load {
    async fn on(store: &RedisStore) -> Result<Self> {
        let now = SystemClock.now();
        for number in 0..SESSIONS {
            store
                .create(key(number), Activity::began(now), Timestamp::MAX)
                .await?;
        }
        let seen = Arc::new(Seen::default());
        let start = Instant::now();
        let mut callers = JoinSet::new();
        for caller in 0..CALLERS {
            let (seen, store) = (Arc::clone(&seen), store.clone());
            callers.spawn(async move { touch_until_over(caller, start, &seen, &store).await });
        }
        Ok(Self { seen, callers })
    }

    fn errors(&self) -> u64 {
        self.seen.errors.load(Ordering::SeqCst)
    }

    /// Waits for this many more answers.
    async fn until_answers(&self, more: u64) {
        let before = self.seen.answers.load(Ordering::SeqCst);
        self.until("answers", || {
            self.seen.answers.load(Ordering::SeqCst) >= before + more
        })
        .await;
    }

    /// Fails the test if the next answer takes longer.
    async fn is_answered_within(&self, limit: Duration) {
        let start = Instant::now();
        self.until_answers(1).await;
        assert!(start.elapsed() < limit, "{:?}", start.elapsed());
    }

    /// Waits for this many more errors.
    async fn until_errors(&self, more: u64) {
        let before = self.errors();
        self.until("errors", || self.errors() >= before + more)
            .await;
    }

    /// Waits until there was no error for a second, and every task got an answer after that.
    async fn until_everyone_is_answered(&self) {
        let mut before = self.errors();
        let mut since = Instant::now();
        let quiet = || {
            let errors = self.errors();
            if errors != before {
                (before, since) = (errors, Instant::now());
            }
            since.elapsed() > Duration::from_secs(1)
        };
        self.until("an end of errors", quiet).await;
        let before: Vec<u64> = self
            .seen
            .answered
            .iter()
            .map(|at| at.load(Ordering::SeqCst))
            .collect();
        let all = || {
            let now = self
                .seen
                .answered
                .iter()
                .map(|at| at.load(Ordering::SeqCst));
            now.zip(&before).all(|(now, before)| now > *before)
        };
        self.until("answers to all", all).await;
    }

    async fn until(&self, what: &str, mut enough: impl FnMut() -> bool) {
        let start = Instant::now();
        while !enough() {
            assert!(start.elapsed() < PATIENCE, "no {what} for {PATIENCE:?}");
            sleep(Duration::from_millis(1)).await;
        }
    }

    /// Stops the tasks. Fails the test if an answer was wrong or late.
    async fn finish(self, deadline: Duration) {
        self.seen.over.store(true, Ordering::SeqCst);
        let wrong: Vec<String> = self.callers.join_all().await.concat();
        assert!(
            wrong.is_empty(),
            "{} wrong answers, such as {}",
            wrong.len(),
            wrong[0]
        );
        let slowest = Duration::from_micros(self.seen.slowest_micros.load(Ordering::SeqCst));
        assert!(slowest < deadline + SLACK, "an answer took {slowest:?}");
        println!(
            "{} answers, {} errors, {slowest:?} at most",
            self.seen.answers.load(Ordering::SeqCst),
            self.seen.errors.load(Ordering::SeqCst)
        );
    }
}

async fn touch_until_over(
    caller: u64,
    start: Instant,
    seen: &Seen,
    store: &RedisStore,
) -> Vec<String> {
    let mut wrong = Vec::new();
    let policy = policy();
    let mut number = caller;
    while !seen.over.load(Ordering::SeqCst) {
        number = (number + CALLERS) % SESSIONS;
        let now = SystemClock.now();
        let asked = Instant::now();
        let answer = store.touch(key(number), policy.touch(now)).await;
        let micros = asked.elapsed().as_micros() as u64;
        seen.slowest_micros.fetch_max(micros, Ordering::SeqCst);
        match answer {
            Ok(activity) => {
                match policy.decide(activity, now) {
                    Verdict::Active { .. } => {}
                    verdict => wrong.push(format!("{verdict:?}")),
                }
                seen.answers.fetch_add(1, Ordering::SeqCst);
                let since_start = start.elapsed().as_millis() as u64;
                seen.answered[caller as usize].store(since_start, Ordering::SeqCst);
            }
            Err(error) => {
                seen.last_error.lock().unwrap().replace(error.into());
                seen.errors.fetch_add(1, Ordering::SeqCst);
            }
        }
        // A short pause between requests.
        sleep(Duration::from_millis(2)).await;
    }
    wrong
}

async fn all_are_live(store: &RedisStore) -> Result {
    let (policy, now) = (policy(), SystemClock.now());
    for number in 0..SESSIONS {
        let verdict = policy.decide(store.load(key(number)).await?, now);
        assert!(
            matches!(verdict, Verdict::Active { .. }),
            "session {number}: {verdict:?}"
        );
    }
    Ok(())
}

/// Checks that a node is a master, or a replica that has the data of its master.
fn in_step(server: &Server) -> bool {
    info(server.port(), "replication").contains("role:master") || follows(server)
}

/// Checks that a server is a replica that has the data of its master.
fn follows(server: &Server) -> bool {
    let info = info(server.port(), "replication");
    info.contains("role:slave")
        && info.contains("master_link_status:up")
        && !info.contains("master_sync_in_progress:1")
}

fn id(node: &Server) -> String {
    cli(node.port(), &["CLUSTER", "MYID"]).trim().to_owned()
}

/// Passes bytes between a client and a server, until it is told to drop them.
struct Relay {
    port: u16,
    silenced: Arc<AtomicU64>,
    opened: Arc<AtomicU64>,
}

impl Relay {
    async fn to(server: u16) -> Result<Self> {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let port = listener.local_addr()?.port();
        let (silenced, opened) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let relay = Self {
            port,
            silenced: Arc::clone(&silenced),
            opened: Arc::clone(&opened),
        };
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let number = opened.fetch_add(1, Ordering::SeqCst) + 1;
                let Ok(server) = tokio::net::TcpStream::connect(("127.0.0.1", server)).await else {
                    continue;
                };
                let (from_client, to_client) = client.into_split();
                let (from_server, to_server) = server.into_split();
                tokio::spawn(pass_on(
                    from_client,
                    to_server,
                    number,
                    Arc::clone(&silenced),
                ));
                tokio::spawn(pass_on(
                    from_server,
                    to_client,
                    number,
                    Arc::clone(&silenced),
                ));
            }
        });
        Ok(relay)
    }

    fn silence_those_that_are_open(&self) {
        self.silenced
            .store(self.opened.load(Ordering::SeqCst), Ordering::SeqCst);
    }
}

async fn pass_on(
    mut from: tokio::net::tcp::OwnedReadHalf,
    mut to: tokio::net::tcp::OwnedWriteHalf,
    number: u64,
    silenced: Arc<AtomicU64>,
) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut bytes = [0; 4096];
    while let Ok(read @ 1..) = from.read(&mut bytes).await {
        if number > silenced.load(Ordering::SeqCst) && to.write_all(&bytes[..read]).await.is_err() {
            return;
        }
    }
}
