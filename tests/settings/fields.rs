//! Tests of the fields: each does what the builder's method of its name does.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Request, StatusCode};
use tower_login_timeout::{
    CookieId, IdentifySession, LoginTimeoutResponse, Policy, Presented, RequestHead,
    ResponseFormat, SameSite, SessionKey, StoreFailure,
};

use crate::settings;

#[test]
fn each_field_of_the_policy() {
    let minute = Duration::from_secs(60);
    for (toml, policy) in [
        ("idle = '20m'", Policy::builder().with_idle(20 * minute)),
        ("idle = 'none'", Policy::builder().with_idle(Duration::MAX)),
        (
            "absolute = '12h 30m'",
            Policy::builder().with_absolute(750 * minute),
        ),
        (
            "absolute = 'none'",
            Policy::builder().with_absolute(Duration::MAX),
        ),
        (
            "touch_every = '1m'",
            Policy::builder().with_touch_every(minute),
        ),
        ("never_early = true", Policy::builder().never_early()),
        (
            "rotation_overlap = '0s'",
            Policy::builder().with_rotation_overlap(Duration::ZERO),
        ),
        (
            "remember_expired_for = '1m'",
            Policy::builder().with_remember_expired_for(minute),
        ),
        (
            "store_timeout = '250ms'",
            Policy::builder().with_store_timeout(Duration::from_millis(250)),
        ),
        ("unknown = 'begin'", Policy::builder().begin_unknown()),
        ("unknown = 'expire'", Policy::builder()),
        (
            "store_failure = 'allow'",
            Policy::builder().with_store_failure(StoreFailure::Allow),
        ),
        ("store_failure = 'reject'", Policy::builder()),
    ] {
        let read = settings(&format!("[policy]\n{toml}")).policy();
        assert_eq!(read, policy.build().unwrap(), "{toml}");
    }
}

#[test]
fn each_field_of_the_cookie() {
    let new = || CookieId::new("sid").unwrap();
    for (toml, cookie) in [
        ("path = '/a'", new().with_path("/a").unwrap()),
        (
            "domain = 'a.example'",
            new().with_domain("a.example").unwrap(),
        ),
        ("secure = true", new().with_secure()),
        (
            "same_site = 'strict'",
            new().with_same_site(SameSite::Strict),
        ),
        ("same_site = 'lax'", new().with_same_site(SameSite::Lax)),
        ("same_site = 'none'", new().with_same_site(SameSite::None)),
        ("partitioned = true", new().with_partitioned()),
        (
            "other_places = [{ path = '/a', domain = 'b.example' }, { path = '/c' }]",
            new()
                .with_other_place("/a", Some("b.example".to_owned()))
                .unwrap()
                .with_other_place("/c", None)
                .unwrap(),
        ),
    ] {
        let read = settings(&format!("[cookie]\nname = 'sid'\n{toml}"));
        let removal = |cookie: &CookieId| {
            let mut headers = HeaderMap::new();
            cookie.forget(&mut headers);
            headers
        };
        assert_eq!(removal(read.cookie().unwrap()), removal(&cookie), "{toml}");
        assert_ne!(removal(&cookie), removal(&new()), "{toml}");
    }
}

#[test]
fn a_cookie_in_any_case() {
    let settings = settings("cookie = { name = 'sid', name_in_any_case = true }");
    let request = Request::get("/")
        .header("cookie", "SID=a")
        .body(())
        .unwrap();
    let presented = settings
        .cookie()
        .unwrap()
        .identify(RequestHead::from(&request));
    assert_ne!(presented, Presented::None);
}

#[test]
fn a_header_that_stays_untouched() {
    let odd = "s%69d=a; sid=b";
    for (toml, stays) in [("true", true), ("false", false)] {
        let toml = format!("cookie = {{ name = 'sid', untouched_header = {toml} }}");
        let settings = settings(&toml);
        let mut headers = HeaderMap::new();
        headers.insert("cookie", odd.parse().unwrap());
        let live = Some(SessionKey::of("b"));
        settings
            .cookie()
            .unwrap()
            .keep_only(&mut headers, live, &[]);
        assert_eq!(headers["cookie"] == odd, stays, "{toml}");
    }
}

