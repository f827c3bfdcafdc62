//! Tests of `RedisStore` where an operator has to act: full memory, missing replicas, changed
//! passwords, limited rights, old proxies, Sentinels that are wrong.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tower_login_timeout::{
    Activity, ActivityStore, BoxError, Clock, Policy, RedisStore, SessionKey, SharedStore,
    SystemClock, Timestamp, conformance,
};

use crate::common::redis::{Cluster, Watched, cli, info, name, one, one_with, replica_of, url};
use crate::common::servers::Server;

type Result<T = ()> = std::result::Result<T, BoxError>;

const MINUTE: Duration = Duration::from_secs(60);
const PATIENCE: Duration = Duration::from_secs(20);
const SESSIONS: usize = 512;

#[tokio::test]
async fn full_memory_stops_no_check_and_no_log_out() -> Result {
    let server = one();
    let port = server.port();
    let store = RedisStore::connect(&url(&server)).await?;
    let now = SystemClock.now();
    let (began, later) = (Activity::began(now), now.saturating_add(MINUTE));
    let keep_until = now.saturating_add(3 * MINUTE);
    let keys = sessions(&store, began, keep_until).await?;
    let rarely = Policy::builder().with_touch_every(MINUTE / 2).build()?;
    cli(port, &["CONFIG", "SET", "maxmemory", "1"]);
    touches_run_few_scripts(port, &store, &keys, later).await?;
    for key in &keys {
        assert_eq!(store.load(*key).await?, Some(began.active_at(later)));
    }
    let latest = later.saturating_add(MINUTE);
    assert_eq!(
        store.touch(keys[0], rarely.touch(latest)).await?,
        Some(began.active_at(later))
    );
    assert_eq!(store.load(keys[0]).await?, Some(began.active_at(latest)));
    let many = keys
        .iter()
        .map(|key| (*key, Policy::default().touch(latest)));
    store.touch_many(many.collect()).await?;

    for key in &keys {
        assert!(store.revoke(*key, keep_until).await?.is_some());
        let found = store.load(*key).await?;
        assert!(found.is_some_and(|found| found.is_revoked()), "{found:?}");
    }
    let expires = |key| cli(port, &["PEXPIRETIME", &name(key)]);
    assert_ne!(expires(keys[1]).trim(), "-1", "the record is kept for ever");

    // A new session needs memory.
    let new = SessionKey::of("new");
    for error in [
        store.create(new, began, keep_until).await.unwrap_err(),
        store.begin(new, began, keep_until).await.unwrap_err(),
    ] {
        assert!(error.to_string().contains("`maxmemory`"), "{error}");
    }
    Ok(())
}

/// The removal does not move where only last activity does, also where memory is full.
#[tokio::test]
async fn full_memory_changes_no_removal() -> Result {
    let server = one();
    let port = server.port();
    let store = RedisStore::connect(&url(&server)).await?;
    let now = SystemClock.now();
    let (limited, endless) = (SessionKey::of("limited"), SessionKey::of("endless"));
    let keep_until = now.saturating_add(600 * MINUTE);
    store
        .create(limited, Activity::began(now), keep_until)
        .await?;
    store
        .create(endless, Activity::began(now), Timestamp::MAX)
        .await?;
    cli(port, &["CONFIG", "SET", "maxmemory", "1"]);
    let forgetful = Policy::builder().with_remember_expired_for(Duration::ZERO);
    let touch = forgetful.build()?.touch(now.saturating_add(MINUTE));
    for key in [limited, endless] {
        store.touch(key, touch).await?;
        let found = store.load(key).await?;
        assert_eq!(found, Some(Activity::began(now).active_at(touch.now())));
    }
    let expires = |key| cli(port, &["PEXPIRETIME", &name(key)]);
    assert_eq!(
        expires(limited).trim(),
        keep_until.as_unix_millis().to_string()
    );
    assert_eq!(expires(endless).trim(), "-1");
    store.revoke(endless, keep_until).await?;
    assert_eq!(expires(endless).trim(), "-1");
    Ok(())
}

#[tokio::test]
async fn missing_replicas_stop_no_check() -> Result {
    let server = one();
    let port = server.port();
    let store = RedisStore::connect(&url(&server)).await?;
    let now = SystemClock.now();
    let (began, later) = (Activity::began(now), now.saturating_add(MINUTE));
    let keys = sessions(&store, began, Timestamp::MAX).await?;
    cli(port, &["CONFIG", "SET", "min-replicas-to-write", "1"]);
    touches_run_few_scripts(port, &store, &keys, later).await?;
    let rarely = Policy::builder().with_touch_every(MINUTE / 2).build()?;
    assert_eq!(
        store.touch(keys[0], rarely.touch(later)).await?,
        Some(began)
    );

    // The callers of these have to know that nothing was written.
    let many = vec![(keys[0], Policy::default().touch(later))];
    for error in [
        store.touch_many(many).await?.remove(0).1.unwrap_err(),
        store.revoke(keys[0], Timestamp::MAX).await.unwrap_err(),
        store
            .create(keys[0], began, Timestamp::MAX)
            .await
            .unwrap_err(),
    ] {
        assert!(
            error.to_string().contains("`min-replicas-to-write`"),
            "{error}"
        );
    }
    Ok(())
}

