//! The requests that the contenders answer.

use std::net::{Ipv4Addr, SocketAddr};

use bytes::Bytes;
use http::header::{self, HeaderName, HeaderValue};
use http::{Method, Uri};
use http_body_util::{Empty, Full};

/// A request without a body.
pub type Request = http::Request<Empty<Bytes>>;

/// A response of the innermost service.
pub type Response = http::Response<Full<Bytes>>;

/// The path that begins a session.
pub const LOG_IN: &str = "/login";

/// The `Cookie` header of a visitor without a session: it has cookies, but no session cookie.
pub const NOBODY: &str = "theme=dark; lang=de";

/// The headers that a browser sends with every request.
const BROWSER: [(HeaderName, &str); 5] = [
    (header::HOST, "shop.example.com"),
    (
        header::USER_AGENT,
        "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    ),
    (
        header::ACCEPT,
        "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    ),
    (header::ACCEPT_LANGUAGE, "de,en-US;q=0.7,en;q=0.3"),
    (header::ACCEPT_ENCODING, "gzip, deflate, br"),
];

/// Makes a request for a page, with this `Cookie` header.
pub fn page(cookie: &str) -> Request {
    let mut request = of_browser("/account");
    if let Ok(cookie) = HeaderValue::from_str(cookie) {
        request.headers_mut().insert(header::COOKIE, cookie);
    }
    request
}

/// Makes a request that logs in.
pub fn log_in() -> Request {
    let mut request = of_browser(LOG_IN);
    *request.method_mut() = Method::POST;
    request
}

fn of_browser(path: &'static str) -> Request {
    let mut request = Request::new(Empty::new());
    *request.uri_mut() = Uri::from_static(path);
    let headers = request.headers_mut();
    headers.reserve(BROWSER.len() + 1);
    for (name, value) in BROWSER {
        headers.insert(name, HeaderValue::from_static(value));
    }
    // Servers and routers add an extension, such as the client's address. So the map of extensions
    // is allocated before a layer sees the request.
    let peer = SocketAddr::from((Ipv4Addr::LOCALHOST, 50_000));
    request.extensions_mut().insert(peer);
    request
}
