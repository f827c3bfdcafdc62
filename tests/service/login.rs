//! Tests of log-in and log-out that the layer sees in the cookies of the response.

use http::Response;
use tower_login_timeout::{Limits, SessionHandle, rule};

use crate::common::scripted::{Operation, ScriptedStore};
use crate::common::site::{ABSOLUTE, IDLE, MILLISECOND, Site, anonymous, policy, reason, request};

#[tokio::test]
async fn a_cookie_that_is_set_begins_a_session() {
    let site = Site::new(policy());
    assert_eq!(site.status("a").await, 440);
    site.setting(
        anonymous("/login"),
        &["theme=dark", "sid=a; Path=/; HttpOnly"],
    )
    .await;
    assert_eq!(site.status("a").await, 200);
    site.clock.advance(IDLE);
    assert_eq!(reason(&site.ask("/", "a").await), "idle");
}

#[tokio::test]
async fn a_cookie_that_is_removed_ends_the_session() {
    for removal in [
        "sid=; Path=/",
        "sid=a; Max-Age=0",
        "sid=a; Max-Age=-1",
        "sid=gone; Expires=Thu, 01 Jan 1970 00:00:00 GMT",
        "sid=\"\"",
    ] {
        let site = Site::new(policy());
        site.start("a").await;
        site.setting(request("/logout", "a"), &[removal]).await;
        assert_eq!(reason(&site.ask("/", "a").await), "revoked", "{removal}");
    }
}

#[tokio::test]
async fn max_age_has_precedence_over_expires_and_a_future_expires_is_no_removal() {
    for kept in [
        "sid=b; Max-Age=60; Expires=Thu, 01 Jan 1970 00:00:00 GMT",
        "sid=b; Expires=Fri, 01 Jan 2100 00:00:00 GMT",
        "sid=b; Expires=nonsense",
        "sid=b; Max-Age=nonsense",
    ] {
        let site = Site::new(policy());
        site.setting(anonymous("/"), &[kept]).await;
        assert_eq!(site.status("b").await, 200, "{kept}");
    }
}

#[tokio::test]
async fn a_log_out_by_somebody_anonymous_or_unknown_ends_nothing() {
    let site = Site::new(policy()).configured(|layer| layer.with_exempt(rule::path("/logout")));
    site.start("a").await;
    site.setting(anonymous("/logout"), &["sid=; Max-Age=0"])
        .await;
    site.setting(request("/logout", "forged"), &["sid=; Max-Age=0"])
        .await;
    assert_eq!(site.status("a").await, 200);
    assert_eq!(reason(&site.ask("/", "forged").await), "unknown");
}

#[tokio::test]
async fn log_in_and_log_out_are_seen_behind_an_exempt_rule() {
    let site =
        Site::new(policy()).configured(|layer| layer.with_exempt(rule::path_prefix("/account")));
    site.setting(anonymous("/account/login"), &["sid=a"]).await;
    assert_eq!(site.status("a").await, 200);
    site.setting(request("/account/logout", "a"), &["sid=; Max-Age=0"])
        .await;
    assert_eq!(reason(&site.ask("/", "a").await), "revoked");
}

#[tokio::test]
async fn a_log_in_over_an_expired_cookie_behind_an_exempt_rule_begins_a_session() {
    let site = Site::new(policy()).configured(|layer| layer.with_exempt(rule::path("/login")));
    site.start("old").await;
    site.clock.advance(IDLE);
    site.setting(request("/login", "old"), &["sid=new"]).await;
    assert_eq!(site.status("new").await, 200);
    assert_eq!(site.status("old").await, 440);
}

#[tokio::test]
async fn a_response_counts_whatever_its_status() {
    for status in [302, 401, 404, 500] {
        let site = Site::new(policy());
        site.send_to(anonymous("/login"), move |_| async move {
            let response = Response::builder()
                .status(status)
                .header("set-cookie", "sid=a");
            response.body(String::new()).unwrap()
        })
        .await;
        assert_eq!(site.status("a").await, 200, "{status}");
    }
}

#[tokio::test]
async fn a_rotation_keeps_the_absolute_clock_running() {
    let site = Site::new(policy());
    site.start("a").await;
    let mut id = "a".to_owned();
    for turn in 1..10 {
        site.clock.advance(IDLE - MILLISECOND);
        let next = format!("a{turn}");
        let response = site
            .setting(request("/", &id), &[&format!("sid={next}")])
            .await;
        assert_eq!(response.status(), 200);
        id = next;
    }
    assert_eq!(site.status(&id).await, 200);
    site.clock.advance(IDLE - MILLISECOND);
    assert_eq!(site.status(&id).await, 200);
    site.clock.advance(IDLE - MILLISECOND);
    assert_eq!(reason(&site.ask("/", &id).await), "absolute");
}

#[tokio::test]
async fn a_rotation_counts_as_activity_and_hands_on_the_limits() {
    let site = Site::new(policy());
    let limits = Limits::default().with_idle(IDLE / 2).unwrap();
    site.layer.tracker().start_with("a", limits).await.unwrap();
    site.clock.advance(IDLE / 2 - MILLISECOND);
    site.setting(request("/", "a"), &["sid=b"]).await;
    site.clock.advance(IDLE / 2 - MILLISECOND);
    assert_eq!(site.status("b").await, 200);
    site.clock.advance(IDLE / 2);
    assert_eq!(site.status("b").await, 440);
}

