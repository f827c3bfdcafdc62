//! Whether a request comes from a page of the same origin.

use http::HeaderName;
use http::header::{HOST, ORIGIN};

use crate::request::head::RequestHead;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Returns whether a page of the same origin sent this request. Another site could otherwise keep a
/// session alive, or end it (OWASP ASVS 5.0, 3.5.1).
///
/// Browsers say so in `Sec-Fetch-Site` (Fetch Metadata). Those that do not, and pages without TLS,
/// send an `Origin` with each request that may change something. It names the host that was asked.
pub(crate) fn is_same_origin(request: RequestHead<'_>) -> bool {
    let headers = request.headers();
    let mut sites = headers.get_all(SEC_FETCH_SITE).iter();
    if let Some(site) = sites.next() {
        return site == "same-origin" && sites.next().is_none();
    }
    let mut origins = headers.get_all(ORIGIN).iter();
    let (Some(origin), None) = (origins.next(), origins.next()) else {
        return false;
    };
    let host = match request.uri().authority() {
        Some(authority) => Some(authority.as_str().as_bytes()),
        None => headers.get(HOST).map(|host| host.as_bytes()),
    };
    let origin = origin.as_bytes();
    let named = origin
        .strip_prefix(b"https://")
        .or_else(|| origin.strip_prefix(b"http://"));
    matches!((named, host), (Some(named), Some(host)) if named.eq_ignore_ascii_case(host))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;

    fn found(headers: &[(&str, &str)]) -> bool {
        let mut request = Request::post("/session").header("host", "shop.example");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        is_same_origin(RequestHead::from(&request.body(()).unwrap()))
    }

    #[test]
    fn pages_of_the_same_origin_are_known() {
        assert!(found(&[("sec-fetch-site", "same-origin")]));
        assert!(found(&[("origin", "https://shop.example")]));
        assert!(found(&[("origin", "http://SHOP.example")]));
    }

    #[test]
    fn others_are_not() {
        for headers in [
            &[][..],
            &[("sec-fetch-site", "same-site")],
            &[
                ("sec-fetch-site", "cross-site"),
                ("origin", "https://shop.example"),
            ],
            &[("sec-fetch-site", "none")],
            &[
                ("sec-fetch-site", "same-origin"),
                ("sec-fetch-site", "cross-site"),
            ],
            &[("origin", "null")],
            &[("origin", "https://shop.example.evil.example")],
            &[("origin", "https://evil.example")],
            &[
                ("origin", "https://shop.example"),
                ("origin", "https://evil.example"),
            ],
            &[("origin", "shop.example")],
        ] {
            assert!(!found(headers), "{headers:?}");
        }
    }
}