/// Counted from the server's side: what 20 nodes cost it after its password was changed.
#[tokio::test(flavor = "multi_thread")]
async fn a_changed_password_brings_no_storm_of_connections() -> Result {
    const NODES: u64 = 20;
    let server = one_with(&["--requirepass", "first"]);
    let port = server.port();
    let url = format!("redis://:first@127.0.0.1:{port}");
    let mut nodes = Vec::new();
    for _ in 0..NODES {
        nodes.push(RedisStore::connect(&url).await?);
    }
    let admin = |password: &str, arguments: &[&str]| {
        let given = ["-a", password, "--no-auth-warning"];
        cli(port, &[&given[..], arguments].concat())
    };
    admin("first", &["CONFIG", "SET", "requirepass", "second"]);
    admin(
        "second",
        &["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"],
    );
    admin("second", &["CONFIG", "RESETSTAT"]);
    sleep(Duration::from_secs(3)).await;
    let stats = admin("second", &["INFO", "stats"]);
    let received: u64 = number(&stats, "total_connections_received:");
    assert!(
        received >= NODES,
        "only {received} connections: did they try at all?"
    );
    assert!(
        received <= 5 * NODES,
        "{received} connections by {NODES} nodes in 3 s"
    );
    let error = nodes[0].load(SessionKey::of("a")).await.unwrap_err();
    assert!(error.to_string().contains("credentials"), "{error}");

    // They come back, though not at once.
    admin("second", &["CONFIG", "SET", "requirepass", "first"]);
    for node in &nodes {
        let back = async {
            while node.load(SessionKey::of("a")).await.is_err() {
                sleep(Duration::from_millis(50)).await;
            }
        };
        timeout(Duration::from_secs(30), back).await?;
    }
    Ok(())
}

/// The rights that the documentation of `RedisStore` names, word for word.
const RIGHTS: &str = "resetchannels ~login-timeout:* -@all +hello +get +set +setrange +persist \
    +eval +evalsha +time +xadd +xrange +xrevrange";

#[tokio::test(flavor = "multi_thread")]
async fn a_user_with_the_least_rights_can_do_everything_and_no_more() -> Result {
    let documentation = include_str!("../../src/store/redis/redis_store.rs");
    for right in RIGHTS.split_whitespace() {
        assert!(documentation.contains(right), "{right} is not documented");
    }
    let server = one();
    let port = server.port();
    let mut acl = vec!["ACL", "SETUSER", "app", "on", ">sesame"];
    acl.extend(RIGHTS.split_whitespace());
    cli(port, &acl);
    let url = format!("redis://app:sesame@127.0.0.1:{port}");
    let store = RedisStore::connect(&url).await?;
    let other = RedisStore::connect(&url).await?;
    conformance::check(&store).await;
    conformance::check_shared(&store).await;
    conformance::check_change_log(&store, &other).await;
    store.clock().await?;
    cli(port, &["CONFIG", "SET", "maxmemory", "1"]);
    let key = SessionKey::of("a");
    assert!(store.revoke(key, Timestamp::MAX).await?.is_none());
    cli(port, &["CONFIG", "SET", "maxmemory", "0"]);
    let now = SystemClock.now();
    store
        .create(key, Activity::began(now), Timestamp::MAX)
        .await?;
    cli(port, &["CONFIG", "SET", "maxmemory", "1"]);
    assert!(store.revoke(key, Timestamp::MAX).await?.is_some());

    let client = redis::Client::open(url)?;
    let mut raw = client.get_connection()?;
    for forbidden in [
        "CLIENT KILL TYPE normal",
        "CLIENT LIST",
        "FUNCTION FLUSH",
        "SCRIPT FLUSH",
        "SCRIPT KILL",
        "FLUSHALL",
        "KEYS *",
        "SCAN 0",
        "DEL login-timeout:a",
        "CONFIG GET *",
        "ACL LIST",
        "GET other",
        "PUBLISH other a",
        "SHUTDOWN",
    ] {
        let words: Vec<&str> = forbidden.split(' ').collect();
        let mut command = redis::cmd(words[0]);
        let answer: redis::RedisResult<redis::Value> = command.arg(&words[1..]).query(&mut raw);
        let error = answer.expect_err(forbidden);
        assert_eq!(error.code(), Some("NOPERM"), "{forbidden}: {error}");
    }

    // Each of these rights is needed: without it, something fails.
    let needed = [
        "+get",
        "+set",
        "+eval",
        "+evalsha",
        "+xadd",
        "+xrange",
        "+xrevrange",
    ];
    for right in needed {
        let removed = right.replace('+', "-");
        cli(port, &["CONFIG", "SET", "maxmemory", "0"]);
        cli(port, &["ACL", "SETUSER", "app", &removed]);
        cli(port, &["SCRIPT", "FLUSH"]);
        let works = async {
            let later = now.saturating_add(MINUTE);
            store
                .create(key, Activity::began(now), Timestamp::MAX)
                .await?;
            let touches = vec![(key, Policy::default().touch(later))];
            store.touch_many(touches).await?;
            store.load(key).await?;
            store.revoke(key, Timestamp::MAX).await?;
            cli(port, &["DEL", "login-timeout:changes"]);
            let end = store.changes_since(None).await?;
            store.changes_since(Some(end.position().clone())).await
        };
        let error = works.await.expect_err(right);
        assert!(error.to_string().contains("rights"), "{right}: {error}");
        cli(port, &["ACL", "SETUSER", "app", right]);
    }
    Ok(())
}

