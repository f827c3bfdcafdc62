//! Tests of two nodes whose clocks are two minutes apart.
//!
//! With its own clock, each node counts from times that the other node wrote. So a session ends up
//! to two minutes early on the node ahead, and up to two minutes late on the node behind. Between
//! these moments, activity on the node behind keeps the session alive for both nodes. A session
//! that has ended on both nodes, or was logged out on one, never comes back. With the clock of the
//! store both nodes agree.

use std::convert::Infallible;
use std::future::ready;
use std::time::Duration;

use tokio::time::advance;
use tower_login_timeout::{
    Activity, ActivityStore, CachedStore, Clock, ManualClock, MemoryStore, Policy, PolicyBuilder,
    RedisStore, SessionKey, StoreClock, SystemClock, rule,
};

use crate::common::redis::{one, url};
use crate::common::site::{Site, policy, reason, request};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const SKEW: Duration = Duration::from_secs(120);
const IDLE: Duration = Duration::from_secs(15 * 60);
const ABSOLUTE: Duration = Duration::from_secs(8 * 3600);

/// Two nodes that share a store. The second one is two minutes ahead.
struct Nodes<St> {
    sites: [Site<St>; 2],
    /// The clock of the store, one minute from each node.
    theirs: ManualClock,
}

fn settings(idle: Duration) -> PolicyBuilder {
    Policy::builder().with_idle(idle).with_absolute(ABSOLUTE)
}

impl<St: ActivityStore> Nodes<St> {
    fn by_their_own_clocks(stores: [St; 2], idle: Duration) -> Self {
        let theirs = ManualClock::new();
        let sites = stores.map(|store| {
            Site::with_store(settings(idle), store)
                .configured(|layer| layer.with_passive(rule::path("/look")))
        });
        sites[0].clock.set(theirs.now().saturating_sub(SKEW / 2));
        sites[1].clock.set(theirs.now().saturating_add(SKEW / 2));
        Self { sites, theirs }
    }

    async fn by_the_clock_of_the_store(stores: [St; 2], idle: Duration) -> Self {
        let Nodes { sites, theirs } = Self::by_their_own_clocks(stores, idle);
        let [behind, ahead] = sites;
        let follow = async |site: Site<St>| {
            let told = theirs.clone();
            let ask = move || ready(Ok::<_, Infallible>(told.now()));
            let clock = StoreClock::follow(ask).await.unwrap();
            site.configured(|layer| layer.with_clock(clock))
        };
        let sites = [follow(behind).await, follow(ahead).await];
        Self { sites, theirs }
    }

    /// Lets time pass on every clock and for timers.
    async fn pass(&self, time: Duration) {
        for clock in [&self.sites[0].clock, &self.sites[1].clock, &self.theirs] {
            clock.advance(time);
        }
        advance(time).await;
    }

    /// Sends each node a request that does not extend the session.
    async fn look(&self) -> [u16; 2] {
        let [behind, ahead] = &self.sites;
        [
            behind.ask("/look", "alpha").await.status().as_u16(),
            ahead.ask("/look", "alpha").await.status().as_u16(),
        ]
    }

    /// Returns the inactivity after which each node refuses the session.
    async fn ends(&self) -> [Duration; 2] {
        let mut ends = [None; 2];
        for passed in 0..IDLE.as_secs() * 2 {
            for (end, status) in ends.iter_mut().zip(self.look().await) {
                match (&end, status) {
                    (None, 440) => *end = Some(Duration::from_secs(passed)),
                    (None, 200) | (Some(_), 440) => {}
                    _ => panic!("{status} after {passed} s, and it had ended at {end:?}"),
                }
            }
            self.pass(SECOND).await;
        }
        ends.map(|end| end.expect("it never ends"))
    }

    /// Checks that both nodes refuse the session from now on.
    async fn nobody_revives(&self) {
        for _ in 0..120 {
            for site in &self.sites {
                assert_eq!(site.status("alpha").await, 440);
            }
            self.pass(MINUTE).await;
        }
    }
}

fn shared() -> (MemoryStore, [MemoryStore; 2]) {
    let store = MemoryStore::new();
    (store.clone(), [store.clone(), store])
}

