//! What is true of visitors who have not logged in.
//!
//! A visitor has a record beside that of the user with the same id. Among the facts it is an id of
//! its own, which nobody presents.

use tower_login_timeout::SessionKey;

use crate::simulation::facts::{Ended, Facts, Issued};
use crate::simulation::visit::{Effect, Replacing};

/// A log-in that was asked so long after a change of the visitor's id may still be recorded before
/// it.
const CROSSES: i64 = 10_000;

/// A response gives a visitor an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Greeting {
    /// The record of the visitor with the new id.
    pub visitor: usize,
    /// The id that the application read.
    pub old: Option<usize>,
    pub reading: i64,
}

/// A response makes a user of a visitor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoggingIn {
    /// The user's id.
    pub id: usize,
    /// The id that the application read.
    pub old: Option<usize>,
    pub reading: i64,
}

/// Whether a log-in under an id that was presented may begin a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MayBegin {
    Yes,
    /// No visitor who lives has the id.
    No,
}

impl Facts {
    /// Returns the record of the visitor with this id, and notes it if it is new.
    fn visitor(&mut self, id: usize) -> usize {
        let name = self.ids[id].name.clone();
        let key = SessionKey::of(&name).to_bytes();
        let derived = blake3::derive_key("tower-login-timeout visitor 2026", &key);
        let key = SessionKey::from_bytes(*derived.first_chunk().unwrap());
        let visitor = self.with_name(format!("visitor {name}"), key);
        self.ids[visitor].lifetime = self.visitor_lifetime;
        self.ids[id].visitor = Some(visitor);
        visitor
    }

    /// The application gave a visitor an id that nobody had before, in place of this one.
    pub fn greets(&mut self, number: usize, new: usize, old: Option<usize>, reading: i64) {
        let visitor = self.visitor(new);
        let effect = self.visits[number].effect;
        self.begins(number, visitor, reading);
        if let Some(old) = old {
            let replacing = Replacing { old, new, reading };
            if let Some(before) = self.ids[old].visitor {
                // A new id of a visitor is as old as the one before.
                let was = self.sessions[self.ids[before].session];
                let session = &mut self.sessions[self.ids[visitor].session];
                (session.began, session.created) = (was.began, was.created);
                // Its clock may be ahead of this one.
                self.ids[visitor].latest = reading.max(was.created);
                self.ids[visitor].lost = self.ids[before].lost;
                self.ids[before].renewed.push((number, replacing));
            }
            if self.session(old).is_some() {
                self.may_be_the_users(number, replacing);
            }
        }
        self.visits[number].effect = effect;
        self.visits[number].greeting = Some(Greeting {
            visitor,
            old,
            reading,
        });
    }

    /// A visitor who got a new id logs in with the old one. So the new one may be the user's.
    fn may_be_the_users(&mut self, number: usize, replacing: Replacing) {
        let effect = self.visits[number].effect;
        self.replaces(number, replacing);
        // The request was checked as a visitor's. So nobody knows whether the user's session was
        // live for this node, nor whether a log-out of the one id finds the other.
        self.ids[replacing.new].late = true;
        self.torn(replacing.old);
        self.visits[number].effect = effect;
    }

