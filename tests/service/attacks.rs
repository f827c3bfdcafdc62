//! Attempts to get past the layer: other spellings, planted cookies, races with a log-out, wrong
//! clocks.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, HeaderValue, Request, Response};
use tokio::sync::Notify;
use tower::{Layer, ServiceExt, service_fn};
use tower_login_timeout::{
    Activity, ActivityStore, BearerToken, Clock, CookieId, HeaderId, IdentifySession, Limits,
    LoginTimeoutLayer, MemoryStore, Policy, SessionHandle, SessionKey, StoreFailure, rule,
};

use crate::common::scripted::{Fault, Operation, ScriptedStore};
use crate::common::site::{
    ABSOLUTE, IDLE, MILLISECOND, Site, anonymous, policy, poll_times, reason, request,
};

const OVERLAP: Duration = Duration::from_secs(30);

/// Creates a request with these bytes as its `Cookie` header.
fn with_cookie(path: &str, cookie: &[u8]) -> Request<String> {
    let cookie = HeaderValue::from_bytes(cookie).unwrap();
    let request = Request::get(path).header("cookie", cookie);
    request.body(String::new()).unwrap()
}

/// Sends a request, and returns the status and the `Cookie` header that the service saw.
async fn seen(site: &Site, request: Request<String>) -> (u16, String) {
    let response = site
        .send_to(request, |request| async move {
            let cookies = request.headers().get_all("cookie").iter();
            let cookies: Vec<_> = cookies.map(|cookie| cookie.as_bytes()).collect();
            Response::new(cookies.join(&b" | "[..]).escape_ascii().to_string())
        })
        .await;
    (response.status().as_u16(), response.into_body())
}

async fn revoked(id: &str) -> Site {
    let site = Site::new(policy()).configured(|layer| layer.with_exempt(rule::path("/static")));
    site.start(id).await;
    site.layer.tracker().revoke(id).await.unwrap();
    site
}

#[tokio::test]
async fn no_spelling_of_a_revoked_id_reaches_the_service() {
    let site = revoked("A").await;
    for cookie in [
        &b"sid=A"[..],
        b"s%69d=A",
        b"%73%69%64=A",
        b"\xc2\xa0sid=A",
        b"\xa0sid=A",
        b"sid\xa0=A",
        b"sid=\"A\"",
        b"sid=%41",
        b"sid=%2541",
        b"sid=\"\\101\"",
        b"x sid=A",
        b"x=1, sid=A",
        b"x=\"a; sid=A\"",
        b"=sid=A",
        b"sid[]=A",
        b"__Host-sid=A",
        b"sid=A&b",
        b"sid=A=b",
        b"sid=junk; sid=A",
        b"sid=A; sid=junk",
    ] {
        let (status, _) = seen(&site, with_cookie("/", cookie)).await;
        assert_eq!(status, 440, "{}", cookie.escape_ascii());
    }
    assert_eq!(site.calls(), 0);
}

#[tokio::test]
async fn no_case_of_the_name_hides_a_revoked_id_where_the_application_ignores_case() {
    let identify = CookieId::new("sid").unwrap().with_name_in_any_case();
    let layer = LoginTimeoutLayer::new(Policy::default(), identify, MemoryStore::new());
    layer.tracker().start("A").await.unwrap();
    layer.tracker().revoke("A").await.unwrap();
    for cookie in ["SID=A", "Sid=A", "sid=; SID=A", "%53id=A"] {
        let service = layer.layer(service_fn(async |_: Request<String>| {
            Ok::<_, Infallible>(Response::new(String::new()))
        }));
        let response = service.oneshot(with_cookie("/", cookie.as_bytes())).await;
        assert_eq!(response.unwrap().status(), 440, "{cookie}");
    }
}

#[tokio::test]
async fn an_exempt_path_revives_nothing_whatever_the_spelling() {
    for cookie in ["sid=junk; sid=A", "sid=%41", "s%69d=A", "sid=A"] {
        let site = revoked("A").await;
        site.setting(with_cookie("/static", cookie.as_bytes()), &["sid=A"])
            .await;
        assert_eq!(reason(&site.ask("/", "A").await), "revoked", "{cookie}");
    }
}

#[tokio::test]
async fn an_exempt_request_is_written_anew_too() {
    let site = revoked("A").await;
    let (_, cookie) = seen(&site, with_cookie("/static", b"a=1; sid=B; sid=A")).await;
    assert_eq!(cookie, "sid=B; a=1");
    let (_, cookie) = seen(&site, with_cookie("/static", b"a=1; sid=A")).await;
    assert_eq!(cookie, "a=1; sid=A");
}

