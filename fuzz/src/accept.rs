//! What the layer answers to `Accept` headers.

use http::{HeaderValue, Request};
use tower_login_timeout::{LoginTimeoutResponse, ResponseFormat, SessionKey};

use crate::site::Site;

const FORMATS: [&str; 4] = [
    "text/html",
    "application/json",
    "application/problem+json",
    "text/plain",
];

/// Takes each line for an `Accept` line.
pub fn run(data: &[u8]) {
    let response = LoginTimeoutResponse::new().with_format(ResponseFormat::Negotiated);
    let site = Site::new("sid").answering(response);
    site.start(SessionKey::of("A"));
    site.revoke(SessionKey::of("A"));
    let mut request = Request::get("/").header("cookie", "sid=A");
    for line in data.split(|&byte| byte == b'\n') {
        let Ok(line) = HeaderValue::from_bytes(line) else {
            return;
        };
        request = request.header("accept", line);
    }
    let (reached, head) = site.ask(request.body(()).unwrap());
    assert_eq!(reached, None);
    assert_eq!(head.status, 440);
    let kind = head.headers["content-type"].to_str().unwrap();
    let kind = kind.split(';').next().unwrap();
    assert!(FORMATS.contains(&kind), "{kind}");

    // What names one format alone gets it.
    let named = data.trim_ascii().to_ascii_lowercase();
    if let Some(format) = FORMATS
        .into_iter()
        .find(|format| format.as_bytes() == named)
    {
        assert_eq!(kind, format);
    }
    // What is refused by name is not sent, if others are asked for.
    for format in FORMATS {
        if named == format!("{format};q=0,*/*").as_bytes() {
            assert_ne!(kind, format);
        }
    }
}
