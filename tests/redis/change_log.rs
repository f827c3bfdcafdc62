//! Tests of the log of changes: what is noted, and how it is read while nothing fails.

use std::collections::HashSet;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::sleep;
use tower_login_timeout::{
    Activity, ActivityStore, BoxError, Change, Changed, Clock, Limits, LogPosition, Policy,
    RedisStore, RedisStoreBuilder, SessionKey, SharedStore, SystemClock, Timestamp,
};

use crate::common::redis::{Cluster, cli, info, one, one_with, url};
use crate::common::servers::Server;

type Result<T = ()> = std::result::Result<T, BoxError>;

const MINUTE: Duration = Duration::from_secs(60);
const LOG: &str = "login-timeout:changes";

/// A reader of the log, and its position in it.
pub(super) struct Reader {
    store: RedisStore,
    position: LogPosition,
}

impl Reader {
    /// Starts at the end of the log.
    pub(super) async fn start(store: &RedisStore) -> Result<Self> {
        let end = store.changes_since(None).await?;
        assert_eq!(end.changed(), &Changed::Any);
        assert!(!end.has_more());
        Ok(Self {
            store: store.clone(),
            position: end.position().clone(),
        })
    }

    /// Starts at a position, or returns `None` where any session may have changed since.
    pub(super) async fn start_at(
        store: &RedisStore,
        position: Option<LogPosition>,
    ) -> Result<Option<Vec<SessionKey>>> {
        let changes = store.changes_since(position).await?;
        Ok(match changes.changed() {
            Changed::These(keys) => Some(keys.clone()),
            _ => None,
        })
    }

    /// Goes on from the position of a reader of another store.
    pub(super) fn continue_in(&self, store: &RedisStore) -> Self {
        Self {
            store: store.clone(),
            position: self.position.clone(),
        }
    }

    /// Returns the keys that the next page names, or `None` where any session may have changed.
    pub(super) async fn page(&mut self) -> Result<(Option<Vec<SessionKey>>, bool)> {
        let changes = self
            .store
            .changes_since(Some(self.position.clone()))
            .await?;
        self.position = changes.position().clone();
        let keys = match changes.changed() {
            Changed::These(keys) => Some(keys.clone()),
            _ => None,
        };
        Ok((keys, changes.has_more()))
    }

    /// Returns the keys that are named up to the end of the log.
    pub(super) async fn keys(&mut self) -> Result<Vec<SessionKey>> {
        let mut all = Vec::new();
        loop {
            let (keys, has_more) = self.page().await?;
            all.extend(keys.ok_or("any session may have changed")?);
            if !has_more {
                return Ok(all);
            }
        }
    }

    /// Fails the test unless any session may have changed. Goes to the end of the log.
    pub(super) async fn is_told_of_a_gap(&mut self) -> Result {
        let (keys, has_more) = self.page().await?;
        assert_eq!(keys, None, "the gap is not told");
        assert!(!has_more);
        assert_eq!(self.keys().await?, [], "it is not the end of the log");
        Ok(())
    }
}

/// Connects with a deadline that a busy machine keeps.
pub(super) async fn connect(url: &str) -> Result<RedisStore> {
    Ok(patient().connect(url).await?)
}

/// Returns a builder with a deadline that a busy machine keeps.
pub(super) fn patient() -> RedisStoreBuilder {
    RedisStore::builder().with_deadline(Duration::from_secs(20))
}

/// Creates sessions, without a change.
pub(super) async fn sessions(store: &RedisStore, count: usize) -> Result<Vec<SessionKey>> {
    let began = Activity::began(SystemClock.now());
    let mut creating = JoinSet::new();
    let keys: Vec<_> = (0..count)
        .map(|number| SessionKey::of(number.to_string()))
        .collect();
    for key in &keys {
        creating.spawn(store.create(*key, began, Timestamp::MAX));
    }
    while let Some(created) = creating.join_next().await {
        created??;
    }
    Ok(keys)
}

pub(super) async fn revoke(store: &RedisStore, key: SessionKey) -> Result {
    let found = store.revoke(key, Timestamp::MAX).await?;
    assert!(found.is_some(), "there is no such session");
    Ok(())
}

