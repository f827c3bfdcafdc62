//! Tests of `RedisStore` against one server, Sentinel and Cluster: the contract, the records and
//! the commands.

use std::cell::RefCell;
use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use tower_login_timeout::{
    Activity, ActivityStore, BoxError, Clock, Limits, ManualClock, Policy, RedisStore, SessionKey,
    SharedStore, SystemClock, Timestamp, Verdict, conformance,
};

use crate::common::redis::{Cluster, Watched, cli, info, name, one, one_with, replica_of, url};
use crate::common::servers::{Server, free_port, poll};

type Result<T = ()> = std::result::Result<T, BoxError>;

const MINUTE: Duration = Duration::from_secs(60);
const PATIENCE: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread")]
async fn one_server_keeps_the_contract() -> Result {
    let server = one();
    let store = RedisStore::connect(&url(&server)).await?;
    keeps_the_contract(&store, &RedisStore::connect(&url(&server)).await?).await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_behind_sentinels_keeps_the_contract() -> Result {
    let watched = Watched::start();
    let store = RedisStore::builder()
        .with_replicas_per_revocation(1)
        .connect(&watched.url())
        .await?;
    keeps_the_contract(&store, &RedisStore::connect(&watched.url()).await?).await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_keeps_the_contract() -> Result {
    let cluster = Cluster::start(3, 0);
    let store = RedisStore::connect(&cluster.url()).await?;
    keeps_the_contract(&store, &RedisStore::connect(&cluster.url()).await?).await;
    let used = cluster.nodes.iter().filter(|node| keys(node) > 0).count();
    assert_eq!(used, 3, "the sessions are not spread over the nodes");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_with_the_documented_rights_keeps_the_contract() -> Result {
    let server = one();
    let rights = "~login-timeout:* +@connection +@scripting +get +set +setrange +time +xadd +xrange +xrevrange \
        +persist +hset +hgetall +hdel +del +exists +pttl +pexpireat";
    let mut acl = vec!["ACL", "SETUSER", "app", "on", ">sesame/1"];
    acl.extend(rights.split(' '));
    cli(server.port(), &acl);
    let url = format!("redis://app:sesame%2F1@127.0.0.1:{}", server.port());
    let store = RedisStore::connect(&url).await?;
    keeps_the_contract(&store, &RedisStore::connect(&url).await?).await;
    store.clock().await?;
    Ok(())
}

async fn keeps_the_contract(store: &RedisStore, other: &RedisStore) {
    conformance::check(store).await;
    conformance::check_shared(store).await;
    conformance::check_users(store).await;
    conformance::check_change_log(store, other).await;
    conformance::check_change_log(store, store).await;
    conformance::check_users_change_log(store, other).await;
}

/// Compares the Lua script with `Touch`, because both contain the same rules.
#[test]
fn the_script_touches_as_touch_says() -> Result {
    let server = one_with(&[]);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let store = runtime.block_on(RedisStore::connect(&url(&server)))?;
    let raw = RefCell::new(raw(&server));
    // The times are short, so that a limit is often met exactly.
    let millis = |most: u64| (0..=most).prop_map(Duration::from_millis);
    let micros = || (1..30_000_u64).prop_map(Duration::from_micros);
    let unlimited = || prop_oneof![4 => micros(), 1 => Just(Duration::MAX)];
    let limit = || prop_oneof![2 => Just(None), 3 => micros().prop_map(Some), 1 => Just(Some(Duration::MAX))];
    let start = SystemClock.now().saturating_add(MINUTE);
    let cases = (
        (
            unlimited(),
            unlimited(),
            micros(),
            any::<bool>(),
            any::<bool>(),
        ),
        (
            limit(),
            limit(),
            prop::bool::weighted(0.1),
            (
                prop::option::weighted(0.3, millis(40)),
                any::<bool>(),
                millis(40),
            ),
        ),
        (millis(20), millis(40), millis(40)),
    );
    let mut runner = TestRunner::new(Config {
        cases: 3_000,
        failure_persistence: None,
        ..Config::default()
    });
    runner.run(&cases, |(policy, record, times)| {
        let (idle, absolute, every, exact, never_early) = policy;
        let every = if exact { Duration::ZERO } else { every };
        let mut policy = Policy::builder()
            .with_idle(idle)
            .with_absolute(absolute)
            .with_touch_every(every)
            .with_remember_expired_for(MINUTE)
            .with_rotation_overlap(record.3.2);
        if never_early {
            policy = policy.never_early();
        }
        let Ok(policy) = policy.build() else {
            return Ok(());
        };
        let (own_idle, own_absolute, revoked, (replaced_after, has_next, _)) = record;
        let mut limits = Limits::default();
        if let Some(idle) = own_idle {
            limits = limits.with_idle(idle).unwrap();
        }
        if let Some(absolute) = own_absolute {
            limits = limits.with_absolute(absolute).unwrap();
        }
        let (active_after, now_after, at_after) = times;
        let mut activity = Activity::began(start)
            .active_at(start.saturating_add(active_after))
            .with_limits(limits)
            .with_next_id(has_next.then(|| SessionKey::of("b")));
        if let Some(after) = replaced_after {
            activity = activity.replaced(start.saturating_add(after));
        }
        if revoked {
            activity = activity.revoked();
        }
        let now = start.saturating_add(now_after);
        let touch = policy
            .touch(now)
            .for_activity_at(start.saturating_add(at_after));

        let key = SessionKey::of("a");
        let after = runtime.block_on(async {
            store.create(key, activity, start).await?;
            // `touch_many` always uses the script.
            store.touch_many(vec![(key, touch)]).await?;
            store.load(key).await
        });
        let after = after.map_err(|error| TestCaseError::fail(error.to_string()))?;
        prop_assert_eq!(after, Some(touch.applied_to(activity)), "{:?}", touch);
        let needed = touch.keep_until(&activity);
        let kept = if touch.applies_to(&activity) && needed > start {
            needed.saturating_add(MINUTE)
        } else {
            start
        };
        let expires = expiry(&mut raw.borrow_mut(), key);
        let expected = (kept < Timestamp::MAX).then_some(kept);
        prop_assert_eq!(expires, expected, "{:?}", touch);
        Ok(())
    })?;
    Ok(())
}

#[tokio::test]
async fn a_value_that_is_no_record_is_an_error() -> Result {
    let server = one();
    let store = RedisStore::connect(&url(&server)).await?;
    let mut raw = raw(&server);
    let now = SystemClock.now();
    let good = SessionKey::of("good");
    store
        .create(good, Activity::began(now), Timestamp::MAX)
        .await?;
    let record: Vec<u8> = redis::cmd("GET").arg(name(good)).query(&mut raw)?;
    let mut newer = record.clone();
    newer[0] = b'2';
    let (mut backwards, mut endless) = (record.clone(), record.clone());
    backwards[8] = 0;
    endless[14] = 0xff;
    let key = SessionKey::of("bad");
    for bad in [
        &b""[..],
        b"1L",
        b"never",
        &newer,
        &backwards,
        &endless,
        &record[..19],
        &[&record[..], b"x"].concat(),
    ] {
        redis::cmd("SET").arg(name(key)).arg(bad).exec(&mut raw)?;
        refuses(&store, key).await;
        let kept: Vec<u8> = redis::cmd("GET").arg(name(key)).query(&mut raw)?;
        assert_eq!(kept, bad, "it was changed");
    }
    redis::cmd("DEL").arg(name(key)).exec(&mut raw)?;
    redis::cmd("RPUSH")
        .arg(name(key))
        .arg("a list")
        .exec(&mut raw)?;
    refuses(&store, key).await;

    // Good records in the same batch are written.
    redis::cmd("SET")
        .arg(name(key))
        .arg("never")
        .exec(&mut raw)?;
    let touch = Policy::default().touch(now.saturating_add(MINUTE));
    store.touch_many(vec![(key, touch), (good, touch)]).await?;
    assert_eq!(
        store.load(good).await?.map(|good| good.last_activity()),
        Some(touch.last_activity())
    );
    Ok(())
}

async fn refuses(store: &RedisStore, key: SessionKey) {
    let now = SystemClock.now().saturating_add(MINUTE);
    let activity = Activity::began(now);
    let rarely = Policy::builder().with_touch_every(MINUTE).build().unwrap();
    assert!(store.load(key).await.is_err());
    assert!(
        store
            .touch(key, Policy::default().touch(now))
            .await
            .is_err()
    );
    assert!(store.touch(key, rarely.touch(now)).await.is_err());
    assert!(store.begin(key, activity, Timestamp::MAX).await.is_err());
    assert!(store.revoke(key, Timestamp::MAX).await.is_err());
}

#[tokio::test]
async fn prefixes_keep_applications_apart() -> Result {
    let server = one();
    let url = url(&server);
    let connect = async |prefix: &str| {
        RedisStore::builder()
            .with_key_prefix(prefix)
            .connect(&url)
            .await
    };
    let (ours, theirs) = (connect("ours:").await?, connect("theirs:").await?);
    let (key, now) = (SessionKey::of("a"), SystemClock.now());
    ours.create(key, Activity::began(now), Timestamp::MAX)
        .await?;
    assert_eq!(theirs.load(key).await?, None);
    theirs
        .create(key, Activity::began(now), Timestamp::MAX)
        .await?;
    assert!(ours.revoke(key, now).await?.is_some());
    assert_eq!(theirs.load(key).await?, Some(Activity::began(now)));
    theirs.revoke(key, now).await?;
    let names: Vec<String> = redis::cmd("KEYS").arg("*").query(&mut raw(&server))?;
    // A record and a log each.
    assert_eq!(names.len(), 4);
    assert!(
        names
            .iter()
            .all(|name| name.starts_with("ours:") || name.starts_with("theirs:"))
    );
    Ok(())
}

#[tokio::test]
async fn expiry_is_keep_until_or_a_minute_later_and_only_moves_later() -> Result {
    let server = one();
    let store = RedisStore::connect(&url(&server)).await?;
    let mut raw = raw(&server);
    let now = SystemClock.now();
    let after = |minutes: u32| now.saturating_add(MINUTE * minutes);
    let key = SessionKey::of("a");
    let activity = Activity::began(now);

    store.create(key, activity, after(30)).await?;
    assert_eq!(expiry(&mut raw, key), Some(after(30)));
    assert!(store.revoke(key, after(10)).await?.is_some());
    assert_eq!(expiry(&mut raw, key), Some(after(30)));
    assert!(store.revoke(key, after(40)).await?.is_some());
    assert_eq!(expiry(&mut raw, key), Some(after(40)));
    store.create(key, activity, after(20)).await?;
    assert_eq!(expiry(&mut raw, key), Some(after(20)));

    let policy = Policy::builder()
        .with_remember_expired_for(Duration::ZERO)
        .build()?;
    store.touch(key, policy.touch(after(1))).await?;
    assert_eq!(expiry(&mut raw, key), Some(after(20)));
    store.touch(key, policy.touch(after(10))).await?;
    assert_eq!(expiry(&mut raw, key), Some(after(26)));
    // The expiry is moved one minute further than needed, so it moves at most once a minute. The
    // activity is exact.
    for (minutes, expected) in [(11, 26), (12, 28)] {
        let touch = policy.touch(after(minutes));
        store.touch(key, touch).await?;
        assert_eq!(expiry(&mut raw, key), Some(after(expected)));
        let touched = activity.active_at(after(minutes));
        assert_eq!(store.load(key).await?, Some(touched));
    }

    store.create(key, activity, Timestamp::MAX).await?;
    assert_eq!(expiry(&mut raw, key), None);
    store.touch(key, policy.touch(after(1))).await?;
    store.revoke(key, after(1)).await?;
    assert_eq!(expiry(&mut raw, key), None);

    // A record whose time is over is removed at once, even with the earliest time.
    for over in [now.saturating_sub(MINUTE), Timestamp::UNIX_EPOCH] {
        store.create(key, activity, over).await?;
        assert_eq!(store.load(key).await?, None);
        assert_eq!(store.begin(key, activity, over).await?, activity);
        assert_eq!(store.load(key).await?, None);
    }
    Ok(())
}

#[tokio::test]
async fn a_hundred_thousand_expired_records_leave_by_themselves() -> Result {
    const SESSIONS: u64 = 100_000;
    let server = one_with(&[]);
    let store = RedisStore::connect(&url(&server)).await?;
    let before = memory(&server);
    let policy = Policy::builder()
        .with_remember_expired_for(Duration::ZERO)
        .build()?;
    let mut lifetime = Duration::from_secs(6);
    let full = loop {
        let end = SystemClock.now().saturating_add(lifetime);
        let activity = Activity::began(end.saturating_sub(policy.idle()));
        let mut creating = tokio::task::JoinSet::new();
        for number in 0..SESSIONS {
            let key = SessionKey::of(number.to_string());
            creating.spawn(store.create(key, activity, policy.keep_until(&activity)));
            if creating.len() > 400 {
                creating.join_next().await.unwrap()??;
            }
        }
        while let Some(created) = creating.join_next().await {
            created??;
        }
        let full = memory(&server);
        // On a busy machine the first records may expire before the last are created. Then try
        // again with more time.
        if SystemClock.now() < end {
            break full;
        }
        lifetime *= 2;
    };
    assert!(
        full > before + 100 * SESSIONS,
        "{before} bytes, then {full}"
    );
    let empty = poll(Duration::from_secs(60), || keys(&server) == 0);
    assert!(empty, "{} records are left", keys(&server));
    let shrunk = poll(PATIENCE, || memory(&server) < before + (full - before) / 10);
    assert!(
        shrunk,
        "{before} bytes, then {full}, now {}",
        memory(&server)
    );
    Ok(())
}

#[tokio::test]
async fn each_operation_is_one_command() -> Result {
    let server = one();
    let store = RedisStore::connect(&url(&server)).await?;
    let (key, now) = (SessionKey::of("a"), SystemClock.now());
    let rarely = Policy::builder().with_touch_every(MINUTE).build()?;
    // The first calls load the scripts into the server.
    let touch = Policy::default().touch(now);
    store
        .begin(key, Activity::began(now), Timestamp::MAX)
        .await?;
    store.touch(key, touch).await?;
    store.revoke(key, Timestamp::MAX).await?;

    store
        .create(key, Activity::began(now), Timestamp::MAX)
        .await?;
    let calls = |operation: &str| {
        let stats = info(server.port(), "commandstats");
        let ours = [
            "get",
            "set",
            "setrange",
            "eval",
            "evalsha",
            "script|load",
            "multi",
        ];
        let mut counted: Vec<String> = stats
            .lines()
            .filter_map(|line| line.strip_prefix("cmdstat_")?.split_once(":calls="))
            .filter(|(name, _)| ours.contains(name))
            .map(|(name, rest)| format!("{name} {}", rest.split(',').next().unwrap_or_default()))
            .collect();
        counted.sort();
        cli(server.port(), &["CONFIG", "RESETSTAT"]);
        format!("{operation}: {}", counted.join(", "))
    };
    calls("before");
    store.load(key).await?;
    assert_eq!(calls("load"), "load: get 1");
    store
        .touch(key, rarely.touch(now.saturating_add(MINUTE / 2)))
        .await?;
    assert_eq!(
        calls("touch that is not due"),
        "touch that is not due: get 1"
    );
    store.touch(SessionKey::of("b"), rarely.touch(now)).await?;
    assert_eq!(
        calls("touch of an unknown one"),
        "touch of an unknown one: get 1"
    );
    // The commands inside the scripts are counted too.
    store.touch(key, touch).await?;
    assert_eq!(calls("exact touch"), "exact touch: evalsha 1, get 1");
    store
        .touch(key, rarely.touch(now.saturating_add(2 * MINUTE)))
        .await?;
    assert_eq!(
        calls("touch that is due"),
        "touch that is due: evalsha 1, get 2, setrange 1"
    );
    store.touch_many(vec![(key, touch); 100]).await?;
    assert_eq!(calls("touches"), "touches: evalsha 1, get 100");
    Ok(())
}

#[tokio::test]
async fn a_revocation_waits_for_replicas_where_asked_to() -> Result {
    let mut master = one();
    let store = RedisStore::builder().with_replicas_per_revocation(1);
    let store = store.connect(&url(&master)).await?;
    let (key, now) = (SessionKey::of("a"), SystemClock.now());
    store
        .create(key, Activity::began(now), Timestamp::MAX)
        .await?;
    let error = store.revoke(key, now).await.unwrap_err().to_string();
    assert!(error.contains("only 0 of 1 replicas"), "{error}");
    assert!(
        store
            .load(key)
            .await?
            .is_some_and(|activity| activity.is_revoked())
    );
    assert!(store.revoke(SessionKey::of("b"), now).await?.is_none());

    let replica = replica_of(&master);
    assert!(store.revoke(key, now).await?.is_some());
    let copy: usize = redis::cmd("EXISTS")
        .arg(name(key))
        .query(&mut raw(&replica))?;
    assert_eq!(copy, 1);
    // A frozen replica confirms nothing. Other operations do not wait for it.
    replica.freeze();
    let revoking = tokio::spawn(store.revoke(key, now));
    store.load(key).await?;
    assert!(!revoking.is_finished());
    assert!(revoking.await?.is_err());
    master.kill();
    Ok(())
}

#[tokio::test]
async fn a_dropped_operation_frees_its_place() -> Result {
    let server = one();
    let store = RedisStore::builder()
        .with_max_in_flight(1)
        .connect(&url(&server))
        .await?;
    let (key, now) = (SessionKey::of("a"), SystemClock.now());
    for _ in 0..100 {
        let mut half_way =
            tokio_test::task::spawn(store.create(key, Activity::began(now), Timestamp::MAX));
        assert!(half_way.poll().is_pending());
        let mut waiting = tokio_test::task::spawn(store.load(key));
        assert!(waiting.poll().is_pending());
        let mut touching =
            tokio_test::task::spawn(store.touch_many(vec![(key, Policy::default().touch(now))]));
        assert!(touching.poll().is_pending());
    }
    store
        .create(key, Activity::began(now), Timestamp::MAX)
        .await?;
    assert_eq!(store.load(key).await?, Some(Activity::began(now)));
    Ok(())
}

#[tokio::test]
async fn credentials_are_used_and_never_shown() -> Result {
    let server = one_with(&["--requirepass", "sesame"]);
    let port = server.port();
    let store = RedisStore::connect(&format!("redis://:sesame@127.0.0.1:{port}")).await?;
    store.load(SessionKey::of("a")).await?;
    let shown = format!("{store:?}");
    assert!(shown.contains(&format!("127.0.0.1:{port}")), "{shown}");
    assert!(!shown.contains("sesame"), "{shown}");
    for url in [
        format!("redis://:open-sesame@127.0.0.1:{port}"),
        format!("redis://sesame:open@127.0.0.1:{port}"),
        format!("redis://127.0.0.1:{port}/sesame"),
        format!("redis+cluster://:sesame@127.0.0.1:{port}"),
        format!("redis+sentinel://:sesame@127.0.0.1:{port}/mymaster"),
        "sesame://sesame".to_owned(),
    ] {
        let error: BoxError = RedisStore::connect(&url).await.unwrap_err().into();
        let mut text = format!("{error:?}");
        let mut cause: Option<&dyn std::error::Error> = Some(&*error);
        while let Some(error) = cause {
            text += &format!("; {error}");
            cause = error.source();
        }
        assert!(!text.contains("sesame"), "{text}");
    }
    Ok(())
}

#[tokio::test]
async fn a_server_that_is_not_there_is_an_error_soon() {
    let port = free_port();
    for url in [
        format!("redis://127.0.0.1:{port}"),
        format!("redis+sentinel://127.0.0.1:{port}/mymaster"),
        format!("redis+cluster://127.0.0.1:{port}"),
    ] {
        let connecting = tokio::time::timeout(Duration::from_secs(5), RedisStore::connect(&url));
        let error = connecting.await.expect("it hangs").unwrap_err();
        assert!(error.to_string().contains("cannot be reached"), "{error:?}");
    }
}

#[tokio::test]
async fn settings_out_of_range_are_brought_into_it() -> Result {
    let server = one();
    for (deadline, in_flight) in [(Duration::MAX, usize::MAX), (Duration::from_secs(1), 0)] {
        let builder = RedisStore::builder()
            .with_deadline(deadline)
            .with_max_in_flight(in_flight);
        let store = builder.connect(&url(&server)).await?;
        assert_eq!(store.load(SessionKey::of("a")).await?, None);
    }
    Ok(())
}

#[tokio::test]
async fn nodes_two_minutes_apart_agree_by_the_clock_of_the_store() -> Result {
    let server = one();
    let store = RedisStore::connect(&url(&server)).await?;
    let theirs = SystemClock.now();
    let ahead = ManualClock::at(theirs.saturating_add(2 * MINUTE));
    let behind = ManualClock::at(theirs.saturating_sub(2 * MINUTE));
    let policy = Policy::builder().with_idle(MINUTE).build()?;
    let key = SessionKey::of("a");
    let begin = async |at: Timestamp| store.create(key, Activity::began(at), Timestamp::MAX).await;
    let judge = async |at: Timestamp| {
        Result::Ok(policy.decide(store.touch(key, policy.touch(at)).await?, at))
    };

    // With their own clocks, the node ahead ends a session that the node behind began. A session
    // that the node ahead touches lies in the future for the node behind.
    begin(behind.now()).await?;
    assert!(is_over(judge(ahead.now()).await?));
    // This changes nothing for the node behind.
    assert_eq!(store.load(key).await?, Some(Activity::began(behind.now())));
    assert!(!is_over(judge(behind.now()).await?));
    begin(ahead.now()).await?;
    assert!(is_over(judge(behind.now()).await?));
    assert_eq!(
        store.load(key).await?,
        Some(Activity::began(ahead.now())),
        "it moved backwards"
    );
    store.revoke(key, Timestamp::MAX).await?;
    for clock in [&ahead, &behind] {
        assert!(is_over(judge(clock.now()).await?), "it is revived");
    }

    // With the clock of the store they agree.
    let (ahead, behind) = (store.clock().await?, store.clock().await?);
    let apart = |a: Timestamp, b: Timestamp| {
        a.saturating_duration_since(b) + b.saturating_duration_since(a)
    };
    assert!(apart(ahead.now(), behind.now()) < Duration::from_secs(1));
    assert!(apart(store.clock().await?.now(), SystemClock.now()) < Duration::from_secs(1));
    begin(behind.now()).await?;
    assert!(!is_over(judge(ahead.now()).await?));
    assert!(!is_over(judge(behind.now()).await?));
    Ok(())
}

fn is_over(verdict: Verdict) -> bool {
    matches!(verdict, Verdict::Expired(_))
}

fn raw(server: &Server) -> redis::Connection {
    let client = redis::Client::open(url(server)).unwrap();
    client.get_connection().unwrap()
}

fn expiry(raw: &mut redis::Connection, key: SessionKey) -> Option<Timestamp> {
    let millis: i64 = redis::cmd("PEXPIRETIME").arg(name(key)).query(raw).unwrap();
    assert_ne!(millis, -2, "there is no record");
    u64::try_from(millis).ok().map(Timestamp::from_unix_millis)
}

fn keys(server: &Server) -> u64 {
    cli(server.port(), &["DBSIZE"]).trim().parse().unwrap()
}

fn memory(server: &Server) -> u64 {
    let info = info(server.port(), "memory");
    let used = info
        .lines()
        .find_map(|line| line.strip_prefix("used_memory:"))
        .unwrap();
    used.parse().unwrap()
}
