//! The facts: what truly happened, as an all-seeing witness would note it.
//!
//! Time is true time in milliseconds, except for readings, which are what the clock of a node
//! showed.

use std::collections::HashMap;

use tower_login_timeout::{Limits, SessionKey, Unknown};

use super::bounds::{Bounds, Lifetime};
use super::settings::Settings;
use super::trouble::Troubles;
use super::visit::{Replacing, Visit};

/// What truly happened.
pub struct Facts {
    pub ids: Vec<Id>,
    pub sessions: Vec<Session>,
    pub visits: Vec<Visit>,
    pub instances: Vec<Instance>,
    by_key: HashMap<SessionKey, usize>,
    pub bounds: Bounds,
    /// Whether an id that the store does not know begins a session.
    pub begins_unknown: bool,
    /// How long a visitor lives who has not logged in.
    pub visitor_lifetime: Lifetime,
    pub troubles: Troubles,
    /// When the store crashed last, and when it lost something last.
    pub crashed: Option<u64>,
    pub lost: Option<u64>,
}

/// A session id.
pub struct Id {
    pub name: String,
    pub issued: Issued,
    pub session: usize,
    /// How long the session lives.
    pub lifetime: Lifetime,
    /// The limits that the application gave it, if any.
    pub limits: Option<Limits>,
    /// When the session was recorded for certain.
    pub recorded: Option<u64>,
    /// The record of a visitor with this id, if the application gave it to one.
    pub visitor: Option<usize>,
    /// The changes of a visitor's id.
    pub renewed: Vec<(usize, Replacing)>,
    /// The latest reading at which the session may have been active under this id.
    pub latest: i64,
    /// The readings of requests that seem to have come too late to be activity.
    pub too_late: Vec<i64>,
    /// Requests that were activity for certain, once they are written.
    pub activity: Vec<Active>,
    /// Every time that the application may have given the session another id in place of this one.
    pub replaced: Vec<Replaced>,
    /// At which reading it was replaced at the latest, and when that was recorded.
    pub surely_replaced: Option<(i64, u64)>,
    /// When the store marked the record as revoked.
    pub revoked_at: Option<u64>,
    /// Whether the session had perhaps ended when the application gave it this id.
    pub late: bool,
    /// Whether the store lost the record, or an earlier state of it came back.
    pub lost: bool,
    /// When the application asked to start a session with this id anew, and since when it is
    /// recorded for certain.
    pub start_asked: Option<u64>,
    pub started: Option<u64>,
    /// The latest reading at which the application issued the id again. If the store had lost it,
    /// that began a session.
    pub reissued: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Issued {
    /// Nobody issued it: it is a guess.
    Never,
    /// The application issued it, and its session may have been recorded.
    Perhaps,
    /// The session was recorded.
    Surely,
    /// The application issued it in a request that could not be checked.
    Unchecked,
}

/// A change of an id, which may have been recorded.
#[derive(Clone, Copy)]
pub struct Replaced {
    pub reading: i64,
    /// The request whose response changed the id.
    pub by: usize,
}

/// A session, under all its ids.
#[derive(Clone, Copy)]
pub struct Session {
    /// The readings between which it began.
    pub began: i64,
    pub created: i64,
    /// When somebody asked for its end last.
    pub log_out_asked: Option<u64>,
    pub ended: Option<Ended>,
    pub ids: usize,
    /// Whether a log-out may not find all its ids, since the store lost a record, or could not
    /// record an id that was issued all the same.
    pub torn: bool,
}

/// The certain end of a session.
#[derive(Clone, Copy)]
pub struct Ended {
    pub at: u64,
    /// Where it was ended.
    pub instance: usize,
}

/// A request that was activity.
#[derive(Clone, Copy)]
pub struct Active {
    pub reading: i64,
    pub at: u64,
    pub written: Written,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// It is in the store.
    Already,
    /// By this instance with the check, before the application saw the request.
    WithCheck(usize),
    /// By this instance after the response. Nobody is told if it fails.
    AfterResponse(usize),
}

/// A node from its start to its stop.
pub struct Instance {
    pub node: usize,
    /// When its clock was set last.
    pub clock_set: Option<u64>,
    /// When it stopped, or was killed.
    pub gone: Option<u64>,
    /// When it was gone, if it had not written what it had gathered.
    pub killed: Option<u64>,
}

impl Facts {
    pub fn new(settings: &Settings, troubles: Troubles) -> Self {
        let visitors = settings.visitors.as_ref();
        let visitor_limits = visitors.map_or(Limits::default(), |visitors| visitors.limits);
        Self {
            ids: Vec::new(),
            sessions: Vec::new(),
            visits: Vec::new(),
            instances: Vec::new(),
            by_key: HashMap::new(),
            crashed: None,
            lost: None,
            bounds: Bounds::of(settings),
            begins_unknown: settings.policy.unknown() == Unknown::Begin,
            visitor_lifetime: Lifetime::of(settings, visitor_limits),
            troubles,
        }
    }

    /// Returns the id of that name, and notes it if it is new. Nobody has issued it then.
    pub fn id(&mut self, name: &str) -> usize {
        self.with_name(name.to_owned(), SessionKey::of(name))
    }

    /// Returns the id with this key, and notes it under that name if it is new.
    pub fn with_name(&mut self, name: String, key: SessionKey) -> usize {
        if let Some(found) = self.by_key.get(&key) {
            return *found;
        }
        self.by_key.insert(key, self.ids.len());
        self.ids.push(Id {
            name,
            issued: Issued::Never,
            session: usize::MAX,
            lifetime: self.bounds.lifetime,
            limits: None,
            recorded: None,
            visitor: None,
            renewed: Vec::new(),
            latest: i64::MIN / 2,
            too_late: Vec::new(),
            activity: Vec::new(),
            replaced: Vec::new(),
            surely_replaced: None,
            revoked_at: None,
            late: false,
            lost: false,
            start_asked: None,
            started: None,
            reissued: i64::MIN / 2,
        });
        self.ids.len() - 1
    }

    /// Returns the id with this key.
    pub fn with_key(&self, key: SessionKey) -> Option<usize> {
        self.by_key.get(&key).copied()
    }

    /// Returns the name of the id with this key.
    pub fn name(&self, key: SessionKey) -> &str {
        let id = self.by_key.get(&key);
        id.map_or("?", |id| &self.ids[*id].name)
    }

    pub fn session(&self, id: usize) -> Option<&Session> {
        self.sessions.get(self.ids[id].session)
    }

    /// Notes that a log-out may not find all ids of the session.
    pub fn torn(&mut self, id: usize) {
        if let Some(session) = self.sessions.get_mut(self.ids[id].session) {
            session.torn = true;
            session.ended = None;
        }
    }

    /// Returns the last reading at which the session was active, as far as is certain.
    pub fn last_active(&self, id: usize) -> i64 {
        let created = self
            .session(id)
            .map_or(i64::MIN / 2, |session| session.created);
        let active = self.ids[id].activity.iter().map(|active| active.reading);
        active.fold(created, i64::max)
    }
}

impl Id {
    /// Returns the earliest reading at which the application may have given the session another id.
    pub fn first_replaced(&self) -> Option<i64> {
        self.replaced.iter().map(|replaced| replaced.reading).min()
    }

    pub fn last_replaced(&self) -> Option<i64> {
        self.replaced.iter().map(|replaced| replaced.reading).max()
    }
}
