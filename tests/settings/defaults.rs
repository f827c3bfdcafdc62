//! Tests of the defaults: they are those of the builders.

use http::{HeaderMap, Request};
use tower_login_timeout::{
    CookieId, IdentifySession, LoginTimeoutLayer, LoginTimeoutResponse, MemoryStore, Policy,
    Presented, RequestHead, Settings,
};

use crate::common::site::{anonymous, header, policy};
use crate::settings;

#[test]
fn an_empty_file_is_the_default() {
    for empty in ["", "[policy]", "[answer]", "[passive]\n[exempt]"] {
        let settings = settings(empty);
        assert_eq!(settings.policy(), Policy::default(), "{empty}");
        let response = format!("{:?}", LoginTimeoutResponse::new());
        assert_eq!(format!("{:?}", settings.response()), response, "{empty}");
        assert!(settings.cookie().is_none());
        assert_eq!(settings.store(), "memory:");
        assert_eq!(
            format!("{settings:?}"),
            format!("{:?}", Settings::default())
        );
    }
}

#[test]
fn a_policy_with_one_field_has_the_defaults_of_the_others() {
    let builder = Policy::builder().begin_unknown().build().unwrap();
    assert_eq!(settings("policy.unknown = 'begin'").policy(), builder);
    assert_ne!(builder, policy().build().unwrap());
}

#[test]
fn a_cookie_with_a_name_is_a_new_one() {
    let settings = settings("cookie.name = 'sid'");
    let (read, new) = (settings.cookie().unwrap(), CookieId::new("sid").unwrap());
    assert_eq!(format!("{read:?}"), format!("{new:?}"));
    let removal = |cookie: &CookieId| {
        let mut headers = HeaderMap::new();
        cookie.forget(&mut headers);
        headers
    };
    assert_eq!(removal(read), removal(&new));
    let request = Request::get("/")
        .header("cookie", "SID=a")
        .body(())
        .unwrap();
    let identify = |cookie: &CookieId| cookie.identify(RequestHead::from(&request));
    assert_eq!(identify(read), identify(&new));
    assert_eq!(identify(read), Presented::None);
    let kept = |cookie: &CookieId| {
        let mut headers = HeaderMap::new();
        headers.insert("cookie", "s%69d=a; sid=b".parse().unwrap());
        cookie.keep_only(&mut headers, None, &[]);
        headers
    };
    assert_eq!(kept(read), kept(&new));
}

#[cfg(feature = "cached")]
#[test]
fn a_near_cache_without_a_field_is_that_of_the_builder() {
    use tower_login_timeout::CachedStore;

    let settings = settings("[near_cache]");
    let read = settings.near_cache(MemoryStore::new()).unwrap();
    let built = CachedStore::builder(MemoryStore::new());
    assert_eq!(format!("{read:?}"), format!("{built:?}"));
}

#[tokio::test]
async fn a_layer_without_settings_answers_like_a_new_one() {
    use tower::{Layer, ServiceExt};

    let layers = [
        LoginTimeoutLayer::from_settings(&settings("cookie.name = 'sid'"), MemoryStore::new())
            .unwrap(),
        LoginTimeoutLayer::new(
            Policy::default(),
            CookieId::new("sid").unwrap(),
            MemoryStore::new(),
        ),
    ];
    let mut answers = Vec::new();
    for layer in layers {
        layer.tracker().start("live").await.unwrap();
        let service = layer.layer(tower::service_fn(async |_: Request<String>| {
            Ok::<_, std::convert::Infallible>(http::Response::new(String::new()))
        }));
        let mut seen = Vec::new();
        for (path, id) in [
            ("/", "live"),
            ("/", "gone"),
            ("/login", "gone"),
            ("/static/a", "gone"),
            ("/poll", "gone"),
            ("/session", "live"),
        ] {
            let mut request = anonymous(path);
            let cookie = format!("sid={id}").parse().unwrap();
            request.headers_mut().insert("cookie", cookie);
            let navigate = "navigate".parse().unwrap();
            request.headers_mut().insert("sec-fetch-mode", navigate);
            let response = service.clone().oneshot(request).await.unwrap();
            assert_eq!(header(response.headers(), "login-timeout-remaining"), "");
            assert_eq!(response.status(), if id == "live" { 200 } else { 440 });
            seen.push((response.status(), response.headers().clone()));
        }
        answers.push(seen);
    }
    assert_eq!(answers[0], answers[1]);
}
