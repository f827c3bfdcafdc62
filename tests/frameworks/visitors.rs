//! Tests of visitors whom the framework gives a session cookie before they log in.

use super::site::{Browser, Framework, Site};
use crate::common::site::{IDLE, MILLISECOND};

const ADA: &str = "name=Ada&password=right";
const WRONG: &str = "name=Ada&password=wrong";

#[tokio::test]
async fn express_with_a_session_for_every_visitor() {
    visit(Framework::Express).await;
}

#[tokio::test]
async fn php_with_a_session_for_every_visitor() {
    visit(Framework::Php).await;
}

async fn visit(framework: Framework) {
    let site = Site::new(framework);
    a_visitor_keeps_its_data_and_is_never_told_of_an_end(&site).await;
    for session in ["new", "keep"] {
        a_user_is_told_of_the_end(&site, session).await;
    }
    for session in ["new", "keep", "end"] {
        a_user_who_logs_out_is_a_visitor(&site, session).await;
    }
}

async fn a_visitor_keeps_its_data_and_is_never_told_of_an_end(site: &Site) {
    let mut browser = Browser::default();
    assert_eq!(browser.get(site, "/").await, (200, "visitor 1".to_owned()));
    let first = browser.cookie.clone().expect("a cookie for every visitor");
    site.clock.advance(IDLE - MILLISECOND);
    assert_eq!(browser.get(site, "/").await, (200, "visitor 2".to_owned()));
    // Nobody has logged in, however often it was tried.
    browser.get(site, "/login").await;
    assert_eq!(browser.post(site, "/login", WRONG).await.0, 200);
    assert_eq!(
        browser.post(site, "/login?failure=back", WRONG).await.0,
        302
    );
    site.clock.advance(IDLE);
    let mut replaying = browser.clone();
    assert_eq!(browser.get(site, "/").await, (200, "visitor 1".to_owned()));
    assert_ne!(browser.cookie, Some(first));
    // The framework still knows the old id. Nobody reaches it.
    assert_eq!(
        replaying.get(site, "/").await,
        (200, "visitor 1".to_owned())
    );
}

async fn a_user_is_told_of_the_end(site: &Site, session: &str) {
    let mut browser = Browser::default();
    browser.get(site, "/").await;
    let log_in = format!("/login?session={session}");
    assert_eq!(browser.post(site, &log_in, ADA).await.0, 302);
    assert!(browser.get(site, "/").await.1.starts_with("Ada "));
    site.clock.advance(IDLE - MILLISECOND);
    assert!(browser.get(site, "/").await.1.starts_with("Ada "));
    site.clock.advance(IDLE);
    let mut replaying = browser.clone();
    assert_eq!(browser.get(site, "/").await.0, 440);
    assert_eq!(browser.cookie, None);
    assert_eq!(browser.get(site, "/").await, (200, "visitor 1".to_owned()));
    assert_eq!(replaying.get(site, "/").await.0, 440);
}

async fn a_user_who_logs_out_is_a_visitor(site: &Site, session: &str) {
    let mut browser = Browser::default();
    browser.post(site, "/login", ADA).await;
    assert!(browser.get(site, "/").await.1.starts_with("Ada "));
    let mut replaying = browser.clone();
    let log_out = format!("/logout?session={session}");
    assert_eq!(browser.post(site, &log_out, "").await.0, 302);
    assert_eq!(replaying.get(site, "/").await.0, 440);
    assert_eq!(browser.get(site, "/").await.1, "visitor 1");
    site.clock.advance(IDLE);
    assert_eq!(browser.get(site, "/").await, (200, "visitor 1".to_owned()));
}
