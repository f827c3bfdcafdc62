//! Tests of proxies that are restarted: sessions live on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tower_login_timeout::{ActivityStore, AnyStore, Clock, SessionKey};

use crate::common::http1::{Wire, ask, get};
use crate::common::servers::{Folder, Server};
use crate::common::{redis, website};
use crate::{ALPHA, Site, address, hello, log_in, log_out, logged_out, status_and_reason};

use super::proxy;

/// One session that sends requests through nginx all the time and counts the good answers.
struct Visits {
    count: Arc<AtomicUsize>,
    over: Arc<AtomicBool>,
    visitor: tokio::task::JoinHandle<()>,
}

impl Visits {
    async fn begin(site: &Site) -> Self {
        log_in(&mut site.visitor().await).await;
        let (count, over) = (
            Arc::new(AtomicUsize::new(0)),
            Arc::new(AtomicBool::new(false)),
        );
        let (visits, ends, nginx) = (Arc::clone(&count), Arc::clone(&over), address(&site.nginx));
        let visitor = tokio::spawn(async move {
            while !ends.load(Ordering::Relaxed) {
                let answer = ask(nginx, &get("/", &[ALPHA])).await;
                // nginx asks the other proxy if one does not answer. So not even a 502 is visible.
                assert_eq!(
                    (answer.status(), &*answer.body),
                    (200, "hello"),
                    "{answer:?}"
                );
                visits.fetch_add(1, Ordering::Relaxed);
            }
        });
        Self {
            count,
            over,
            visitor,
        }
    }

    /// Waits for this many more answers.
    async fn more(&self, visits: usize) {
        let began = Instant::now();
        let wanted = self.count.load(Ordering::Relaxed) + visits;
        while self.count.load(Ordering::Relaxed) < wanted && !self.visitor.is_finished() {
            assert!(began.elapsed() < Duration::from_secs(60), "nobody visits");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Ends the visits. Fails the test if one of them was refused.
    async fn end(self) {
        self.over.store(true, Ordering::Relaxed);
        self.visitor.await.unwrap();
    }
}

async fn one_proxy_restarts_under_load(options: &[&str]) {
    let mut site = Site::start(options).await;
    let visits = Visits::begin(&site).await;
    for end in [Server::stop, Server::kill] {
        for number in 0..site.proxies.len() {
            visits.more(50).await;
            end(&mut site.proxies[number]);
            visits.more(50).await;
            site.proxies[number].restart();
            // The new process knows a session that it has not seen before.
            assert_eq!(status_and_reason(&site.proxies[number]).await, (200, None));
        }
    }
    visits.more(50).await;
    visits.end().await;
    let mut visitor = site.visitor().await;
    hello(&mut visitor).await;
    log_out(&mut visitor).await;
    site.proxies[0].kill();
    site.proxies[0].restart();
    assert_eq!(status_and_reason(&site.proxies[0]).await, logged_out());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_session_lives_on_in_redis() {
    let server = redis::one();
    one_proxy_restarts_under_load(&["--store", &redis::url(&server)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_session_lives_on_behind_a_near_cache() {
    let server = redis::one();
    one_proxy_restarts_under_load(&["--store", &redis::url(&server), "--cached"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_session_lives_on_in_a_file() {
    let folder = Folder::new("proxy-sqlite");
    let url = format!("sqlite:{}/sessions.db", folder.path().display());
    let mut proxy = proxy::start(website::start().await, &["--store", &url]);
    let mut visitor = Wire::connect(address(&proxy)).await;
    log_in(&mut visitor).await;
    for end in [Server::kill, Server::stop, Server::kill] {
        let mut visitor = Wire::connect(address(&proxy)).await;
        for _ in 0..50 {
            hello(&mut visitor).await;
        }
        end(&mut proxy);
        proxy.restart();
        hello(&mut Wire::connect(address(&proxy)).await).await;
    }
    log_out(&mut Wire::connect(address(&proxy)).await).await;
    proxy.kill();
    proxy.restart();
    assert_eq!(status_and_reason(&proxy).await, logged_out());
}

/// A near cache writes its activity before its proxy ends.
#[tokio::test(flavor = "multi_thread")]
async fn a_clean_shutdown_loses_no_activity() {
    let server = redis::one();
    let url = redis::url(&server);
    let store = AnyStore::connect(&url).await.unwrap();
    let clock = store.clock().await.unwrap();
    let mut proxy = proxy::start(website::start().await, &["--store", &url, "--cached"]);
    let mut visitor = Wire::connect(address(&proxy)).await;
    log_in(&mut visitor).await;
    let began = Instant::now();
    let mut last_visit = clock.now();
    // This is shorter than the pause between two writes of the cache, and longer than the error of
    // the measured time of Redis.
    while began.elapsed() < Duration::from_millis(500) {
        last_visit = clock.now();
        hello(&mut visitor).await;
    }
    proxy.stop();
    let written = store.load(SessionKey::of("alpha")).await.unwrap().unwrap();
    let lost = last_visit.saturating_duration_since(written.last_activity());
    assert!(
        lost < Duration::from_millis(100),
        "{lost:?} of activity are lost"
    );
}
