//! Which answers the documentation allows where visitors have a cookie too.

use std::time::Duration;

use crate::simulation::facts::{Id, Issued};
use crate::simulation::judge::{Judge, Verdict, holds};
use crate::simulation::visit::{Effect, Visit};

/// How far two clocks differ at most.
const APART: i64 = 60_000;

impl Judge<'_> {
    /// A request was not found to be that of a session, and the application sees this id.
    pub fn passed_as_visitor(&self, visit: &Visit, id: usize) -> Verdict {
        let user = &self.facts.ids[id];
        let visitor = user.visitor;
        let visitor = visitor.ok_or("an unknown id never reaches the application")?;
        holds(
            !self.has_logged_in(visit, user),
            "a session that has logged in never passes as a visitor's",
        )?;
        self.passed(visit, visitor)
    }

    /// A request passed without the ids that it presented.
    pub fn taken_out(&self, visit: &Visit) -> Verdict {
        // Of several ids, the one that was selected may have ended since.
        let may_end = |id: &usize| {
            self.facts.ids[*id].visitor.is_some_and(|visitor| {
                let session = self.facts.session(visitor);
                let log_out = session.and_then(|session| session.log_out_asked);
                log_out.is_some() || !self.facts.ids[visitor].replaced.is_empty()
            })
        };
        let crosses_end = visit.presented.len() > 1 && visit.presented.iter().any(may_end);
        for id in &visit.presented {
            let id = &self.facts.ids[*id];
            let visitor = id.visitor.map(|visitor| &self.facts.ids[visitor]);
            holds(
                !self.has_logged_in(visit, id),
                "an id that has logged in is answered 440 when it is over",
            )?;
            holds(
                crosses_end
                    || visitor.is_none_or(|visitor| self.may_be_over(visit, visitor, "unknown")),
                "the cookie of a live visitor passes as it came",
            )?;
        }
        Ok(())
    }

    /// A request was refused for this reason.
    pub fn refused_among_visitors(&self, visit: &Visit, reason: &str) -> Verdict {
        let mut ids = visit.presented.iter();
        let is_of_user = ids.any(|id| self.facts.session(*id).is_some());
        holds(
            is_of_user && reason != "unknown",
            "nobody who has not logged in is answered 440",
        )
    }

    /// A request was answered, with a `Set-Cookie` or without.
    pub fn cookie_removed(visit: &Visit, sets_cookie: bool) -> Verdict {
        let is_removed = visit.taken_out || visit.effect == Effect::Ends;
        holds(
            sets_cookie || !is_removed,
            "a cookie that has ended is removed",
        )
    }

    /// Returns whether a session was recorded under the id before the request was sent, and must
    /// still be remembered.
    fn has_logged_in(&self, visit: &Visit, id: &Id) -> bool {
        let remembered = self.tolerance.settings.policy.remember_expired_for();
        let session = self.facts.sessions.get(id.session);
        let age = session.map_or(i64::MAX, |session| visit.reading - session.began);
        let is_remembered =
            remembered > Duration::from_secs(3_600) || age < remembered.as_millis() as i64 - APART;
        let is_recorded = id.issued == Issued::Surely && id.recorded < Some(visit.sent);
        is_recorded && id.recorded.is_some() && !id.lost && is_remembered
    }
}
