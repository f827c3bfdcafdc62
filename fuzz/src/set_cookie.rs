//! What the layer reads in `Set-Cookie` headers, against the crate `cookie`.

use cookie::Cookie;
use http::{HeaderMap, HeaderValue};
use tower_login_timeout::{CookieId, IdentifySession, Issued, ManualClock, SessionKey};

/// Takes the data for one `Set-Cookie` line.
pub fn run(data: &[u8]) {
    let Ok(value) = HeaderValue::from_bytes(data) else {
        return;
    };
    let identify = CookieId::new("sid").unwrap();
    let mut headers = HeaderMap::new();
    headers.insert("set-cookie", value);
    let clock = ManualClock::new();
    let issued = identify.issued(&headers, &clock);
    // A copy for another path leaves the outcome alone, if it removes something.
    headers.append(
        "set-cookie",
        HeaderValue::from_static("sid=; Path=/other; Max-Age=0"),
    );
    assert_eq!(identify.issued(&headers, &clock), issued);

    let Some(cookie) = str::from_utf8(data)
        .ok()
        .and_then(|line| Cookie::parse(line).ok())
    else {
        return;
    };
    if cookie.name() != "sid" {
        // Rust trims white space beyond ASCII too, browsers do not. So only the name must differ.
        assert!(!matches!(issued, Issued::Started(_) if !data.contains(&b'=')));
        return;
    }
    if has_odd_age(data) {
        return;
    }
    let is_removal = cookie.max_age().is_some_and(|age| age.whole_seconds() <= 0);
    let lives = cookie.max_age().is_some_and(|age| age.whole_seconds() > 0);
    let key = SessionKey::of(cookie.value_trimmed());
    let is_ascii = data.is_ascii();
    match issued {
        Issued::Started(found) if is_ascii => assert!(found == key && !is_removal),
        Issued::Ended => assert!(!lives || cookie.value_trimmed().is_empty()),
        Issued::Nothing if is_ascii => {
            let is_elsewhere = cookie.path().is_some() || cookie.domain().is_some();
            assert!(
                is_elsewhere || key == SessionKey::of(""),
                "nothing is issued"
            );
        }
        _ => {}
    }
}

/// Returns whether a `Max-Age` is no number. Browsers ignore it then, and the crate reads it as
/// zero or for ever.
fn has_odd_age(data: &[u8]) -> bool {
    let text = String::from_utf8_lossy(data).to_ascii_lowercase();
    text.split(';').any(|attribute| {
        let (name, value) = attribute.split_once('=').unwrap_or((attribute, ""));
        let is_number = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
        name.trim() == "max-age" && !is_number
    })
}
