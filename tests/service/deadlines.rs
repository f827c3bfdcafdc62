//! Tests of when a session ends: idle and absolute timeouts, limits, and exempt or passive
//! requests.

use std::time::Duration;

use tower_login_timeout::{
    BearerToken, Clock, Limits, LoginTimeoutLayer, MemoryStore, Timestamp, rule,
};

use crate::common::site::{
    ABSOLUTE, IDLE, MILLISECOND, Site, anonymous, header, policy, reason, request,
};

#[tokio::test]
async fn a_session_is_live_just_before_the_idle_timeout() {
    let site = Site::new(policy());
    site.start("a").await;
    site.clock.advance(IDLE - MILLISECOND);
    assert_eq!(site.status("a").await, 200);
}

#[tokio::test]
async fn a_session_is_over_at_the_idle_timeout_and_after_it() {
    for late in [Duration::ZERO, MILLISECOND, IDLE] {
        let site = Site::new(policy());
        site.start("a").await;
        site.clock.advance(IDLE + late);
        let response = site.ask("/", "a").await;
        assert_eq!(response.status(), 440, "{late:?} late");
        assert_eq!(reason(&response), "idle");
    }
}

#[tokio::test]
async fn an_expired_session_never_reaches_the_service() {
    let site = Site::new(policy());
    site.start("idle").await;
    site.clock.advance(IDLE);
    site.start("revoked").await;
    site.layer.tracker().revoke("revoked").await.unwrap();
    for id in ["idle", "revoked", "unknown", "one; sid=other"] {
        assert_eq!(site.status(id).await, 440, "{id}");
    }
    assert_eq!(site.calls(), 0);
}

#[tokio::test]
async fn each_end_has_its_reason() {
    let site = Site::new(policy());
    for id in ["idle", "revoked"] {
        site.start(id).await;
    }
    site.layer.tracker().revoke("revoked").await.unwrap();
    let forever = Limits::default().with_idle(Duration::MAX).unwrap();
    let tracker = site.layer.tracker();
    tracker.start_with("absolute", forever).await.unwrap();
    site.clock.advance(ABSOLUTE);
    for (id, expected) in [
        ("idle", "idle"),
        ("revoked", "revoked"),
        ("absolute", "absolute"),
        ("never-heard-of", "unknown"),
        ("one; sid=other", "conflicting"),
    ] {
        assert_eq!(reason(&site.ask("/", id).await), expected);
    }
}

#[tokio::test]
async fn a_request_without_an_id_passes() {
    let site = Site::new(policy());
    assert_eq!(site.send(anonymous("/")).await.status(), 200);
    assert_eq!(site.status("").await, 200);
}

#[tokio::test]
async fn read_only_requests_extend_the_session() {
    let site = Site::new(policy());
    site.start("a").await;
    for _ in 0..3 {
        site.clock.advance(IDLE - MILLISECOND);
        assert_eq!(site.status("a").await, 200);
    }
}

#[tokio::test]
async fn use_within_the_idle_timeout_never_expires_a_session_before_its_absolute_timeout() {
    let site = Site::new(policy());
    site.start("a").await;
    let step = IDLE / 2;
    for _ in 1..ABSOLUTE.as_secs() / step.as_secs() {
        site.clock.advance(step);
        assert_eq!(site.status("a").await, 200);
    }
    site.clock.advance(step);
    let response = site.ask("/", "a").await;
    assert_eq!(
        (response.status().as_u16(), reason(&response)),
        (440, "absolute")
    );
}

#[tokio::test]
async fn use_after_expiry_never_revives() {
    let site = Site::new(policy());
    site.start("a").await;
    site.clock.advance(IDLE);
    for _ in 0..10 {
        assert_eq!(site.status("a").await, 440);
        assert!(site.layer.tracker().touch("a").await.is_ok());
        site.clock.advance(MILLISECOND);
    }
    assert_eq!(site.calls(), 0);
}

