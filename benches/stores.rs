//! Measures checks a second in each store, and with a near cache in front of it.
//!
//! Prints lines of `name value unit`. Each store's server is started for it. Redis is also compared
//! with a bare `GET` of its client. `cargo bench --bench stores --all-features -- redis` runs one
//! store, and `-- redis users` only what a user with many sessions costs.

#[path = "../tests/common/mod.rs"]
mod common;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use common::databases;
use common::redis::{one_with, url};
use common::servers::Folder;
use redis::AsyncConnectionConfig;
use redis::aio::MultiplexedConnection;
use tokio::task::JoinSet;
use tower_login_timeout::{
    Activity, ActivityStore, AnyStore, BoxError, CachedStore, Clock, MemoryStore, Policy,
    RedisStore, SessionKey, SharedStore, SystemClock, Timestamp, Tracker, UserStore, Users,
};

const SESSIONS: u64 = 10_000;
const CALLERS: [u64; 4] = [1, 8, 64, 512];
/// The compared stores take turns, so that other work on the machine disturbs all alike.
const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_millis(1_000);

fn main() -> Result<(), BoxError> {
    let wanted: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with('-'))
        .collect();
    let wants = |name: &str| wanted.is_empty() || wanted.iter().any(|wanted| wanted == name);
    let what = match wanted.iter().any(|wanted| wanted == "users") {
        true => What::Users,
        false => What::Everything,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    if wants("memory") {
        runtime.block_on(bench("memory", MemoryStore::new()))?;
        runtime.block_on(bench_user("memory", MemoryStore::new()))?;
    }
    if wants("sqlite") {
        let folder = Folder::new("bench-sqlite");
        let url = format!("sqlite:{}/sessions.db", folder.path().display());
        runtime.block_on(bench_named("sqlite", &url, what))?;
    }
    if wants("postgres") {
        let server = databases::start_postgresql();
        let url = databases::postgresql_url(server.port());
        runtime.block_on(bench_named("postgres", &url, what))?;
    }
    if wants("mysql") {
        let server = databases::start_mariadb();
        let url = databases::mariadb_url(server.port());
        runtime.block_on(bench_named("mysql", &url, what))?;
    }
    if wants("redis") {
        let server = one_with(&[]);
        if what == What::Everything {
            runtime.block_on(bench_redis(&url(&server)))?;
        }
        runtime.block_on(bench_named("redis", &url(&server), what))?;
    }
    Ok(())
}

/// What is measured of a store.
#[derive(Clone, Copy, PartialEq, Eq)]
enum What {
    Everything,
    Users,
}

async fn bench_named(name: &str, url: &str, what: What) -> Result<(), BoxError> {
    let store = AnyStore::connect(url).await?;
    if what == What::Everything {
        bench(name, store.clone()).await?;
    }
    bench_user(name, store).await
}

/// Lists and ends the sessions of a user who has many.
async fn bench_user<S: UserStore>(name: &str, store: S) -> Result<(), BoxError> {
    let users = Users::new("a secret of 16 bytes or more")?;
    let tracker = Tracker::with_users(Policy::default(), store, SystemClock, users);
    let mut log_ins = JoinSet::new();
    for caller in 0..50 {
        let tracker = tracker.clone();
        log_ins.spawn(async move {
            for number in 0..SESSIONS / 50 {
                let id = format!("{caller} {number}");
                let _ = tracker.start_for("ada", &id).await?;
            }
            Ok::<_, BoxError>(())
        });
    }
    while let Some(done) = log_ins.join_next().await {
        done??;
    }
    let started = Instant::now();
    let listed = tracker.sessions_of("ada").await?.len();
    println!("{name}.user.list {} s", started.elapsed().as_secs_f64());
    let started = Instant::now();
    let ended = tracker.end_all_of("ada").await?;
    println!("{name}.user.end_all {} s", started.elapsed().as_secs_f64());
    if (listed, ended) != (SESSIONS as usize, SESSIONS as usize) {
        return Err(format!("{listed} were listed, and {ended} ended").into());
    }
    Ok(())
}

/// Checks that find nothing due, checks that write each time, and checks through a near cache.
async fn bench<S: SharedStore>(name: &str, store: S) -> Result<(), BoxError> {
    create_sessions(&store).await?;
    let cached = CachedStore::new(store.clone());
    let rarely = rarely()?;
    for callers in CALLERS {
        let (mut fresh, mut exact, mut near) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            fresh.push(measure(callers, touches_of(&store, rarely)).await?);
            exact.push(measure(callers, touches_of(&store, Policy::default())).await?);
            near.push(measure(callers, touches_of(&cached, rarely)).await?);
        }
        report(&format!("{name}.touch"), callers, fresh);
        report(&format!("{name}.exact_touch"), callers, exact);
        report(&format!("{name}.cached_touch"), callers, near);
    }
    Ok(())
}

fn rarely() -> Result<Policy, BoxError> {
    let policy = Policy::builder().with_touch_every(Duration::from_secs(60));
    Ok(policy.build()?)
}

