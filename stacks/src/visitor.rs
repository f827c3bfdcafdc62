//! A visitor: keeps cookies as a browser does, and sends requests to a site in this process.

use std::collections::BTreeMap;

use axum::Router;
use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, COOKIE, LOCATION, SET_COOKIE};
use axum::http::{HeaderMap, Request};
use http_body_util::BodyExt;
use tower::ServiceExt;

/// A visitor of one site.
#[derive(Clone, Debug)]
pub struct Visitor {
    site: Router,
    pub cookies: BTreeMap<String, String>,
}

/// What a visitor sees of a response.
#[derive(Debug)]
pub struct Page {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
}

impl Visitor {
    pub fn new(site: &Router) -> Self {
        Self {
            site: site.clone(),
            cookies: BTreeMap::new(),
        }
    }

    /// Follows a link or types an address.
    pub async fn get(&mut self, path: &str) -> Page {
        let request = Request::get(path).header("sec-fetch-mode", "navigate");
        self.send(request.body(Body::empty()).unwrap()).await
    }

    /// Sends a form.
    pub async fn post(&mut self, path: &str, form: &'static str) -> Page {
        let request = Request::post(path)
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header("accept", "text/html");
        self.send(request.body(Body::from(form)).unwrap()).await
    }

    /// Sends a request with the visitor's cookies, and keeps those of the response.
    pub async fn send(&mut self, mut request: Request<Body>) -> Page {
        let pairs = self.cookies.iter();
        let pairs: Vec<_> = pairs
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        if !pairs.is_empty() {
            let line = pairs.join("; ").parse().unwrap();
            request.headers_mut().insert(COOKIE, line);
        }
        let response = self.site.clone().oneshot(request).await.unwrap();
        let (head, body) = response.into_parts();
        for line in head.headers.get_all(SET_COOKIE) {
            self.keep(line.to_str().unwrap());
        }
        let text = body.collect().await.unwrap().to_bytes();
        Page {
            status: head.status.as_u16(),
            headers: head.headers,
            text: String::from_utf8(text.into()).unwrap(),
        }
    }

    fn keep(&mut self, line: &str) {
        let (pair, attributes) = line.split_once(';').unwrap_or((line, ""));
        let (name, value) = pair.split_once('=').unwrap();
        if value.is_empty() || attributes.contains("Max-Age=0") {
            self.cookies.remove(name);
        } else {
            self.cookies.insert(name.to_owned(), value.to_owned());
        }
    }
}

impl Page {
    /// Returns a header's text, or an empty text.
    pub fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value.map_or("", |value| value.to_str().unwrap())
    }

    /// Returns where the response leads to.
    pub fn location(&self) -> &str {
        self.header(LOCATION.as_str())
    }
}
