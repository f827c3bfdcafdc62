//! The redirect to the log-in page, and the way back from it.

use bytes::Bytes;
use http::header::{LOCATION, VARY};
use http::{HeaderName, HeaderValue, Method, Response, StatusCode, Uri};

use super::accept;
use crate::request::address::{encoded_address, encoded_query_value};
use crate::request::head::RequestHead;

const SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
const X_REQUESTED_WITH: HeaderName = HeaderName::from_static("x-requested-with");

/// The headers that tell a page navigation from a script.
pub(super) const VARIES: &str = "accept, sec-fetch-mode, x-requested-with";

/// The address of the page where visitors log in.
#[derive(Clone, Debug)]
pub(super) struct LoginPage(String);

impl LoginPage {
    /// Creates a page at this address, encoded as a browser would send it.
    pub(super) fn new(address: &str) -> Self {
        Self(encoded_address(address))
    }

    pub(super) fn address(&self) -> &str {
        &self.0
    }

    /// Makes the redirect, for navigations to any page but this one.
    ///
    /// The parameter of this name tells the page where the visitor wanted to go.
    pub(super) fn redirect(
        &self,
        request: RequestHead<'_>,
        return_url_name: &str,
    ) -> Option<Response<Bytes>> {
        let uri = request.original_uri();
        let is_login_page = self.0.split(['?', '#']).next() == Some(uri.path());
        if is_login_page || !is_navigation(request) {
            return None;
        }
        let location = match return_url(uri) {
            Some(return_url) if !return_url_name.is_empty() => {
                let (page, fragment) = self.0.split_at(self.0.find('#').unwrap_or(self.0.len()));
                let separator = if page.contains('?') { '&' } else { '?' };
                let name = encoded_query_value(return_url_name);
                format!("{page}{separator}{name}={return_url}{fragment}")
            }
            Some(_) | None => self.0.clone(),
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

/// Returns the path and query that was asked for, encoded as a query value, if a browser takes it
/// for a path on the same site.
///
/// Browsers take `//host` and `/\host` for another site, and skip tabs and line ends.
fn return_url(uri: &Uri) -> Option<String> {
    let path_and_query = uri.path_and_query()?.as_str();
    let mut bytes = path_and_query.bytes();
    let is_same_site = bytes.next() == Some(b'/')
        && !matches!(bytes.next(), Some(b'/' | b'\\'))
        && path_and_query.bytes().all(|byte| byte > b' ');
    is_same_site.then(|| encoded_query_value(path_and_query))
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
        let response = page.redirect(RequestHead::from(&request), "returnUrl")?;
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
        let redirect = page.redirect(RequestHead::from(&request), "returnUrl");
        assert!(redirect.is_none());
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
    fn the_parameter_has_the_name_that_was_set() {
        for (name, location) in [
            ("next", "/login?next=/a"),
            ("a&b=", "/login?a%26b%3D=/a"),
            ("", "/login"),
        ] {
            let request = Request::get("/a").header("sec-fetch-mode", "navigate");
            let request = request.body(()).unwrap();
            let page = LoginPage::new("/login");
            let response = page.redirect(RequestHead::from(&request), name).unwrap();
            assert_eq!(response.headers()[LOCATION], location, "{name:?}");
        }
    }

    #[test]
    fn the_page_does_not_redirect_to_itself() {
        assert_eq!(
            location("/login?a=b", "/login?returnUrl=/a", &NAVIGATION),
            None
        );
    }
}
