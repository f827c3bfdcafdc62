//! Tests of the lists of users' sessions in Redis.

use std::convert::Infallible;
use std::time::Duration;

use http::{Request, Response};
use tower::{Layer, ServiceExt, service_fn};
use tower_login_timeout::{
    BoxError, Clock, CookieId, LoginTimeoutLayer, ManualClock, Policy, RedisStore, SystemClock,
    Users,
};

use crate::common::redis::{cli, one, url};

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
