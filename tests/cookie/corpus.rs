//! What the layer makes of each header that was sent to 81 real parsers.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fmt::Debug;
use std::io::Read;
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::thread;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::read::GzDecoder;
use http::{HeaderValue, Request, Response};
use regex::{Captures, Regex};
use serde_json::Value;
use tower::{Layer, ServiceExt, service_fn};
use tower_login_timeout::{
    CookieId, LoginTimeoutLayer, ManualClock, MemoryStore, Policy, SessionKey,
};

use super::readers::{self, strict};

/// How many headers there are. A test that reads fewer tests less than it says.
const HEADERS: usize = 3497;

/// One header, and the ids that the parsers saw.
struct Observed {
    name: String,
    lines: Vec<Vec<u8>>,
    /// Each id with the first parser that saw it.
    ids: BTreeMap<SessionKey, Vec<u8>>,
}

#[test]
fn a_header_with_ended_ids_reaches_the_service_without_them_or_not_at_all() {
    let counts = for_each(|observed, problems| {
        let site = Site::new(&observed.name);
        for &id in observed.ids.keys() {
            site.start(id);
            site.revoke(id);
        }
        let Some(lines) = site.ask(&observed.lines) else {
            return 0;
        };
        for line in &lines {
            for (reader, read) in readers::ALL {
                for value in read(line, &observed.name) {
                    if observed.ids.contains_key(&SessionKey::of(&value)) {
                        problems.note(
                            observed,
                            &[&reader, &"reads", &show(&value), &"in", &show(line)],
                        );
                    }
                }
            }
        }
        1
    });
    // Those that show no parser an id.
    assert!(counts > 500, "only {counts} headers reached the service");
}

#[test]
fn a_header_with_one_live_id_gives_the_service_that_one_alone() {
    let count = for_each(|observed, problems| {
        for (&live, spelling) in &observed.ids {
            let site = Site::new(&observed.name);
            for &id in observed.ids.keys() {
                site.start(id);
                if id != live {
                    site.revoke(id);
                }
            }
            let Some(lines) = site.ask(&observed.lines) else {
                problems.note(observed, &[&show(spelling), &"is refused"]);
                continue;
            };
            let [line] = &lines[..] else {
                problems.note(observed, &[&show(spelling), &lines.len(), &"lines"]);
                continue;
            };
            let found = strict(line, &observed.name);
            if !matches!(&found[..], [one] if SessionKey::of(one) == live) {
                problems.note(
                    observed,
                    &[&show(spelling), &"is handed on as", &show(line)],
                );
            }
            for (reader, read) in readers::ALL {
                for value in read(line, &observed.name) {
                    let key = SessionKey::of(&value);
                    if key != live && observed.ids.contains_key(&key) {
                        problems.note(
                            observed,
                            &[&reader, &"reads", &show(&value), &"in", &show(line)],
                        );
                    }
                }
            }
        }
        observed.ids.len()
    });
    assert!(count > 4500, "only {count} ids were tried");
}

#[test]
fn a_clean_header_reaches_the_service_byte_for_byte() {
    let count = for_each(|observed, problems| {
        if !is_clean(&observed.lines, &observed.name) {
            return 0;
        }
        let site = Site::new(&observed.name);
        for &id in observed.ids.keys() {
            site.start(id);
        }
        let reached = site.ask(&observed.lines);
        if reached.as_ref() != Some(&observed.lines) {
            problems.note(
                observed,
                &[
                    &"became",
                    &reached.map(|lines| lines.iter().map(|line| show(line)).collect::<Vec<_>>()),
                ],
            );
        }
        1
    });
    assert!(count > 600, "only {count} headers are clean");
}

/// A service that tells which `Cookie` lines it got, behind a layer of its own.
struct Site {
    layer: LoginTimeoutLayer,
    reached: Arc<Mutex<Option<Vec<Vec<u8>>>>>,
}

impl Site {
    fn new(name: &str) -> Self {
        let identify = CookieId::new(name).unwrap();
        let layer = LoginTimeoutLayer::new(Policy::default(), identify, MemoryStore::new());
        let layer = layer.with_clock(ManualClock::new());
        let reached = Arc::default();
        Self { layer, reached }
    }

    fn start(&self, id: SessionKey) {
        now(self.layer.tracker().start(id)).unwrap();
    }

    fn revoke(&self, id: SessionKey) {
        assert!(now(self.layer.tracker().revoke(id)).unwrap());
    }

    /// Sends these lines, and returns those that reached the service, if it was reached.
    fn ask(&self, lines: &[Vec<u8>]) -> Option<Vec<Vec<u8>>> {
        let reached = Arc::clone(&self.reached);
        let service = self.layer.layer(service_fn(move |request: Request<()>| {
            let lines = request.headers().get_all("cookie").iter();
            let lines = lines.map(|line| line.as_bytes().to_vec()).collect();
            *reached.lock().unwrap() = Some(lines);
            async { Ok::<_, Infallible>(Response::new(String::new())) }
        }));
        let mut request = Request::get("/");
        for line in lines {
            request = request.header("cookie", HeaderValue::from_bytes(line).unwrap());
        }
        let response = now(service.oneshot(request.body(()).unwrap())).unwrap();
        let reached = self.reached.lock().unwrap().take();
        assert_eq!(reached.is_some(), response.status() == 200);
        reached
    }
}

