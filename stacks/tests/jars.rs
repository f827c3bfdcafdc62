//! Attempts to get past the layer to real frameworks.

use tower_login_timeout::SessionKey;
use tower_login_timeout_stacks::jars::{ID, Kind, Site};

/// Returns the key under which the layer knows the session with this cookie.
async fn revoke(site: &Site, kind: Kind, cookie: &str) {
    let key = match kind {
        Kind::CookieJar | Kind::TowerSessions => SessionKey::of(cookie),
        Kind::SignedCookieJar | Kind::PrivateCookieJar => SessionKey::of(ID),
    };
    assert!(site.tracker.revoke(key).await.unwrap(), "{kind:?}");
}

/// Spellings of a `Cookie` line, in which `{}` stands for the cookie's value.
const SPELLINGS: [&str; 22] = [
    "sid={}",
    "s%69d={}",
    "%73%69%64={}",
    "sid=\"{}\"",
    " sid={}",
    "\tsid = {}",
    "\u{a0}sid={}",
    "sid\u{2003}={}",
    "a=1;\u{3000}sid={}",
    "=sid={}",
    "x=1, sid={}",
    "x=\"; sid={}; \"",
    "sid=; sid={}",
    "sid=junk; sid={}",
    "sid={}; sid=junk",
    "sid=junk; s%69d={}",
    "s%69d={}; sid=junk",
    "sid={}; s%69d={}",
    "sid={} ",
    "sid={}\u{a0}",
    "; ; sid={};",
    "__Host-sid=x; sid={}",
];

#[tokio::test]
async fn no_spelling_of_an_ended_session_reaches_a_handler() {
    for kind in Kind::ALL {
        let site = Site::new(kind);
        let cookie = site.log_in().await;
        assert!(
            site.get(&format!("sid={cookie}"))
                .await
                .body
                .starts_with("user"),
            "{kind:?}"
        );
        revoke(&site, kind, &cookie).await;
        let encoded: String = cookie.bytes().map(|byte| format!("%{byte:02x}")).collect();
        for spelling in SPELLINGS {
            for value in [&cookie, &encoded] {
                let answer = site.get(&spelling.replace("{}", value)).await;
                assert!(
                    !answer.body.starts_with("user"),
                    "{kind:?}: {spelling:?}: {}",
                    answer.body
                );
            }
        }
        for lines in [
            ["a=1", "sid={}"],
            ["sid={}", "a=1"],
            ["sid=junk", "sid={}"],
            ["si", "d={}"],
        ] {
            let lines = lines.map(|line| line.replace("{}", &cookie));
            let lines = [lines[0].as_bytes(), lines[1].as_bytes()];
            let answer = site.ask("GET", "/", &lines).await;
            assert!(!answer.body.starts_with("user"), "{kind:?}: {lines:?}");
        }
    }
}

#[tokio::test]
async fn an_exempt_path_with_a_rolling_cookie_revives_nothing() {
    for kind in Kind::ALL {
        for spelling in [
            "sid={}",
            "sid=junk; sid={}",
            "s%69d={}",
            "sid={}; s%69d=junk",
        ] {
            let site = Site::new(kind);
            let cookie = site.log_in().await;
            revoke(&site, kind, &cookie).await;
            let line = spelling.replace("{}", &cookie);
            site.ask("GET", "/rolling", &[line.as_bytes()]).await;
            let answer = site.get(&format!("sid={cookie}")).await;
            assert_eq!(answer.status, 440, "{kind:?}: {spelling}");
        }
    }
}

#[tokio::test]
async fn the_id_that_an_application_has_decoded_ends_its_session() {
    let site = Site::new(Kind::CookieJar);
    let cookie = site.log_in().await;
    assert_eq!(
        site.get(&format!("sid={cookie}")).await.body,
        format!("user {ID}")
    );
    assert!(site.tracker.revoke(ID).await.unwrap());
    assert_eq!(site.get(&format!("sid={cookie}")).await.status, 440);
}

#[tokio::test]
async fn a_planted_cookie_locks_nobody_out_and_is_not_seen() {
    for kind in Kind::ALL {
        let site = Site::new(kind);
        let cookie = site.log_in().await;
        let alone = site.get(&format!("sid={cookie}")).await.body;
        for spelling in [
            "sid={}; sid=planted",
            "sid=planted; sid={}",
            "s%69d=planted; sid={}; a=1",
        ] {
            let answer = site.get(&spelling.replace("{}", &cookie)).await;
            assert_eq!(answer.body, alone, "{kind:?}: {spelling}");
        }
    }
}

#[tokio::test]
async fn a_log_out_beside_a_planted_cookie_ends_the_session() {
    for kind in Kind::ALL {
        for spelling in [
            "sid={}; sid=planted",
            "sid=planted; sid={}",
            "sid=planted; s%69d={}",
        ] {
            let site = Site::new(kind);
            let cookie = site.log_in().await;
            let line = spelling.replace("{}", &cookie);
            let answer = site.ask("POST", "/logout", &[line.as_bytes()]).await;
            let after = site.get(&format!("sid={cookie}")).await;
            // On an exempt path, an application sees the first id only. If that is the planted one,
            // it may not know that it has anything to remove.
            assert!(answer.cookie.is_some() || !spelling.starts_with("sid={}"));
            if answer.cookie.is_some() {
                assert_eq!(after.status, 440, "{kind:?}: {spelling}");
            }
        }
    }
}