/// A check next to a bare `GET`, by turns.
async fn bench_redis(url: &str) -> Result<(), BoxError> {
    let store = RedisStore::connect(url).await?;
    create_sessions(&store).await?;
    let names: Arc<[String]> = redis::cmd("KEYS")
        .arg("*")
        .query::<Vec<String>>(&mut redis::Client::open(url)?.get_connection()?)?
        .into();
    // With room for all in its queue, and a deadline such as everybody needs.
    let config = AsyncConnectionConfig::new().set_pipeline_buffer_size(512);
    let client = redis::Client::open(url)?;
    let bare = client
        .get_multiplexed_async_connection_with_config(&config)
        .await?;
    let rarely = rarely()?;
    for callers in CALLERS {
        let (mut gets, mut touches) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            gets.push(measure(callers, bare_gets(&bare, &names)).await?);
            touches.push(measure(callers, touches_of(&store, rarely)).await?);
        }
        let get = report("redis.bare_get", callers, gets);
        let touch = report("redis.touch_beside_it", callers, touches);
        println!(
            "redis.touch_over_bare_get.{callers} {:.2} ratio",
            get / touch
        );
    }
    Ok(())
}

fn bare_gets(
    bare: &MultiplexedConnection,
    names: &Arc<[String]>,
) -> impl Fn(u64) -> Pin<Box<dyn Future<Output = Result<(), BoxError>> + Send>> + Clone + use<> {
    let (bare, names) = (bare.clone(), Arc::clone(names));
    move |number| {
        let (mut bare, names) = (bare.clone(), Arc::clone(&names));
        Box::pin(async move {
            let mut get = redis::cmd("GET");
            let answer = bare
                .send_packed_command(get.arg(&names[number as usize]))
                .await?;
            assert!(matches!(answer, redis::Value::BulkString(_)));
            Ok(())
        })
    }
}

async fn create_sessions<S: ActivityStore>(store: &S) -> Result<(), BoxError> {
    let activity = Activity::began(SystemClock.now());
    for number in 0..SESSIONS {
        let created = store.create(key(number), activity, Timestamp::MAX);
        created.await.map_err(Into::into)?;
    }
    Ok(())
}

fn key(number: u64) -> SessionKey {
    // As digits: some of the bytes of a number are spellings of others.
    SessionKey::of(number.to_string())
}

/// What the layer asks of a store for each request.
fn touches_of<S: ActivityStore>(
    store: &S,
    policy: Policy,
) -> impl Fn(u64) -> Pin<Box<dyn Future<Output = Result<(), BoxError>> + Send>> + Clone + use<S> {
    let store = store.clone();
    let keys: Arc<[SessionKey]> = (0..SESSIONS).map(key).collect();
    move |number| {
        let touching = store.touch(keys[number as usize], policy.touch(SystemClock.now()));
        Box::pin(async move {
            let activity = touching.await.map_err(Into::into)?;
            assert!(activity.is_some());
            Ok(())
        })
    }
}

/// How long each operation took, in nanoseconds, and how many there were in a second.
struct Measured {
    nanos: Vec<u32>,
    per_second: f64,
    /// What this process computed, in microseconds for each operation: it is disturbed less by
    /// others on the same machine.
    cpu_micros: f64,
}

/// So many callers, each doing one operation after the other on random sessions.
async fn measure<O, F>(callers: u64, operation: O) -> Result<Measured, BoxError>
where
    O: Fn(u64) -> F + Clone + Send + 'static,
    F: Future<Output = Result<(), BoxError>> + Send + 'static,
{
    let (start, cpu_before) = (Instant::now(), cpu_millis());
    let mut calling = JoinSet::new();
    for caller in 0..callers {
        let operation = operation.clone();
        calling.spawn(async move {
            let mut nanos = Vec::with_capacity(100_000);
            let mut random = caller;
            while start.elapsed() < ROUND {
                random = random
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                let asked = Instant::now();
                operation((random >> 33) % SESSIONS).await?;
                nanos.push(asked.elapsed().as_nanos() as u32);
            }
            Ok::<_, BoxError>(nanos)
        });
    }
    let mut nanos = Vec::new();
    while let Some(caller) = calling.join_next().await {
        nanos.extend(caller??);
    }
    let per_second = nanos.len() as f64 / start.elapsed().as_secs_f64();
    let cpu_micros = (cpu_millis() - cpu_before) * 1_000.0 / nanos.len() as f64;
    Ok(Measured {
        nanos,
        per_second,
        cpu_micros,
    })
}

/// What this process has computed so far.
fn cpu_millis() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let ticks = stat
        .split(' ')
        .skip(13)
        .take(2)
        .filter_map(|ticks| ticks.parse::<f64>().ok());
    // Linux counts in hundredths of a second.
    ticks.sum::<f64>() * 10.0
}

/// Prints the median of all rounds, and returns how many operations there were in a second.
fn report(name: &str, callers: u64, rounds: Vec<Measured>) -> f64 {
    let median = |value: fn(&Measured) -> f64| {
        let mut values: Vec<f64> = rounds.iter().map(value).collect();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    let per_second = median(|round| round.per_second);
    let cpu = median(|round| round.cpu_micros);
    let mut nanos: Vec<u32> = rounds.into_iter().flat_map(|round| round.nanos).collect();
    nanos.sort_unstable();
    let micros = |percent: usize| f64::from(nanos[(nanos.len() - 1) * percent / 100]) / 1_000.0;
    println!("{name}.{callers}.throughput {per_second:.0} operations/s");
    println!("{name}.{callers}.p50 {:.1} us", micros(50));
    println!("{name}.{callers}.p99 {:.1} us", micros(99));
    println!("{name}.{callers}.longest {:.1} us", micros(100));
    println!("{name}.{callers}.client_cpu {cpu:.2} us/operation");
    per_second
}
