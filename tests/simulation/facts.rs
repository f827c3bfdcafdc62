//! The facts: what truly happened, as an all-seeing witness would note it.
//!
//! Time is true time in milliseconds, except for readings, which are what the clock of a node
//! showed.

use std::collections::HashMap;

use tower_login_timeout::{Activity, SessionKey};

use super::bounds::Bounds;
use super::clock::EPOCH;
use super::server::WriteKind;
use super::settings::Settings;

/// So long after a check, nothing is known for certain of what it wrote.
const SHORT: i64 = 25_000;

/// What truly happened.
pub struct Facts {
    pub ids: Vec<Id>,
    pub sessions: Vec<Session>,
    pub visits: Vec<Visit>,
    pub instances: Vec<Instance>,
    by_key: HashMap<SessionKey, usize>,
    bounds: Bounds,
    /// When the store crashed last, and when it lost something last.
    crashed: Option<u64>,
    pub lost: Option<u64>,
}

/// A session id.
pub struct Id {
    pub name: String,
    pub issued: Issued,
    pub session: usize,
    /// The latest reading at which the session may have been active under this id.
    pub latest: i64,
    /// Requests that were activity for certain, once they are written.
    pub activity: Vec<Active>,
    /// The earliest reading at which the application may have given the session another id.
    pub replaced: Option<i64>,
    /// The latest such reading.
    replaced_last: i64,
    /// At which reading it was replaced at the latest, and when that was recorded.
    pub surely_replaced: Option<(i64, u64)>,
    /// When the store marked the record as revoked.
    pub revoked_at: Option<u64>,
    /// Whether the session had perhaps ended when the application gave it this id.
    pub late: bool,
    /// Whether the store lost the record, or an earlier state of it came back.
    pub lost: bool,
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

/// A session, under all its ids.
pub struct Session {
    /// The reading at which it began.
    pub created: i64,
    pub log_out_asked: bool,
    pub ended: Option<Ended>,
    pub ids: usize,
    /// Whether the store lost a record of it.
    pub lost: bool,
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
    /// When it stopped, or was killed.
    pub gone: Option<u64>,
    /// When it was gone, if it had not written what it had gathered.
    pub killed: Option<u64>,
}

/// A request.
pub struct Visit {
    pub node: usize,
    pub instance: usize,
    pub kind: Kind,
    /// The ids that it presented.
    pub presented: Vec<usize>,
    pub sent: u64,
    pub reading: i64,
    /// Whether it came in time to be activity, as far as is known when it was sent.
    pub in_time: bool,
    pub reached: Option<u64>,
    pub responded: Option<u64>,
    pub effect: Effect,
    pub state: VisitState,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Active,
    Passive,
    Exempt,
}

/// What the application's response does to the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    None,
    Begins { id: usize },
    /// The new id was never issued before.
    Replaces { old: usize, new: usize, reading: i64 },
    /// Another request may have given the session the same new id.
    Shares { old: usize, new: usize },
    /// It ends the session under every id that the request presented.
    Ends,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VisitState {
    Open,
    /// It was answered, its client hung up, or its node died.
    Closed,
}

impl Facts {
    pub fn new(settings: &Settings) -> Self {
        Self {
            ids: Vec::new(),
            sessions: Vec::new(),
            visits: Vec::new(),
            instances: Vec::new(),
            by_key: HashMap::new(),
            crashed: None,
            lost: None,
            bounds: Bounds::of(settings),
        }
    }

    /// Returns the id of that name, and notes it if it is new. Nobody has issued it then.
    pub fn id(&mut self, name: &str) -> usize {
        let key = SessionKey::of(name);
        if let Some(found) = self.by_key.get(&key) {
            return *found;
        }
        self.by_key.insert(key, self.ids.len());
        self.ids.push(Id {
            name: name.to_owned(),
            issued: Issued::Never,
            session: usize::MAX,
            latest: i64::MIN / 2,
            activity: Vec::new(),
            replaced: None,
            replaced_last: i64::MIN,
            surely_replaced: None,
            revoked_at: None,
            late: false,
            lost: false,
            reissued: i64::MIN / 2,
        });
        self.ids.len() - 1
    }

    /// Returns the name of the id with this key.
    pub fn name(&self, key: SessionKey) -> &str {
        let id = self.by_key.get(&key);
        id.map_or("?", |id| &self.ids[*id].name)
    }

    pub fn session(&self, id: usize) -> Option<&Session> {
        self.sessions.get(self.ids[id].session)
    }

    /// A request was sent. Returns its number.
    pub fn sent(&mut self, mut visit: Visit) -> usize {
        if visit.kind == Kind::Active {
            for id in visit.presented.clone() {
                visit.in_time |= self.may_be_active(id, visit.reading);
            }
        }
        self.visits.push(visit);
        self.visits.len() - 1
    }