async fn stored(store: &impl ActivityStore) -> Option<Activity> {
    let found = store.load(SessionKey::of("alpha")).await;
    found.unwrap_or_else(|error| panic!("{}", error.into()))
}

#[tokio::test(start_paused = true)]
async fn by_their_own_clocks_a_session_in_use_lives_and_ends_within_the_difference() {
    for (last_used_on, expected) in [(0, [IDLE, IDLE - SKEW]), (1, [IDLE + SKEW, IDLE])] {
        let (store, stores) = shared();
        let nodes = Nodes::by_their_own_clocks(stores, IDLE);
        nodes.sites[last_used_on].start("alpha").await;
        let mut latest = stored(&store).await.unwrap().last_activity();
        for _ in 0..60 {
            for site in &nodes.sites {
                assert_eq!(site.status("alpha").await, 200);
                let now = stored(&store).await.unwrap().last_activity();
                assert!(now >= latest, "last activity moved backwards");
                latest = now;
            }
            nodes.pass(MINUTE).await;
        }
        // By either clock, the last request of the node ahead is older than the next one.
        nodes.pass(SKEW).await;
        assert_eq!(nodes.sites[last_used_on].status("alpha").await, 200);
        assert_eq!(nodes.ends().await, expected);
        let ended = stored(&store).await;
        nodes.nobody_revives().await;
        assert_eq!(stored(&store).await, ended);
    }
}

#[tokio::test(start_paused = true)]
async fn by_their_own_clocks_a_shorter_idle_timeout_than_the_difference_ends_sessions_at_once() {
    let (store, stores) = shared();
    let nodes = Nodes::by_their_own_clocks(stores, MINUTE);
    let [behind, ahead] = &nodes.sites;
    behind.start("alpha").await;
    assert_eq!(behind.status("alpha").await, 200);
    let before = stored(&store).await;
    let refused = ahead.ask("/", "alpha").await;
    assert_eq!((refused.status().as_u16(), reason(&refused)), (440, "idle"));
    // The session has not ended for the other node.
    assert_eq!(stored(&store).await, before);
    assert_eq!(behind.status("alpha").await, 200);

    // For the node behind, the record lies in the future by more than the idle timeout.
    ahead.start("alpha").await;
    for _ in 0..10 {
        assert_eq!(nodes.look().await, [440, 200]);
        assert_eq!(reason(&behind.ask("/", "alpha").await), "future");
        assert_eq!(ahead.status("alpha").await, 200);
        nodes.pass(MINUTE / 2).await;
    }
}

#[tokio::test(start_paused = true)]
async fn by_their_own_clocks_activity_behind_keeps_a_session_alive_that_only_the_node_ahead_refused()
 {
    let (_, stores) = shared();
    let nodes = Nodes::by_their_own_clocks(stores, IDLE);
    let [behind, ahead] = &nodes.sites;
    behind.start("alpha").await;
    nodes.pass(IDLE - MINUTE).await;
    assert_eq!(nodes.look().await, [200, 440]);
    assert_eq!(ahead.status("alpha").await, 440);
    assert_eq!(nodes.look().await, [200, 440]);
    assert_eq!(behind.status("alpha").await, 200);
    assert_eq!(nodes.look().await, [200, 200]);
}

