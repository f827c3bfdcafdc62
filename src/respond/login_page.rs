//! Who is sent to the log-in page, and how do they come back?

use bytes::Bytes;
use http::header::{LOCATION, VARY};
use http::{HeaderName, HeaderValue, Method, Response, StatusCode, Uri};

use super::accept;
use super::format::percent_encoded;
use crate::request::head::RequestHead;

const SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
const X_REQUESTED_WITH: HeaderName = HeaderName::from_static("x-requested-with");

/// What tells a page navigation from a script.
pub(super) const VARIES: &str = "accept, sec-fetch-mode, x-requested-with";

/// Where visitors log in.
#[derive(Clone, Debug)]
pub(super) struct LoginPage(String);

impl LoginPage {
    /// The page at this address, encoded as a browser would send it.
    pub(super) fn new(address: &str) -> Self {
        Self(percent_encoded(address, is_uri_byte))
    }

    /// The redirect, for page navigations to any other page.
    pub(super) fn redirect(&self, request: RequestHead<'_>) -> Option<Response<Bytes>> {
        let is_login_page = self.0.split(['?', '#']).next() == Some(request.uri().path());
        if is_login_page || !is_navigation(request) {
            return None;
        }
        let location = match return_url(request.uri()) {
            Some(return_url) => {
                let (page, fragment) = self.0.split_at(self.0.find('#').unwrap_or(self.0.len()));
                let separator = if page.contains('?') { '&' } else { '?' };
                format!("{page}{separator}returnUrl={return_url}{fragment}")
            }
            None => self.0.clone(),
        };
        let mut response = Response::new(Bytes::new());
        *response.status_mut() = StatusCode::SEE_OTHER;
        let headers = response.headers_mut();
        headers.insert(LOCATION, HeaderValue::from_str(&location).ok()?);
        headers.insert(VARY, HeaderValue::from_static(VARIES));
        Some(response)
    }
}

fn is_navigation(request: RequestHead<'_>) -> bool {
    let is_safe = matches!(*request.method(), Method::GET | Method::HEAD);
    let headers = request.headers();
    is_safe
        && match headers.get(SEC_FETCH_MODE) {
            Some(mode) => mode == "navigate",
            None => accept::names_html(headers) && !headers.contains_key(X_REQUESTED_WITH),
        }
}

/// The path and query that was asked for, encoded as a query value, if a browser takes it for a path on the same site.
///
/// Browsers take `//host` and `/\host` for another site, and skip tabs and line ends.
fn return_url(uri: &Uri) -> Option<String> {
    let path_and_query = uri.path_and_query()?.as_str();
    let mut bytes = path_and_query.bytes();
    let is_same_site = bytes.next() == Some(b'/')
        && !matches!(bytes.next(), Some(b'/' | b'\\'))
        && path_and_query.bytes().all(|byte| byte > b' ');
    is_same_site.then(|| percent_encoded(path_and_query, is_unreserved))
}

/// RFC 3986, 2: what may stand in an address, its percent signs included.
fn is_uri_byte(byte: u8) -> bool {
    byte.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&byte)
}

/// RFC 3986, 2.3, and the slash, which may stand in a query.
fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;

    fn location(page: &str, uri: &str, headers: &[(&str, &str)]) -> Option<String> {
        let mut request = Request::get(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(()).unwrap();
        let page = LoginPage::new(page);
        let response = page.redirect(RequestHead::from(&request))?;
        assert_eq!(response.status(), StatusCode::SEE_OTHER);
        Some(response.headers()[LOCATION].to_str().unwrap().to_owned())
    }

    const NAVIGATION: [(&str, &str); 1] = [("sec-fetch-mode", "navigate")];

    #[test]
    fn a_navigation_is_sent_to_the_page_and_told_the_way_back() {
        let found = location(
            "/login",
            "/a/b?c=d&e=f g".replace(' ', "%20").as_str(),
            &NAVIGATION,
        );
        assert_eq!(
            found.unwrap(),
            "/login?returnUrl=/a/b%3Fc%3Dd%26e%3Df%2520g"
        );
        let found = location("/login?from=app#form", "/a", &NAVIGATION);
        assert_eq!(found.unwrap(), "/login?from=app&returnUrl=/a#form");
    }

    #[test]
    fn the_way_back_never_leads_to_another_site() {
        for uri in [
            "//evil.example/a",
            "/\\evil.example",
            "https://own.example//evil.example",
        ] {
            if uri.parse::<Uri>().is_ok() {
                assert_eq!(
                    location("/login", uri, &NAVIGATION).unwrap(),
                    "/login",
                    "{uri}"
                );
            }
        }
        let absolute = location("/login", "https://own.example/a", &NAVIGATION);
        assert_eq!(absolute.unwrap(), "/login?returnUrl=/a");
    }

    #[test]
    fn scripts_are_not_redirected() {
        for headers in [
            &[("sec-fetch-mode", "cors"), ("accept", "text/html")][..],
            &[("accept", "application/json")],
            &[
                ("accept", "text/html"),
                ("x-requested-with", "XMLHttpRequest"),
            ],
            &[],
        ] {
            assert_eq!(location("/login", "/a", headers), None, "{headers:?}");
        }
        assert_eq!(
            location("/login", "/a", &[("accept", "text/html;q=0, */*")]),
            None
        );
        for old_browser in ["text/html,*/*;q=0.8", "TEXT/HTML"] {
            assert!(location("/login", "/a", &[("accept", old_browser)]).is_some());
        }
    }

    #[test]
    fn a_form_is_not_redirected() {
        let request = Request::post("/a")
            .header("sec-fetch-mode", "navigate")
            .body(())
            .unwrap();
        let page = LoginPage::new("/login");
        assert!(page.redirect(RequestHead::from(&request)).is_none());
    }

    #[test]
    fn any_address_is_encoded_as_browsers_would() {
        let encoded = "/anmelden/f%C3%BCr%20mich?a=%22b%22%20%25";
        let found = location("/anmelden/für mich?a=\"b\" %25", "/a", &NAVIGATION);
        assert_eq!(found.unwrap(), format!("{encoded}&returnUrl=/a"));
        assert_eq!(location("/für mich", "/f%C3%BCr%20mich", &NAVIGATION), None);
        let found = location("/login\r\nset-cookie: a=b", "/a", &NAVIGATION);
        let harmless = "/login%0D%0Aset-cookie:%20a=b?returnUrl=/a";
        assert_eq!(found.unwrap(), harmless);
    }

    #[test]
    fn the_page_does_not_redirect_to_itself() {
        assert_eq!(
            location("/login?a=b", "/login?returnUrl=/a", &NAVIGATION),
            None
        );
    }
}
