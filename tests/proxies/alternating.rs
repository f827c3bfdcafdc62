//! Does a session live, and end, on both proxies alike?

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::common::http1::get;
use crate::common::{databases, redis};
use crate::{Site, hello, log_in, log_out, logged_out, status_and_reason};

const REQUESTS: u32 = 300;

/// As long as `CachedStore` may be mistaken about a revocation.
const MAX_STALENESS: Duration = Duration::from_secs(5);

/// Logs in, and alternates between the proxies for a while.
async fn alternates(site: &Site) {
    let mut visitor = site.visitor().await;
    log_in(&mut visitor).await;
    let mut answered: HashMap<u16, u32> = HashMap::new();
    for _ in 0..REQUESTS {
        let answer = hello(&mut visitor).await;
        *answered
            .entry(site.who_answered(&answer).0.port())
            .or_default() += 1;
    }
    for proxy in &site.proxies {
        assert_eq!(answered.get(&proxy.port()), Some(&(REQUESTS / 2)));
    }
}

/// Each proxy in turn logs out, and the other refuses the very next request.
async fn ends_at_once(site: &Site) {
    let mut visitor = site.visitor().await;
    let mut logged_out_by = Vec::new();
    while logged_out_by.len() < 2 {
        log_in(&mut visitor).await;
        for proxy in &site.proxies {
            assert_eq!(status_and_reason(proxy).await, (200, None));
        }
        let answer = log_out(&mut visitor).await;
        let (one, other) = site.who_answered(&answer);
        for proxy in [other, one, other] {
            assert_eq!(status_and_reason(proxy).await, logged_out());
        }
        if !logged_out_by.contains(&one.port()) {
            logged_out_by.push(one.port());
        } else {
            // So that it is the other's turn.
            visitor.ask(&get("/", &[])).await;
        }
    }
}

/// A log-out on one proxy reaches the cache of the other in time.
async fn ends_soon(site: &Site) {
    let mut visitor = site.visitor().await;
    log_in(&mut visitor).await;
    for proxy in site.proxies.iter().cycle().take(20) {
        assert_eq!(status_and_reason(proxy).await, (200, None));
    }
    let answer = log_out(&mut visitor).await;
    let answered_at = Instant::now();
    let (one, other) = site.who_answered(&answer);
    assert_eq!(status_and_reason(one).await, logged_out());
    loop {
        let asked_at = Instant::now();
        let seen = status_and_reason(other).await;
        if seen == logged_out() {
            break;
        }
        assert_eq!(seen, (200, None));
        assert!(
            asked_at - answered_at < MAX_STALENESS,
            "the other proxy does not notice"
        );
    }
    for proxy in &site.proxies {
        assert_eq!(status_and_reason(proxy).await, logged_out());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn over_redis() {
    let server = redis::one();
    let site = Site::start(&["--store", &redis::url(&server)]).await;
    let before = commands(server.port());
    alternates(&site).await;
    assert!(commands(server.port()) - before >= u64::from(REQUESTS));
    ends_at_once(&site).await;
    // The proxies go by its clock.
    let asked = redis::info(server.port(), "commandstats");
    assert!(asked.contains("cmdstat_time:"), "{asked}");
}

#[tokio::test(flavor = "multi_thread")]
async fn over_redis_with_a_near_cache() {
    let server = redis::one();
    let site = Site::start(&["--store", &redis::url(&server), "--cached"]).await;
    let before = commands(server.port());
    let began = Instant::now();
    alternates(&site).await;
    // Some for the log-in, and in each second some checks and writes of each proxy; not one for each request.
    let asked = commands(server.port()) - before;
    assert!(
        asked < 20 + 20 * (began.elapsed().as_secs() + 1),
        "Redis was asked {asked} times"
    );
    ends_soon(&site).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn over_postgresql() {
    let server = databases::start_postgresql();
    let url = databases::postgresql_url(server.port());
    let site = Site::start(&["--store", &url]).await;
    alternates(&site).await;
    ends_at_once(&site).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn over_postgresql_with_a_near_cache() {
    let server = databases::start_postgresql();
    let url = databases::postgresql_url(server.port());
    let site = Site::start(&["--store", &url, "--cached"]).await;
    alternates(&site).await;
    ends_soon(&site).await;
}

/// How many commands Redis has run.
fn commands(port: u16) -> u64 {
    let stats = redis::info(port, "stats");
    let count = stats
        .lines()
        .find_map(|line| line.strip_prefix("total_commands_processed:"));
    count.unwrap().trim().parse().unwrap()
}