    /// A request reached the application, which sees this id. `checked` says whether the layer has
    /// found its session live.
    pub fn reached(&mut self, number: usize, id: Option<usize>, checked: bool, now: u64) {
        let visit = &mut self.visits[number];
        visit.reached = Some(now);
        if let (Some(id), true, Kind::Active) = (id, checked, visit.kind) {
            let (reading, instance, sent) = (visit.reading, visit.instance, visit.sent);
            self.may_be_active(id, reading);
            // An answer from before a crash says nothing of what the store knows after it.
            if self.crashed.is_none_or(|crashed| crashed < sent) {
                self.ids[id].activity.push(Active {
                    reading,
                    at: now,
                    written: Written::WithCheck(instance),
                });
            }
        }
    }

    /// The application began a session with its response.
    pub fn begins(&mut self, number: usize, new: usize, reading: i64) {
        self.visits[number].effect = Effect::Begins { id: new };
        self.sessions.push(Session {
            created: reading,
            log_out_asked: false,
            ended: None,
            ids: 1,
            lost: false,
        });
        let id = &mut self.ids[new];
        id.session = self.sessions.len() - 1;
        id.issued = Issued::Perhaps;
        id.latest = reading;
    }

    /// The application gave a session another id with its response.
    pub fn replaces(&mut self, number: usize, old: usize, new: usize, reading: i64) {
        let visit = &mut self.visits[number];
        let (kind, now) = (visit.kind, visit.responded.unwrap_or(visit.sent));
        let checked = visit.reading;
        let instance = visit.instance;
        // An id that was replaced too long ago has ended. Then so has the new one.
        let Id {
            replaced,
            surely_replaced,
            ..
        } = self.ids[old];
        let is_past = |since| self.bounds.is_past_overlap(since, reading);
        let replaced = replaced.filter(|since| is_past(*since));
        let surely_replaced = surely_replaced.filter(|(since, _)| is_past(*since));
        self.may_have_replaced(old, reading);
        let was_live = match kind {
            Kind::Active => self.was_live_until(checked, reading),
            Kind::Passive | Kind::Exempt => self.was_live_until(self.last_active(old), reading),
        };
        let is_ahead = self.ids[old].latest - reading > self.bounds.idle_at_least;
        let age = self.session(old).map_or(0, |session| reading - session.created);
        let is_old = age >= self.bounds.absolute;
        let is_late = !was_live || is_ahead || is_old || replaced.is_some();
        let mut latest = self.ids[old].latest;
        if !matches!(self.ids[new].issued, Issued::Never | Issued::Unchecked) {
            // Nobody knows which of several requests began the id.
            let id = &mut self.ids[new];
            id.latest = id.latest.max(latest.max(reading));
            id.activity.clear();
            id.late |= is_late;
            self.visits[number].effect = Effect::Shares { old, new };
            return;
        }
        if self.session(old).is_none() {
            return;
        }
        self.visits[number].effect = Effect::Replaces { old, new, reading };
        // What other nodes have gathered and not written yet is not taken along.
        let is_known = |active: &&Active| match active.written {
            Written::WithCheck(by) if by == instance => true,
            _ => active.at + self.bounds.written_within < now,
        };
        let activity = self.ids[old].activity.iter().filter(is_known);
        let mut activity: Vec<_> = activity.copied().collect();
        let may_be_live = reading - latest < self.bounds.idle_at_most && surely_replaced.is_none();
        if kind == Kind::Active && may_be_live {
            latest = latest.max(reading);
            let written = Written::WithCheck(instance);
            let active = Active {
                reading,
                at: now,
                written,
            };
            activity.extend((!is_late).then_some(active));
        }
        let (session, lost) = (self.ids[old].session, self.ids[old].lost);
        self.sessions[session].ids += 1;
        let id = &mut self.ids[new];
        (id.issued, id.late) = (Issued::Perhaps, is_late);
        (id.session, id.activity, id.latest) = (session, activity, latest);
        (id.replaced, id.surely_replaced, id.lost) = (replaced, surely_replaced, lost);
    }

    /// The application gave another id to a session that could not be checked.
    pub fn issued_unchecked(&mut self, new: usize) {
        let id = &mut self.ids[new];
        if id.issued == Issued::Never {
            id.issued = Issued::Unchecked;
        }
    }

    /// The application issued an id again, in place of a live one or of none.
    pub fn reissued(&mut self, again: usize, old: Option<usize>, reading: i64) {
        if let Some(old) = old {
            self.may_have_replaced(old, reading);
        }
        let latest = &mut self.ids[again].reissued;
        *latest = reading.max(*latest);
    }

    /// A response that took long was ready. The session may have been active until then.
    pub fn was_active_again(&mut self, number: usize, id: usize, reading: i64, now: u64) {
        let Visit {
            instance,
            kind,
            reading: checked,
            ..
        } = self.visits[number];
        let is_long = reading - checked > self.bounds.touch_every.max(1_000);
        let is_live = self.was_live_until(checked, reading);
        if kind == Kind::Active && self.may_be_active(id, reading) && is_long && is_live {
            let written = Written::AfterResponse(instance);
            self.ids[id].activity.push(Active {
                reading,
                at: now,
                written,
            });
        }
    }