/// Does everything that the log notes, and everything that it does not.
pub(super) async fn notes_changes_and_no_activity(store: &RedisStore) -> Result {
    let now = SystemClock.now();
    let later = |minutes: u32| now.saturating_add(MINUTE * minutes);
    let began = Activity::began(now);
    let (policy, key) = (Policy::default(), SessionKey::of("a"));
    let rarely = Policy::builder().with_touch_every(MINUTE).build()?;
    let mut reader = Reader::start(store).await?;

    store.create(key, began, Timestamp::MAX).await?;
    store
        .begin(SessionKey::of("b"), began, Timestamp::MAX)
        .await?;
    store
        .begin(key, Activity::began(later(1)), Timestamp::MAX)
        .await?;
    store.touch(key, policy.touch(later(1))).await?;
    store.touch(key, policy.touch(later(2)).passive()).await?;
    store.touch(key, rarely.touch(later(3))).await?;
    let touches = vec![(key, policy.touch(later(4)))];
    store.touch_many(touches).await?;
    store.load(key).await?;
    let unknown = SessionKey::of("unknown");
    let limits = Limits::default().with_idle(MINUTE)?;
    let change = |minutes, limits| Change::set_limits(policy, later(minutes), limits);
    assert_eq!(store.revoke(unknown, Timestamp::MAX).await?, None);
    assert_eq!(store.change(unknown, change(4, limits)).await?, None);
    store.change(key, change(4, Limits::default())).await?;
    store.change(key, change(40_000, limits)).await?;
    assert_eq!(reader.keys().await?, [], "activity is no change");

    store.change(key, change(4, limits)).await?;
    assert_eq!(store.load(key).await?.unwrap().limits(), limits);
    assert_eq!(reader.keys().await?, [key], "set_limits");
    let next = SessionKey::of("next");
    let replace = Change::replace_id(policy, later(4), None, next);
    store.change(key, replace).await?;
    assert_eq!(store.load(key).await?.unwrap().next_id(), Some(next));
    assert_eq!(reader.keys().await?, [key], "replace_id");
    revoke(store, key).await?;
    assert_eq!(reader.keys().await?, [key], "revoke");
    store.create(key, began, Timestamp::MAX).await?;
    assert_eq!(store.load(key).await?, Some(began));
    assert_eq!(reader.keys().await?, [key], "create after a revocation");
    store.create(key, began, Timestamp::UNIX_EPOCH).await?;
    assert_eq!(store.load(key).await?, None);
    assert_eq!(reader.keys().await?, [key], "create that removes");
    Ok(())
}

#[tokio::test]
async fn changes_are_noted_and_activity_is_not() -> Result {
    let server = one();
    let store = connect(&url(&server)).await?;
    notes_changes_and_no_activity(&store).await?;
    // Once is enough.
    let key = sessions(&store, 1).await?[0];
    revoke(&store, key).await?;
    let mut reader = Reader::start(&store).await?;
    revoke(&store, key).await?;
    assert_eq!(reader.keys().await?, []);
    Ok(())
}

/// As behind a proxy that speaks RESP2 only.
#[tokio::test]
async fn a_server_without_hello_has_a_log() -> Result {
    let server = one_with(&["--rename-command", "HELLO", ""]);
    notes_changes_and_no_activity(&connect(&url(&server)).await?).await
}

#[tokio::test]
async fn each_prefix_has_its_own_log() -> Result {
    let server = one();
    let theirs = patient().with_key_prefix("theirs:");
    let theirs = theirs.connect(&url(&server)).await?;
    let ours = connect(&url(&server)).await?;
    let mut reader = Reader::start(&ours).await?;
    let key = sessions(&theirs, 1).await?[0];
    let mut their_reader = Reader::start(&theirs).await?;
    revoke(&theirs, key).await?;
    assert_eq!(reader.keys().await?, []);
    assert_eq!(their_reader.keys().await?, [key]);
    Ok(())
}

#[tokio::test]
async fn a_read_is_one_command() -> Result {
    let server = one();
    let store = connect(&url(&server)).await?;
    let keys = sessions(&store, 3).await?;
    let mut reader = Reader::start(&store).await?;
    for changes in 0..3 {
        for key in &keys[..changes] {
            store
                .create(*key, Activity::began(SystemClock.now()), Timestamp::MAX)
                .await?;
        }
        commands(&server);
        assert_eq!(reader.keys().await?.len(), changes);
        assert_eq!(commands(&server), ["xrange 1"]);
    }
    Reader::start(&store).await?;
    assert_eq!(commands(&server), ["xrevrange 1"]);
    assert_eq!(store.read_changes_every(), Duration::from_millis(250));
    Ok(())
}

