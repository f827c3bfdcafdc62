//! Tests of touches that are sent to Redis in one script: each gets its own answer.

use std::future::poll_fn;
use std::sync::mpsc;
use std::task::Poll;
use std::time::Duration;

use tokio::runtime::Builder;
use tokio::task::{JoinSet, yield_now};
use tokio::time::timeout;
use tower_login_timeout::{
    Activity, ActivityStore, BoxError, Clock, Limits, Policy, RedisStore, RedisStoreError,
    SessionKey, SharedStore, SystemClock, Timestamp,
};

use crate::common::redis::{cli, info, name, one, one_with, url};
use crate::common::servers::poll;

type Result<T = ()> = std::result::Result<T, BoxError>;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const PATIENCE: Duration = Duration::from_secs(20);

/// The state of a session before the touch.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Live,
    Limited,
    IdledOut,
    Revoked,
    Unknown,
    NoRecord,
    NoString,
}

const KINDS: [Kind; 7] = [
    Kind::Live,
    Kind::Limited,
    Kind::IdledOut,
    Kind::Revoked,
    Kind::Unknown,
    Kind::NoRecord,
    Kind::NoString,
];

#[tokio::test]
async fn each_touch_gets_the_answer_of_its_own_session() -> Result {
    const TOUCHES: usize = 300;
    let server = one();
    let store = RedisStore::connect(&url(&server)).await?;
    let now = SystemClock.now();
    let policy = Policy::default();
    let mut records = Vec::new();
    for number in 0..TOUCHES {
        let kind = KINDS[number % KINDS.len()];
        let key = SessionKey::of(number.to_string());
        // Each session began at a different time. That shows whose record an answer is.
        let before = now.saturating_sub(Duration::from_millis(1 + number as u64));
        let began = match kind {
            Kind::IdledOut => Activity::began(before.saturating_sub(policy.idle())),
            Kind::Limited => {
                Activity::began(before).with_limits(Limits::default().with_idle(MINUTE)?)
            }
            _ => Activity::began(before),
        };
        let port = server.port();
        match kind {
            Kind::Unknown => {}
            Kind::NoRecord => drop(cli(port, &["SET", &name(key), "never"])),
            Kind::NoString => drop(cli(port, &["RPUSH", &name(key), "a list"])),
            _ => store.create(key, began, Timestamp::MAX).await?,
        }
        if kind == Kind::Revoked {
            store.revoke(key, Timestamp::MAX).await?;
        }
        records.push((kind, key, began));
    }
    // The first call loads the script into the server.
    store.touch(SessionKey::of("a"), policy.touch(now)).await?;

    cli(server.port(), &["CONFIG", "RESETSTAT"]);
    let mut under_way = JoinSet::new();
    for (number, (_, key, _)) in records.iter().enumerate() {
        let touched = store.touch(*key, policy.touch(now));
        under_way.spawn(async move { (number, touched.await) });
    }
    while let Some(answer) = under_way.join_next().await {
        let (number, found) = answer?;
        let (kind, key, began) = records[number];
        match kind {
            Kind::NoRecord | Kind::NoString => {
                let error = found.expect_err("it is no record").to_string();
                assert!(error.contains(&name(key)), "{error}");
            }
            Kind::Unknown => assert_eq!(found?, None),
            Kind::Revoked => assert_eq!(found?, Some(began.revoked()), "{number}"),
            _ => assert_eq!(found?, Some(began), "{number}"),
        }
    }
    let scripts = info(server.port(), "commandstats");
    assert!(scripts.contains("cmdstat_evalsha:calls=3,"), "{scripts}");

    for (kind, key, began) in records {
        let kept = match kind {
            Kind::Live | Kind::Limited => Some(began.active_at(now)),
            Kind::IdledOut => Some(began),
            Kind::Revoked => Some(began.revoked()),
            Kind::Unknown => None,
            Kind::NoRecord | Kind::NoString => continue,
        };
        assert_eq!(store.load(key).await?, kept, "{kind:?}");
    }
    Ok(())
}

