//! The users' browsers: the cookies that they hold, and the requests that they send.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::header::{COOKIE, SET_COOKIE};
use http::{Request as HttpRequest, Response};
use tokio::time::timeout;
use tower_login_timeout::{Expired, ResponseBody};

use super::action::Action;
use super::handler::Call;
use super::judge::Judge;
use super::node::{Life, NodeFuture, Running};
use super::plan::{Patience, Presents, Request};
use super::recorded::recorded;
use super::visit::{Effect, Visit, VisitState};
use super::world::World;

/// A user's browser.
#[derive(Default)]
pub struct Browser {
    cookie: Option<String>,
    /// The ids that it held before, the oldest first.
    old: Vec<String>,
}

/// A request under way.
struct Open {
    world: Arc<World>,
    number: usize,
    user: usize,
    future: NodeFuture,
    life: Life,
}

/// Sends a request, to its node or to the next one that runs.
pub fn send(world: &Arc<World>, mut request: Request) {
    let Some(mut running) = running(world, request.node) else {
        return world.count("not sent", "no node runs");
    };
    let ids = presented(world, &mut request);
    let reissue = match request.action {
        Action::Reissue(ago) => world.browsers.lock().unwrap()[request.user].old_id(ago),
        Action::Start => world.browsers.lock().unwrap()[request.user].last_id(),
        _ => None,
    };
    let number = note(world, &request, &running, &ids);
    world.count("requests", request.action.name());
    world.trace(|| {
        let (name, user) = (request.action.name(), request.user);
        let node = running.clock.reading() - world.agenda.now() as i64;
        format!(
            "request {number} of user {user} to instance {} ({node:+} ms): {name} with {ids:?}",
            running.instance
        )
    });
    let (path, action) = (request.action.path(&world.settings), request.action);
    let mut builder = HttpRequest::get(path);
    if !ids.is_empty() {
        let pairs: Vec<_> = ids.iter().map(|id| format!("sid={id}")).collect();
        builder = builder.header(COOKIE, pairs.join("; "));
    }
    let call = Call {
        number,
        action,
        reissue,
    };
    let open = Open {
        future: running.service.call(builder.body(call).unwrap()),
        world: Arc::clone(world),
        number,
        user: request.user,
        life: running.life,
    };
    tokio::spawn(open.follow(request.patience));
}

/// Returns the node, or the next one that runs.
pub fn running(world: &World, node: usize) -> Option<Running> {
    let nodes = world.nodes.lock().unwrap();
    let (before, from) = nodes.split_at(node);
    let mut running = from
        .iter()
        .chain(before)
        .filter_map(|node| node.running.clone());
    running.next()
}

/// Returns the ids that the request presents. A page without an id is the log-in.
fn presented(world: &World, request: &mut Request) -> Vec<String> {
    let browsers = world.browsers.lock().unwrap();
    let browser = &browsers[request.user];
    let own = browser.cookie.clone();
    let other = match request.presents {
        Presents::Own => None,
        Presents::Old(ago) => return browser.old_id(ago).into_iter().collect(),
        Presents::OwnAndOld(ago) => browser.old_id(ago),
        Presents::Two { other } => browsers[other].cookie.clone(),
        Presents::Guess(guess) => return vec![format!("guess{guess:x}")],
    };
    let is_page = matches!(request.action, Action::Click | Action::Slow(_));
    if own.is_none() && is_page && world.settings.visitors.is_none() {
        request.action = Action::LogIn;
    }
    let other = other.filter(|other| Some(other) != own.as_ref());
    own.into_iter().chain(other).collect()
}

fn note(world: &World, request: &Request, running: &Running, ids: &[String]) -> usize {
    let mut facts = world.facts.lock().unwrap();
    let presented = ids.iter().map(|id| facts.id(id)).collect();
    let visit = Visit {
        node: facts.instances[running.instance].node,
        instance: running.instance,
        kind: request.action.kind(&world.settings),
        presented,
        sent: world.agenda.now(),
        reading: running.clock.reading(),
        in_time: false,
        in_time_as_visitor: false,
        taken_out: false,
        greeting: None,
        reached: None,
        responded: None,
        effect: Effect::None,
        state: VisitState::Open,
    };
    facts.sent(visit)
}

