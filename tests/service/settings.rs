//! Tests of the response's settings: phrase, gRPC-Web, the way to the log-in page and back, the
//! 503.

use bytes::Bytes;
use http::{HeaderValue, Request, Response};
use tower_login_timeout::{
    Expired, LoginTimeoutResponse, RequestHead, ResponseForExpired, ResponseFormat, Timestamp,
};

fn answer(respond: &LoginTimeoutResponse, request: &Request<()>) -> Response<Bytes> {
    let expired = Expired::conflicting(Timestamp::UNIX_EPOCH);
    respond.response_for_expired(&expired, RequestHead::from(request))
}

fn post(content_type: &str) -> Request<()> {
    let request = Request::post("/Service/Method").header("content-type", content_type);
    request.body(()).unwrap()
}

fn navigation(uri: &str) -> Request<()> {
    let request = Request::get(uri).header("sec-fetch-mode", "navigate");
    request.body(()).unwrap()
}

#[test]
fn a_phrase_with_control_characters_is_refused_in_words_that_say_what_to_do() {
    for phrase in ["a\r\nx: y", "a\n", "\0", "a\u{7f}"] {
        let error = LoginTimeoutResponse::new().with_phrase(phrase).unwrap_err();
        let text = error.to_string();
        assert!(text.contains(&format!("{phrase:?}")), "{text}");
        assert!(text.contains("leave out line ends"), "{text}");
    }
    for phrase in ["Login Timeout", "a\tb", "Sitzung abgelaufen: müde"] {
        assert!(
            LoginTimeoutResponse::new().with_phrase(phrase).is_ok(),
            "{phrase}"
        );
    }
}

#[test]
fn a_grpc_web_request_gets_its_own_content_type_and_the_status_in_the_headers() {
    for content_type in [
        "application/grpc-web",
        "application/grpc-web+proto",
        "application/grpc-web-text",
        "application/grpc-web-text+proto",
    ] {
        let response = answer(&LoginTimeoutResponse::new(), &post(content_type));
        assert_eq!(response.status(), 200, "{content_type}");
        assert_eq!(response.headers()["content-type"], content_type);
        assert_eq!(response.headers()["grpc-status"], "16");
        assert!(response.headers().contains_key("grpc-message"));
        assert_eq!(response.headers()["login-timeout-reason"], "conflicting");
        assert!(response.body().is_empty());
    }
}

#[test]
fn parameters_of_the_content_type_are_not_sent_back() {
    let response = answer(
        &LoginTimeoutResponse::new(),
        &post("application/grpc-web-text; charset=utf-8"),
    );
    assert_eq!(
        response.headers()["content-type"],
        "application/grpc-web-text"
    );
}

#[test]
fn what_only_looks_like_grpc_web_is_answered_440() {
    for content_type in ["application/grpc-webby", "application/grpc-text"] {
        let response = answer(&LoginTimeoutResponse::new(), &post(content_type));
        assert_eq!(response.status(), 440, "{content_type}");
    }
}

#[test]
fn grpc_for_all_requests_gives_plain_grpc_to_a_request_that_is_not() {
    let respond = LoginTimeoutResponse::new().with_format(ResponseFormat::Grpc);
    let response = answer(&respond, &post("application/json"));
    assert_eq!(response.headers()["content-type"], "application/grpc");
    let response = answer(&respond, &post("application/grpc-web"));
    assert_eq!(response.headers()["content-type"], "application/grpc-web");
}

#[test]
fn the_name_of_the_return_parameter_can_be_set_before_and_after_the_page() {
    let before = LoginTimeoutResponse::new()
        .with_return_url_name("next")
        .with_login_page("/login");
    let after = LoginTimeoutResponse::new()
        .with_login_page("/login")
        .with_return_url_name("next");
    for respond in [before, after] {
        let response = answer(&respond, &navigation("/inbox?a=b"));
        let location = &response.headers()["location"];
        assert_eq!(location, "/login?next=/inbox%3Fa%3Db");
    }
}

/// A form that was sent cannot be sent again after a redirect. Without JavaScript, the page has to
/// offer the way back in.
#[test]
fn the_page_of_a_440_leads_to_the_log_in_page() {
    let form = Request::post("/transfer").header("accept", "text/html");
    let form = form.body(()).unwrap();
    let before = LoginTimeoutResponse::new()
        .with_message("Sign in & go on.")
        .with_login_page("/login?lang=de&from=\"440\"");
    let after = LoginTimeoutResponse::new()
        .with_login_page("/login?lang=de&from=\"440\"")
        .with_message("Sign in & go on.");
    for respond in [before, after] {
        let response = answer(&respond, &form);
        assert_eq!(response.status(), 440);
        let link = r#"<a href="/login?lang=de&amp;from=%22440%22">Sign in &amp; go on.</a>"#;
        let page = format!("<html><body>{link}</body></html>");
        assert_eq!(response.body(), page.as_bytes());
    }
    // A body of the application's stays as it is.
    let own = LoginTimeoutResponse::new()
        .with_body(HeaderValue::from_static("text/html"), "own")
        .with_login_page("/login");
    assert_eq!(answer(&own, &form).body(), "own");
}

#[test]
fn an_empty_name_leaves_the_return_address_out() {
    let respond = LoginTimeoutResponse::new()
        .with_login_page("/login")
        .with_return_url_name("");
    let response = answer(&respond, &navigation("/inbox"));
    assert_eq!(response.headers()["location"], "/login");
}
