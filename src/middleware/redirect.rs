//! Where a redirect leads.

use percent_encoding::percent_decode;

/// Returns whether a `Location` in the response to a request for this path leads to the same path.
///
/// The query does not matter, nor do upper and lower case, a slash at the end, parameters behind a
/// semicolon (`;jsessionid=`), and the host: an application that names it redirects to itself.
pub(super) fn leads_back(location: &[u8], path: &str) -> bool {
    let location = String::from_utf8_lossy(location).replace('\\', "/");
    let location = location.split(['?', '#']).next().unwrap_or_default().trim();
    let target = match without_scheme(location).unwrap_or(location) {
        "" => path.to_owned(),
        rest => match rest.strip_prefix("//") {
            Some(rest) => rest.find('/').map_or("/", |at| &rest[at..]).to_owned(),
            None if rest.starts_with('/') => rest.to_owned(),
            None => {
                let directory = path.rfind('/').map_or("/", |at| &path[..=at]);
                [directory, rest].concat()
            }
        },
    };
    segments(&target)
        .iter()
        .map(String::as_str)
        .eq(segments(path).iter().map(String::as_str))
}

/// Returns what follows the scheme (RFC 3986, 3.1), if there is one.
fn without_scheme(location: &str) -> Option<&str> {
    let (scheme, rest) = location.split_once(':')?;
    let is_scheme = scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    is_scheme.then_some(rest)
}

/// Returns the segments of a path, decoded and in lower case, without dots and parameters.
fn segments(path: &str) -> Vec<String> {
    let mut segments = Vec::new();
    for segment in path.split('/') {
        let name = segment.split(';').next().unwrap_or_default();
        let name = percent_decode(name.as_bytes()).decode_utf8_lossy();
        match &*name {
            "" | "." => {}
            ".." => drop(segments.pop()),
            name => segments.push(name.to_lowercase()),
        }
    }
    segments
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATH: &str = "/account/login";

    #[test]
    fn another_path_does_not_lead_back() {
        for location in [
            "/",
            "/account",
            "/account/",
            "/account/login/second-factor",
            "https://shop.example/",
            "https://shop.example",
            "//shop.example/basket",
            "welcome",
            "..",
            "/größe",
            "/proxy/http://shop.example/account/login",
            "javascript:alert(1)",
            "/account/login2",
            "/ACCOUNT",
        ] {
            assert!(!leads_back(location.as_bytes(), PATH), "{location}");
        }
        assert!(!leads_back(b"/\xff\xfe", PATH));
    }

    #[test]
    fn each_spelling_of_the_same_path_leads_back() {
        for location in [
            "/account/login",
            "/account/login/",
            "/account/login?error=1",
            "https://shop.example/account/login?error#form",
            "HTTPS://user@shop.example:8443/account/login",
            "//shop.example/account/login",
            "login?error",
            "./login",
            "../account/login",
            "/x/../account/./login",
            "?error",
            "#form",
            "",
            "/Account/LOGIN",
            "\\account\\login",
            "/account/log%69n",
            "/account/login;jsessionid=0123",
            "http:/account/login",
            " /account/login",
        ] {
            assert!(leads_back(location.as_bytes(), PATH), "{location}");
        }
        assert!(leads_back(b"/", "/"));
        assert!(leads_back(b"", "/"));
    }
}