#[tokio::test]
async fn a_passive_request_is_checked_but_does_not_extend() {
    let site = Site::new(policy()).configured(|layer| layer.with_passive(rule::path("/poll")));
    site.start("a").await;
    site.clock.advance(IDLE - MILLISECOND);
    assert_eq!(site.ask("/poll", "a").await.status(), 200);
    site.clock.advance(MILLISECOND);
    let response = site.ask("/poll", "a").await;
    assert_eq!(
        (response.status().as_u16(), reason(&response)),
        (440, "idle")
    );
}

#[tokio::test]
async fn an_exempt_request_is_neither_checked_nor_does_it_extend() {
    let site = Site::new(policy()).configured(|layer| layer.with_exempt(rule::path("/health")));
    site.start("a").await;
    site.clock.advance(IDLE - MILLISECOND);
    assert_eq!(site.ask("/health", "a").await.status(), 200);
    site.clock.advance(MILLISECOND);
    assert_eq!(site.status("a").await, 440);
    assert_eq!(site.ask("/health", "a").await.status(), 200);
    assert_eq!(site.ask("/health", "one; sid=other").await.status(), 200);
}

#[tokio::test]
async fn rules_add_up() {
    let site = Site::new(policy()).configured(|layer| {
        layer
            .with_exempt(rule::path("/a"))
            .with_exempt(rule::path("/b"))
    });
    assert_eq!(site.ask("/a", "unknown").await.status(), 200);
    assert_eq!(site.ask("/b", "unknown").await.status(), 200);
    assert_eq!(site.ask("/c", "unknown").await.status(), 440);
}

#[tokio::test]
async fn with_touch_every_a_session_never_lives_longer_and_ends_at_most_so_much_early() {
    let touch_every = Duration::from_secs(10);
    let site = Site::new(policy().with_touch_every(touch_every));
    site.start("a").await;
    // It is too early for the next write.
    site.clock.advance(touch_every - MILLISECOND);
    assert_eq!(site.status("a").await, 200);
    site.clock.advance(IDLE - touch_every);
    assert_eq!(site.status("a").await, 200, "more than touch_every early");
    site.clock.advance(IDLE);
    assert_eq!(site.status("a").await, 440, "longer than idle");
}

#[tokio::test]
async fn a_session_is_written_at_most_once_in_touch_every() {
    let touch_every = Duration::from_secs(10);
    let site = Site::new(policy().with_touch_every(touch_every));
    site.start("a").await;
    let began = site.clock.now();
    for (waited, written) in [
        (touch_every - MILLISECOND, Duration::ZERO),
        (MILLISECOND, touch_every),
        (touch_every - MILLISECOND, touch_every),
        (MILLISECOND, touch_every * 2),
    ] {
        site.clock.advance(waited);
        assert_eq!(site.status("a").await, 200);
        let activity = site.layer.tracker().activity("a").await.unwrap().unwrap();
        let recorded = activity.last_activity().saturating_duration_since(began);
        assert_eq!(recorded, written);
    }
}

#[tokio::test]
async fn never_early_means_that_a_session_lives_at_least_as_long_as_its_idle_timeout() {
    let touch_every = Duration::from_secs(10);
    let site = Site::new(policy().with_touch_every(touch_every).never_early());
    site.start("a").await;
    site.clock.advance(touch_every - MILLISECOND);
    assert_eq!(site.status("a").await, 200);
    site.clock.advance(IDLE);
    assert_eq!(site.status("a").await, 200, "earlier than idle");
    site.clock.advance(IDLE + touch_every);
    assert_eq!(site.status("a").await, 440, "more than touch_every late");
}

#[tokio::test]
async fn a_session_with_a_short_idle_timeout_of_its_own_survives_a_long_touch_every() {
    let site = Site::new(policy().with_touch_every(IDLE / 2));
    let short = Limits::default().with_idle(IDLE / 4).unwrap();
    site.layer.tracker().start_with("a", short).await.unwrap();
    for _ in 0..20 {
        site.clock.advance(IDLE / 8);
        assert_eq!(site.status("a").await, 200);
    }
    site.clock.advance(IDLE / 4);
    assert_eq!(site.status("a").await, 440);
}

