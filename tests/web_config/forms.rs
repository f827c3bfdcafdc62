//! Tests of `<forms>`, attribute by attribute.

use std::time::Duration;

use http::Request;
use tower_login_timeout::{Expired, RequestHead, ResponseForExpired, Timestamp};

use crate::{forms, left_out, reads, removal, web};

const MINUTE: Duration = Duration::from_secs(60);

#[test]
fn what_is_left_out_of_the_file_is_as_asp_net_has_it() {
    for web_config in [
        forms(""),
        web("<authentication mode='Forms' />"),
        forms("timeout='30' slidingExpiration='true' name='.ASPXAUTH' path='/'"),
        forms("requireSSL='False' domain='' cookieless='UseCookies'"),
    ] {
        let policy = web_config.settings().policy();
        assert_eq!(policy.idle(), 30 * MINUTE);
        assert_eq!(policy.absolute(), Duration::MAX);
        assert_eq!(policy.touch_every(), 15 * MINUTE);
        assert!(!policy.is_never_early());
        assert!(reads(&web_config, ".ASPXAUTH") && reads(&web_config, ".aspxauth"));
        assert!(!reads(&web_config, "ASP.NET_SessionId"));
        let removal = removal(&web_config);
        assert!(
            removal.starts_with(".ASPXAUTH=; Path=/; Max-Age=0"),
            "{removal}"
        );
        assert!(
            !removal.contains("Secure") && !removal.contains("Domain"),
            "{removal}"
        );
        assert_eq!(location(&web_config), "/login.aspx?ReturnUrl=/a");
        assert!(
            web_config.left_out().is_empty(),
            "{:?}",
            web_config.left_out()
        );
    }
}

#[test]
fn a_timeout_that_does_not_slide_is_absolute() {
    let policy = forms("timeout='45' slidingExpiration='FALSE'")
        .settings()
        .policy();
    assert_eq!(policy.idle(), Duration::MAX);
    assert_eq!(policy.absolute(), 45 * MINUTE);
}

#[test]
fn the_shortest_and_the_longest_timeout() {
    for minutes in [1, 2, 3, 525_600, i32::MAX as u32] {
        let policy = forms(&format!("timeout=' {minutes} '")).settings().policy();
        assert_eq!(policy.idle(), minutes * MINUTE);
        assert_eq!(policy.touch_every(), minutes * MINUTE / 2);
    }
}

#[test]
fn each_attribute_of_the_cookie() {
    let web_config = forms(
        "name='A' path='/shop' domain='.example.com' requireSSL='true' cookieSameSite='Strict'",
    );
    assert!(reads(&web_config, "A") && reads(&web_config, "a"));
    let removal = removal(&web_config);
    for part in [
        "A=; ",
        "Path=/shop",
        "Domain=example.com",
        "Secure",
        "SameSite=Strict",
    ] {
        assert!(removal.contains(part), "{removal} has no {part}");
    }
    assert!(web_config.left_out().is_empty());
    for (same_site, part) in [
        ("Lax", Some("Lax")),
        ("None", Some("None")),
        ("Unspecified", None),
    ] {
        let removal = crate::removal(&forms(&format!("cookieSameSite='{same_site}'")));
        let expected = part.map(|part| format!("SameSite={part}"));
        assert!(
            expected.is_none_or(|part| removal.contains(&part)),
            "{removal}"
        );
        assert_eq!(removal.contains("SameSite"), part.is_some(), "{removal}");
    }
}

#[test]
fn log_in_pages() {
    for (url, expected, is_listed) in [
        ("/login", "/login?ReturnUrl=/a", false),
        ("~/Account/Login", "/Account/Login?ReturnUrl=/a", true),
        ("Login.aspx", "/Login.aspx?ReturnUrl=/a", true),
        ("login.aspx?a=b", "/login.aspx?a=b&ReturnUrl=/a", true),
        ("account/login", "/account/login?ReturnUrl=/a", true),
        ("https://sso.example/login", "", true),
        ("//sso.example/login", "", true),
        ("/\\sso.example", "", true),
        ("~//sso.example", "", true),
        ("javascript:alert(1)", "", true),
        ("~", "", true),
        ("\\\\a", "", true),
    ] {
        let web_config = forms(&format!("loginUrl='{url}'"));
        assert_eq!(location(&web_config), expected, "{url}");
        assert_eq!(!web_config.left_out().is_empty(), is_listed, "{url}");
        if is_listed {
            let what = format!("<forms loginUrl={url:?}> in line 4");
            assert_eq!(left_out(&web_config), [what]);
        }
    }
}

