//! What the layer reads in `Cookie` headers, against eight other readers.

use std::collections::BTreeMap;

use http::{HeaderValue, Request};
use tower_login_timeout::{Presented, SessionKey};

use crate::readers;
use crate::site::Site;

const NAMES: [&str; 4] = ["sid", "s_id", "connect.sid", "__Host-sid"];

/// Takes the first byte for the choice of a name, and each line of the rest for a `Cookie` line.
///
/// If every id that a reader finds has ended, none may reach the service. If one of them is live,
/// it must reach the service, and no other one.
pub fn run(data: &[u8]) {
    let Some((&choice, data)) = data.split_first() else {
        return;
    };
    let name = NAMES[usize::from(choice) % NAMES.len()];
    let lines: Vec<_> = data.split(|&byte| byte == b'\n').collect();
    let Some(_) = request(&lines) else { return };
    // Servers take white space off the ends of a line.
    let mut ids = BTreeMap::new();
    for line in &lines {
        for (reader, value) in read(line.trim_ascii(), name) {
            ids.entry(SessionKey::of(&value)).or_insert((reader, value));
        }
    }
    ids.remove(&SessionKey::of(""));

    let site = Site::new(name);
    for &id in ids.keys() {
        site.start(id);
        site.revoke(id);
    }
    let (reached, _) = site.ask(request(&lines).unwrap());
    for line in reached.iter().flatten() {
        for (reader, value) in read(line, name) {
            let found = ids.get(&SessionKey::of(&value));
            assert!(
                found.is_none(),
                "{reader} finds {found:?} in {}",
                line.escape_ascii()
            );
        }
    }

    if ids.len() > Presented::MOST {
        return;
    }
    for (&live, spelling) in &ids {
        let site = Site::new(name);
        for &id in ids.keys() {
            site.start(id);
            if id != live {
                site.revoke(id);
            }
        }
        let (reached, head) = site.ask(request(&lines).unwrap());
        let Some(reached) = reached else {
            let reason = head.headers.get("login-timeout-reason");
            // More ids than the layer looks up.
            assert!(
                reason.is_some_and(|reason| reason == "conflicting"),
                "{spelling:?} is refused"
            );
            continue;
        };
        let [line] = &reached[..] else {
            panic!("{} lines with {spelling:?}", reached.len());
        };
        let found = readers::strict(line, name);
        let keys: Vec<_> = found.iter().map(SessionKey::of).collect();
        assert_eq!(keys, [live], "{spelling:?} in {}", line.escape_ascii());
        for (reader, value) in read(line, name) {
            let key = SessionKey::of(&value);
            let found = ids.get(&key).filter(|_| key != live);
            assert!(
                found.is_none(),
                "{reader} finds {found:?} in {}",
                line.escape_ascii()
            );
        }
    }
}

fn read(line: &[u8], name: &str) -> Vec<(&'static str, Vec<u8>)> {
    let found = |(reader, read): (&'static str, readers::Reader)| {
        read(line, name)
            .into_iter()
            .map(move |value| (reader, value))
    };
    readers::ALL.into_iter().flat_map(found).collect()
}

/// Returns the request, unless a line cannot be part of any.
fn request(lines: &[&[u8]]) -> Option<Request<()>> {
    let mut request = Request::get("/");
    for line in lines {
        request = request.header("cookie", HeaderValue::from_bytes(line).ok()?);
    }
    request.body(()).ok()
}
