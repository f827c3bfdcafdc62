//! A message from a node to the shared store, and its answer.

use std::error::Error;
use std::fmt;
use std::mem::take;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use tower_login_timeout::{Changed, SessionKey, Touch};

use super::branches;
use super::describe::described;
use super::random::Random;
use super::server::{Operation, Reply};
use super::settings::LogKind;
use super::trouble::Fate;
use super::world::World;

/// For how long after another trouble a server of a Cluster may be lost, in milliseconds.
const LOST_FOR: u64 = 2_000;

/// A message on its way, and the place where its answer is waited for.
pub struct Message {
    world: Arc<World>,
    node: usize,
    operation: Operation,
    answer: Arc<Answer>,
    /// When its sender gives up.
    deadline: Option<u64>,
    random: Random,
}

#[derive(Default)]
pub struct Answer(Mutex<Answered>);

#[derive(Default)]
enum Answered {
    #[default]
    NotYet,
    /// Somebody waits.
    Awaited(Waker),
    Now(Result<Reply, Unreachable>),
    /// What comes later is thrown away.
    Taken,
}

/// Says that the store cannot be reached.
#[derive(Debug)]
pub struct Unreachable;

impl Message {
    pub fn send(world: &Arc<World>, node: usize, operation: Operation, answer: &Arc<Answer>) {
        let now = world.agenda.now();
        let random = Random::of(&[world.seed, now, node as u64, operation.hash()]);
        let mut message = Self {
            world: Arc::clone(world),
            node,
            operation,
            answer: Arc::clone(answer),
            deadline: world.settings.store.deadline.map(|limit| now + limit),
            random,
        };
        match message.fate() {
            Fate::Vanishes => {
                world.count("messages", "lost on the way to the store");
                message.is_given_up();
            }
            Fate::Refused => world
                .agenda
                .at(now + 1, move || message.answer.set(Err(Unreachable))),
            Fate::Arrives(after) => {
                message.is_given_up_before(now + after);
                if message.random.percent(1) && message.operation.is_repeatable() {
                    world.count("messages", "carried out twice");
                    message.again(after).arrive_at(now + 2 * after + 1);
                }
                message.arrive_at(now + after);
            }
        }
    }

    /// The same message once more. Nobody waits for its answer.
    fn again(&mut self, salt: u64) -> Self {
        Self {
            world: Arc::clone(&self.world),
            node: self.node,
            operation: self.operation.clone(),
            answer: Arc::default(),
            deadline: None,
            random: Random::of(&[self.random.next(), salt]),
        }
    }

    fn arrive_at(self, at: u64) {
        let world = Arc::clone(&self.world);
        world.agenda.at(at, move || self.arrive());
    }

    /// The store begins to carry out the operation.
    fn arrive(mut self) {
        let world = Arc::clone(&self.world);
        let began = world.agenda.now();
        let takes_time = world.settings.store.log == LogKind::ByTime && self.operation.is_write();
        if !takes_time {
            return self.carry_out(began);
        }
        let crashes = world.server.lock().unwrap().crashes;
        if let Fate::Arrives(takes) = self.fate() {
            self.is_given_up_before(began + takes);
            world.agenda.at(began + takes, move || {
                let crashed = self.world.server.lock().unwrap().crashes > crashes;
                if !crashed {
                    self.carry_out(began);
                }
            });
        } else {
            self.is_given_up();
        }
    }

    /// The store carries out the operation, and answers.
    fn carry_out(mut self, began: u64) {
        let world = Arc::clone(&self.world);
        let now = world.agenda.now();
        if world.troubles.is_down(now) {
            return self.is_given_up();
        }
        let lost_records = self.lose_some();
        let mut reply = {
            let mut facts = world.facts.lock().unwrap();
            let mut server = world.server.lock().unwrap();
            server.run(&self.operation, began, now, &mut facts)
        };
        if let Reply::Records { lost, .. } = &mut reply {
            *lost = lost_records;
        }
        world.count("operations", self.operation.name());
        branches::count(&world, &self.operation, &reply);
        if let Reply::Changes(changes) = &reply {
            world.count(
                "log of changes",
                match changes.changed() {
                    Changed::These(keys) if keys.is_empty() => "nothing has changed",
                    Changed::These(_) => "some sessions have changed",
                    _ => "any session may have changed",
                },
            );
        }
        world.trace(|| {
            let facts = world.facts.lock().unwrap();
            described(&self.operation, &reply, self.node, &facts)
        });
        match self.fate() {
            Fate::Vanishes => {
                world.count("messages", "lost on the way back");
                self.is_given_up();
            }
            Fate::Refused => self.answer.set(Err(Unreachable)),
            Fate::Arrives(after) => {
                self.is_given_up_before(now + after);
                if Arc::strong_count(&self.answer) == 1 {
                    world.count("messages", "answered after the caller gave up");
                }
                world
                    .agenda
                    .at(now + after, move || self.answer.set(Ok(reply)));
            }
        }
    }

    /// Takes out the touches of the records that one lost server of a Cluster has.
    fn lose_some(&mut self) -> Vec<SessionKey> {
        let world = &self.world;
        let is_cluster = matches!(world.settings.store.log, LogKind::SecondStep { .. });
        let now = world.agenda.now();
        let is_calm = world
            .troubles
            .is_calm(self.node, now.saturating_sub(LOST_FOR), now);
        let Operation::TouchMany(touches) = &mut self.operation else {
            return Vec::new();
        };
        if !is_cluster || is_calm || !self.random.percent(30) {
            return Vec::new();
        }
        let is_lost = |(key, _): &(SessionKey, Touch)| key.to_bytes()[0] % 3 == 0;
        let (lost, rest): (Vec<_>, Vec<_>) = take(touches).into_iter().partition(is_lost);
        *touches = rest;
        world.count("messages", "batches without the records of a lost server");
        lost.into_iter().map(|(key, _)| key).collect()
    }

    /// No answer comes: the sender gives up at its deadline, if it has one.
    fn is_given_up(&self) {
        self.is_given_up_before(u64::MAX);
    }

    /// The answer does not come before that time.
    fn is_given_up_before(&self, at: u64) {
        if let Some(deadline) = self.deadline.filter(|deadline| *deadline < at) {
            let answer = Arc::clone(&self.answer);
            self.world
                .agenda
                .at(deadline, move || answer.set(Err(Unreachable)));
        }
    }

    fn fate(&mut self) -> Fate {
        let World {
            troubles,
            settings,
            agenda,
            ..
        } = &*self.world;
        troubles.fate(self.node, agenda.now(), settings.latency, &mut self.random)
    }
}

impl Answer {
    fn set(&self, reply: Result<Reply, Unreachable>) {
        let mut answered = self.0.lock().unwrap();
        if matches!(*answered, Answered::NotYet | Answered::Awaited(_)) {
            let before = std::mem::replace(&mut *answered, Answered::Now(reply));
            drop(answered);
            if let Answered::Awaited(waker) = before {
                waker.wake();
            }
        }
    }

    pub fn poll(&self, context: &Context<'_>) -> Poll<Result<Reply, Unreachable>> {
        let mut answered = self.0.lock().unwrap();
        match std::mem::replace(&mut *answered, Answered::Taken) {
            Answered::Now(reply) => Poll::Ready(reply),
            Answered::NotYet | Answered::Awaited(_) | Answered::Taken => {
                *answered = Answered::Awaited(context.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl fmt::Display for Unreachable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the store cannot be reached")
    }
}

impl Error for Unreachable {}