#[tokio::test]
async fn touches_that_wait_are_sent_with_later_ones() -> Result {
    let server = one();
    let store = RedisStore::builder()
        .with_max_in_flight(1)
        .connect(&url(&server))
        .await?;
    let now = SystemClock.now();
    let touch = Policy::default().touch(now.saturating_add(MINUTE));
    let keys = sessions(&store, 3, Activity::began(now)).await?;
    let mut half_way = tokio_test::task::spawn(store.load(keys[0]));
    assert!(half_way.poll().is_pending());
    let given_up = tokio::spawn(store.touch(keys[0], touch));
    let first = tokio::spawn(store.touch(keys[1], touch));
    yield_now().await;
    yield_now().await;
    let second = tokio::spawn(store.touch(keys[2], touch));
    yield_now().await;
    given_up.abort();
    assert!(given_up.await.is_err_and(|error| error.is_cancelled()));
    cli(server.port(), &["CONFIG", "RESETSTAT"]);
    drop(half_way);
    let found = [first.await??, second.await??];
    assert_eq!(found, [Some(Activity::began(now)); 2]);
    let scripts = info(server.port(), "commandstats");
    // The server does not know the script yet, so it is sent twice.
    assert!(scripts.contains("cmdstat_eval:calls=1,"), "{scripts}");
    assert_eq!(store.load(keys[0]).await?, Some(Activity::began(now)));
    Ok(())
}

/// Where the server's memory is full, or too few replicas follow it.
#[tokio::test]
async fn each_is_answered_where_the_server_refuses_to_write() -> Result {
    for (setting, value) in [("maxmemory", "1"), ("min-replicas-to-write", "1")] {
        let server = one();
        let store = RedisStore::connect(&url(&server)).await?;
        let now = SystemClock.now();
        let due = Policy::default().touch(now.saturating_add(MINUTE));
        let mut keys = sessions(&store, 3, Activity::began(now)).await?;
        keys.push(SessionKey::of("unknown"));
        store.revoke(keys[1], Timestamp::MAX).await?;
        cli(server.port(), &["CONFIG", "SET", setting, value]);
        let (moved, revoked, passive, unknown) = tokio::join!(
            store.touch(keys[0], due),
            store.touch(keys[1], due),
            store.touch(keys[2], due.passive()),
            store.touch(keys[3], due),
        );
        assert_eq!(moved?, Some(Activity::began(now)), "{setting}");
        assert_eq!(revoked?, Some(Activity::began(now).revoked()));
        assert_eq!(passive?, Some(Activity::began(now)));
        assert_eq!(unknown?, None);
    }
    Ok(())
}

/// Tests the case that the task that sends the touches runs before the other tasks.
#[test]
fn touches_that_are_ready_are_sent_together() -> Result {
    let runtime = Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    let server = one();
    let store = runtime.block_on(RedisStore::connect(&url(&server)))?;
    let touch = Policy::default().touch(SystemClock.now());
    runtime.block_on(store.touch(SessionKey::of("a"), touch))?;
    cli(server.port(), &["CONFIG", "RESETSTAT"]);
    let all = async move {
        let mut under_way = JoinSet::new();
        for number in 0..50 {
            under_way.spawn(store.touch(SessionKey::of(number.to_string()), touch));
        }
        while let Some(answer) = under_way.join_next().await {
            answer??;
        }
        Result::Ok(())
    };
    runtime.block_on(async { tokio::spawn(all).await? })?;
    let scripts = info(server.port(), "commandstats");
    let calls = scripts
        .split_once("cmdstat_evalsha:calls=")
        .and_then(|(_, rest)| rest.split(',').next()?.parse::<u32>().ok());
    // Without gathering, most touches would be sent alone.
    assert!(calls.is_some_and(|calls| calls < 10), "{scripts}");
    Ok(())
}

#[tokio::test]
async fn a_dropped_touch_is_not_sent() -> Result {
    let server = one();
    let store = RedisStore::connect(&url(&server)).await?;
    let now = SystemClock.now();
    let touch = Policy::default().touch(now.saturating_add(MINUTE));
    let keys = sessions(&store, 2, Activity::began(now)).await?;
    let (kept, dropped) = (keys[0], keys[1]);
    // The touch that would send both is the one that is dropped.
    let mut first = tokio_test::task::spawn(store.touch(dropped, touch));
    assert!(first.poll().is_pending());
    let mut second = tokio_test::task::spawn(store.touch(kept, touch));
    assert!(second.poll().is_pending());
    drop(first);
    second.await?;
    let at = async |key| Result::Ok(store.load(key).await?.map(|found| found.last_activity()));
    assert_eq!(at(kept).await?, Some(now.saturating_add(MINUTE)));
    assert_eq!(at(dropped).await?, Some(now));
    Ok(())
}

#[tokio::test]
async fn an_idle_or_ended_runtime_loses_only_its_own_touches() -> Result {
    let server = one();
    let store = RedisStore::connect(&url(&server)).await?;
    let now = SystemClock.now();
    let key = sessions(&store, 1, Activity::began(now)).await?[0];
    let policy = Policy::default();
    let other = Builder::new_current_thread().enable_all().build()?;
    // This runtime never runs its tasks.
    let mut lost = tokio_test::task::spawn(store.touch(key, policy.touch(now)));
    {
        let _within = other.enter();
        assert!(lost.poll().is_pending());
    }
    let here = store.touch(key, policy.touch(now.saturating_add(MINUTE)));
    assert_eq!(timeout(PATIENCE, here).await??, Some(Activity::began(now)));
    other.shutdown_background();
    assert!(timeout(PATIENCE, lost).await?.is_err());
    Ok(())
}

