//! Tests of the response to an expired session: status, headers, formats and log-in page.

use std::time::Duration;

use http::{HeaderName, HeaderValue, Request, Response, StatusCode};
use tower_login_timeout::{Expired, LoginTimeoutResponse, MemoryStore, ResponseFormat};

use crate::common::site::{IDLE, Site, cookie_layer, header, policy, reason, request};

async fn answer(response: LoginTimeoutResponse, headers: &[(&str, &str)]) -> Response<String> {
    let site = Site::new(policy()).configured(|layer| layer.with_response(response));
    site.start("a").await;
    site.clock.advance(IDLE);
    let mut request = request("/members", "a");
    for (name, value) in headers {
        let name: HeaderName = name.parse().unwrap();
        request.headers_mut().insert(name, value.parse().unwrap());
    }
    site.send(request).await
}

fn content_type(response: &Response<String>) -> &str {
    header(response.headers(), "content-type")
}

#[tokio::test]
async fn the_default_is_a_440_page_that_is_not_stored_and_says_why() {
    let response = answer(LoginTimeoutResponse::new(), &[]).await;
    assert_eq!(response.status(), 440);
    assert_eq!(content_type(&response), "text/html; charset=utf-8");
    assert_eq!(header(response.headers(), "cache-control"), "no-store");
    assert_eq!(reason(&response), "idle");
    assert_eq!(
        response.body(),
        "<html><body>Your session has expired. Please log in again.</body></html>"
    );
    assert!(response.extensions().get::<Expired>().is_some());
}

#[cfg(feature = "hyper")]
#[tokio::test]
async fn the_reason_phrase_goes_out_through_hyper() {
    use hyper::ext::ReasonPhrase;
    let phrase = |response: &Response<String>| {
        let phrase: Option<&ReasonPhrase> = response.extensions().get();
        phrase.map(|phrase| String::from_utf8(phrase.as_bytes().to_vec()).unwrap())
    };
    let response = answer(LoginTimeoutResponse::new(), &[]).await;
    assert_eq!(phrase(&response).unwrap(), "Login Time-out");
    let exchange = LoginTimeoutResponse::new()
        .with_phrase("Login Timeout")
        .unwrap();
    assert_eq!(
        phrase(&answer(exchange, &[]).await).unwrap(),
        "Login Timeout"
    );
    let unauthorized = LoginTimeoutResponse::new().with_status(StatusCode::UNAUTHORIZED);
    assert_eq!(
        phrase(&answer(unauthorized, &[]).await).unwrap(),
        "Unauthorized"
    );
    let grpc = LoginTimeoutResponse::new().with_format(ResponseFormat::Grpc);
    assert_eq!(phrase(&answer(grpc, &[]).await), None);
}

#[tokio::test]
async fn each_format_has_its_content_type_and_body() {
    let of = async |format| answer(LoginTimeoutResponse::new().with_format(format), &[]).await;

    let json = of(ResponseFormat::Json).await;
    assert_eq!(content_type(&json), "application/json");
    assert_eq!(
        json.body(),
        r#"{"error":"Login Time-out","message":"Your session has expired. Please log in again."}"#
    );

    let problem = of(ResponseFormat::Problem).await;
    assert_eq!(content_type(&problem), "application/problem+json");
    assert_eq!(
        problem.body(),
        r#"{"type":"about:blank","title":"Login Time-out","status":440,"detail":"Your session has expired. Please log in again."}"#
    );

    let text = of(ResponseFormat::Text).await;
    assert_eq!(content_type(&text), "text/plain; charset=utf-8");
    assert_eq!(
        text.body(),
        "Your session has expired. Please log in again."
    );

    let grpc = of(ResponseFormat::Grpc).await;
    assert_eq!(grpc.status(), 200);
    assert_eq!(content_type(&grpc), "application/grpc");
    assert_eq!(header(grpc.headers(), "grpc-status"), "16");
    assert_eq!(
        header(grpc.headers(), "grpc-message"),
        "Your session has expired. Please log in again."
    );
    assert_eq!(grpc.body(), "");
    for response in [json, problem, text, grpc] {
        assert_eq!(reason(&response), "idle");
        assert_eq!(header(response.headers(), "cache-control"), "no-store");
    }
}

#[tokio::test]
async fn the_format_is_negotiated_by_default() {
    let for_accept = async |accept| {
        let response = answer(LoginTimeoutResponse::new(), &[("accept", accept)]).await;
        assert_eq!(header(response.headers(), "vary"), "accept");
        content_type(&response).to_owned()
    };
    assert_eq!(for_accept("application/json").await, "application/json");
    assert_eq!(
        for_accept("text/html;q=0.2, text/plain;q=0.3").await,
        "text/plain; charset=utf-8"
    );
    assert_eq!(for_accept("image/png").await, "text/html; charset=utf-8");
}

#[tokio::test]
async fn a_grpc_request_is_told_in_grpc() {
    for content_type in [
        "application/grpc",
        "application/grpc+proto",
        "application/grpc;a=b",
    ] {
        let response = answer(
            LoginTimeoutResponse::new(),
            &[("content-type", content_type)],
        )
        .await;
        assert_eq!(
            header(response.headers(), "grpc-status"),
            "16",
            "{content_type}"
        );
    }
    let response = answer(
        LoginTimeoutResponse::new(),
        &[("content-type", "application/grpcish")],
    )
    .await;
    assert_eq!(response.status(), 440);
}

