//! How facts are noted: requests and their answers, and what the store does.

use tower_login_timeout::{Activity, SessionKey};

use super::clock::reading_of;
use super::facts::{Active, Ended, Facts, Id, Issued, Session, Written};
use super::server::WriteKind;
use super::tolerance::BELIEVED;
use super::visit::{Effect, Kind, Visit, VisitState};

/// So long after a check, nothing is known for certain of what it wrote.
const SHORT: i64 = 25_000;

impl Facts {
    /// A request was sent. Returns its number.
    pub fn sent(&mut self, mut visit: Visit) -> usize {
        if visit.kind != Kind::Exempt {
            for id in &visit.presented {
                self.may_begin(*id, visit.reading);
            }
        }
        if visit.kind == Kind::Active {
            for id in visit.presented.clone() {
                visit.in_time |= self.may_be_active(id, visit.reading);
                if let Some(visitor) = self.ids[id].visitor {
                    visit.in_time_as_visitor |= self.may_be_active(visitor, visit.reading);
                }
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
            if self.is_certain(id, sent) {
                self.surely_begun(id, now);
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
        self.begins_session(new, reading);
    }

    /// A session began with this id, perhaps.
    pub fn begins_session(&mut self, new: usize, reading: i64) {
        self.sessions.push(Session {
            began: reading,
            created: reading,
            log_out_asked: None,
            ended: None,
            ids: 1,
            torn: false,
        });
        let id = &mut self.ids[new];
        id.session = self.sessions.len() - 1;
        id.issued = Issued::Perhaps;
        id.latest = reading;
    }

    /// A response that took long was ready. The session may have been active until then.
    pub fn was_active_again(&mut self, number: usize, id: usize, reading: i64, now: u64) {
        let Visit {
            instance,
            kind,
            reading: checked,
            sent,
            ..
        } = self.visits[number];
        let is_long = reading - checked > self.ids[id].lifetime.touch_every.max(1_000);
        let is_live = self.was_live_until(id, checked, reading) && self.is_certain(id, sent);
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
    pub fn log_out_asked(&mut self, id: usize, now: u64) {
        for id in [Some(id), self.ids[id].visitor].into_iter().flatten() {
            if let Some(session) = self.sessions.get_mut(self.ids[id].session) {
                session.log_out_asked = Some(now);
            }
        }
    }

    /// The session has ended for certain, as somebody asked at that time.
    pub fn ended(&mut self, id: usize, asked: u64, ended: Ended) {
        let Id {
            start_asked,
            started,
            ..
        } = self.ids[id];
        // A start that was under way then may have come after the end.
        if start_asked.is_some() && started.is_none_or(|started| started >= asked) {
            return;
        }
        // A store that does not know the id cannot find the session's other ids by it.
        let is_recorded = self.ids[id]
            .recorded
            .is_some_and(|recorded| recorded <= asked);
        let is_known = is_recorded && !self.ids[id].lost;
        if let Some(session) = self.sessions.get_mut(self.ids[id].session)
            && is_known
            && !session.torn
        {
            session.ended.get_or_insert(ended);
        }
    }

    /// A request was answered, or given up.
    pub fn answered(&mut self, number: usize) {
        let visit = &mut self.visits[number];
        visit.state = VisitState::Closed;
        if let Effect::Replaces(replacing) | Effect::Shares(replacing) = visit.effect {
            self.may_have_come_along(number, replacing);
        }
    }

    /// The session was recorded under this id.
    pub fn surely_began(&mut self, id: usize, now: u64) {
        let id = &mut self.ids[id];
        if id.issued == Issued::Perhaps {
            id.issued = Issued::Surely;
            id.recorded = Some(now);
        }
    }

    /// The store wrote a record anew.
    pub fn record_created(&mut self, key: SessionKey) {
        if let Some(id) = self.with_key(key) {
            self.ids[id].revoked_at = None;
        }
    }

    /// The store marked a record as revoked.
    pub fn record_revoked(&mut self, key: SessionKey, now: u64) {
        if let Some(id) = self.with_key(key) {
            self.ids[id].revoked_at.get_or_insert(now);
        }
    }

    /// A clock was set.
    pub fn clock_set(&mut self, node: usize, now: u64) {
        for instance in &mut self.instances {
            if instance.node == node {
                instance.clock_set = Some(now);
            }
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
        let Some(id) = self.with_key(key) else {
            return;
        };
        self.lost = Some(now);
        let id = &mut self.ids[id];
        id.activity.clear();
        if let Some(restored) = restored {
            let reading = reading_of(restored.last_activity());
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
                session.torn = true;
                session.ended = None;
                // What is there again may be a session that had the id before.
                let created = restored.map(|restored| reading_of(restored.created_at()));
                session.created = created.map_or(session.created, |at| at.max(session.created));
                session.began = created.map_or(session.began, |at| at.min(session.began));
            }
        }
    }

    /// Notes that the session may have been active, unless it had ended by then. Returns whether it
    /// may.
    pub fn may_be_active(&mut self, id: usize, reading: i64) -> bool {
        let id = &mut self.ids[id];
        let idle = id.lifetime.idle_at_most;
        let in_time = reading - id.latest < idle;
        if !in_time {
            id.too_late.push(reading);
            return false;
        }
        id.latest = id.latest.max(reading);
        // What came too late may be in time after all, if this one is seen first.
        id.too_late.sort_unstable();
        id.too_late.retain(|reading| {
            let in_time = reading - id.latest < idle;
            if in_time {
                id.latest = id.latest.max(*reading);
            }
            !in_time
        });
        in_time
    }

    /// Returns whether a request that was sent then says for certain what the store knows.
    ///
    /// An answer from before a crash does not. Nor does one from a near cache that may know a
    /// session which had the id before.
    fn is_certain(&self, id: usize, sent: u64) -> bool {
        let started = self.ids[id].started;
        self.crashed.is_none_or(|crashed| crashed < sent)
            && started.is_none_or(|started| started + BELIEVED < sent)
    }

    /// Returns whether a session that was active at the one reading was certainly live at the
    /// other.
    pub fn was_live_until(&self, id: usize, checked: i64, reading: i64) -> bool {
        reading - checked < self.ids[id].lifetime.idle_at_least.min(SHORT)
    }
}