/// The deadline holds even if the task that sends the touches is blocked.
#[test]
fn each_touch_has_its_own_deadline() -> Result {
    if let Err(error) = touch_beside_a_busy_thread(Duration::from_millis(100), 0)? {
        assert!(error.is_timeout(), "{error}");
    }
    Ok(())
}

#[test]
fn a_busy_thread_delays_no_touches_of_other_threads() -> Result {
    // The sending task runs until it waits for others to join.
    assert_eq!(touch_beside_a_busy_thread(PATIENCE, 1)??, None);
    Ok(())
}

/// Touches a session while another touch is blocked on a busy thread, and returns the answer.
///
/// The busy thread first runs ready tasks for this number of rounds.
fn touch_beside_a_busy_thread(
    deadline: Duration,
    rounds: usize,
) -> Result<std::result::Result<Option<Activity>, RedisStoreError>> {
    let runtime = Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let server = one();
    let url = url(&server);
    let connecting = RedisStore::builder().with_deadline(deadline).connect(&url);
    let store = runtime.block_on(connecting)?;
    let touch = Policy::default().touch(SystemClock.now());
    let (joined, has_joined) = mpsc::channel();
    let (release, released) = mpsc::channel::<()>();
    let first = store.clone();
    let busy = runtime.spawn(async move {
        let mut first = tokio_test::task::spawn(first.touch(SessionKey::of("a"), touch));
        let pending = first.poll().is_pending();
        let mut rounds = 0..rounds;
        poll_fn(|context| match rounds.next() {
            Some(_) => {
                context.waker().wake_by_ref();
                Poll::Pending
            }
            None => Poll::Ready(()),
        })
        .await;
        _ = joined.send(pending);
        _ = released.recv();
    });
    assert!(has_joined.recv()?);
    let second = async { timeout(PATIENCE / 2, store.touch(SessionKey::of("b"), touch)).await };
    let answer = runtime.block_on(second);
    drop(release);
    runtime.block_on(busy)?;
    Ok(answer?)
}

/// Some managed Clusters look like one server, and want all keys of a script in one slot.
#[tokio::test]
async fn a_cluster_behind_one_address_gets_touches_one_by_one() -> Result {
    let server = one_with(&["--cluster-enabled", "yes"]);
    let port = server.port();
    cli(port, &["CLUSTER", "ADDSLOTSRANGE", "0", "16383"]);
    let is_up = || cli(port, &["CLUSTER", "INFO"]).contains("cluster_state:ok");
    assert!(poll(PATIENCE, is_up));
    let store = RedisStore::connect(&url(&server)).await?;
    let began = Activity::began(SystemClock.now());
    let keys = sessions(&store, 20, began).await?;
    for second in 1..3 {
        let now = began.created_at().saturating_add(SECOND * second);
        let mut under_way = JoinSet::new();
        for key in &keys {
            under_way.spawn(store.touch(*key, Policy::default().touch(now)));
        }
        while let Some(answer) = under_way.join_next().await {
            let found = answer??.map(|found| found.last_activity());
            assert_eq!(found, Some(now.saturating_sub(SECOND)));
        }
    }
    // The store tries once only.
    let scripts = info(port, "commandstats");
    let asked = scripts.lines().find(|line| line.contains("evalsha"));
    assert!(
        asked.is_some_and(|line| line.contains("rejected_calls=1,")),
        "{scripts}"
    );

    // A store that has only written batches finds out too.
    let other = RedisStore::connect(&url(&server)).await?;
    let now = began.created_at().saturating_add(MINUTE);
    let touches = keys
        .iter()
        .map(|key| (*key, Policy::default().touch(now)))
        .collect();
    other.touch_many(touches).await?;
    for key in keys {
        assert_eq!(store.load(key).await?, Some(began.active_at(now)));
    }
    Ok(())
}

/// Creates this many sessions with this record.
async fn sessions(store: &RedisStore, count: usize, activity: Activity) -> Result<Vec<SessionKey>> {
    let keys: Vec<_> = (0..count)
        .map(|number| SessionKey::of(number.to_string()))
        .collect();
    for key in &keys {
        store.create(*key, activity, Timestamp::MAX).await?;
    }
    Ok(keys)
}