#[tokio::test]
async fn limits_of_its_own_replace_the_policys() {
    let site = Site::new(policy());
    let limits = Limits::default()
        .with_idle(ABSOLUTE * 4)
        .and_then(|limits| limits.with_absolute(ABSOLUTE * 3))
        .unwrap();
    site.layer
        .tracker()
        .start_with("remembered", limits)
        .await
        .unwrap();
    site.clock.advance(ABSOLUTE * 3 - MILLISECOND);
    assert_eq!(site.status("remembered").await, 200);
    site.clock.advance(MILLISECOND);
    assert_eq!(reason(&site.ask("/", "remembered").await), "absolute");
}

#[tokio::test]
async fn unknown_ids_begin_a_session_where_the_policy_says_so() {
    let site = Site::new(policy().begin_unknown());
    assert_eq!(site.status("token").await, 200);
    site.clock.advance(IDLE);
    assert_eq!(reason(&site.ask("/", "token").await), "idle");
    assert_eq!(site.status("token").await, 440, "begins only once");
    site.start("ended").await;
    site.layer.tracker().revoke("ended").await.unwrap();
    assert_eq!(reason(&site.ask("/", "ended").await), "revoked");
}

#[tokio::test]
async fn a_clock_that_jumps_back_or_far_ahead_neither_panics_nor_wraps() {
    let site = Site::new(policy());
    site.start("a").await;
    site.clock.set(Timestamp::UNIX_EPOCH);
    assert_eq!(site.status("a").await, 200);
    site.start("b").await;
    site.clock.set(Timestamp::MAX);
    assert_eq!(site.status("a").await, 440);
    assert_eq!(site.status("b").await, 440);
    site.start("c").await;
    assert_eq!(site.status("c").await, 200);
}

#[tokio::test]
async fn without_limits_a_session_lives_for_ever() {
    let site = Site::new(
        policy()
            .with_idle(Duration::MAX)
            .with_absolute(Duration::MAX),
    );
    site.start("a").await;
    site.clock.set(Timestamp::MAX);
    assert_eq!(site.status("a").await, 200);
}

#[tokio::test]
async fn the_remaining_time_is_told_if_asked_for() {
    let silent = Site::new(policy());
    silent.start("a").await;
    let response = silent.ask("/", "a").await;
    assert!(!response.headers().contains_key("login-timeout-remaining"));

    let site = Site::new(policy()).configured(|layer| {
        layer
            .with_remaining_header()
            .with_passive(rule::path("/poll"))
    });
    site.start("a").await;
    let told = async |path| {
        header(
            site.ask(path, "a").await.headers(),
            "login-timeout-remaining",
        )
        .to_owned()
    };
    assert_eq!(told("/").await, "60");
    site.clock.advance(Duration::from_millis(500));
    assert_eq!(told("/poll").await, "59", "rounded down");
    assert_eq!(told("/").await, "60", "extended");
    let response = site.send(anonymous("/")).await;
    assert!(!response.headers().contains_key("login-timeout-remaining"));
    // The absolute timeout counts too.
    for _ in 0..11 {
        site.clock.advance(IDLE - Duration::from_secs(10));
        site.status("a").await;
    }
    site.clock.advance(Duration::from_secs(20));
    assert_eq!(told("/").await, "29");
}

#[tokio::test]
async fn a_bearer_token_is_a_session_like_any_other() {
    let site = Site::new(policy());
    let layer = LoginTimeoutLayer::new(policy().build().unwrap(), BearerToken, MemoryStore::new())
        .with_clock(site.clock.clone());
    let site = site.configured(|_| layer);
    let with_token = || {
        let mut request = request("/", "ignored");
        let value = "Bearer sesame".parse().unwrap();
        request.headers_mut().insert("authorization", value);
        request
    };
    assert_eq!(reason(&site.send(with_token()).await), "unknown");
    site.start("sesame").await;
    assert_eq!(site.send(with_token()).await.status(), 200);
    site.clock.advance(IDLE);
    let response = site.send(with_token()).await;
    assert_eq!(reason(&response), "idle");
    assert!(!response.headers().contains_key("set-cookie"));
}
