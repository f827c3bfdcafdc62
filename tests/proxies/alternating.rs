//! Tests of a visitor whose requests go to each proxy in turn.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::common::{databases, redis};
use crate::{Site, hello, log_in, log_out, logged_out, status_and_reason};

const REQUESTS: u32 = 300;

/// How long `CachedStore` may miss a revocation.
const MAX_STALENESS: Duration = Duration::from_secs(5);

/// Logs in and sends requests that go to the proxies in turn.
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

/// Checks that after a log-out on one proxy the other refuses the next request, and that a log-in
/// with the same id brings nothing back on either.
async fn ends_at_once(site: &Site) {
    let mut visitor = site.visitor().await;
    log_in(&mut visitor).await;
    for proxy in &site.proxies {
        assert_eq!(status_and_reason(proxy).await, (200, None));
    }
    let answer = log_out(&mut visitor).await;
    let (one, other) = site.who_answered(&answer);
    for proxy in [other, one, other] {
        assert_eq!(status_and_reason(proxy).await, logged_out());
    }
    log_in(&mut visitor).await;
    for proxy in [other, one] {
        assert_eq!(status_and_reason(proxy).await, logged_out());
    }
}

/// Checks that a log-out on one proxy reaches the cache of the other in time.
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
async fn both_proxies_know_a_session_in_redis() {
    let server = redis::one();
    let site = Site::start(&["--store", &redis::url(&server)]).await;
    let before = commands(server.port());
    alternates(&site).await;
    assert!(commands(server.port()) - before >= u64::from(REQUESTS));
    ends_at_once(&site).await;
    // The proxies use the clock of Redis.
    let asked = redis::info(server.port(), "commandstats");
    assert!(asked.contains("cmdstat_time:"), "{asked}");
}

#[tokio::test(flavor = "multi_thread")]
async fn both_proxies_know_a_session_in_redis_behind_near_caches() {
    let server = redis::one();
    let site = Site::start(&["--store", &redis::url(&server), "--cached"]).await;
    let before = commands(server.port());
    let began = Instant::now();
    alternates(&site).await;
    // The log-in needs some commands, and each proxy checks and writes a few times a second. Not
    // every request may need one.
    let asked = commands(server.port()) - before;
    assert!(
        asked < 20 + 20 * (began.elapsed().as_secs() + 1),
        "Redis was asked {asked} times"
    );
    ends_soon(&site).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn both_proxies_know_a_session_in_postgresql() {
    let server = databases::start_postgresql();
    let url = databases::postgresql_url(server.port());
    let site = Site::start(&["--store", &url]).await;
    alternates(&site).await;
    ends_at_once(&site).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn both_proxies_know_a_session_in_postgresql_behind_near_caches() {
    let server = databases::start_postgresql();
    let url = databases::postgresql_url(server.port());
    let site = Site::start(&["--store", &url, "--cached"]).await;
    alternates(&site).await;
    ends_soon(&site).await;
}

/// Returns how many commands Redis has run.
fn commands(port: u16) -> u64 {
    let stats = redis::info(port, "stats");
    let count = stats
        .lines()
        .find_map(|line| line.strip_prefix("total_commands_processed:"));
    count.unwrap().trim().parse().unwrap()
}