#[tokio::test]
async fn an_application_ends_a_session_by_the_id_that_it_decoded() {
    let site = Site::new(policy());
    site.setting(anonymous("/login"), &["sid=QUJD+%2F%3D"])
        .await;
    assert_eq!(site.status("QUJD+%2F%3D").await, 200);
    assert!(site.layer.tracker().revoke("QUJD+/=").await.unwrap());
    assert_eq!(reason(&site.ask("/", "QUJD+%2F%3D").await), "revoked");
}

#[tokio::test]
async fn a_bearer_token_is_read_with_any_white_space_before_it() {
    let layer = LoginTimeoutLayer::new(Policy::default(), BearerToken, MemoryStore::new());
    layer.tracker().start("T").await.unwrap();
    layer.tracker().revoke("T").await.unwrap();
    for value in [
        "Bearer T",
        "Bearer\tT",
        "bearer \t T",
        "BearerT",
        "x, Bearer T",
    ] {
        let service = layer.layer(service_fn(async |_: Request<String>| {
            Ok::<_, Infallible>(Response::new(String::new()))
        }));
        let request = Request::get("/").header("authorization", value);
        let response = service.oneshot(request.body(String::new()).unwrap()).await;
        assert_eq!(response.unwrap().status(), 440, "{value:?}");
    }
}

#[tokio::test]
async fn a_header_under_another_name_for_gateways_is_read() {
    let identify = HeaderId::new(HeaderName::from_static("x-session-id"));
    let layer = LoginTimeoutLayer::new(Policy::default(), identify, MemoryStore::new());
    layer.tracker().start("T").await.unwrap();
    layer.tracker().revoke("T").await.unwrap();
    for name in ["x-session-id", "x_session_id", "x-session_id"] {
        let service = layer.layer(service_fn(async |_: Request<String>| {
            Ok::<_, Infallible>(Response::new(String::new()))
        }));
        let request = Request::get("/").header(name, "T");
        let response = service.oneshot(request.body(String::new()).unwrap()).await;
        assert_eq!(response.unwrap().status(), 440, "{name}");
    }
}

#[tokio::test]
async fn a_revoked_token_stays_revoked_while_anything_else_can_be_evicted() {
    let store = MemoryStore::with_capacity(10_000);
    let site = Site::with_store(policy().begin_unknown(), store);
    site.start("T").await;
    site.layer.tracker().revoke("T").await.unwrap();
    for number in 0..12_000 {
        assert_eq!(site.status(&format!("made-up-{number}")).await, 200);
    }
    assert_eq!(reason(&site.ask("/", "T").await), "revoked");
}

#[tokio::test]
async fn a_log_out_ends_every_id_that_was_presented() {
    let site = Site::new(policy()).configured(|layer| layer.with_exempt(rule::path("/logout")));
    site.start("A").await;
    for cookie in ["sid=A; sid=planted", "sid=planted; sid=A"] {
        site.start("A").await;
        site.setting(
            with_cookie("/logout", cookie.as_bytes()),
            &["sid=; Max-Age=0"],
        )
        .await;
        assert_eq!(reason(&site.ask("/", "A").await), "revoked", "{cookie}");
    }
}

#[tokio::test]
async fn a_planted_cookie_locks_nobody_out() {
    let site = Site::new(policy());
    site.start("A").await;
    for cookie in ["sid=A; sid=planted", "a=1; sid=planted; sid=A; b=2"] {
        let (status, cookie) = seen(&site, with_cookie("/", cookie.as_bytes())).await;
        assert_eq!(status, 200);
        assert!(cookie.starts_with("sid=A"), "{cookie}");
        assert!(!cookie.contains("planted"), "{cookie}");
    }
}

#[tokio::test]
async fn two_live_sessions_are_refused() {
    let site = Site::new(policy());
    site.start("A").await;
    site.start("B").await;
    let response = site.ask("/", "A; sid=B").await;
    assert_eq!(reason(&response), "conflicting");
    assert_eq!(site.calls(), 0);
}

#[tokio::test]
async fn two_ids_of_one_session_are_one_session() {
    let site = Site::new(policy());
    site.start("A").await;
    site.setting(request("/", "A"), &["sid=B"]).await;
    for cookie in [&b"sid=A; sid=B"[..], b"sid=B; sid=A"] {
        let (status, cookie) = seen(&site, with_cookie("/", cookie)).await;
        assert_eq!((status, &*cookie), (200, "sid=B"));
    }
}