/// The further rights that the documentation names for some settings.
#[tokio::test(flavor = "multi_thread")]
async fn few_more_rights_are_enough_for_each_setting() -> Result {
    let documentation = include_str!("../../src/store/redis/redis_store.rs");
    let allow = |server: &Server, more: &str| {
        let mut acl = vec!["ACL", "SETUSER", "app", "on", ">sesame"];
        acl.extend(RIGHTS.split_whitespace());
        for right in more.split_whitespace() {
            assert!(documentation.contains(right), "{right} is not documented");
            acl.push(right);
        }
        cli(server.port(), &acl);
    };
    let url = |server: &Server| format!("redis://app:sesame@127.0.0.1:{}", server.port());

    let of_users = one();
    allow(
        &of_users,
        "+hset +hgetall +hdel +del +exists +pttl +pexpireat",
    );
    conformance::check_users(&RedisStore::connect(&url(&of_users)).await?).await;

    let master = one();
    let _replica = replica_of(&master);
    allow(&master, "+wait +select");
    let builder = RedisStore::builder().with_replicas_per_revocation(1);
    let store = builder.connect(&format!("{}/3", url(&master))).await?;
    conformance::check(&store).await;

    let old = one_with(&["--rename-command", "HELLO", ""]);
    allow(&old, "+role");
    conformance::check(&RedisStore::connect(&url(&old)).await?).await;

    let cluster = Cluster::start(3, 0);
    for node in &cluster.nodes {
        allow(node, "+cluster|slots +asking");
    }
    let address = cluster.url().replace("://", "://app:sesame@");
    let store = RedisStore::connect(&address).await?;
    conformance::check(&store).await;
    conformance::check_shared(&store).await;
    conformance::check_change_log(&store, &RedisStore::connect(&address).await?).await;
    for node in &cluster.nodes {
        let refused = cli(node.port(), &["ACL", "LOG"]);
        assert_eq!(refused.trim(), "", "a right is missing");
    }
    Ok(())
}

/// As behind a proxy that speaks RESP2 only.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_hello_is_enough() -> Result {
    let server = one_with(&["--rename-command", "HELLO", ""]);
    let port = server.port();
    let store = RedisStore::connect(&url(&server)).await?;
    conformance::check(&store).await;
    conformance::check_shared(&store).await;
    conformance::check_change_log(&store, &store).await;
    let key = SessionKey::of("a");
    let now = SystemClock.now();
    store
        .create(key, Activity::began(now), Timestamp::MAX)
        .await?;
    cli(port, &["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
    let back = async { while store.load(key).await.is_err() {} };
    timeout(PATIENCE, back).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn one_wrong_sentinel_switches_no_master() -> Result {
    let watched = Watched::start();
    let master = watched.servers[0].port();
    let other = one();
    let liar = Liar::start(other.port()).await?;
    let hosts: Vec<String> = watched.sentinels[..2]
        .iter()
        .map(|sentinel| format!("127.0.0.1:{}", sentinel.port()))
        .collect();
    let url = format!(
        "redis+sentinel://127.0.0.1:{},{}/mymaster",
        liar.port,
        hosts.join(",")
    );

    // From the beginning, whomever it asks first.
    for _ in 0..8 {
        let store = RedisStore::connect(&url).await?;
        store
            .create(
                SessionKey::of("a"),
                Activity::began(SystemClock.now()),
                Timestamp::MAX,
            )
            .await?;
    }
    assert_eq!(cli(other.port(), &["DBSIZE"]).trim(), "0");

    // And later: it tells the truth until it is connected.
    liar.names.store(master, Ordering::SeqCst);
    let stores = [
        RedisStore::connect(&url).await?,
        RedisStore::connect(&url).await?,
    ];
    liar.names.store(other.port(), Ordering::SeqCst);
    cli(other.port(), &["CONFIG", "RESETSTAT"]);
    sleep(Duration::from_secs(3)).await;
    for store in &stores {
        assert!(store.load(SessionKey::of("a")).await?.is_some());
    }
    assert!(liar.asked.load(Ordering::SeqCst) > 0, "nobody asked it");
    let received = number(&info(other.port(), "stats"), "total_connections_received:");
    assert!(
        received <= 1,
        "{received} connections to a server that one Sentinel names"
    );
    Ok(())
}

/// Answers as a Sentinel does, with a port of its choice.
struct Liar {
    port: u16,
    names: Arc<AtomicU16>,
    asked: Arc<AtomicU16>,
}

impl Liar {
    async fn start(names: u16) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let port = listener.local_addr()?.port();
        let (names, asked) = (Arc::new(AtomicU16::new(names)), Arc::new(AtomicU16::new(0)));
        let liar = Self {
            port,
            names: Arc::clone(&names),
            asked: Arc::clone(&asked),
        };
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(lie(stream, Arc::clone(&names), Arc::clone(&asked)));
            }
        });
        Ok(liar)
    }
}

