//! Measures requests a second of a whole server with Redis behind it.

use std::time::Duration;

use axum::Router;
use tower_login_timeout::{CachedStore, Policy, RedisStore};

use self::server::Redis;
use self::tower_sessions::{fixed_app, sliding_app};
use crate::Failure;
use crate::contenders::{bare, ours};
use crate::effort::Effort;
use crate::figures::Figures;
use crate::loopback::{Server, add_beside_first, round_by_round};
use crate::processes::Folder;

mod server;
mod tower_sessions;

/// How many sessions are active at once.
const SESSIONS: usize = 1_000;

const TOUCH_EVERY: Duration = Duration::from_secs(60);

/// Who takes part, the bare service first.
pub const CONTENDERS: [&str; 7] = [
    "bare",
    "ours",
    "ours-touch_every",
    "ours-cached",
    "ours-cached-touch_every",
    "tower-sessions-sliding",
    "tower-sessions",
];

/// Puts each contender's server under load in turn, round by round, with one Redis behind all of them, and counts what that was asked.
///
/// # Errors
///
/// If a server, Redis or wrk fails.
pub fn measure(figures: &mut Figures, effort: Effort) -> Result<(), Failure> {
    let folder = Folder::new()?;
    let redis = Redis::start(folder.path())?;
    let servers = CONTENDERS
        .iter()
        .map(|id| Server::start(id, SESSIONS, folder.path(), &redis.url()))
        .collect::<Result<Vec<_>, _>>()?;
    let (rounds, time) = effort.pick((2, 1), (7, 4));
    let time = Duration::from_secs(time);
    let loads = round_by_round(&servers, rounds, time)?;
    add_beside_first(figures, "redis", &servers, &loads);
    for server in servers.iter().skip(1) {
        redis.forget_statistics()?;
        let load = server.load(time)?;
        let asked = redis.asked()?;
        let name = format!("redis.{}", server.id);
        let per_request = |count: f64| [count / load.requests];
        figures.add(
            format!("{name}.asked"),
            "per request",
            &per_request(asked.records),
        );
        figures.add(
            format!("{name}.reads"),
            "per request",
            &per_request(asked.reads),
        );
    }
    figures.note(format!(
        "Redis: {SESSIONS} active sessions; touch_every is {} s where it says so. Records asked for are at least as many as round trips: \
         a script or a pipeline may ask for many of the same moment. Reads are how often Redis found something to read, fewer where many requests \
         wait at once.",
        TOUCH_EVERY.as_secs()
    ));
    figures.note(
        "Redis: the peer is tower-sessions 0.14 with tower-sessions-redis-store 0.16, the newest that fit together: there is no Redis store for \
         0.15. Its pool has six connections, as its documentation shows it.",
    );
    Ok(())
}

/// The application of this name, with Redis at this URL behind.
///
/// # Errors
///
/// If there is no such contender, or Redis cannot be reached.
pub async fn app(id: &str, url: &str) -> Result<Router, Failure> {
    let exact = Policy::builder;
    let late = || Policy::builder().with_touch_every(TOUCH_EVERY);
    match id {
        "bare" => Ok(bare::app()),
        "ours" => ours::app_with(exact(), RedisStore::connect(url).await?),
        "ours-touch_every" => ours::app_with(late(), RedisStore::connect(url).await?),
        "ours-cached" => ours::app_with(exact(), CachedStore::new(RedisStore::connect(url).await?)),
        "ours-cached-touch_every" => {
            ours::app_with(late(), CachedStore::new(RedisStore::connect(url).await?))
        }
        "tower-sessions-sliding" => sliding_app(url).await,
        "tower-sessions" => fixed_app(url).await,
        _ => Err(format!("there is no contender {id:?}").into()),
    }
}
