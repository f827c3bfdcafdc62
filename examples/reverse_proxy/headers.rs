//! The headers that a proxy removes and adds.

use std::net::IpAddr;

use http::header::{CONNECTION, COOKIE, HOST, HeaderName, TE, TRANSFER_ENCODING, UPGRADE};
use http::uri::Authority;
use http::{HeaderMap, HeaderValue};
use hyper::body::Body;

use crate::trusted::Sender;

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// Removes the headers that concern one connection only: those that `Connection` names, and those
/// of RFC 9110, 7.6.1.
pub fn strip_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = tokens(headers, &CONNECTION)
        .filter_map(|name| name.parse().ok())
        .collect();
    for name in named {
        headers.remove(name);
    }
    for name in [
        CONNECTION,
        KEEP_ALIVE,
        PROXY_CONNECTION,
        TE,
        TRANSFER_ENCODING,
        UPGRADE,
    ] {
        headers.remove(name);
    }
}

/// Removes headers with a name of other characters than letters, digits and `-`.
///
/// To CGI, WSGI and PHP, every other character is a `-`. And Gunicorn takes `SCRIPT_NAME` for the
/// beginning of the path that is not the application's: with `SCRIPT_NAME: /static`, it answers
/// `/static/private`, which is exempt, with `/private`.
pub fn strip_odd_names(headers: &mut HeaderMap) {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    let odd: Vec<HeaderName> = headers
        .keys()
        .filter(|name| !name.as_str().bytes().all(is_plain))
        .cloned()
        .collect();
    for name in odd {
        headers.remove(name);
    }
}

/// Removes what names another host, scheme or path than those of the request.
///
/// An application that honours `X-Original-URL` answers for the path in it, so with an exempt path
/// in the request, nothing would be checked. The others are for proxies to say, and one that is
/// trusted says them in the headers that are kept.
pub fn strip_other_addresses(headers: &mut HeaderMap) {
    let names_another = |name: &str| {
        matches!(name, "forwarded" | "x-original-url" | "x-rewrite-url")
            || (name.starts_with("x-forwarded-")
                && ![X_FORWARDED_FOR, X_FORWARDED_HOST, X_FORWARDED_PROTO]
                    .iter()
                    .any(|kept| kept == name))
    };
    let others: Vec<HeaderName> = headers
        .keys()
        .filter(|name| names_another(name.as_str()))
        .cloned()
        .collect();
    for name in others {
        headers.remove(name);
    }
}

/// Adds what the application should know of the client, and of the host that the client asked.
///
/// What a trusted proxy says of the client's scheme and host stays, if it says one thing.
pub fn add_forwarded(
    headers: &mut HeaderMap,
    client: IpAddr,
    host: Option<HeaderValue>,
    sender: Sender,
) {
    let mut chain: Vec<u8> = Vec::new();
    for line in headers.get_all(X_FORWARDED_FOR) {
        chain.extend(line.as_bytes());
        chain.extend(b", ");
    }
    chain.extend(client.to_string().bytes());
    if let Ok(chain) = HeaderValue::from_bytes(&chain) {
        headers.insert(X_FORWARDED_FOR, chain);
    }
    let said = |name: HeaderName| match sender {
        Sender::TrustedProxy => only(headers, &name),
        Sender::Client => None,
    };
    let proto = said(X_FORWARDED_PROTO).filter(|proto| *proto == "http" || *proto == "https");
    let forwarded_host = said(X_FORWARDED_HOST).filter(is_host);
    let http = HeaderValue::from_static("http");
    headers.insert(X_FORWARDED_PROTO, proto.unwrap_or(http));
    headers.remove(X_FORWARDED_HOST);
    if let Some(host) = forwarded_host.or_else(|| host.clone()) {
        headers.insert(X_FORWARDED_HOST, host);
    }
    if let Some(host) = host {
        headers.insert(HOST, host);
    }
}

/// Returns the value of a header that is there once.
fn only(headers: &HeaderMap, name: &HeaderName) -> Option<HeaderValue> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    values.next().is_none().then(|| value.clone())
}

fn is_host(value: &HeaderValue) -> bool {
    let is_authority = |text: &str| !text.contains('@') && text.parse::<Authority>().is_ok();
    value.to_str().is_ok_and(is_authority)
}

/// Joins the lines of cookies. HTTP/2 splits them, and HTTP/1 must not have several (RFC 9113,
/// 8.2.3).
pub fn join_cookies(headers: &mut HeaderMap) {
    let lines: Vec<&[u8]> = headers
        .get_all(COOKIE)
        .iter()
        .map(HeaderValue::as_bytes)
        .collect();
    if lines.len() < 2 {
        return;
    }
    if let Ok(joined) = HeaderValue::from_bytes(&lines.join(&b"; "[..])) {
        headers.insert(COOKIE, joined);
    }
}

/// Returns whether the client can take trailers.
pub fn takes_trailers(headers: &HeaderMap) -> bool {
    tokens(headers, &TE).any(|token| token.eq_ignore_ascii_case("trailers"))
}

/// Says that the body comes in pieces. Without that, a `GET` would be sent without its body.
pub fn announce_body(headers: &mut HeaderMap, body: &impl Body) {
    if body.size_hint().exact().is_none() {
        headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
}

/// Says that the proxy can take trailers.
pub fn ask_for_trailers(headers: &mut HeaderMap) {
    headers.insert(TE, HeaderValue::from_static("trailers"));
    headers.append(CONNECTION, HeaderValue::from_static("te"));
}

/// Returns whether the connection is to become a WebSocket.
///
/// No other protocol passes: `h2c`, for one, would take requests past the session check.
pub fn asks_for_websocket(headers: &HeaderMap) -> bool {
    tokens(headers, &CONNECTION).any(|token| token.eq_ignore_ascii_case("upgrade"))
        && headers
            .get(UPGRADE)
            .is_some_and(|protocol| protocol.as_bytes().eq_ignore_ascii_case(b"websocket"))
}

/// Says that the connection becomes a WebSocket.
pub fn ask_for_websocket(headers: &mut HeaderMap) {
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.append(CONNECTION, HeaderValue::from_static("upgrade"));
}

fn tokens<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    headers
        .get_all(name)
        .iter()
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','))
        .map(str::trim)
}