impl Open {
    /// Waits for the answer for as long as the client does.
    async fn follow(mut self, patience: Patience) {
        let answer = match patience {
            Patience::Endless => self.poll_times(u64::MAX).await,
            Patience::Polls(polls) => self.poll_times(polls).await,
            Patience::Millis(millis) => {
                let answer = self.poll_times(u64::MAX);
                timeout(Duration::from_millis(millis), answer)
                    .await
                    .unwrap_or(None)
            }
        };
        match answer {
            Some(answer) => self.answered(answer),
            None => self.closed(),
        }
    }

    /// Returns the answer, or nothing if the node dies or this future has been polled so often.
    async fn poll_times(&mut self, mut polls: u64) -> Option<Response<ResponseBody<()>>> {
        let Self { future, life, .. } = self;
        poll_fn(move |context: &mut Context<'_>| {
            if life.is_over() {
                return Poll::Ready(None);
            }
            if let Poll::Ready(answer) = future.as_mut().poll(context) {
                return Poll::Ready(Some(answer));
            }
            polls -= 1;
            match polls {
                0 => Poll::Ready(None),
                _ => Poll::Pending,
            }
        })
        .await
    }

    /// The client hung up, or the node died.
    fn closed(self) {
        let Self { world, number, .. } = self;
        world.count("answers", "none, since the client hung up or the node died");
        world.trace(|| format!("request {number} is given up"));
        world.facts.lock().unwrap().answered(number);
    }

    fn answered(self, answer: Response<ResponseBody<()>>) {
        let Self {
            world,
            number,
            user,
            ..
        } = self;
        let reason = answer.extensions().get::<Expired>();
        let reason = reason.map(|expired| expired.reason().as_str());
        world.trace(|| {
            let reason = reason.unwrap_or_default();
            format!(
                "request {number} has its answer: {} {reason}",
                answer.status().as_u16()
            )
        });
        for line in answer.headers().get_all(SET_COOKIE) {
            let value = line.to_str().unwrap().strip_prefix("sid=").unwrap();
            let value = value.split(';').next().unwrap();
            world.browsers.lock().unwrap()[user].set(value);
        }
        let mut facts = world.facts.lock().unwrap();
        let now = world.agenda.now();
        facts.answered(number);
        let visit = &facts.visits[number];
        match (answer.status().as_u16(), reason) {
            (200, None) => {
                let sets_cookie = answer.headers().contains_key(SET_COOKIE);
                world.judge(&facts, |_| Judge::cookie_removed(visit, sets_cookie));
                world.judge(&facts, |judge| judge.recorded_in_time(visit, now));
                recorded(&world, &mut facts, number, now);
            }
            (440, Some(reason)) => {
                world.count("refused", reason);
                world.judge(&facts, |judge| judge.refused(visit, reason));
                if world.settings.visitors.is_some() {
                    world.judge(&facts, |judge| judge.refused_among_visitors(visit, reason));
                }
                world.judge(&facts, |judge| judge.checked_in_time(visit, now));
            }
            (503, None) => {
                let is_recording = visit.responded.is_some();
                world.count(
                    "answers",
                    match is_recording {
                        true => "503, since the response could not be recorded",
                        false => "503, since the session could not be checked",
                    },
                );
                world.judge(&facts, |judge| judge.unavailable(visit, now));
                world.judge(&facts, |judge| match is_recording {
                    true => judge.recorded_in_time(visit, now),
                    false => judge.checked_in_time(visit, now),
                });
            }
            other => panic!("{other:?} is no answer of the layer or of the site"),
        }
    }
}

impl Browser {
    pub fn cookie(&self) -> Option<&str> {
        self.cookie.as_deref()
    }

    fn last_id(&self) -> Option<String> {
        self.cookie.clone().or_else(|| self.old_id(0))
    }

    fn old_id(&self, ago: usize) -> Option<String> {
        let ago = self.old.len().checked_sub(ago + 1)?;
        Some(self.old[ago].clone())
    }

    fn set(&mut self, value: &str) {
        let new = (!value.is_empty()).then(|| value.to_owned());
        if self.cookie != new {
            self.old.extend(self.cookie.take());
            self.cookie = new;
        }
    }
}