#[tokio::test]
async fn an_inner_layer_leaves_no_handle_of_an_outer_one() {
    let layer = |name: &str| {
        let identify = CookieId::new(name).unwrap();
        LoginTimeoutLayer::new(Policy::default(), identify, MemoryStore::new())
    };
    let (outer, inner) = (layer("sid"), layer("admin"));
    outer.tracker().start("user").await.unwrap();
    let handler = service_fn(async |request: Request<String>| {
        let has_handle = request.extensions().get::<SessionHandle>().is_some();
        Ok::<_, Infallible>(Response::new(has_handle.to_string()))
    });
    let service = outer.layer(inner.layer(handler));
    let response = service.oneshot(request("/", "user")).await.unwrap();
    let body = http_body_util::BodyExt::collect(response.into_body()).await;
    assert_eq!(body.unwrap().to_bytes(), "false");
}

#[tokio::test]
async fn a_removal_for_another_path_or_domain_ends_nothing() {
    let site = Site::new(policy());
    site.start("A").await;
    for removal in [
        "sid=; Path=/old; Max-Age=0",
        "sid=; Path=/old",
        "sid=; Domain=other.example; Max-Age=0",
    ] {
        site.setting(request("/", "A"), &[removal]).await;
        assert_eq!(site.status("A").await, 200, "{removal}");
    }
    site.setting(request("/", "A"), &["sid=; Path=/; Max-Age=0"])
        .await;
    assert_eq!(reason(&site.ask("/", "A").await), "revoked");
}

#[tokio::test]
async fn a_removal_where_the_application_set_the_cookie_ends_the_session() {
    let site = Site::new(policy());
    let set = "sid=A; Path=/app; Domain=Example.com";
    site.setting(anonymous("/login"), &[set]).await;
    let removal = "sid=; Path=/app; Domain=.example.com; Max-Age=0";
    site.setting(request("/", "A"), &[removal]).await;
    assert_eq!(reason(&site.ask("/", "A").await), "revoked");
}

/// Sends a request that ends the session `A`. Its client hangs up while the store revokes the
/// session. Fails the test if the session is not over then.
async fn is_recorded_although_the_client_hangs_up(
    log_out: impl AsyncFnOnce(&Site<ScriptedStore>) -> Response<String>,
) {
    let store = ScriptedStore::default();
    let site = Site::with_store(policy(), store.clone());
    site.start("A").await;
    let go = Arc::new(Notify::new());
    store.set(Operation::Revoke, Fault::Waits(Arc::clone(&go)));
    let log_out = log_out(&site);
    assert!(poll_times(log_out, 5).await.is_none(), "the store is slow");
    go.notify_one();
    store.heal();
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    assert_eq!(reason(&site.ask("/", "A").await), "revoked");
}

#[tokio::test]
async fn a_log_out_whose_client_hangs_up_is_recorded() {
    is_recorded_although_the_client_hangs_up(async |site| {
        let cookies = ["sid=; Max-Age=0"];
        site.setting(request("/logout", "A"), &cookies).await
    })
    .await;
}

#[tokio::test]
async fn a_revocation_by_a_handler_whose_client_hangs_up_is_recorded() {
    is_recorded_although_the_client_hangs_up(async |site| {
        let handler = |request: Request<String>| async move {
            let session: SessionHandle = request.extensions().get().cloned().unwrap();
            session.revoke().await.unwrap();
            Response::new(String::new())
        };
        site.send_to(request("/logout", "A"), handler).await
    })
    .await;
}

#[tokio::test]
async fn a_log_out_with_any_id_of_a_session_ends_it_under_all() {
    for ended in ["a", "b", "c", "d"] {
        let site = Site::new(policy());
        site.start("a").await;
        site.setting(request("/", "a"), &["sid=b"]).await;
        site.setting(request("/", "b"), &["sid=c"]).await;
        // A request that was under way with the first id rotates it too.
        site.setting(request("/", "a"), &["sid=d"]).await;
        for id in ["a", "b", "c", "d"] {
            assert_eq!(site.status(id).await, 200, "{id}");
        }
        site.setting(request("/logout", ended), &["sid=; Max-Age=0"])
            .await;
        for id in ["a", "b", "c", "d"] {
            assert_eq!(
                reason(&site.ask("/", id).await),
                "revoked",
                "{id} by {ended}"
            );
        }
    }
}

