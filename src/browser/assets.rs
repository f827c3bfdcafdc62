//! The files of the page's half, as they are served.

use bytes::Bytes;
use http::header::{
    CACHE_CONTROL, CONTENT_LENGTH, CONTENT_LOCATION, CONTENT_TYPE, ETAG, IF_NONE_MATCH,
};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};

use crate::browser::endpoint::{nosniff, not_allowed};

const MODULE: &str = include_str!("assets/login-timeout.min.js");
const TEXTS: &str = include_str!("assets/login-timeout.texts.js");
const DECLARATIONS: &str = include_str!("assets/login-timeout.d.ts");

const JAVASCRIPT: HeaderValue = HeaderValue::from_static("text/javascript; charset=utf-8");
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");

/// How many digits of the hash stand in the name of the module.
const DIGITS: usize = 16;

/// A file of the page's half.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asset {
    /// The module under a name that stays.
    Module,
    /// The module under a name with the hash of its contents.
    ModuleOfThisVersion,
    Texts,
    Declarations,
}

impl Asset {
    /// Returns the file with this name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        match name {
            "login-timeout.js" => Some(Self::Module),
            "login-timeout.texts.js" => Some(Self::Texts),
            "login-timeout.d.ts" => Some(Self::Declarations),
            other if other == name_of_this_version() => Some(Self::ModuleOfThisVersion),
            _ => None,
        }
    }

    /// Responds with the file, or with what the client has already.
    pub(crate) fn response(self, method: &Method, request: &HeaderMap) -> Response<Bytes> {
        if !matches!(*method, Method::GET | Method::HEAD) {
            return not_allowed("GET, HEAD");
        }
        let (contents, media_type, caching) = match self {
            Self::Module => (MODULE, JAVASCRIPT, "no-cache"),
            Self::ModuleOfThisVersion => {
                (MODULE, JAVASCRIPT, "public, max-age=31536000, immutable")
            }
            Self::Texts => (TEXTS, JAVASCRIPT, "no-cache"),
            Self::Declarations => (DECLARATIONS, TEXT, "no-cache"),
        };
        let mut response = Response::new(Bytes::new());
        let headers = response.headers_mut();
        headers.insert(CACHE_CONTROL, HeaderValue::from_static(caching));
        let tag = format!("\"{}\"", hash(contents));
        let is_known = request.get_all(IF_NONE_MATCH).iter().any(|tags| {
            let tags = tags.as_bytes();
            tags == b"*" || tags.windows(tag.len()).any(|known| known == tag.as_bytes())
        });
        if let Ok(tag) = HeaderValue::try_from(tag) {
            headers.insert(ETAG, tag);
        }
        if self == Self::Module
            && let Ok(version) = HeaderValue::try_from(name_of_this_version())
        {
            // Relative to the address of the request (RFC 9110, 8.7).
            headers.insert(CONTENT_LOCATION, version);
        }
        if is_known {
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            return response;
        }
        headers.insert(CONTENT_TYPE, media_type);
        headers.insert(CONTENT_LENGTH, contents.len().into());
        nosniff(headers);
        if *method == Method::GET {
            *response.body_mut() = Bytes::from_static(contents.as_bytes());
        }
        response
    }
}

/// Returns the name of the module that changes with its contents.
pub(crate) fn name_of_this_version() -> String {
    format!("login-timeout.{}.js", hash(MODULE))
}

/// Returns the first digits of a file's hash.
fn hash(contents: &str) -> String {
    let mut digits = blake3::hash(contents.as_bytes()).to_hex().to_string();
    digits.truncate(DIGITS);
    digits
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(asset: Asset, method: Method, known: &[&str]) -> Response<Bytes> {
        let mut headers = HeaderMap::new();
        for tag in known {
            headers.append(IF_NONE_MATCH, tag.parse().unwrap());
        }
        asset.response(&method, &headers)
    }

    #[test]
    fn each_file_has_its_name_and_no_other_file_is_served() {
        assert_eq!(Asset::named("login-timeout.js"), Some(Asset::Module));
        let versioned = name_of_this_version();
        assert_eq!(Asset::named(&versioned), Some(Asset::ModuleOfThisVersion));
        // A page that is written by a program finds the name here.
        let module = response(Asset::Module, Method::GET, &[]);
        assert_eq!(module.headers()[CONTENT_LOCATION], versioned);
        for name in [
            "",
            "login-timeout.0123456789abcdef.js",
            "login-timeout.min.js",
            "../lib.rs",
        ] {
            assert_eq!(Asset::named(name), None, "{name}");
        }
    }

    #[test]
    fn a_file_that_the_client_has_is_not_sent_again() {
        for asset in [Asset::Module, Asset::ModuleOfThisVersion, Asset::Texts] {
            let first = response(asset, Method::GET, &[]);
            assert_eq!(first.status(), 200);
            assert!(!first.body().is_empty());
            let tag = first.headers()[ETAG].to_str().unwrap().to_owned();
            for known in [tag.clone(), format!("\"other\", W/{tag}"), "*".to_owned()] {
                let again = response(asset, Method::GET, &[&known]);
                assert_eq!(again.status(), 304, "{known}");
                assert!(again.body().is_empty());
                assert_eq!(again.headers()[ETAG], *tag);
            }
            assert_eq!(response(asset, Method::GET, &["\"other\""]).status(), 200);
        }
    }

    #[test]
    fn a_head_request_learns_the_length() {
        let response = response(Asset::Module, Method::HEAD, &[]);
        assert!(response.body().is_empty());
        assert_eq!(response.headers()[CONTENT_LENGTH], MODULE.len().to_string());
    }

    #[test]
    fn files_cannot_be_changed() {
        let response = response(Asset::Texts, Method::POST, &[]);
        assert_eq!(response.status(), 405);
        assert_eq!(response.headers()["allow"], "GET, HEAD");
    }

    #[test]
    fn the_module_of_this_version_may_be_kept_for_ever() {
        let response = response(Asset::ModuleOfThisVersion, Method::GET, &[]);
        let caching = response.headers()[CACHE_CONTROL].to_str().unwrap();
        assert!(caching.contains("immutable"), "{caching}");
    }
}
