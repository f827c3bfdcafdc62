//! The requests per second of a whole server with Redis behind it.

use std::time::Duration;

use axum::Router;
use tower_login_timeout::{CachedStore, Policy, RedisStore};

use self::server::Redis;
use self::tower_sessions::{fixed_app, sliding_app};
use crate::Failure;
use crate::contenders::{bare, ours};
use crate::effort::Effort;
use crate::figures::Figures;
use crate::loopback::{Server, compare};
use crate::processes::Folder;

mod server;
mod tower_sessions;

/// The number of sessions that send requests.
const SESSIONS: usize = 1_000;

const TOUCH_EVERY: Duration = Duration::from_secs(60);

/// The names of the contenders, the bare service first.
pub const CONTENDERS: [&str; 7] = [
    "bare",
    "ours",
    "ours-touch_every",
    "ours-cached",
    "ours-cached-touch_every",
    "tower-sessions-sliding",
    "tower-sessions",
];

/// Starts a server for each contender, with one Redis behind all of them, and compares them. Then
/// it counts what each asks Redis.
pub fn measure(figures: &mut Figures, effort: Effort) -> Result<(), Failure> {
    let folder = Folder::new()?;
    let mut redis = Redis::start(folder.path())?;
    let servers = CONTENDERS
        .iter()
        .map(|id| Server::start(id, SESSIONS, folder.path(), redis.url()))
        .collect::<Result<Vec<_>, _>>()?;
    let (rounds, time) = effort.pick((2, 1), (7, 4));
    let time = Duration::from_secs(time);
    compare(figures, "redis", &servers, rounds, time)?;
    for server in servers.iter().skip(1) {
        redis.forget_statistics()?;
        let load = server.load(time)?;
        let asked = redis.asked()?;
        let name = format!("redis.{}", server.id);
        for (what, count) in [("asked", asked.records), ("reads", asked.reads)] {
            let per_request = count / load.requests;
            figures.add(format!("{name}.{what}"), "per request", &[per_request]);
        }
    }
    figures.note(format!(
        "Redis: {SESSIONS} active sessions; touch_every is {} s where it says so. Records asked \
         for are at least as many as round trips: a script or a pipeline may ask for many of the \
         same moment. Reads are how often Redis found something to read, fewer where many requests \
         wait at once.",
        TOUCH_EVERY.as_secs()
    ));
    figures.note(
        "Redis: the peer is tower-sessions 0.14 with tower-sessions-redis-store 0.16, the newest \
         that fit together: there is no Redis store for 0.15. Its pool has six connections, as its \
         documentation shows it.",
    );
    Ok(())
}

/// Builds the application of this name, with the Redis at this URL.
pub async fn app(id: &str, url: &str) -> Result<Router, Failure> {
    let exact = Policy::builder;
    let late = || Policy::builder().with_touch_every(TOUCH_EVERY);
    match id {
        "bare" => Ok(bare::app()),
        "ours" => ours::app(exact(), RedisStore::connect(url).await?),
        "ours-touch_every" => ours::app(late(), RedisStore::connect(url).await?),
        "ours-cached" => ours::app(exact(), CachedStore::new(RedisStore::connect(url).await?)),
        "ours-cached-touch_every" => {
            ours::app(late(), CachedStore::new(RedisStore::connect(url).await?))
        }
        "tower-sessions-sliding" => sliding_app(url).await,
        "tower-sessions" => fixed_app(url).await,
        _ => Err(format!("there is no contender {id:?}").into()),
    }
}