/// What a new session costs does not depend on the log.
#[tokio::test]
async fn a_new_session_is_still_one_plain_command() -> Result {
    let server = one();
    let store = connect(&url(&server)).await?;
    let began = Activity::began(SystemClock.now());
    let key = SessionKey::of("a");
    commands(&server);
    store.create(key, began, Timestamp::MAX).await?;
    assert_eq!(commands(&server), ["set 1"]);
    store.create(key, began, Timestamp::MAX).await?;
    commands(&server);
    store.create(key, began, Timestamp::MAX).await?;
    assert_eq!(commands(&server), ["evalsha 1", "set 2", "xadd 1"]);
    Ok(())
}

#[tokio::test]
async fn many_changes_are_read_in_pages() -> Result {
    let server = one();
    let store = connect(&url(&server)).await?;
    let keys = sessions(&store, 2_500).await?;
    let mut reader = Reader::start(&store).await?;
    for key in &keys {
        revoke(&store, *key).await?;
    }
    let mut lengths = Vec::new();
    let mut all = Vec::new();
    let mut goes_on = true;
    while goes_on {
        let (page, has_more) = reader.page().await?;
        let page = page.ok_or("any session may have changed")?;
        lengths.push(page.len());
        all.extend(page);
        goes_on = has_more;
    }
    assert_eq!(lengths, [1_000, 1_000, 500]);
    assert_eq!(all, keys);

    // A page that is just full may be the last one.
    let keys = keys[..1_000].iter();
    for key in keys.clone() {
        let began = Activity::began(SystemClock.now());
        store.create(*key, began, Timestamp::MAX).await?;
    }
    assert_eq!(reader.keys().await?, keys.copied().collect::<Vec<_>>());
    Ok(())
}

