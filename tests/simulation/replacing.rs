//! How changes of ids are noted.

use super::facts::{Active, Facts, Issued, Replaced, Written};
use super::tolerance::{BELIEVED, RECOVERY};
use super::visit::{Effect, Kind, Replacing};

impl Facts {
    /// The application gave a session another id with its response.
    pub fn replaces(&mut self, number: usize, replacing: Replacing) {
        let Replacing { old, new, reading } = replacing;
        if self.session(old).is_none() {
            return;
        }
        let is_late = self.is_late(number, replacing);
        self.replaced(old, number, reading);
        if matches!(self.ids[new].issued, Issued::Never | Issued::Unchecked) {
            self.visits[number].effect = Effect::Replaces(replacing);
            self.goes_on(number, replacing);
        } else {
            // Nobody knows which of several requests began the id.
            self.visits[number].effect = Effect::Shares(replacing);
            self.ids[new].activity.clear();
        }
        self.ids[new].late |= is_late;
        self.may_have_come_along(number, replacing);
    }

    /// The application gave another id in place of this one.
    pub fn replaced(&mut self, old: usize, by: usize, reading: i64) {
        self.ids[old].replaced.push(Replaced { reading, by });
    }

    /// The application gave another id to a session that could not be checked.
    pub fn issued_unchecked(&mut self, new: usize) {
        let id = &mut self.ids[new];
        if id.issued == Issued::Never {
            id.issued = Issued::Unchecked;
        }
    }

    /// The application issued an id again, in place of a live one or of none.
    pub fn reissued(&mut self, number: usize, again: usize, old: Option<usize>, reading: i64) {
        if let Some(old) = old {
            self.replaced(old, number, reading);
        }
        let latest = &mut self.ids[again].reissued;
        *latest = reading.max(*latest);
    }

    /// The change of an id was perhaps recorded just now, with what was known of the old one.
    pub fn may_have_come_along(&mut self, number: usize, replacing: Replacing) {
        let Replacing { old, new, reading } = replacing;
        let is_late = self.is_late(number, replacing);
        let latest = self.ids[old].latest;
        let may_be_live = reading - latest < self.ids[old].lifetime.idle_at_most;
        let is_active = self.visits[number].kind == Kind::Active && may_be_live;
        let latest = if is_active {
            latest.max(reading)
        } else {
            latest
        };
        let id = &mut self.ids[new];
        id.latest = id.latest.max(latest);
        id.late |= is_late;
    }

    /// A change of the id is recorded for certain.
    pub fn surely_replaced(&mut self, replacing: Replacing, now: u64) {
        let Replacing { old, new, .. } = replacing;
        self.surely_began(new, now);
        // A log-out that came first leaves nothing to replace.
        let log_out = self.session(old).and_then(|old| old.log_out_asked);
        if self.ids[new].late || self.ids[old].lost || log_out.is_some() {
            return;
        }
        // Of several changes at once, the first one that is recorded counts.
        let old = &mut self.ids[old];
        if let Some(last) = old.last_replaced() {
            old.surely_replaced.get_or_insert((last, now));
        }
    }

    /// The session goes on under a new id.
    fn goes_on(&mut self, number: usize, replacing: Replacing) {
        let Replacing { old, new, reading } = replacing;
        let visit = &self.visits[number];
        let (instance, now) = (visit.instance, visit.responded.unwrap_or(visit.sent));
        let is_active = visit.kind == Kind::Active;
        // What other nodes have gathered and not written yet is not taken along.
        let is_known = |active: &&Active| match active.written {
            Written::WithCheck(by) if by == instance => true,
            _ => active.at + self.bounds.written_within < now,
        };
        let known = self.ids[old].activity.iter().filter(is_known);
        let active = Active {
            reading,
            at: now,
            written: Written::WithCheck(instance),
        };
        let activity = known.copied().chain(is_active.then_some(active)).collect();
        let is_past = |since: &i64| self.bounds.is_past_overlap(*since, reading);
        let surely_replaced = self.ids[old].surely_replaced;
        let surely_replaced = surely_replaced.filter(|(since, _)| is_past(since));
        let (session, lost) = (self.ids[old].session, self.ids[old].lost);
        let (lifetime, limits) = (self.ids[old].lifetime, self.ids[old].limits);
        self.sessions[session].ids += 1;
        let id = &mut self.ids[new];
        (id.issued, id.session, id.lost) = (Issued::Perhaps, session, lost);
        (id.activity, id.surely_replaced) = (activity, surely_replaced);
        (id.lifetime, id.limits) = (lifetime, limits);
    }

    /// Returns whether the session had perhaps ended when it was given a new id. Then so has the
    /// new id.
    pub fn is_late(&self, number: usize, replacing: Replacing) -> bool {
        let Replacing { old, reading, .. } = replacing;
        let visit = &self.visits[number];
        let was_live = match visit.kind {
            Kind::Active => self.was_live_until(old, visit.reading, reading),
            Kind::Passive | Kind::Exempt => {
                self.was_live_until(old, self.last_active(old), reading)
            }
        };
        let old = &self.ids[old];
        let is_ahead = old.latest - reading > old.lifetime.idle_at_least;
        let age = self
            .sessions
            .get(old.session)
            .map_or(0, |old| reading - old.created);
        let is_past = |replaced: &Replaced| {
            replaced.by != number && self.bounds.is_past_overlap(replaced.reading, reading)
        };
        let is_replaced = old.replaced.iter().any(is_past);
        let is_starting = old.late
            || old.start_asked >= Some(visit.sent)
            || (old.start_asked.is_some() && (old.started.is_none() || old.lost));
        // A near cache may know of activity that the store has lost, or was not told.
        let now = visit.responded.unwrap_or(visit.sent);
        let since = now.saturating_sub(RECOVERY);
        let is_calm = self.troubles.is_calm(visit.node, since, now);
        let is_whole = self.lost.is_none_or(|lost| lost + BELIEVED < now);
        let is_told = is_calm && is_whole;
        !was_live
            || is_ahead
            || age >= old.lifetime.absolute_at_least
            || is_replaced
            || is_starting
            || !is_told
    }
}