#[tokio::test]
async fn a_replaced_id_ends_after_the_overlap_and_the_client_keeps_its_cookie() {
    let site = Site::new(policy());
    site.start("a").await;
    site.setting(request("/", "a"), &["sid=b"]).await;
    site.clock.advance(OVERLAP - MILLISECOND);
    assert_eq!(site.status("a").await, 200);
    site.clock.advance(MILLISECOND);
    let response = site.ask("/", "a").await;
    assert_eq!(reason(&response), "replaced");
    assert!(!response.headers().contains_key("set-cookie"));
    assert_eq!(site.status("b").await, 200);
}

#[tokio::test]
async fn a_rolling_cookie_keeps_few_ids_of_its_session() {
    let site = Site::new(policy());
    site.start("0").await;
    for number in 0..200 {
        let (old, new) = (number.to_string(), format!("sid={}", number + 1));
        site.setting(request("/", &old), &[&new]).await;
        site.clock.advance(OVERLAP / 10);
    }
    site.layer.tracker().revoke("200").await.unwrap();
    for number in 0..=200 {
        let id = number.to_string();
        assert_eq!(site.ask("/", &id).await.status(), 440, "{id}");
    }
}

#[tokio::test]
async fn the_id_of_the_log_in_ends_a_session_that_was_rotated_often_since() {
    let site = Site::new(policy());
    site.start("0").await;
    for number in 0..500 {
        let (old, new) = (number.to_string(), format!("sid={}", number + 1));
        site.setting(request("/", &old), &[&new]).await;
        site.clock.advance(Duration::from_secs(1));
    }
    assert_eq!(site.status("500").await, 200);
    assert!(site.layer.tracker().revoke("0").await.unwrap());
    assert_eq!(reason(&site.ask("/", "500").await), "revoked");
}

#[tokio::test]
async fn a_session_that_was_started_anew_is_not_ended_by_an_old_id_of_it() {
    let site = Site::new(policy());
    site.start("a").await;
    site.setting(request("/", "a"), &["sid=b"]).await;
    site.clock.advance(Duration::from_secs(1));
    site.start("b").await;
    site.layer.tracker().revoke("a").await.unwrap();
    assert_eq!(site.status("b").await, 200);
}

#[tokio::test]
async fn a_log_out_that_crosses_a_rotation_ends_the_new_id_whichever_step_it_meets() {
    for operation in [Operation::Load, Operation::Begin, Operation::Change] {
        let store = ScriptedStore::default();
        let site = Site::with_store(policy(), store.clone());
        site.start("a").await;
        let go = Arc::new(Notify::new());
        store.set(operation, Fault::Waits(Arc::clone(&go)));
        let rotation = site.setting(request("/", "a"), &["sid=b"]);
        let log_out = async {
            tokio::task::yield_now().await;
            store.heal();
            site.layer.tracker().revoke("a").await.unwrap();
            go.notify_one();
        };
        tokio::join!(rotation, log_out);
        let answer = site.ask("/", "b").await;
        assert_eq!(answer.status(), 440, "{operation:?}");
    }
}

#[tokio::test]
async fn two_rotations_that_cross_leave_one_ring() {
    let store = ScriptedStore::default();
    let site = Site::with_store(policy(), store.clone());
    site.start("a").await;
    let go = Arc::new(Notify::new());
    store.set(Operation::Change, Fault::Waits(Arc::clone(&go)));
    let first = site.setting(request("/", "a"), &["sid=b"]);
    let second = async {
        tokio::task::yield_now().await;
        store.heal();
        site.setting(request("/", "a"), &["sid=c"]).await;
        go.notify_one();
    };
    tokio::join!(first, second);
    for id in ["a", "b", "c"] {
        assert_eq!(site.status(id).await, 200, "{id}");
    }
    site.layer.tracker().revoke("c").await.unwrap();
    for id in ["a", "b", "c"] {
        assert_eq!(reason(&site.ask("/", id).await), "revoked", "{id}");
    }
}

#[tokio::test]
async fn an_id_whose_rotation_failed_half_way_and_is_issued_again_ends_with_its_session() {
    let store = ScriptedStore::default();
    let site = Site::with_store(policy(), store.clone());
    site.start("a").await;
    store.set(Operation::Change, Fault::Fails);
    let response = site.setting(request("/", "a"), &["sid=b"]).await;
    assert_eq!(response.status(), 503);
    store.heal();
    site.clock.advance(MILLISECOND);
    site.setting(request("/", "a"), &["sid=b"]).await;
    assert_eq!(site.status("b").await, 200);
    site.layer.tracker().revoke("a").await.unwrap();
    assert_eq!(reason(&site.ask("/", "b").await), "revoked");
}

