//! The application that the layer wraps.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::header::COOKIE;
use http::{Request, Response};
use tower::Service;
use tower_login_timeout::{SessionHandle, SessionKey, StoreFailure, Tracker};

use super::clock::NodeClock;
use super::facts::Facts;
use super::handler::{Call, Handler};
use super::visit::{Kind, Visit};
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
        self.note_reached(&mut facts, number, id, handle.is_some());
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
            (None, _) if visit.taken_out => {
                world.count("answers", "passed, as that of a former visitor");
                world.judge(&facts, |judge| judge.taken_out(visit));
                world.judge(&facts, |judge| judge.checked_in_time(visit, now));
            }
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
            (Some(id), None) if self.is_visitor(&facts, visit, id) => {
                world.count("answers", "passed, as a visitor");
                world.judge(&facts, |judge| judge.passed_as_visitor(visit, id));
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

    /// Notes that the request has reached the application, which sees this id.
    fn note_reached(&self, facts: &mut Facts, number: usize, id: Option<usize>, is_live: bool) {
        let world = &self.world;
        let now = world.agenda.now();
        let visit = &mut facts.visits[number];
        if world.settings.visitors.is_none() || is_live {
            return facts.reached(number, id, is_live, now);
        }
        let is_exempt = visit.kind == Kind::Exempt;
        visit.taken_out = id.is_none() && !visit.presented.is_empty() && !is_exempt;
        // Where the policy lets requests pass unchecked, nothing says whether this one was checked.
        let is_checked = world.settings.policy.store_failure() == StoreFailure::Reject
            || world.troubles.is_calm(visit.node, visit.sent, now);
        let visitor = id.and_then(|id| facts.ids[id].visitor);
        facts.reached(number, visitor, is_checked, now);
    }

    /// Returns whether the layer has perhaps taken the request for that of a visitor.
    fn is_visitor(&self, facts: &Facts, visit: &Visit, id: usize) -> bool {
        let world = &self.world;
        let now = world.agenda.now();
        let may_be_unchecked = world.ask(facts, |judge| judge.passed_unchecked(visit, now).is_ok());
        let is_visitor = world.ask(facts, |judge| judge.passed_as_visitor(visit, id).is_ok());
        world.settings.visitors.is_some() && (is_visitor || !may_be_unchecked)
    }
}

/// Returns the session ids in a `Cookie` header.
fn ids(cookie: &str) -> impl Iterator<Item = &str> {
    cookie
        .split(';')
        .filter_map(|pair| pair.trim().strip_prefix("sid="))
}