#[tokio::test]
async fn a_rotation_by_a_passive_request_is_no_activity() {
    let site = Site::new(policy()).configured(|layer| layer.with_passive(rule::path("/poll")));
    site.start("a0").await;
    for turn in 0..3 {
        site.clock.advance(IDLE / 4);
        let next = format!("sid=a{}", turn + 1);
        let response = site
            .setting(request("/poll", &format!("a{turn}")), &[&next])
            .await;
        assert_eq!(response.status(), 200);
    }
    site.clock.advance(IDLE / 4);
    assert_eq!(reason(&site.ask("/poll", "a3").await), "idle");
}

#[tokio::test]
async fn a_rotation_leaves_the_old_id_to_requests_that_are_under_way() {
    let site = Site::new(policy());
    site.start("a").await;
    site.setting(request("/", "a"), &["sid=b"]).await;
    assert_eq!(site.status("a").await, 200);
    site.clock.advance(IDLE);
    assert_eq!(site.status("a").await, 440);
}

#[tokio::test]
async fn after_authenticating_again_the_application_can_restart_the_absolute_clock() {
    let site = Site::new(policy());
    site.start("a").await;
    site.clock.advance(IDLE / 2);
    site.send_to(request("/login", "a"), |request| async move {
        let session: &SessionHandle = request.extensions().get().unwrap();
        session.start("b").await.unwrap();
        Response::builder()
            .header("set-cookie", "sid=b")
            .body(String::new())
            .unwrap()
    })
    .await;
    let tracked = site.layer.tracker().activity("b").await.unwrap().unwrap();
    let old = site.layer.tracker().activity("a").await.unwrap().unwrap();
    assert_eq!(
        tracked
            .created_at()
            .saturating_duration_since(old.created_at()),
        IDLE / 2
    );
}

#[tokio::test]
async fn a_re_issued_live_id_does_not_reset_its_absolute_clock() {
    let site = Site::new(policy());
    site.start("a").await;
    let began = site
        .layer
        .tracker()
        .activity("a")
        .await
        .unwrap()
        .unwrap()
        .created_at();
    site.clock.advance(IDLE / 2);
    site.setting(anonymous("/"), &["sid=a"]).await;
    site.setting(request("/", "a"), &["sid=a"]).await;
    let tracked = site.layer.tracker().activity("a").await.unwrap().unwrap();
    assert_eq!(tracked.created_at(), began);
}

#[tokio::test]
async fn a_cookie_that_is_sent_again_costs_nothing() {
    let store = ScriptedStore::default();
    let site = Site::with_store(policy(), store.clone());
    site.start("a").await;
    store.calls();
    site.setting(request("/", "a"), &["sid=a; Max-Age=60"])
        .await;
    assert_eq!(store.calls(), [Operation::Touch]);
}

#[tokio::test]
async fn an_id_that_ended_begins_anew_when_it_is_issued_to_somebody_who_did_not_present_it() {
    let site = Site::new(policy());
    site.start("a").await;
    site.layer.tracker().revoke("a").await.unwrap();
    site.setting(anonymous("/login"), &["sid=a"]).await;
    assert_eq!(site.status("a").await, 200);
}

#[tokio::test]
async fn an_ended_id_that_the_request_presented_is_not_revived_by_sending_it_again() {
    let site = Site::new(policy()).configured(|layer| layer.with_exempt(rule::path("/static")));
    site.start("a").await;
    site.layer.tracker().revoke("a").await.unwrap();
    site.setting(request("/static", "a"), &["sid=a"]).await;
    assert_eq!(site.status("a").await, 440);
}

#[tokio::test]
async fn limits_can_be_given_beside_the_cookie() {
    let site = Site::new(policy());
    site.send_to(anonymous("/login"), |_| async {
        let limits = Limits::default().with_idle(ABSOLUTE / 2).unwrap();
        let response = Response::builder()
            .header("set-cookie", "sid=a")
            .extension(limits);
        response.body(String::new()).unwrap()
    })
    .await;
    site.clock.advance(ABSOLUTE / 2 - MILLISECOND);
    assert_eq!(site.status("a").await, 200);
    site.clock.advance(ABSOLUTE / 2 - MILLISECOND);
    assert_eq!(site.status("a").await, 200);
    site.clock.advance(MILLISECOND * 2);
    assert_eq!(reason(&site.ask("/", "a").await), "absolute");
}

#[tokio::test]
async fn among_several_cookies_the_last_value_counts_and_clean_ups_do_not() {
    let site = Site::new(policy());
    site.start("a").await;
    let cookies = [
        "sid=; Path=/old; Max-Age=0",
        "sid=b",
        "sid=c",
        "sid=; Path=/older",
    ];
    site.setting(request("/", "a"), &cookies).await;
    assert_eq!(site.status("c").await, 200);
    assert_eq!(site.status("b").await, 440);
    assert_eq!(site.status("a").await, 200);
}

#[tokio::test]
async fn the_answer_removes_the_cookie_so_that_the_next_request_is_anonymous() {
    let site = Site::new(policy());
    let response = site.ask("/", "unknown").await;
    let removal = response.headers()["set-cookie"].to_str().unwrap();
    assert!(removal.starts_with("sid=; "), "{removal}");
    for attribute in [
        "Path=/",
        "Max-Age=0",
        "Expires=Thu, 01 Jan 1970 00:00:00 GMT",
    ] {
        assert!(
            removal.split("; ").any(|found| found == attribute),
            "{removal}"
        );
    }
}