    /// Somebody asked to end the session.
    pub fn log_out_asked(&mut self, id: usize) {
        if let Some(session) = self.sessions.get_mut(self.ids[id].session) {
            session.log_out_asked = true;
        }
    }

    /// The session has ended for certain.
    pub fn ended(&mut self, id: usize, ended: Ended) {
        // A store that does not know the id cannot find the session's other ids by it.
        let is_known = self.ids[id].issued == Issued::Surely && !self.ids[id].lost;
        if let Some(session) = self.sessions.get_mut(self.ids[id].session)
            && is_known
            && !session.lost
        {
            session.ended.get_or_insert(ended);
        }
    }

    /// A response was answered. Activity under the old id may have come along until now.
    pub fn answered(&mut self, number: usize) {
        let visit = &mut self.visits[number];
        visit.state = VisitState::Closed;
        if let Effect::Replaces { old, new, .. } | Effect::Shares { old, new } = visit.effect {
            let latest = self.ids[old].latest;
            let id = &mut self.ids[new];
            id.latest = id.latest.max(latest);
        }
    }

    /// A change of the id is recorded for certain. The old id was replaced if the session was live
    /// for certain then, since the request that asked for the change was activity.
    pub fn surely_replaced(&mut self, number: usize, now: u64) {
        let visit = &self.visits[number];
        let Effect::Replaces { old, new, reading } = visit.effect else {
            return;
        };
        let (waited, kind) = (reading - visit.reading, visit.kind);
        self.surely_began(new);
        let age = self.session(old).map_or(0, |session| reading - session.created);
        let is_live = kind == Kind::Active
            && (0..self.bounds.idle_at_least).contains(&waited)
            && age < self.bounds.absolute;
        if !is_live || self.ids[old].lost {
            return;
        }
        // Of several changes at once, the first one that is recorded counts.
        let old = &mut self.ids[old];
        old.surely_replaced.get_or_insert((old.replaced_last, now));
    }

    pub fn surely_began(&mut self, id: usize) {
        let id = &mut self.ids[id];
        if id.issued == Issued::Perhaps {
            id.issued = Issued::Surely;
        }
    }

    /// The store marked a record as revoked.
    pub fn record_revoked(&mut self, key: SessionKey, now: u64) {
        if let Some(&id) = self.by_key.get(&key) {
            self.ids[id].revoked_at.get_or_insert(now);
        }
    }

    /// The store crashed.
    pub fn crashed(&mut self, now: u64) {
        self.crashed = Some(now);
    }

    /// The store lost a write, so this is what it knows again.
    pub fn record_lost(
        &mut self,
        key: SessionKey,
        restored: Option<Activity>,
        kind: WriteKind,
        now: u64,
    ) {
        let Some(&id) = self.by_key.get(&key) else {
            return;
        };
        self.lost = Some(now);
        let id = &mut self.ids[id];
        id.activity.clear();
        if let Some(restored) = restored {
            let reading = restored.last_activity().as_unix_millis() as i64 - EPOCH as i64;
            id.activity.push(Active {
                reading,
                at: now,
                written: Written::Already,
            });
        }
        if kind == WriteKind::Other {
            id.lost = true;
            id.surely_replaced = None;
            if restored.is_none_or(|restored| !restored.is_revoked()) {
                id.revoked_at = None;
            }
            if let Some(session) = self.sessions.get_mut(id.session) {
                session.lost = true;
                session.ended = None;
            }
        }
    }

    /// Notes that the session may have been active, unless it had ended by then. Returns whether it
    /// may.
    fn may_be_active(&mut self, id: usize, reading: i64) -> bool {
        let id = &mut self.ids[id];
        let in_time = reading - id.latest < self.bounds.idle_at_most;
        if in_time {
            id.latest = id.latest.max(reading);
        }
        in_time
    }

    /// Returns the last reading at which the session was active, as far as is certain.
    fn last_active(&self, id: usize) -> i64 {
        let created = self.session(id).map_or(i64::MIN / 2, |session| session.created);
        let active = self.ids[id].activity.iter().map(|active| active.reading);
        active.fold(created, i64::max)
    }

    /// Returns whether a session that was active at the one reading was certainly live at the other.
    fn was_live_until(&self, checked: i64, reading: i64) -> bool {
        reading - checked < self.bounds.idle_at_least.min(SHORT)
    }

    fn may_have_replaced(&mut self, old: usize, reading: i64) {
        let old = &mut self.ids[old];
        old.replaced = Some(old.replaced.map_or(reading, |first| first.min(reading)));
        old.replaced_last = old.replaced_last.max(reading);
    }
}
