//! What is the layer compared with?
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each benchmark uses a part of it"
)]

use std::convert::Infallible;
use std::future::{Future, Ready, ready};
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use http::{Request, Response};
use tower::Service;

/// A service that does nothing, at once.
#[derive(Clone)]
pub struct Bare;

impl Service<Request<()>> for Bare {
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

/// What a browser accepts.
const ACCEPT: &str = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";

/// A request as routers and servers pass it on: they have attached something, so its map of
/// extensions is there.
pub fn routed(cookie: &str) -> Request<()> {
    let mut request = first(cookie);
    request.extensions_mut().insert("route");
    request
}

/// A request that nobody has attached anything to.
pub fn first(cookie: &str) -> Request<()> {
    let request = Request::get("/")
        .header("cookie", cookie)
        .header("accept", ACCEPT)
        .body(());
    request.unwrap_or_default()
}

/// An id as frameworks make them: 43 characters for 256 bits.
pub fn id(number: usize) -> String {
    format!("{number:043}")
}

/// The output of a future that never has to wait.
pub fn now<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("had to wait"),
    }
}