#[tokio::test]
async fn a_rotation_that_crosses_one_that_shortens_the_ring_leaves_one_ring() {
    let store = ScriptedStore::default();
    let site = Site::with_store(policy().with_rotation_overlap(IDLE / 8), store.clone());
    site.start("a").await;
    site.setting(request("/", "a"), &["sid=b"]).await;
    // The first rotation still finds `a` in the ring. The second one takes it out.
    site.clock.advance(IDLE / 4 - MILLISECOND);
    let go = Arc::new(Notify::new());
    store.set(Operation::Change, Fault::Waits(Arc::clone(&go)));
    let first = site.setting(request("/", "b"), &["sid=c"]);
    let second = async {
        tokio::task::yield_now().await;
        store.heal();
        site.clock.advance(MILLISECOND);
        site.setting(request("/", "b"), &["sid=d"]).await;
        go.notify_one();
    };
    tokio::join!(first, second);
    for id in ["b", "c", "d"] {
        assert_eq!(site.status(id).await, 200, "{id}");
    }
    site.layer.tracker().revoke("d").await.unwrap();
    for id in ["b", "c", "d"] {
        assert_eq!(reason(&site.ask("/", id).await), "revoked", "{id}");
    }
}

#[tokio::test]
async fn a_rotation_that_crosses_one_of_an_idle_request_leaves_its_id_live() {
    let store = ScriptedStore::default();
    let site = Site::with_store(policy(), store.clone());
    let site = site.configured(|layer| layer.with_passive(rule::path("/poll")));
    site.start("a").await;
    site.clock.advance(IDLE - MILLISECOND);
    // The new id of a passive request is as idle as the old one was when it was read.
    let go = Arc::new(Notify::new());
    store.set(Operation::Begin, Fault::Waits(Arc::clone(&go)));
    let passive = site.setting(request("/poll", "a"), &["sid=b"]);
    let active = async {
        tokio::task::yield_now().await;
        store.heal();
        let (clock, linked) = (site.clock.clone(), Arc::new(Notify::new()));
        let active = site.send_to(request("/", "a"), |_| {
            store.set(Operation::Change, Fault::Waits(Arc::clone(&linked)));
            clock.advance(MILLISECOND);
            async {
                Response::builder()
                    .header("set-cookie", "sid=c")
                    .body(String::new())
                    .unwrap()
            }
        });
        let passive_first = async {
            tokio::task::yield_now().await;
            store.heal();
            go.notify_one();
            for _ in 0..8 {
                tokio::task::yield_now().await;
            }
            linked.notify_one();
        };
        tokio::join!(active, passive_first);
    };
    tokio::join!(passive, active);
    assert_eq!(site.status("c").await, 200);
    site.layer.tracker().revoke("a").await.unwrap();
    for id in ["b", "c"] {
        assert_eq!(reason(&site.ask("/", id).await), "revoked", "{id}");
    }
}

#[tokio::test]
async fn two_ids_of_one_session_are_not_conflicting_though_neither_took_the_others_place() {
    let site = Site::new(policy());
    site.start("a").await;
    for new in ["sid=b", "sid=c", "sid=d"] {
        site.setting(request("/", "a"), &[new]).await;
    }
    for (cookies, id) in [
        ("sid=b; sid=d", "sid=b"),
        ("sid=d; sid=b", "sid=d"),
        ("sid=a; sid=b", "sid=b"),
        ("sid=c; sid=a", "sid=c"),
    ] {
        let (status, cookie) = seen(&site, with_cookie("/", cookies.as_bytes())).await;
        assert_eq!((status, &*cookie), (200, id), "{cookies}");
    }
    // Another session that began at the same moment.
    site.start("e").await;
    let response = site.send(with_cookie("/", b"sid=b; sid=e")).await;
    assert_eq!(reason(&response), "conflicting");
}

#[tokio::test]
async fn nothing_begins_from_a_session_that_could_not_be_checked() {
    let store = ScriptedStore::default();
    let policy = policy().with_store_failure(StoreFailure::Allow);
    let site = Site::with_store(policy, store.clone());
    site.start("a").await;
    site.layer.tracker().revoke("a").await.unwrap();
    store.set(Operation::Touch, Fault::Fails);
    let response = site.setting(request("/", "a"), &["sid=b"]).await;
    assert_eq!(response.status(), 200);
    store.heal();
    assert_eq!(reason(&site.ask("/", "b").await), "unknown");
}

