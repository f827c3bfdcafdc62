//! Bytes that a session takes in Redis, in a Cluster and in PostgreSQL.

use std::time::Duration;

use tower_login_timeout::{
    AnyStore, BoxError, Clock, RedisStore, SharedStore, SystemClock, Timestamp,
};

use crate::common::databases;
use crate::common::redis::{Cluster, cli, one_with, url};
use crate::common::servers::{Server, poll};
use crate::crowd::{create_sessions, key, policy};
use crate::redis_info::number;

const SESSIONS: u64 = 200_000;
const CLUSTER_SESSIONS: u64 = 1_000_000;
const TOUCHES: u64 = 5;

pub(crate) fn run() -> Result<(), BoxError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        redis().await?;
        cluster().await?;
        postgres().await
    })
}

async fn redis() -> Result<(), BoxError> {
    let server = one_with(&[]);
    let store = RedisStore::connect(&url(&server)).await?;
    let before = number(&server, "memory", "used_memory");
    create_sessions(&store, SESSIONS).await?;
    let after = number(&server, "memory", "used_memory");
    let bytes = (after - before) / SESSIONS as f64;
    println!("memory.redis.{SESSIONS} {bytes:.0} bytes/session");
    Ok(())
}

/// A million sessions over four masters, each with a replica.
async fn cluster() -> Result<(), BoxError> {
    let cluster = Cluster::start(4, 1);
    let used = || -> Vec<f64> {
        let of_one = |node: &Server| number(node, "memory", "used_memory");
        cluster.nodes.iter().map(of_one).collect()
    };
    let before = used();
    let store = RedisStore::connect(&cluster.url()).await?;
    create_sessions(&store, CLUSTER_SESSIONS).await?;
    let keys = |node: &Server| cli(node.port(), &["DBSIZE"]).trim().parse().unwrap_or(0);
    poll(Duration::from_secs(10), || {
        cluster.nodes.iter().map(keys).sum::<u64>() == 2 * CLUSTER_SESSIONS
    });
    let mut total = 0.0;
    for (index, node) in cluster.nodes.iter().enumerate() {
        let bytes = number(node, "memory", "used_memory") - before[index];
        let role = match index < 4 {
            true => "master",
            false => "replica",
        };
        let keys = keys(node);
        println!(
            "memory.cluster.{role}{index} {keys} sessions {:.1} MB {:.0} bytes/session",
            bytes / 1e6,
            bytes / keys.max(1) as f64
        );
        total += bytes;
    }
    println!(
        "memory.cluster.total {:.0} bytes/session with a replica",
        total / CLUSTER_SESSIONS as f64
    );
    Ok(())
}

async fn postgres() -> Result<(), BoxError> {
    let server = databases::start_postgresql();
    let url = databases::postgresql_url(server.port());
    let store = AnyStore::connect(&url).await?;
    create_sessions(&store, SESSIONS).await?;
    let pool = sqlx::PgPool::connect(&url).await?;
    report_size(&pool, "created").await?;
    // A site writes each session again and again. The rows that it leaves behind are cleaned up,
    // and their pages are used again.
    let policy = policy()?;
    let now = SystemClock.now().as_unix_millis();
    for turn in 1..=TOUCHES {
        let at = Timestamp::from_unix_millis(now + turn * 40_000);
        for first in (0..SESSIONS).step_by(1_000) {
            let touches = (first..first + 1_000).map(|number| (key(number), policy.touch(at)));
            let mut touches: Vec<_> = touches.collect();
            touches.sort_unstable_by_key(|(key, _)| *key);
            store.touch_many(touches).await?;
        }
    }
    report_size(&pool, &format!("written_{TOUCHES}_times")).await
}

async fn report_size(pool: &sqlx::PgPool, when: &str) -> Result<(), BoxError> {
    let sizes = "SELECT COALESCE(SUM(pg_total_relation_size(oid)), 0)::bigint, \
                 COALESCE(SUM(pg_relation_size(oid)), 0)::bigint \
                 FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace";
    let (all, rows): (i64, i64) = sqlx::query_as(sizes).fetch_one(pool).await?;
    let each = |bytes: i64| bytes as f64 / SESSIONS as f64;
    println!(
        "memory.postgres.{when} {:.0} bytes/session, of which {:.0} are the row",
        each(all),
        each(rows)
    );
    Ok(())
}