#[tokio::test(start_paused = true)]
async fn by_their_own_clocks_the_absolute_timeout_is_off_by_the_difference_at_most() {
    for (begun_on, expected) in [
        (0, [ABSOLUTE, ABSOLUTE - SKEW]),
        (1, [ABSOLUTE + SKEW, ABSOLUTE]),
    ] {
        let (_, stores) = shared();
        let nodes = Nodes::by_their_own_clocks(stores, IDLE);
        nodes.sites[begun_on].start("alpha").await;
        let mut ends = [None; 2];
        for minute in 0..ABSOLUTE.as_secs() / 60 + 5 {
            for (site, end) in nodes.sites.iter().zip(&mut ends) {
                let answer = site.ask("/", "alpha").await;
                match (&end, answer.status().as_u16(), reason(&answer)) {
                    (None, 440, "absolute") => *end = Some(MINUTE * minute as u32),
                    (None, 200, _) | (Some(_), 440, "absolute") => {}
                    _ => panic!("{answer:?} after {minute} minutes, and it had ended at {end:?}"),
                }
            }
            nodes.pass(MINUTE).await;
        }
        assert_eq!(ends, expected.map(Some));
        nodes.nobody_revives().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_log_out_on_either_node_is_final_on_both() {
    for logged_out_on in [0, 1] {
        let own = Nodes::by_their_own_clocks(shared().1, IDLE);
        let following = Nodes::by_the_clock_of_the_store(shared().1, IDLE).await;
        for nodes in [own, following] {
            nodes.sites[1 - logged_out_on].start("alpha").await;
            assert_eq!(nodes.look().await, [200, 200]);
            let log_out = request("/logout", "alpha");
            nodes.sites[logged_out_on]
                .setting(log_out, &["sid=; Max-Age=0"])
                .await;
            for site in &nodes.sites {
                assert_eq!(reason(&site.ask("/", "alpha").await), "revoked");
            }
            nodes.nobody_revives().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn by_the_clock_of_the_store_both_end_a_session_at_the_same_moment() {
    for last_used_on in [0, 1] {
        let (store, stores) = shared();
        let nodes = Nodes::by_the_clock_of_the_store(stores, IDLE).await;
        nodes.sites[last_used_on].start("alpha").await;
        for _ in 0..60 {
            for site in &nodes.sites {
                assert_eq!(site.status("alpha").await, 200);
            }
            nodes.pass(MINUTE).await;
        }
        assert_eq!(nodes.sites[last_used_on].status("alpha").await, 200);
        assert_eq!(nodes.ends().await, [IDLE, IDLE]);
        let ended = stored(&store).await;
        nodes.nobody_revives().await;
        assert_eq!(stored(&store).await, ended);
    }
}

#[tokio::test(start_paused = true)]
async fn near_caches_on_both_nodes_revive_nothing_either() {
    let (store, stores) = shared();
    let caches = stores.map(CachedStore::new);
    let nodes = Nodes::by_their_own_clocks(caches.clone(), IDLE);
    let [behind, ahead] = &nodes.sites;
    behind.start("alpha").await;
    for _ in 0..600 {
        assert_eq!(behind.status("alpha").await, 200);
        assert_eq!(ahead.status("alpha").await, 200);
        nodes.pass(SECOND).await;
    }
    // Both caches have activity to write when the session ends on one node.
    let log_out = request("/logout", "alpha");
    ahead.setting(log_out, &["sid=; Max-Age=0"]).await;
    assert_eq!(ahead.status("alpha").await, 440);
    let revoked = stored(&store).await;
    for cache in &caches {
        cache.flush(10 * SECOND).await.unwrap();
    }
    assert_eq!(stored(&store).await, revoked);
    // This store pushes no revocations, so the other cache may be wrong for this long.
    nodes.pass(Duration::from_secs(5)).await;
    nodes.nobody_revives().await;
    assert_eq!(stored(&store).await, revoked);
}

#[tokio::test]
async fn nodes_agree_by_the_clock_of_redis() {
    let server = one();
    let url = url(&server);
    let node = async |clock: ManualClock| {
        let store = RedisStore::connect(&url).await.unwrap();
        let following = store.clock().await.unwrap();
        let site = Site::with_store(policy().with_idle(MINUTE), store);
        (site.configured(|layer| layer.with_clock(following)), clock)
    };
    let now = SystemClock.now();
    let (behind, its_clock) = node(ManualClock::at(now.saturating_sub(SKEW))).await;
    let (ahead, _) = node(ManualClock::at(now)).await;
    for (one, other, id) in [(&behind, &ahead, "alpha"), (&ahead, &behind, "beta")] {
        one.start(id).await;
        assert_eq!(other.status(id).await, 200);
        assert_eq!(one.status(id).await, 200);
        let log_out = request("/logout", id);
        other.setting(log_out, &["sid=; Max-Age=0"]).await;
        assert_eq!(one.status(id).await, 440);
    }
    // Without the clock of Redis they do not agree.
    let behind = behind.configured(|layer| layer.with_clock(its_clock));
    behind.start("gamma").await;
    assert_eq!(behind.status("gamma").await, 200);
    assert_eq!(reason(&ahead.ask("/", "gamma").await), "idle");
}