#[tokio::test]
async fn a_record_from_the_future_makes_nobody_immortal() {
    let site = Site::new(policy());
    let year = Duration::from_secs(365 * 86_400);
    site.clock.advance(year);
    site.start("a").await;
    site.clock.set(site.clock.now().saturating_sub(year));
    assert_eq!(reason(&site.ask("/", "a").await), "future");
}

#[tokio::test]
async fn a_record_from_the_future_sweeps_nobody() {
    let (store, policy) = (MemoryStore::with_capacity(50), policy().build().unwrap());
    let site = Site::with_store(crate::common::site::policy(), store.clone());
    for number in 0..49 {
        site.start(&number.to_string()).await;
    }
    let year = Duration::from_secs(365 * 86_400);
    let ahead = Activity::began(site.clock.now().saturating_add(year));
    let key = SessionKey::of("ahead");
    store
        .begin(key, ahead, policy.keep_until(&ahead))
        .await
        .unwrap();
    assert_eq!(store.len(), 50);
}

#[tokio::test]
async fn limits_beside_a_cookie_that_is_sent_again_leave_the_absolute_clock_alone() {
    let site = Site::new(policy());
    site.start("a").await;
    site.clock.advance(IDLE / 2);
    let response = |_| async {
        let limits = Limits::default().with_idle(ABSOLUTE).unwrap();
        let response = Response::builder()
            .header("set-cookie", "sid=a")
            .extension(limits);
        response.body(String::new()).unwrap()
    };
    site.send_to(request("/remember-me", "a"), response).await;
    site.clock.advance(ABSOLUTE - IDLE / 2 - MILLISECOND);
    assert_eq!(site.status("a").await, 200);
    site.clock.advance(MILLISECOND);
    assert_eq!(reason(&site.ask("/", "a").await), "absolute");
}

#[tokio::test]
async fn limits_can_be_changed_while_a_session_lives() {
    let site = Site::new(policy());
    site.start("a").await;
    let tracker = site.layer.tracker();
    let limits = Limits::default().with_idle(ABSOLUTE).unwrap();
    assert!(tracker.set_limits("a", limits).await.unwrap());
    assert!(!tracker.set_limits("unknown", limits).await.unwrap());
    site.clock.advance(ABSOLUTE - MILLISECOND);
    assert_eq!(site.status("a").await, 200);
}

#[tokio::test]
async fn a_session_without_limits_has_no_remaining_header() {
    let policy = Policy::builder()
        .with_idle(Duration::MAX)
        .with_absolute(Duration::MAX);
    let site = Site::new(policy).configured(LoginTimeoutLayer::with_remaining_header);
    site.start("a").await;
    let response = site.ask("/", "a").await;
    assert!(!response.headers().contains_key("login-timeout-remaining"));
}

#[tokio::test]
async fn a_token_or_a_cookie_names_the_session() {
    let identify = BearerToken.or(CookieId::new("sid").unwrap());
    let layer = LoginTimeoutLayer::new(Policy::default(), identify, MemoryStore::new());
    layer.tracker().start("live").await.unwrap();
    let send = async |token: &str, cookie: &str| {
        let service = layer.layer(service_fn(async |request: Request<String>| {
            let header = |name| {
                request
                    .headers()
                    .get(name)
                    .map(|value| value.to_str().unwrap())
            };
            let seen = format!("{:?} {:?}", header("authorization"), header("cookie"));
            Ok::<_, Infallible>(Response::new(seen))
        }));
        let request = Request::get("/")
            .header("authorization", format!("Bearer {token}"))
            .header("cookie", format!("sid={cookie}; a=1"));
        let response = service
            .oneshot(request.body(String::new()).unwrap())
            .await
            .unwrap();
        let status = response.status().as_u16();
        let body = http_body_util::BodyExt::collect(response.into_body())
            .await
            .unwrap();
        (status, String::from_utf8(body.to_bytes().to_vec()).unwrap())
    };
    let (status, seen) = send("live", "other").await;
    assert_eq!(
        (status, &*seen),
        (200, "Some(\"Bearer live\") Some(\"a=1\")")
    );
    let (status, seen) = send("other", "live").await;
    assert_eq!((status, &*seen), (200, "None Some(\"sid=live; a=1\")"));
    assert_eq!(send("other", "another").await.0, 440);
}