#[test]
fn a_ticket_that_is_in_the_address_is_listed() {
    for (cookieless, has_cookie, is_listed) in [
        ("UseCookies", true, false),
        ("UseDeviceProfile", true, true),
        ("AutoDetect", true, true),
        ("UseUri", false, true),
    ] {
        let web_config = forms(&format!("cookieless='{cookieless}'"));
        assert_eq!(
            web_config.settings().cookie().is_some(),
            has_cookie,
            "{cookieless}"
        );
        assert_eq!(
            web_config.left_out().len(),
            usize::from(is_listed),
            "{cookieless}"
        );
    }
}

#[test]
fn another_mode_is_session_state() {
    for mode in ["Windows", "None", "Passport"] {
        let web_config = web(&format!(
            "<authentication mode='{mode}'><forms timeout='5' /></authentication>"
        ));
        assert_eq!(web_config.settings().policy().idle(), 20 * MINUTE);
        assert!(reads(&web_config, "ASP.NET_SessionId"));
        let what = format!("<authentication mode={mode:?}> in line 3");
        assert_eq!(left_out(&web_config), [what]);
        assert!(
            web_config.left_out()[0]
                .instead()
                .contains(".AspNet.ApplicationCookie")
        );
    }
}

#[test]
fn session_state_beside_forms_is_listed() {
    let web_config = web(
        "<sessionState timeout='5' />\n<authentication mode='Forms'><forms timeout='50'/></authentication>",
    );
    assert_eq!(web_config.settings().policy().idle(), 50 * MINUTE);
    assert_eq!(left_out(&web_config), ["<sessionState timeout> in line 3"]);
}

#[test]
fn what_is_elsewhere_is_listed_and_there_is_no_cookie() {
    for (authentication, what) in [
        (
            "<authentication configSource='auth.config' />",
            r#"<authentication configSource="auth.config"> in line 3"#,
        ),
        (
            "<authentication configProtectionProvider='A'><EncryptedData /></authentication>",
            "<authentication> in line 3",
        ),
        (
            "<authentication><EncryptedData /></authentication>",
            "<authentication> in line 3",
        ),
    ] {
        let web_config = web(authentication);
        assert!(web_config.settings().cookie().is_none());
        assert_eq!(left_out(&web_config), [what]);
        let error = tower_login_timeout::LoginTimeoutLayer::from_settings(
            web_config.settings(),
            tower_login_timeout::MemoryStore::new(),
        );
        assert!(error.is_err());
    }
}

#[test]
fn locations_are_listed() {
    let web_config = crate::read(
        "<configuration>
         <location path='.' inheritInChildApplications='false'>
         <system.web><authentication mode='Forms' /></system.web>
         </location>
         <location><system.webServer /></location>
         </configuration>",
    );
    assert_eq!(
        left_out(&web_config),
        [
            r#"<location path="."> in line 2"#,
            r#"<location path=""> in line 5"#
        ]
    );
    assert!(web_config.settings().cookie().is_none());
}

#[test]
fn cookies_in_general_are_listed() {
    let web_config = web("<httpCookies requireSSL='true' /><authentication mode='Forms' />");
    assert_eq!(left_out(&web_config), ["<httpCookies *> in line 3"]);
}

#[test]
fn an_item_says_what_and_why_and_what_to_do() {
    let web_config = forms("cookieless='UseUri'");
    let said = web_config.left_out()[0].to_string();
    assert_eq!(
        said,
        "<forms cookieless=\"UseUri\"> in line 4: The ticket is in the address, where it is not \
         seen. So the settings have no cookie. Set `cookieless=\"UseCookies\"` in the application."
    );
}

/// Returns where a navigation to `/a` is sent.
fn location(web_config: &tower_login_timeout::WebConfig) -> String {
    let request = Request::get("/a")
        .header("sec-fetch-mode", "navigate")
        .body(())
        .unwrap();
    let expired = Expired::conflicting(Timestamp::UNIX_EPOCH);
    let response = web_config.settings().response();
    let response = response.response_for_expired(&expired, RequestHead::from(&request));
    let location = response.headers().get("location");
    location
        .map_or("", |location| location.to_str().unwrap())
        .to_owned()
}