#[tokio::test]
async fn the_log_is_cut_at_65536_changes_and_takes_2_4_mb() -> Result {
    let server = one();
    let port = server.port();
    let store = connect(&url(&server)).await?;
    let key = sessions(&store, 1).await?[0];
    let fill = "for i = 1, 70000 do redis.call('XADD', KEYS[1], '*', 'k', ARGV[1]) end";
    cli(port, &["EVAL", fill, "1", LOG, "0123456789abcdef"]);
    assert_eq!(cli(port, &["XLEN", LOG]).trim(), "70000");
    let mut reader = Reader::start(&store).await?;
    revoke(&store, key).await?;
    let length: usize = cli(port, &["XLEN", LOG]).trim().parse()?;
    assert!((65_536..=65_636).contains(&length), "{length}");
    let memory = cli(port, &["MEMORY", "USAGE", LOG, "SAMPLES", "0"]);
    let memory: usize = memory.trim().parse()?;
    println!("{length} entries take {memory} bytes");
    assert!((1_000_000..2_500_000).contains(&memory), "{memory}");
    assert_eq!(reader.keys().await?, [key]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_misses_no_change_of_concurrent_writers() -> Result {
    let server = one();
    misses_no_change(&url(&server), 3_000).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_misses_no_change_of_concurrent_writers_in_a_cluster() -> Result {
    let cluster = Cluster::start(3, 0);
    misses_no_change(&cluster.url(), 1_500).await
}

/// Has four nodes change sessions while a fifth reads all the time. It finds each change, and with
/// it the changed record.
async fn misses_no_change(url: &str, changes: usize) -> Result {
    const NODES: usize = 4;
    let store = connect(url).await?;
    let keys = sessions(&store, changes).await?;
    let mut reader = Reader::start(&store).await?;
    let over = Arc::new(AtomicBool::new(false));
    let has_ended = Arc::clone(&over);
    let reading = tokio::spawn(async move {
        let mut seen = HashSet::new();
        let mut reads = 0;
        loop {
            // The last read begins after the last change.
            let is_last = has_ended.load(Ordering::SeqCst);
            for key in reader.keys().await? {
                let record = store.load(key).await?.ok_or("it is gone")?;
                assert!(is_changed(record), "the log is ahead of {record:?}");
                seen.insert(key);
            }
            reads += 1;
            if is_last {
                return Result::Ok((seen, reads));
            }
        }
    });
    let mut writing = JoinSet::new();
    for node in 0..NODES {
        let store = connect(url).await?;
        let keys = keys.iter().skip(node).step_by(NODES).copied().collect();
        writing.spawn(change_all(store, keys));
    }
    while let Some(written) = writing.join_next().await {
        written??;
    }
    over.store(true, Ordering::SeqCst);
    let (seen, reads) = reading.await??;
    assert!(reads > 10, "only {reads} reads: the test proves little");
    assert_eq!(seen, keys.into_iter().collect());
    Ok(())
}

/// Touches each session, and then revokes it, changes it or starts it anew.
async fn change_all(store: RedisStore, keys: Vec<SessionKey>) -> Result {
    let now = SystemClock.now();
    let limits = Limits::default().with_idle(MINUTE)?;
    for (number, key) in keys.into_iter().enumerate() {
        let touch = Policy::default().touch(now.saturating_add(MINUTE));
        store.touch(key, touch).await?;
        match number % 3 {
            0 => revoke(&store, key).await?,
            1 => {
                let change = Change::set_limits(Policy::default(), now, limits);
                store.change(key, change).await?;
            }
            _ => {
                let anew = Activity::began(now).with_limits(limits);
                store.create(key, anew, Timestamp::MAX).await?;
            }
        }
    }
    Ok(())
}

/// Returns whether [`change_all`] has changed the record already.
fn is_changed(record: Activity) -> bool {
    record.is_revoked() || record.limits() != Limits::default()
}

/// The server does not work for each node that follows the log.
#[tokio::test(flavor = "multi_thread")]
async fn a_revocation_costs_the_same_with_200_followers() -> Result {
    const FOLLOWERS: usize = 200;
    let server = one();
    let store = connect(&url(&server)).await?;
    let (alone, commands_alone) = revocations(&server, &store).await?;
    let mut following = JoinSet::new();
    for _ in 0..FOLLOWERS {
        let store = connect(&url(&server)).await?;
        following.spawn(follow(store));
    }
    let (followed, commands_followed) = revocations(&server, &store).await?;
    println!("one revocation: {alone} µs alone, {followed} µs with {FOLLOWERS} followers");
    assert!(following.try_join_next().is_none(), "a follower has failed");
    assert_eq!(commands_alone, commands_followed);
    assert_eq!(
        commands_followed,
        ["evalsha 100", "get 100", "set 100", "xadd 100"]
    );
    assert!(followed < 3.0 * alone, "{alone} µs, then {followed} µs");
    Ok(())
}

/// Reads the log as a node does.
async fn follow(store: RedisStore) -> Result<Infallible> {
    let mut reader = Reader::start(&store).await?;
    loop {
        reader.page().await?;
        sleep(store.read_changes_every()).await;
    }
}

/// Revokes some hundred sessions. Returns what one costs the server in µs, and the commands of the
/// last hundred.
async fn revocations(server: &Server, store: &RedisStore) -> Result<(f64, Vec<String>)> {
    let mut least = f64::INFINITY;
    let mut ran = Vec::new();
    // The least of several rounds, because other programs disturb some of them.
    for _ in 0..8 {
        cli(server.port(), &["FLUSHALL"]);
        let keys = sessions(store, 100).await?;
        revoke(store, keys[0]).await?;
        let began = Activity::began(SystemClock.now());
        store.create(keys[0], began, Timestamp::MAX).await?;
        commands(server);
        for key in keys {
            revoke(store, key).await?;
        }
        let stats = info(server.port(), "commandstats");
        let (_, script) = stats
            .split_once("cmdstat_evalsha:")
            .ok_or("no revocation")?;
        let (_, micros) = script.split_once("usec_per_call=").ok_or("no time")?;
        let micros = micros.split(',').next().unwrap_or_default();
        least = least.min(micros.parse()?);
        ran = commands(server);
        ran.retain(|command| !command.starts_with('x') || command.starts_with("xadd"));
    }
    Ok((least, ran))
}

/// Returns how often each command of the store has run since the last call.
pub(super) fn commands(server: &Server) -> Vec<String> {
    let stats = info(server.port(), "commandstats");
    cli(server.port(), &["CONFIG", "RESETSTAT"]);
    let others = ["hello", "role", "info", "cluster|info", "config|resetstat"];
    let mut counted: Vec<String> = stats
        .lines()
        .filter_map(|line| line.strip_prefix("cmdstat_")?.split_once(":calls="))
        .filter(|(name, _)| !others.contains(name))
        .map(|(name, rest)| format!("{name} {}", rest.split(',').next().unwrap_or_default()))
        .collect();
    counted.sort();
    counted
}
