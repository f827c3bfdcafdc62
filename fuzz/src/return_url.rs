//! Where the log-in page is told to send the visitor back to.

use http::{Request, Uri};
use tower_login_timeout::{LoginTimeoutResponse, SessionKey};

use crate::site::Site;

/// Takes the data for the target of a request.
pub fn run(data: &[u8]) {
    let Ok(uri) = Uri::try_from(data) else { return };
    let response = LoginTimeoutResponse::new().with_login_page("/login?a=1#b");
    let site = Site::new("sid").answering(response);
    site.start(SessionKey::of("A"));
    site.revoke(SessionKey::of("A"));
    let request = Request::get(uri.clone())
        .header("cookie", "sid=A")
        .header("sec-fetch-mode", "navigate");
    let (reached, head) = site.ask(request.body(()).unwrap());
    assert_eq!(reached, None);
    let Some(location) = head.headers.get("location") else {
        assert!(head.status == 440);
        return;
    };
    let location = location.to_str().unwrap();
    let rest = location.strip_prefix("/login?a=1").unwrap();
    let rest = rest.strip_suffix("#b").unwrap();
    let Some(back) = rest.strip_prefix("&returnUrl=") else {
        assert_eq!(rest, "");
        return;
    };
    // One value, and an application that decodes it has what was asked for.
    assert!(!back.contains(['&', '#', '?', '+', ';']), "{back}");
    let pair = cookie::Cookie::parse_encoded(format!("a={back}")).unwrap();
    let decoded = pair.value();
    assert_eq!(decoded, uri.path_and_query().unwrap().as_str());
    // A browser takes it for a path on this site: it skips tabs and line ends, and reads `\` as
    // `/`.
    let seen: String = decoded.replace(['\t', '\r', '\n'], "").replace('\\', "/");
    assert!(
        seen.starts_with('/') && !seen.starts_with("//"),
        "{decoded}"
    );
}