async fn lie(stream: TcpStream, names: Arc<AtomicU16>, asked: Arc<AtomicU16>) -> Result {
    let mut stream = BufReader::new(stream);
    loop {
        let mut count = String::new();
        if stream.read_line(&mut count).await? == 0 {
            return Ok(());
        }
        let mut words = Vec::new();
        for _ in 0..count.trim().trim_start_matches('*').parse::<usize>()? {
            let mut length = String::new();
            stream.read_line(&mut length).await?;
            let mut word = vec![0; length.trim().trim_start_matches('$').parse::<usize>()? + 2];
            stream.read_exact(&mut word).await?;
            words.push(String::from_utf8(word)?.trim().to_uppercase());
        }
        let answer = if words[0] == "SENTINEL" {
            asked.fetch_add(1, Ordering::SeqCst);
            let port = names.load(Ordering::SeqCst).to_string();
            format!("*2\r\n$9\r\n127.0.0.1\r\n${}\r\n{port}\r\n", port.len())
        } else {
            "+OK\r\n".to_owned()
        };
        stream.get_mut().write_all(answer.as_bytes()).await?;
    }
}

async fn sessions(
    store: &RedisStore,
    activity: Activity,
    keep_until: Timestamp,
) -> Result<Vec<SessionKey>> {
    let keys: Vec<_> = (0..SESSIONS)
        .map(|number| SessionKey::of(number.to_string()))
        .collect();
    for key in &keys {
        store.create(*key, activity, keep_until).await?;
    }
    // The server learns the script.
    store
        .touch(
            SessionKey::of("unknown"),
            Policy::default().touch(activity.created_at()),
        )
        .await?;
    Ok(keys)
}

/// Touches all sessions at once. Fails the test if one is not found, or if the server runs a script
/// for each.
async fn touches_run_few_scripts(
    port: u16,
    store: &RedisStore,
    keys: &[SessionKey],
    now: Timestamp,
) -> Result {
    cli(port, &["CONFIG", "RESETSTAT"]);
    assert_eq!(
        touch_all(store, keys, Policy::default(), now).await?,
        SESSIONS
    );
    let batches = calls(port, "evalsha") + calls(port, "eval");
    assert!(
        batches <= 8,
        "{batches} scripts were run for {SESSIONS} touches"
    );
    Ok(())
}

/// Touches all at once, and returns how many were found.
async fn touch_all(
    store: &RedisStore,
    keys: &[SessionKey],
    policy: Policy,
    now: Timestamp,
) -> Result<usize> {
    let mut touching = JoinSet::new();
    for key in keys {
        touching.spawn(store.touch(*key, policy.touch(now)));
    }
    let mut found = 0;
    while let Some(touched) = touching.join_next().await {
        found += usize::from(touched??.is_some());
    }
    Ok(found)
}

fn calls(port: u16, command: &str) -> u64 {
    let stats = info(port, "commandstats");
    let line = format!("cmdstat_{command}:calls=");
    if stats.contains(&line) {
        number(&stats, &line)
    } else {
        0
    }
}

fn number(info: &str, name: &str) -> u64 {
    let (_, rest) = info.split_once(name).expect(name);
    let digits = rest.split(|c: char| !c.is_ascii_digit()).next();
    digits.and_then(|digits| digits.parse().ok()).expect(name)
}
