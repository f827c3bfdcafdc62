//! Tests of the lists of users' sessions in Redis.

use std::convert::Infallible;
use std::time::Duration;

use http::{Request, Response};
use tokio::task::JoinSet;
use tower::{Layer, ServiceExt, service_fn};
use tower_login_timeout::{
    BoxError, Clock, CookieId, LoginTimeoutLayer, ManualClock, Policy, RedisStore, SessionKey,
    SystemClock, Tracker, UserLink, UserStore, Users,
};

use crate::common::redis::{cli, one, url};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Without that, the list of a user would grow with each new id of a session.
#[tokio::test]
async fn links_of_replaced_ids_leave_the_list() -> Result<(), BoxError> {
    const ROTATIONS: usize = 1200;
    let server = one();
    let store = RedisStore::connect(&url(&server)).await?;
    let clock = ManualClock::at(SystemClock.now());
    let layer = LoginTimeoutLayer::new(Policy::default(), CookieId::new("sid")?, store)
        .with_clock(clock.clone())
        .with_users(Users::new("a secret of 16 bytes or more")?);
    let _ = layer.tracker().start_for("ada", "0").await?;
    for number in 0..ROTATIONS {
        let new = format!("sid={}", number + 1);
        let service = layer.layer(service_fn(move |_: Request<String>| {
            let response = Response::builder().header("set-cookie", new.clone());
            let response = response.body(String::new()).unwrap();
            async { Ok::<_, Infallible>(response) }
        }));
        let request = Request::get("/").header("cookie", format!("sid={number}"));
        let response = service.oneshot(request.body(String::new())?).await?;
        assert_eq!(response.status(), 200);
        clock.advance(Duration::from_secs(20));
    }
    let list = cli(server.port(), &["KEYS", "*user:*"]);
    let links = cli(server.port(), &["HLEN", list.trim()]);
    let links: usize = links.trim().parse()?;
    assert!(links < ROTATIONS / 2, "{links} links");
    Ok(())
}

/// A store has a time limit for each operation.
#[tokio::test]
async fn links_of_many_sessions_that_are_over_leave_at_once() -> Result<(), BoxError> {
    const SESSIONS: u32 = 8000;
    let server = one();
    let store = RedisStore::connect(&url(&server)).await?;
    let now = SystemClock.now();
    let clock = ManualClock::at(now.saturating_add(DAY));
    let users = Users::new("a secret of 16 bytes or more")?;
    let tracker = Tracker::with_users(Policy::default(), store.clone(), clock.clone(), users);
    let _ = tracker.start_for("ada", "live").await?;
    let found = store.link_of(SessionKey::of("live")).await?;
    let (ada, _) = found.expect("the session is linked");
    let mut links = JoinSet::new();
    for number in 0..SESSIONS {
        let link = UserLink::new(SessionKey::of(number.to_string()), now, "");
        links.spawn(store.link(ada, link, now.saturating_add(DAY)));
        if links.len() == 32 {
            links.join_next().await.expect("one of 32")??;
        }
    }
    while let Some(linked) = links.join_next().await {
        linked??;
    }
    assert_eq!(tracker.sessions_of("ada").await?.len(), 1);
    let count = "return #redis.call('KEYS', '*link:*')";
    assert_eq!(cli(server.port(), &["EVAL", count, "0"]).trim(), "1");
    Ok(())
}