#[tokio::test]
async fn messages_are_escaped_for_each_format() {
    let message = "<b>\"Über\" & \\ \n</b>";
    let of = async |format| {
        let response = LoginTimeoutResponse::new()
            .with_message(message)
            .with_format(format);
        answer(response, &[]).await
    };
    assert_eq!(
        of(ResponseFormat::Html).await.body(),
        "<html><body>&lt;b&gt;\"Über\" &amp; \\ \n&lt;/b&gt;</body></html>"
    );
    assert_eq!(
        of(ResponseFormat::Json).await.body(),
        r#"{"error":"Login Time-out","message":"<b>\"Über\" & \\ \u000a</b>"}"#
    );
    assert_eq!(
        header(of(ResponseFormat::Grpc).await.headers(), "grpc-message"),
        "<b>\"%C3%9Cber\" & \\ %0A</b>"
    );
}

#[tokio::test]
async fn every_part_can_be_changed() {
    let response = LoginTimeoutResponse::new()
        .with_status(StatusCode::UNAUTHORIZED)
        .with_header(
            http::header::WWW_AUTHENTICATE,
            HeaderValue::from_static("Session"),
        )
        .with_header(
            http::header::CACHE_CONTROL,
            HeaderValue::from_static("private"),
        )
        .with_header(http::header::LINK, HeaderValue::from_static("<a>"))
        .with_header(http::header::LINK, HeaderValue::from_static("<b>"))
        .with_body(HeaderValue::from_static("text/markdown"), "# Over");
    let response = answer(response, &[("accept", "application/json")]).await;
    assert_eq!(response.status(), 401);
    assert_eq!(header(response.headers(), "www-authenticate"), "Session");
    assert_eq!(
        response.headers().get_all("cache-control").iter().count(),
        1
    );
    assert_eq!(header(response.headers(), "cache-control"), "private");
    assert_eq!(response.headers().get_all("link").iter().count(), 2);
    assert_eq!(content_type(&response), "text/markdown");
    assert_eq!(response.body(), "# Over");
}

#[tokio::test]
async fn head_gets_no_body() {
    let site = Site::new(policy());
    let request = Request::head("/")
        .header("cookie", "sid=unknown")
        .body(String::new());
    let response = site.send(request.unwrap()).await;
    assert_eq!(
        (response.status().as_u16(), response.body().as_str()),
        (440, "")
    );
    assert_eq!(content_type(&response), "text/html; charset=utf-8");
    let get = site.ask("/", "unknown").await;
    let length = get.body().len().to_string();
    assert_eq!(header(response.headers(), "content-length"), length);
}

#[tokio::test]
async fn a_log_in_page_takes_navigations_and_leaves_the_440_to_scripts() {
    let response = || LoginTimeoutResponse::new().with_login_page("/login");
    let navigation = answer(response(), &[("sec-fetch-mode", "navigate")]).await;
    assert_eq!(navigation.status(), 303);
    assert_eq!(
        header(navigation.headers(), "location"),
        "/login?returnUrl=/members"
    );
    assert_eq!(header(navigation.headers(), "cache-control"), "no-store");
    assert_eq!(reason(&navigation), "idle");
    assert!(header(navigation.headers(), "set-cookie").starts_with("sid=;"));
    let script = answer(response(), &[("sec-fetch-mode", "cors")]).await;
    assert_eq!(script.status(), 440);
    // The redirect depends on these headers, so both answers list them.
    for answer in [navigation, script] {
        let vary = header(answer.headers(), "vary");
        assert_eq!(vary, "accept, sec-fetch-mode, x-requested-with");
    }
}

#[tokio::test]
async fn the_expired_in_the_extensions_says_for_how_long_it_was_idle() {
    let site = Site::new(policy());
    site.start("a").await;
    site.clock.advance(IDLE + Duration::from_secs(3));
    let response = site.ask("/", "a").await;
    let expired: &Expired = response.extensions().get().unwrap();
    assert_eq!(expired.idle_for(), Some(IDLE + Duration::from_secs(3)));
}

#[tokio::test]
async fn layers_that_make_responses_of_their_own_fit_outside() {
    use http::Request;
    use tower::{ServiceBuilder, ServiceExt, service_fn};
    use tower_http::cors::CorsLayer;
    use tower_http::timeout::TimeoutLayer;

    let (layer, _clock) = cookie_layer(policy(), MemoryStore::new());
    let service = ServiceBuilder::new()
        .layer(CorsLayer::new().allow_origin(HeaderValue::from_static("https://app.example")))
        .layer(TimeoutLayer::with_status_code(
            StatusCode::GATEWAY_TIMEOUT,
            Duration::from_secs(1),
        ))
        .layer(layer)
        .service(service_fn(async |_: Request<String>| {
            Ok::<_, std::convert::Infallible>(Response::new("hello".to_owned()))
        }));
    let response = service.oneshot(request("/", "unknown")).await.unwrap();
    assert_eq!(response.status(), 440);
    // A script may read it, since the CORS layer is outside.
    let origin = &response.headers()["access-control-allow-origin"];
    assert_eq!(origin, "https://app.example");
}
