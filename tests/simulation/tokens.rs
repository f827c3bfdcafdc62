//! What is noted where an id that the store does not know begins a session.

use super::facts::{Facts, Issued};

impl Facts {
    /// A request presented this id, and is checked. If the store does not know the id, that begins
    /// a session.
    pub fn may_begin(&mut self, id: usize, reading: i64) {
        if !self.begins_unknown || self.is_recorded(id) {
            return;
        }
        if self.session(id).is_none() {
            self.begins_session(id, reading);
        } else {
            let session = &mut self.sessions[self.ids[id].session];
            session.created = session.created.max(reading);
            session.began = session.began.min(reading);
            // A log-out under another id may not find this one.
            self.torn(id);
        }
        let id = &mut self.ids[id];
        id.latest = id.latest.max(reading);
        id.surely_replaced = None;
        if id.issued != Issued::Surely {
            id.issued = Issued::Perhaps;
        }
    }

    /// A request was found to be that of a session, so there is a record.
    pub fn surely_begun(&mut self, id: usize, now: u64) {
        if self.begins_unknown {
            self.surely_began(id, now);
        }
    }

    fn is_recorded(&self, id: usize) -> bool {
        self.ids[id].issued == Issued::Surely && !self.ids[id].lost
    }
}
