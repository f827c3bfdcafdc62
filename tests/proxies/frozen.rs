//! Tests of what visitors get while the store does not answer.

use std::time::{Duration, Instant};

use crate::common::http1::{Message, Wire, ask, get};
use crate::common::servers::Server;
use crate::common::{redis, website};
use crate::{ALPHA, Site, address, log_in};

use super::proxy;

/// The store timeout of the policy, and a second more for a busy machine.
const SOON: Duration = Duration::from_millis(1_000 + 1_000);

async fn answered_soon(server: &Server, headers: &[&str]) -> Message {
    let asked = Instant::now();
    let answer = ask(address(server), &get("/", headers)).await;
    assert!(asked.elapsed() < SOON, "{:?}: {answer:?}", asked.elapsed());
    answer
}

/// Asks until the session is answered again. It must never be refused.
async fn lives_again(server: &Server) {
    let began = Instant::now();
    loop {
        let answer = answered_soon(server, &[ALPHA]).await;
        match answer.status() {
            200 => return,
            503 => assert!(
                began.elapsed() < Duration::from_secs(30),
                "the store stays away"
            ),
            _ => panic!("{answer:?}"),
        }
    }
}

/// Asks until the near cache answers alone. Its first read of the log has it ask once more.
async fn known(server: &Server, redis: &Server) {
    // Each check of a session reads its record.
    let reads = || {
        let stats = redis::info(redis.port(), "commandstats");
        let reads = stats.lines().find(|line| line.starts_with("cmdstat_get:"));
        reads.and_then(|line| Some(line.split_once("calls=")?.1.split_once(',')?.0.to_owned()))
    };
    let began = Instant::now();
    loop {
        let before = reads();
        assert_eq!(answered_soon(server, &[ALPHA]).await.status(), 200);
        if reads() == before {
            return;
        }
        assert!(
            began.elapsed() < Duration::from_secs(30),
            "each request asks the store"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_are_answered_503_and_sessions_live_on() {
    let redis = redis::one();
    let site = Site::start(&["--store", &redis::url(&redis)]).await;
    log_in(&mut site.visitor().await).await;
    let asked = [&site.proxies[0], &site.proxies[1], &site.nginx];
    for _ in 0..2 {
        redis.freeze();
        for server in asked {
            for _ in 0..3 {
                let answer = answered_soon(server, &[ALPHA]).await;
                assert_eq!(answer.status(), 503, "{answer:?}");
                assert_eq!(answer.header("set-cookie"), None);
                // A request without a session needs no store.
                assert_eq!(answered_soon(server, &[]).await.body, "hello");
            }
        }
        redis.thaw();
        for server in asked {
            lives_again(server).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_requests_at_once_are_answered_in_time() {
    let redis = redis::one();
    let proxy = proxy::start(website::start().await, &["--store", &redis::url(&redis)]);
    log_in(&mut Wire::connect(address(&proxy)).await).await;
    redis.freeze();
    let to = address(&proxy);
    let visits: Vec<_> = (0..100)
        .map(|_| {
            tokio::spawn(async move {
                let asked = Instant::now();
                let answer = ask(to, &get("/", &[ALPHA])).await;
                (answer.status(), asked.elapsed())
            })
        })
        .collect();
    for visit in visits {
        let (status, took) = visit.await.unwrap();
        assert_eq!(status, 503);
        assert!(took < SOON, "{took:?}");
    }
    redis.thaw();
    lives_again(&proxy).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_near_cache_goes_on_with_the_sessions_that_it_knows() {
    let redis = redis::one();
    let proxy = proxy::start(
        website::start().await,
        &["--store", &redis::url(&redis), "--cached"],
    );
    log_in(&mut Wire::connect(address(&proxy)).await).await;
    known(&proxy, &redis).await;
    redis.freeze();
    for _ in 0..10 {
        assert_eq!(answered_soon(&proxy, &[ALPHA]).await.status(), 200);
        let unknown = answered_soon(&proxy, &["cookie: sid=beta"]).await;
        assert_eq!(unknown.status(), 503);
    }
    redis.thaw();
    lives_again(&proxy).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_pass_unchecked_if_configured() {
    let redis = redis::one();
    let url = redis::url(&redis);
    let proxy = proxy::start(
        website::start().await,
        &["--store", &url, "--store-failure", "allow"],
    );
    let unknown = answered_soon(&proxy, &["cookie: sid=beta"]).await;
    assert_eq!(unknown.status(), 440);
    redis.freeze();
    assert_eq!(answered_soon(&proxy, &[ALPHA]).await.body, "hello");
}
