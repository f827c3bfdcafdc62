//! How many instructions does the layer add to a request?
//!
//! Sends the requests that its arguments ask for, for `scripts/instructions` to count: `live 2000`. A first argument of `bare-…` leaves the
//! layer out.

use std::convert::Infallible;
use std::error::Error;
use std::future::{Future, Ready, ready};
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use http::{Request, Response};
use tower::{Layer, Service};
use tower_login_timeout::{CookieId, LoginTimeoutLayer, ManualClock, MemoryStore, Policy};

/// As many as a small site has, so that the table is neither empty nor a matter of caches, which are not counted.
const SESSIONS: usize = 1_000;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args()
        .skip(1)
        .filter(|argument| argument != "--bench");
    let path = arguments.next().unwrap_or_else(|| "live".to_owned());
    let requests: usize = arguments.next().map_or(Ok(1), |count| count.parse())?;

    let layer =
        LoginTimeoutLayer::new(Policy::default(), CookieId::new("sid")?, MemoryStore::new());
    let layer = layer.with_clock(ManualClock::new());
    let tracker = layer.tracker();
    for number in 0..SESSIONS {
        now(tracker.start(id(number)))?;
    }
    let mut wrapped = layer.layer(Answer);
    for number in 0..requests {
        let request = match path.trim_start_matches("bare-") {
            "anonymous" => request("theme=dark; lang=de"),
            "expired" => request("theme=dark; sid=unknown"),
            _ => request(&format!("theme=dark; sid={}", id(number % SESSIONS))),
        }?;
        if path.starts_with("bare-") {
            let _ = now(Answer.call(request));
        } else {
            let _ = now(wrapped.call(request));
        }
    }
    Ok(())
}

/// An id as frameworks make them: 43 characters for 256 bits.
fn id(number: usize) -> String {
    format!("{number:043}")
}

fn request(cookie: &str) -> http::Result<Request<()>> {
    Request::get("/")
        .header("cookie", cookie)
        .extension("route")
        .body(())
}

/// The output of a future that never has to wait.
fn now<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("had to wait"),
    }
}

#[derive(Clone)]
struct Answer;

impl Service<Request<()>> for Answer {
    type Response = Response<String>;
    type Error = Infallible;
    type Future = Ready<Result<Response<String>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<()>) -> Self::Future {
        ready(Ok(Response::new(String::new())))
    }
}