    /// The application logs a user in, and keeps the visitor's id.
    pub fn logs_in(&mut self, number: usize, id: usize, may_begin: MayBegin, reading: i64) {
        let is_known = self.ids[id].issued == Issued::Surely && !self.ids[id].lost;
        if self.session(id).is_none() {
            let visitor = self.ids[id]
                .visitor
                .and_then(|visitor| self.session(visitor));
            let log_out_asked = visitor.and_then(|visitor| visitor.log_out_asked);
            self.begins(number, id, reading);
            // A log-out that is under way may end the session.
            self.sessions[self.ids[id].session].log_out_asked = log_out_asked;
            if may_begin == MayBegin::No {
                self.ids[id].issued = Issued::Unchecked;
            }
        } else if !is_known {
            let session = &mut self.sessions[self.ids[id].session];
            session.created = session.created.max(reading);
            session.began = session.began.min(reading);
            let id = &mut self.ids[id];
            id.latest = id.latest.max(reading);
            id.surely_replaced = None;
            if may_begin == MayBegin::Yes && id.issued == Issued::Unchecked {
                id.issued = Issued::Perhaps;
            }
        }
        if let Some(visitor) = self.ids[id].visitor {
            // The visitor has the limits of the policy from now on, perhaps.
            let lifetime = self.bounds.lifetime.or(self.ids[visitor].lifetime);
            self.ids[visitor].lifetime = lifetime;
            for (by, replacing) in std::mem::take(&mut self.ids[visitor].renewed) {
                if reading - replacing.reading < CROSSES {
                    self.may_be_the_users(by, replacing);
                }
            }
        }
        let old = Some(id);
        self.visits[number].effect = Effect::LogsIn(LoggingIn { id, old, reading });
    }

    /// The application logs a user in, and gives an id that nobody had before.
    pub fn logs_in_anew(&mut self, number: usize, id: usize, old: Option<usize>, reading: i64) {
        self.begins(number, id, reading);
        if let Some(visitor) = old.and_then(|old| self.ids[old].visitor) {
            self.replaced(visitor, number, reading);
        }
        self.visits[number].effect = Effect::LogsIn(LoggingIn { id, old, reading });
    }

    /// Returns whether the visitor with this id certainly lived when the request was answered.
    fn is_visitor(&self, number: usize, id: usize, reading: i64) -> bool {
        let Some(old) = self.ids[id].visitor else {
            return false;
        };
        let replacing = Replacing {
            old,
            new: id,
            reading,
        };
        let visitor = &self.ids[old];
        let is_known = visitor.issued == Issued::Surely && !visitor.lost;
        let log_out = self.session(old).and_then(|session| session.log_out_asked);
        is_known && log_out.is_none() && !self.is_late(number, replacing)
    }

    /// The response was recorded, and the store worked all the time.
    pub fn greeted(&mut self, number: usize, greeting: Greeting, now: u64) {
        let Greeting {
            visitor,
            old,
            reading,
        } = greeting;
        // Nobody becomes a visitor by an id that a log-in has replaced.
        let has_logged_in = |old: usize| {
            let visitor = self.ids[old].visitor;
            visitor.is_some_and(|visitor| !self.ids[visitor].replaced.is_empty())
        };
        let is_new = old.is_none_or(|old| {
            let is_visitor = self.session(old).is_none() && self.is_visitor(number, old, reading);
            is_visitor && !has_logged_in(old)
        });
        if is_new {
            self.surely_began(visitor, now);
        }
    }

    /// The log-in was recorded.
    pub fn logged_in(&mut self, number: usize, logging_in: LoggingIn, now: u64) {
        let LoggingIn { id, old, reading } = logging_in;
        let was_visitor = old.is_some_and(|old| self.is_visitor(number, old, reading));
        if old != Some(id) {
            self.surely_began(id, now);
            if let Some(visitor) = old.and_then(|old| self.ids[old].visitor)
                && was_visitor
            {
                let last = self.ids[visitor].last_replaced();
                let surely = &mut self.ids[visitor].surely_replaced;
                *surely = surely.or(last.map(|last| (last, now)));
            }
        } else if was_visitor {
            self.surely_began(id, now);
            self.visitor_ended(number, id, now);
        }
    }

    /// The record of the visitor with this id has ended for certain.
    pub fn visitor_ended(&mut self, number: usize, id: usize, now: u64) {
        let visit = &self.visits[number];
        let (asked, instance) = (visit.responded.unwrap_or(visit.sent), visit.instance);
        if let Some(visitor) = self.ids[id].visitor {
            let ended = Ended { at: now, instance };
            self.ended(visitor, asked, ended);
        }
    }
}
