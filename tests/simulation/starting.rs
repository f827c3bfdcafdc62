//! How it is noted that a session begins anew with an id that there was before.

use super::facts::{Active, Facts, Session, Written};

/// What was asked so long before a start may still be under way, and undo it.
const UNDER_WAY: u64 = 30_000;

impl Facts {
    /// The application asked to start a session with this id anew.
    pub fn start_asked(&mut self, id: usize, reading: i64, now: u64) {
        let before = self.ids[id].session;
        let Session {
            created,
            log_out_asked,
            ..
        } = self.sessions[before];
        self.sessions.push(Session {
            // The record may stay as it is.
            began: created.min(reading),
            created: created.max(reading),
            log_out_asked: log_out_asked.filter(|asked| asked + UNDER_WAY > now),
            ended: None,
            ids: 1,
            torn: false,
        });
        let session = self.sessions.len() - 1;
        let id = &mut self.ids[id];
        id.session = session;
        id.latest = id.latest.max(reading);
        id.activity.clear();
        id.surely_replaced = None;
        id.revoked_at = None;
        (id.start_asked, id.started) = (Some(now), None);
    }

    /// The session was started. It goes on for certain, unless something that was asked before is
    /// still under way.
    pub fn started(&mut self, id: usize, reading: i64, asked: u64, now: u64) {
        let is_whole = self.crashed.is_none_or(|crashed| crashed < asked);
        let is_changing = self.ids[id].replaced.iter().any(|replaced| {
            let responded = self.visits[replaced.by].responded;
            responded.is_none_or(|responded| responded + UNDER_WAY > now)
        });
        let id = &mut self.ids[id];
        if is_whole && !is_changing && id.start_asked == Some(asked) {
            let session = &mut self.sessions[id.session];
            (session.began, session.created) = (reading, reading);
            let written = Written::Already;
            id.activity.clear();
            id.activity.push(Active {
                reading,
                at: now,
                written,
            });
            id.replaced.clear();
            (id.late, id.lost) = (false, false);
            id.started = Some(now);
        }
    }
}