/// Returns the output of a future that has nothing to wait for.
fn now<F: Future>(future: F) -> F::Output {
    match tokio_test::task::spawn(future).poll() {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("a store in memory does not wait"),
    }
}

/// The headers for which something does not hold.
#[derive(Default)]
struct Problems(Mutex<Vec<String>>);

impl Problems {
    fn note(&self, observed: &Observed, what: &[&dyn Debug]) {
        let lines: Vec<_> = observed.lines.iter().map(|line| show(line)).collect();
        let problem = format!("{} in {lines:?}: {what:?}", observed.name);
        self.0.lock().unwrap().push(problem);
    }
}

/// Runs a check on each header of the corpus, on all processors. Returns the sum of what it
/// returns.
fn for_each(check: impl Fn(&Observed, &Problems) -> usize + Sync) -> usize {
    let corpus = observed();
    assert_eq!(corpus.len(), HEADERS);
    let problems = Problems::default();
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let run = |part: &[Observed]| -> usize {
        part.iter().map(|observed| check(observed, &problems)).sum()
    };
    let sum = thread::scope(|scope| {
        let parts = corpus.chunks(corpus.len().div_ceil(threads));
        let running: Vec<_> = parts.map(|part| scope.spawn(|| run(part))).collect();
        running.into_iter().map(|part| part.join().unwrap()).sum()
    });
    let problems = problems.0.into_inner().unwrap();
    let first = &problems[..problems.len().min(20)];
    assert!(
        problems.is_empty(),
        "{} problems, the first of them: {first:#?}",
        problems.len()
    );
    sum
}

/// Returns the headers of the corpus.
fn observed() -> Vec<Observed> {
    let packed = include_bytes!("corpus/observed.jsonl.gz");
    let mut text = String::new();
    GzDecoder::new(&packed[..])
        .read_to_string(&mut text)
        .unwrap();
    let read = |line: &str| {
        let line: Value = serde_json::from_str(line).unwrap();
        let mut ids = BTreeMap::new();
        for (parser, seen) in line["seen"].as_object().unwrap() {
            for value in texts(seen) {
                let is_unset = parser.starts_with("@edge-runtime") && value == b"true";
                let key = SessionKey::of(&value);
                if !is_unset && key != SessionKey::of("") {
                    ids.entry(key).or_insert(value);
                }
            }
        }
        let name = line["name"].as_str().unwrap().to_owned();
        let lines = texts(&line["lines"]);
        Observed { name, lines, ids }
    };
    text.lines().map(read).collect()
}

/// Returns the texts in a JSON value. `null`, `true` and `{"refused": true}` hold none.
fn texts(value: &Value) -> Vec<Vec<u8>> {
    match value {
        Value::String(text) => vec![STANDARD.decode(text).unwrap()],
        Value::Array(values) => values.iter().flat_map(texts).collect(),
        _ => Vec::new(),
    }
}

fn show(text: &[u8]) -> String {
    text.escape_ascii().to_string()
}

/// Returns whether a header is clean by section 5 of the corpus' summary, to the letter.
fn is_clean(lines: &[Vec<u8>], name: &str) -> bool {
    let [line] = lines else { return false };
    let assignment = [name.as_bytes(), b"="].concat();
    let mut sessions = 0;
    let pairs = line.split(|&byte| byte == b';').enumerate();
    let mut pairs = pairs.map(|(index, pair)| match pair {
        [b' ', pair @ ..] if index > 0 => pair,
        pair => pair,
    });
    pairs.all(|pair| {
        let Some(equals) = pair.iter().position(|&byte| byte == b'=') else {
            return false;
        };
        let (key, value) = (&pair[..equals], &pair[equals + 1..]);
        let is_token =
            |&byte: &u8| byte.is_ascii_graphic() && !b"()<>@,;:\\\"/[]?={}".contains(&byte);
        let is_octet = |&byte: &u8| byte.is_ascii_graphic() && !b"\",;\\".contains(&byte);
        let is_safe = |&byte: &u8| byte.is_ascii_alphanumeric() || b"._~!#$'*^`|-".contains(&byte);
        if key.is_empty() || !key.iter().all(is_token) || key[0] == b'$' {
            return false;
        }
        if key == name.as_bytes() {
            sessions += 1;
            return sessions == 1 && value.iter().all(is_safe);
        }
        value.iter().all(is_octet)
            && !is_name_to_some(key, name)
            && !value
                .windows(assignment.len())
                .any(|window| window == assignment)
    })
}

/// Returns whether a name is the session's to a parser that decodes it, takes a prefix off, or is
/// PHP.
fn is_name_to_some(key: &[u8], name: &str) -> bool {
    let encoded = Regex::new("%(?:[uU]00)?([0-9A-Fa-f]{2})").unwrap();
    let key = String::from_utf8_lossy(key);
    let decoded = encoded.replace_all(&key, |digits: &Captures<'_>| {
        let byte = u8::from_str_radix(&digits[1], 16).unwrap();
        char::from(byte).to_string()
    });
    let prefixes = ["", "__Host-", "__Secure-"];
    let mut bare = prefixes
        .iter()
        .filter_map(|prefix| decoded.strip_prefix(prefix));
    bare.any(|key| key == name || key.replace('.', "_") == name.replace('.', "_"))
}