#[test]
fn each_field_of_the_answer_and_the_login_page() {
    let new = LoginTimeoutResponse::new;
    let header = |name, value| {
        (
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        )
    };
    let with = |response: LoginTimeoutResponse, (name, value)| response.with_header(name, value);
    for (toml, response) in [
        (
            "[answer]\nstatus = 401",
            new().with_status(StatusCode::UNAUTHORIZED),
        ),
        (
            "[answer]\nphrase = 'Login Timeout'",
            new().with_phrase("Login Timeout").unwrap(),
        ),
        (
            "[answer]\nphrase = 'Over'\nstatus = 403",
            new()
                .with_status(StatusCode::FORBIDDEN)
                .with_phrase("Over")
                .unwrap(),
        ),
        (
            "[answer]\nformat = 'html'",
            new().with_format(ResponseFormat::Html),
        ),
        (
            "[answer]\nformat = 'json'",
            new().with_format(ResponseFormat::Json),
        ),
        (
            "[answer]\nformat = 'problem'",
            new().with_format(ResponseFormat::Problem),
        ),
        (
            "[answer]\nformat = 'text'",
            new().with_format(ResponseFormat::Text),
        ),
        (
            "[answer]\nformat = 'grpc'",
            new().with_format(ResponseFormat::Grpc),
        ),
        ("[answer]\nmessage = 'Over.'", new().with_message("Over.")),
        (
            "[answer.headers]\nRetry-After = '0'",
            with(new(), header("retry-after", "0")),
        ),
        (
            "[answer.headers]\nlink = ['</a>', '</b>']",
            with(with(new(), header("link", "</a>")), header("link", "</b>")),
        ),
        (
            "[login_page]\npath = '/login?a=b'",
            new().with_login_page("/login?a=b"),
        ),
        (
            "[answer]\nmessage = 'Over.'\n[login_page]\npath = '/login'\nreturn_url_name = 'next'",
            new()
                .with_message("Over.")
                .with_login_page("/login")
                .with_return_url_name("next"),
        ),
    ] {
        let read = settings(toml).response();
        assert_eq!(format!("{read:?}"), format!("{response:?}"), "{toml}");
        assert_ne!(format!("{response:?}"), format!("{:?}", new()), "{toml}");
    }
}

#[cfg(feature = "cached")]
#[test]
fn each_field_of_the_near_cache() {
    use tower_login_timeout::{CachedStore, MemoryStore};

    let new = || CachedStore::builder(MemoryStore::new());
    let second = Duration::from_secs(1);
    for (toml, cache) in [
        ("max_staleness = '2s'", new().with_max_staleness(2 * second)),
        ("max_age = '30s'", new().with_max_age(30 * second)),
        (
            "max_stale_on_error = '1m'",
            new().with_max_stale_on_error(60 * second),
        ),
        ("shared_timeout = '1s'", new().with_shared_timeout(second)),
        ("flush_every = '2s'", new().with_flush_every(2 * second)),
        ("capacity = 7", new().with_capacity(7)),
    ] {
        let read = settings(&format!("[near_cache]\n{toml}"));
        let read = read.near_cache(MemoryStore::new()).unwrap();
        assert_eq!(format!("{read:?}"), format!("{cache:?}"), "{toml}");
        assert_ne!(format!("{cache:?}"), format!("{:?}", new()), "{toml}");
    }
}

#[test]
fn a_password_in_the_url_of_the_store_is_not_shown() {
    let settings = settings("store = 'redis://:sesame@host'");
    assert_eq!(settings.store(), "redis://:sesame@host");
    let debug = format!("{settings:?}");
    assert!(
        !debug.contains("sesame") && debug.contains("redis:"),
        "{debug}"
    );
}

#[test]
fn any_format_of_serde_will_do() {
    let json = r#"{ "policy": { "idle": "20m" }, "answer": { "status": 401 } }"#;
    let settings: tower_login_timeout::Settings = serde_json::from_str(json).unwrap();
    assert_eq!(settings.policy().idle(), Duration::from_secs(1200));
}
