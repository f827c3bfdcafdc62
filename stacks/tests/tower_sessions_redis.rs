//! tower-sessions and the timeouts, both with their stores in one Redis.

// The site is the one of the example. There is a store for Redis for this tower-sessions only.
extern crate tower_sessions_of_axum_login as tower_sessions;

#[allow(dead_code)]
#[path = "../examples/tower_sessions.rs"]
mod example;
#[allow(dead_code)]
#[path = "../../tests/common/redis.rs"]
mod redis;
#[allow(dead_code)]
#[path = "../../tests/common/servers.rs"]
mod servers;

use axum::Router;
use example::{ABSOLUTE, IDLE, routes};
use servers::Server;
use tower_login_timeout::{
    Clock, CookieId, LoginTimeoutLayer, ManualClock, Policy, RedisStore, SameSite, SystemClock,
    rule,
};
use tower_login_timeout_stacks::visitor::Visitor;
use tower_sessions::SessionManagerLayer;
use tower_sessions_redis_store::RedisStore as Sessions;
use tower_sessions_redis_store::fred::prelude::{ClientLike, Config, Pool};

struct Site {
    server: Server,
    clock: ManualClock,
}

impl Site {
    fn start() -> Self {
        Self {
            server: redis::one(),
            clock: ManualClock::at(SystemClock.now()),
        }
    }

    /// Starts a node. Nodes have nothing in common but Redis.
    async fn node(&self) -> Router {
        let url = redis::url(&self.server);
        let pool = Pool::new(Config::from_url(&url).unwrap(), None, None, None, 1).unwrap();
        pool.init().await.unwrap();
        let sessions = SessionManagerLayer::new(Sessions::new(pool)).with_secure(false);

        let policy = Policy::builder().with_idle(IDLE).with_absolute(ABSOLUTE);
        let identify = CookieId::new("id").unwrap();
        let identify = identify.with_same_site(SameSite::Strict);
        let store = RedisStore::connect(&url).await.unwrap();
        let timeouts = LoginTimeoutLayer::new(policy.build().unwrap(), identify, store)
            .with_exempt(rule::path("/login"))
            .with_clock(self.clock.clone());
        routes().layer(sessions).layer(timeouts)
    }

    fn keys(&self) -> Vec<String> {
        let keys = redis::cli(self.server.port(), &["KEYS", "*"]);
        keys.lines().map(str::to_owned).collect()
    }
}

/// The same visitor, whose next request goes to this node.
fn at(node: &Router, visitor: &Visitor) -> Visitor {
    let mut there = Visitor::new(node);
    there.cookies.clone_from(&visitor.cookies);
    there
}

#[tokio::test]
async fn all_nodes_know_the_data_and_the_end_of_a_session() {
    let site = Site::start();
    let (one, two) = (site.node().await, site.node().await);
    let mut ada = Visitor::new(&one);
    ada.post("/cart", "").await;
    ada.post("/login", "name=ada").await;
    let mut there = at(&two, &ada);
    let page = there.get("/").await;
    assert!(
        page.text.contains("a member, with 1 books"),
        "{}",
        page.text
    );

    ada.post("/logout", "").await;
    let page = there.get("/").await;
    assert_eq!(
        (page.status, page.header("login-timeout-reason")),
        (440, "revoked")
    );
}

#[tokio::test]
async fn an_idle_session_ends_on_all_nodes_although_its_data_is_still_there() {
    let site = Site::start();
    let (one, two) = (site.node().await, site.node().await);
    let mut ada = Visitor::new(&one);
    ada.post("/login", "name=ada").await;
    let id = ada.cookies["id"].clone();
    for node in [&one, &two] {
        site.clock.advance(IDLE * 2 / 3);
        assert_eq!(at(node, &ada).get("/").await.status, 200);
    }
    site.clock.advance(IDLE);
    for node in [&one, &two] {
        let page = at(node, &ada).get("/").await;
        assert_eq!(
            (page.status, page.header("login-timeout-reason")),
            (440, "idle")
        );
    }
    assert!(site.keys().contains(&id));
}

#[tokio::test]
async fn the_two_stores_share_no_key_and_only_one_shows_the_id() {
    let site = Site::start();
    let mut ada = Visitor::new(&site.node().await);
    ada.post("/login", "name=ada").await;
    let id = &ada.cookies["id"];
    let (of_timeouts, others): (Vec<_>, Vec<_>) = site
        .keys()
        .into_iter()
        .partition(|key| key.starts_with("login-timeout:"));
    assert!(!of_timeouts.is_empty());
    assert!(
        !of_timeouts.iter().any(|key| key.contains(&**id)),
        "{of_timeouts:?}"
    );
    assert_eq!(others, [id.as_str()]);
}
