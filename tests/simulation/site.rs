//! The application that the layer wraps.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::header::COOKIE;
use http::{Request, Response};
use tower::Service;
use tower_login_timeout::{SessionHandle, SessionKey, Tracker};

use super::clock::NodeClock;
use super::facts::Kind;
use super::handler::{Call, Handler};
use super::world::World;

/// The application on one node.
#[derive(Clone)]
pub struct Site {
    pub world: Arc<World>,
    pub clock: NodeClock,
    pub instance: usize,
    pub tracker: Tracker,
}

impl Service<Request<Call>> for Site {
    type Response = Response<()>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<()>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<Call>) -> Self::Future {
        let handle = request.extensions_mut().remove::<SessionHandle>();
        let (head, call) = request.into_parts();
        let cookie = head.headers.get(COOKIE);
        let cookie = cookie.map(|cookie| cookie.to_str().unwrap().to_owned());
        let handler = self.reached(call, cookie.as_deref(), handle);
        Box::pin(async move { Ok(handler.respond().await) })
    }
}

impl Site {
    /// Notes that the request has reached the application, and has the judge say whether it may.
    fn reached(&self, call: Call, cookie: Option<&str>, handle: Option<SessionHandle>) -> Handler {
        let world = &self.world;
        let now = world.agenda.now();
        let mut facts = world.facts.lock().unwrap();
        let seen: Vec<_> = cookie.into_iter().flat_map(ids).collect();
        let number = call.number;
        world.trace(|| {
            let checked = if handle.is_some() {
                "live"
            } else {
                "unchecked"
            };
            format!("  request {number} reached the application, {checked}, with {seen:?}")
        });
        let id = seen.first().map(|name| facts.id(name));
        facts.reached(number, id, handle.is_some(), now);
        let visit = &facts.visits[number];
        let is_one = seen.len() <= 1 && id.is_none_or(|id| visit.presented.contains(&id));
        let key = seen.first().map(SessionKey::of);
        let is_checked = handle
            .as_ref()
            .is_none_or(|handle| Some(handle.key()) == key);
        world.judge(&facts, |_| match is_one && is_checked {
            true => Ok(()),
            false => Err("the application sees the session that was checked, or none"),
        });
        match (id, &handle) {
            _ if visit.kind == Kind::Exempt => world.count("answers", "passed, exempt"),
            (None, _) => world.count("answers", "passed, without an id"),
            (Some(id), Some(_)) => {
                let session = facts.session(id);
                let has_ended = session.is_some_and(|session| session.ended.is_some());
                world.count(
                    "answers",
                    match has_ended {
                        true => "passed, since the end was not seen yet",
                        false => "passed, live",
                    },
                );
                world.judge(&facts, |judge| judge.passed(visit, id));
                world.judge(&facts, |judge| judge.checked_in_time(visit, now));
            }
            (Some(_), None) => {
                world.count("answers", "passed, unchecked");
                world.judge(&facts, |judge| judge.passed_unchecked(visit, now));
                world.judge(&facts, |judge| judge.checked_in_time(visit, now));
            }
        }
        drop(facts);
        Handler {
            site: self.clone(),
            call,
            id,
            handle,
        }
    }
}

/// Returns the session ids in a `Cookie` header.
fn ids(cookie: &str) -> impl Iterator<Item = &str> {
    cookie
        .split(';')
        .filter_map(|pair| pair.trim().strip_prefix("sid="))
}
