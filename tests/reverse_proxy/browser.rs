//! Tests of the proxy's own answers to pages.

use crate::common::http1::{ask, get, request};
use crate::common::website;
use crate::proxy;

const ALPHA: &str = "cookie: sid=alpha";
const SAME_ORIGIN: &str = "sec-fetch-site: same-origin";

#[tokio::test]
async fn a_page_learns_of_its_session_and_can_end_it() {
    let options = ["--idle", "20m", "--browser", "/-/session"];
    let proxy = proxy(website::start().await, &options);
    ask(proxy.address, &request("POST", "/login", &[], "")).await;
    let answer = ask(proxy.address, &get("/-/session", &[ALPHA])).await;
    assert!(
        answer.body.contains(r#""state":"active""#),
        "{}",
        answer.body
    );
    assert!(
        answer.body.contains(r#""idleMs":1200000"#),
        "{}",
        answer.body
    );
    let module = ask(proxy.address, &get("/-/session/login-timeout.js", &[])).await;
    assert_eq!(module.status(), 200);

    let foreign = request("DELETE", "/-/session", &[ALPHA], "");
    assert_eq!(ask(proxy.address, &foreign).await.status(), 403);
    let own = request("DELETE", "/-/session", &[ALPHA, SAME_ORIGIN], "");
    let answer = ask(proxy.address, &own).await;
    assert_eq!(answer.status(), 200);
    let answer = ask(proxy.address, &get("/", &[ALPHA])).await;
    assert_eq!(answer.header("login-timeout-reason"), Some("revoked"));
}
