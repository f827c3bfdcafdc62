//! Tests of `RedisStore` over a Cluster of which a node is lost, hangs, or hands over its slots.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use tower_login_timeout::{
    Activity, ActivityStore, BoxError, Changed, Clock, Policy, RedisStore, SessionKey, SharedStore,
    SystemClock, Timestamp,
};

use crate::common::redis::{Cluster, cli, info, name};
use crate::common::servers::{Server, poll};

type Result<T = ()> = std::result::Result<T, BoxError>;

/// The deadline of the store, and what a busy machine may add.
const DEADLINE: Duration = Duration::from_secs(1);
const SLACK: Duration = Duration::from_millis(500);
const PATIENCE: Duration = Duration::from_secs(30);
const SESSIONS: usize = 300;

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_node_fails_its_own_sessions_only() -> Result {
    let mut site = Site::start(0).await?;
    site.reset_counters();
    site.cluster.nodes[0].kill();
    let lost = Instant::now();
    site.fails_the_lost_node_only(20).await?;
    site.touch_for(Duration::from_secs(1)).await;
    // At growing pauses, however many operations find the node down.
    let refreshes = site.refreshes();
    let most = 10 + 4 * lost.elapsed().as_secs() as usize;
    assert!((2..=most).contains(&refreshes), "{refreshes} refreshes");
    site.cluster.nodes[0].restart();
    site.answers_all().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_node_fails_its_own_sessions_only() -> Result {
    let site = Site::start(0).await?;
    site.cluster.nodes[0].freeze();
    site.fails_the_lost_node_only(20).await?;
    site.cluster.nodes[0].thaw();
    site.answers_all().await
}

/// As many requests at once as a busy site has. Half of them are under way when the node is lost.
#[tokio::test(flavor = "multi_thread")]
async fn a_lost_node_holds_up_no_request_of_a_thousand() -> Result {
    let faults: [fn(&mut Server); 2] = [Server::kill, |node| node.freeze()];
    for fault in faults {
        let mut site = Site::start(0).await?;
        let over = Arc::new(AtomicBool::new(false));
        let mut callers = JoinSet::new();
        let started = Instant::now();
        for caller in 0..1_000 {
            let (over, store) = (Arc::clone(&over), site.store.clone());
            let key = site.keys[caller % SESSIONS];
            let is_lost = site.is_lost(key);
            callers.spawn(async move {
                let (mut answers, mut slowest) = (0, Duration::ZERO);
                let mut failed = Vec::new();
                // All at the same moment are more than a busy machine can do in a second.
                sleep(Duration::from_millis(caller as u64 % 250)).await;
                while !over.load(Ordering::SeqCst) {
                    let asked = Instant::now();
                    let touch = Policy::default().touch(SystemClock.now());
                    match store.touch(key, touch).await {
                        Ok(_) => answers += 1,
                        Err(_) if is_lost => {}
                        Err(error) => failed.push((started.elapsed(), error.to_string())),
                    }
                    slowest = slowest.max(asked.elapsed());
                    sleep(Duration::from_millis(250)).await;
                }
                (is_lost, answers, slowest, failed)
            });
        }
        sleep(Duration::from_secs(1)).await;
        fault(&mut site.cluster.nodes[0]);
        sleep(Duration::from_secs(6)).await;
        over.store(true, Ordering::SeqCst);
        let callers = callers.join_all().await;
        let failed: Vec<_> = callers
            .iter()
            .flat_map(|(_, _, _, failed)| failed)
            .collect();
        assert!(failed.is_empty(), "{} failed: {failed:?}", failed.len());
        for (is_lost, answers, slowest, _) in callers {
            let most = if is_lost { DEADLINE + SLACK } else { DEADLINE };
            assert!(slowest < most, "lost {is_lost}: {slowest:?}");
            // One in the first second, and many after that.
            assert!(is_lost || answers >= 10, "only {answers} answers");
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fail_over_fails_the_sessions_of_its_shard_only() -> Result {
    let mut site = Site::start(1).await?;
    let in_step = || site.cluster.nodes.iter().all(follows_or_leads);
    assert!(poll(PATIENCE, in_step));
    let started = Instant::now();
    site.cluster.nodes[0].kill();
    let mut failed = 0;
    loop {
        let mut under_way = JoinSet::new();
        for key in &site.keys {
            let (key, store) = (*key, site.store.clone());
            under_way.spawn(async move { (key, store.load(key).await) });
        }
        let answers = under_way.join_all().await;
        for (key, found) in &answers {
            assert!(found.is_ok() || site.is_lost(*key), "{key:?}: {found:?}");
        }
        if answers.iter().all(|(_, found)| found.is_ok()) {
            break;
        }
        failed += 1;
        assert!(started.elapsed() < PATIENCE, "it does not recover");
        sleep(Duration::from_millis(20)).await;
    }
    assert!(failed > 0, "nothing failed");
    println!("recovered after {:?}", started.elapsed());
    Ok(())
}

/// The store connects to each node once, however often nodes are lost.
#[tokio::test(flavor = "multi_thread")]
async fn each_node_has_one_connection_of_a_store() -> Result {
    let mut site = Site::start(0).await?;
    let builder = RedisStore::builder().with_replicas_per_revocation(1);
    let _waiting = builder.connect(&site.cluster.url()).await?;
    let before = connections_received(&site.cluster.nodes[0]);
    for round in 0..4 {
        let lost = round % 3;
        if round % 2 == 0 {
            site.cluster.nodes[lost].kill();
            site.touch_for(Duration::from_secs(2)).await;
            site.cluster.nodes[lost].restart();
        } else {
            site.cluster.nodes[lost].freeze();
            site.touch_for(Duration::from_secs(2)).await;
            site.cluster.nodes[lost].thaw();
        }
        site.answers_all().await?;
    }
    let at_most_three = || {
        let nodes = &site.cluster.nodes;
        nodes.iter().all(|node| {
            let clients = cli(node.port(), &["CLIENT", "LIST", "TYPE", "normal"]);
            // The first store has one connection, the other has two, and `redis-cli` has one.
            clients.lines().count() <= 4
        })
    };
    // A connection whose server was frozen is closed by the server when it goes on.
    assert!(poll(PATIENCE, at_most_three));
    // The counter of a node begins anew when it is restarted.
    let received = connections_received(&site.cluster.nodes[1]);
    assert!(received < 150, "{received} connections, {before} before");
    Ok(())
}

/// A redirection is enough, where no node answers which slots it has.
#[tokio::test(flavor = "multi_thread")]
async fn the_new_owner_of_a_slot_is_found_by_one_redirection() -> Result {
    let site = Site::start(0).await?;
    let moving = Moving::of(&site);
    for node in &site.cluster.nodes {
        cli(
            node.port(),
            &["ACL", "SETUSER", "default", "-cluster|slots"],
        );
    }
    site.reset_counters();
    moving.begin();
    moving.move_records();
    moving.end();
    site.answers_fast(moving.key).await?;
    // Those that were under way at the same moment.
    let redirections = moving.redirections("MOVED");
    assert!((1..=50).contains(&redirections), "{redirections}");
    Ok(())
}

/// The map is read again, so that one redirection tells about all slots.
#[tokio::test(flavor = "multi_thread")]
async fn a_redirection_has_the_map_read_again() -> Result {
    let site = Site::start(0).await?;
    let moving = Moving::of(&site);
    site.reset_counters();
    moving.begin();
    moving.move_records();
    moving.end();
    site.answers_fast(moving.key).await?;
    sleep(Duration::from_secs(1)).await;
    let refreshes = site.refreshes();
    assert!((1..=3).contains(&refreshes), "{refreshes} refreshes");
    Ok(())
}

/// The new node serves the record to those only that say that they were sent there.
#[tokio::test(flavor = "multi_thread")]
async fn a_record_on_its_way_is_found() -> Result {
    let site = Site::start(0).await?;
    let moving = Moving::of(&site);
    moving.begin();
    moving.move_records();
    cli(moving.home.port(), &["CONFIG", "RESETSTAT"]);
    for _ in 0..5 {
        site.answers_fast(moving.key).await?;
    }
    // The map still names the old node. Each command went there first.
    assert!(moving.redirections("ASK") >= 5_000);
    moving.end();
    site.answers_fast(moving.key).await
}

/// The log of changes is followed while another node than its own is lost.
#[tokio::test(flavor = "multi_thread")]
async fn the_log_goes_on_while_another_node_is_lost() -> Result {
    let mut site = Site::start(0).await?;
    let log = "login-timeout:changes";
    let has_log = |node: &Server| !cli(node.port(), &["EXISTS", log]).contains("MOVED");
    let lost = site.cluster.nodes.iter().position(|node| !has_log(node));
    let lost = lost.expect("a node without the log");
    site.lose(lost);
    let position = site.store.changes_since(None).await?.position().clone();
    site.cluster.nodes[lost].kill();
    let started = Instant::now();
    let mut revoked = HashSet::new();
    while started.elapsed() < Duration::from_secs(3) {
        let mut left = site.keys.iter().filter(|key| !site.is_lost(**key));
        let Some(key) = left.find(|key| !revoked.contains(*key)) else {
            break;
        };
        site.store.revoke(*key, Timestamp::MAX).await?;
        revoked.insert(*key);
        let changes = site.store.changes_since(Some(position.clone())).await?;
        let Changed::These(noted) = changes.changed() else {
            panic!("the log is cut");
        };
        assert_eq!(noted.iter().copied().collect::<HashSet<_>>(), revoked);
        sleep(Duration::from_millis(30)).await;
    }
    assert!(revoked.len() > 20, "{}", revoked.len());
    Ok(())
}

/// A slot that is being moved, with the record of one session.
struct Moving<'a> {
    key: SessionKey,
    slot: String,
    home: &'a Server,
    other: &'a Server,
}

impl<'a> Moving<'a> {
    fn of(site: &'a Site) -> Self {
        let key = site.keys[0];
        let nodes = &site.cluster.nodes;
        let slot = cli(nodes[0].port(), &["CLUSTER", "KEYSLOT", &name(key)]);
        let slot = slot.trim().to_owned();
        let count = ["CLUSTER", "COUNTKEYSINSLOT", &slot];
        let has_it = |node: &&Server| cli(node.port(), &count).trim() != "0";
        let home = nodes.iter().find(has_it).expect("a home");
        let other = nodes.iter().find(|node| node.port() != home.port());
        let other = other.expect("another node");
        Self {
            key,
            slot,
            home,
            other,
        }
    }

    fn begin(&self) {
        let (home, other) = (id(self.home), id(self.other));
        self.set(self.other, &["IMPORTING", &home]);
        self.set(self.home, &["MIGRATING", &other]);
    }

    fn move_records(&self) {
        let keys = ["CLUSTER", "GETKEYSINSLOT", &self.slot, "100"];
        let to = self.other.port().to_string();
        for key in cli(self.home.port(), &keys).lines() {
            let to = ["MIGRATE", "127.0.0.1", &to, key, "0", "5000"];
            cli(self.home.port(), &to);
        }
    }

    fn end(&self) {
        let other = id(self.other);
        self.set(self.other, &["NODE", &other]);
        self.set(self.home, &["NODE", &other]);
    }

    fn set(&self, node: &Server, to: &[&str]) {
        let set = [&["CLUSTER", "SETSLOT", &self.slot], to].concat();
        assert_eq!(cli(node.port(), &set).trim(), "OK");
    }

    /// Counts the redirections of one kind that the old node has answered.
    fn redirections(&self, kind: &str) -> usize {
        let errors = info(self.home.port(), "errorstats");
        let count = errors.lines().find_map(|line| {
            let line = line.strip_prefix("errorstat_")?.strip_prefix(kind)?;
            line.strip_prefix(":count=")?.trim().parse().ok()
        });
        count.unwrap_or_default()
    }
}

/// A Cluster of three masters that go on without each other, and sessions on all of them.
struct Site {
    cluster: Cluster,
    store: RedisStore,
    keys: Vec<SessionKey>,
    /// The names of the records on the node that is going to be lost.
    lost: HashSet<String>,
}

impl Site {
    async fn start(replicas: usize) -> Result<Self> {
        let cluster = Cluster::start(3, replicas);
        for node in &cluster.nodes {
            let partly = ["CONFIG", "SET", "cluster-require-full-coverage", "no"];
            cli(node.port(), &partly);
        }
        // Fewer operations than wait for a lost node may be under way at once on each node.
        let builder = RedisStore::builder().with_deadline(DEADLINE);
        let builder = builder.with_max_in_flight(100);
        let store = builder.connect(&cluster.url()).await?;
        let began = Activity::began(SystemClock.now());
        let mut keys = Vec::new();
        for number in 0..SESSIONS {
            let key = SessionKey::of(number.to_string());
            store.create(key, began, Timestamp::MAX).await?;
            keys.push(key);
        }
        let mut site = Self {
            cluster,
            store,
            keys,
            lost: HashSet::new(),
        };
        site.lose(0);
        Ok(site)
    }

    /// Notes which sessions are on the node that is going to be lost.
    fn lose(&mut self, node: usize) {
        let on_node = cli(self.cluster.nodes[node].port(), &["KEYS", "*"]);
        self.lost = on_node.lines().map(str::to_owned).collect();
        assert!(self.lost.len() > 30, "{:?}", self.lost);
    }

    fn is_lost(&self, key: SessionKey) -> bool {
        self.lost.contains(&name(key))
    }

    /// Touches all sessions for so many rounds: in a batch, and in as many tasks.
    async fn fails_the_lost_node_only(&self, rounds: usize) -> Result {
        for round in 0..rounds {
            let touch = Policy::default().touch(SystemClock.now());
            let asked = Instant::now();
            let touches = self.keys.iter().map(|key| (*key, touch)).collect();
            let found = self.store.touch_many(touches).await?;
            assert!(asked.elapsed() < DEADLINE + SLACK, "{:?}", asked.elapsed());
            assert_eq!(found.len(), self.keys.len());
            for (key, found) in found {
                assert_eq!(found.is_err(), self.is_lost(key), "{round}: {found:?}");
            }

            let mut under_way = JoinSet::new();
            for key in &self.keys {
                let (key, store) = (*key, self.store.clone());
                under_way.spawn(async move {
                    let asked = Instant::now();
                    let found = store.touch(key, touch).await;
                    (key, found, asked.elapsed())
                });
            }
            for (key, found, took) in under_way.join_all().await {
                assert_eq!(found.is_err(), self.is_lost(key), "{round}: {found:?}");
                let most = if found.is_err() {
                    DEADLINE + SLACK
                } else {
                    DEADLINE / 2
                };
                assert!(took < most, "{round}: {took:?} {found:?}");
            }
        }
        Ok(())
    }

    /// Touches all sessions for a while, whatever is answered.
    async fn touch_for(&self, time: Duration) {
        let end = Instant::now() + time;
        while Instant::now() < end {
            let touch = Policy::default().touch(SystemClock.now());
            let touches = self.keys.iter().map(|key| (*key, touch)).collect();
            _ = self.store.touch_many(touches).await;
        }
    }

    /// Asks for one session often, in many tasks. Each has to be answered fast.
    async fn answers_fast(&self, key: SessionKey) -> Result {
        let mut under_way = JoinSet::new();
        for _ in 0..50 {
            let store = self.store.clone();
            under_way.spawn(async move {
                let mut slowest = Duration::ZERO;
                for _ in 0..20 {
                    let asked = Instant::now();
                    assert!(store.load(key).await?.is_some());
                    slowest = slowest.max(asked.elapsed());
                }
                Result::Ok(slowest)
            });
        }
        while let Some(slowest) = under_way.join_next().await {
            let slowest = slowest??;
            assert!(slowest < DEADLINE / 2, "{slowest:?}");
        }
        Ok(())
    }

    fn reset_counters(&self) {
        for node in &self.cluster.nodes {
            cli(node.port(), &["CONFIG", "RESETSTAT"]);
        }
    }

    /// Counts how often the nodes that are up were asked which slots they have.
    fn refreshes(&self) -> usize {
        let calls = |node: &Server| {
            let calls = info(node.port(), "commandstats");
            let calls = calls.lines().find_map(|line| {
                let line = line.strip_prefix("cmdstat_cluster|slots:calls=")?;
                line.split(',').next()?.parse::<usize>().ok()
            });
            calls.unwrap_or_default()
        };
        let up = self
            .cluster
            .nodes
            .iter()
            .filter(|node| node.pid().is_some());
        up.map(calls).sum()
    }

    /// Waits until each session is answered.
    async fn answers_all(&self) -> Result {
        let started = Instant::now();
        loop {
            let touch = Policy::default().touch(SystemClock.now());
            let touches = self.keys.iter().map(|key| (*key, touch)).collect();
            let found = self.store.touch_many(touches).await?;
            let answered = found.iter().filter(|(_, found)| found.is_ok()).count();
            if answered == SESSIONS {
                println!("all are answered after {:?}", started.elapsed());
                return Ok(());
            }
            let waited = started.elapsed();
            assert!(waited < Duration::from_secs(10), "{answered} are answered");
            sleep(Duration::from_millis(10)).await;
        }
    }
}

fn id(node: &Server) -> String {
    cli(node.port(), &["CLUSTER", "MYID"]).trim().to_owned()
}

/// Checks that a node is a master, or a replica that has the data of its master.
fn follows_or_leads(node: &Server) -> bool {
    let info = info(node.port(), "replication");
    info.contains("role:master") || info.contains("master_link_status:up")
}

fn connections_received(node: &Server) -> u64 {
    let info = info(node.port(), "stats");
    let received = info
        .lines()
        .find_map(|line| line.strip_prefix("total_connections_received:"));
    received
        .expect("a counter")
        .trim()
        .parse()
        .expect("a number")
}
