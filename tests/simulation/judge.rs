//! The reference model: which answers the documentation allows.
//!
//! Each guarantee is one sentence, by which a report names it. `tolerance.rs` says what the
//! documentation leaves open.

use tower_login_timeout::StoreFailure;

use super::bounds::Bounds;
use super::facts::{Facts, Id, Issued};
use super::kinds::SiteKind;
use super::tolerance::Tolerance;
use super::visit::Visit;

/// Says which guarantee was broken.
pub type Verdict = Result<(), &'static str>;

pub struct Judge<'a> {
    pub facts: &'a Facts,
    pub bounds: Bounds,
    pub store_failure: StoreFailure,
    pub tolerance: Tolerance<'a>,
}

impl Judge<'_> {
    /// A request was checked, and the application sees this id.
    pub fn passed(&self, visit: &Visit, id: usize) -> Verdict {
        // Nobody presents the record of a visitor.
        let in_time = match visit.presented.contains(&id) {
            true => visit.in_time,
            false => visit.in_time_as_visitor,
        };
        let (id, now) = (&self.facts.ids[id], visit.reading);
        let session = self.facts.sessions.get(id.session);
        let session = session.ok_or("an unknown id never reaches the application")?;
        let is_seen =
            |at: u64, by: Option<usize>| at + self.tolerance.unseen_for(visit, id, by) < visit.sent;
        let is_unread = |at: u64| at + self.tolerance.unread_for(visit) >= visit.sent;
        let has_ended = session
            .ended
            .is_some_and(|end| is_seen(end.at, Some(end.instance)))
            || !id.revoked_at.is_none_or(is_unread);
        let is_replaced = id.surely_replaced.is_some_and(|(since, at)| {
            self.bounds.is_past_overlap(since, now) && is_seen(at, None)
        });
        // An id that the store had lost may begin anew when the application issues it again.
        let anew = if id.lost { id.reissued } else { i64::MIN / 2 };
        let age = now - session.created.max(anew);
        let idle = now - id.latest.max(anew);
        let is_in_time = in_time || idle < id.lifetime.idle_at_most;
        let is_checked = id.issued != Issued::Unchecked;
        holds(is_checked, "nothing begins from an unchecked request")?;
        holds(
            age < id.lifetime.absolute_at_most,
            "the absolute limit holds",
        )?;
        holds(is_in_time, "the idle limit holds")?;
        holds(!has_ended, "nothing revives what has ended")?;
        holds(!is_replaced, "a replaced id ends after the overlap")
    }

    /// A request was not checked, and passed all the same.
    pub fn passed_unchecked(&self, visit: &Visit, now: u64) -> Verdict {
        let is_allowed = self.store_failure == StoreFailure::Allow;
        let has_failed = !self.tolerance.is_calm(visit, visit.sent, now);
        holds(
            is_allowed && has_failed,
            "only a failing store lets requests pass unchecked",
        )
    }

    /// A request was refused for this reason.
    pub fn refused(&self, visit: &Visit, reason: &str) -> Verdict {
        let ids = visit.presented.iter().map(|id| &self.facts.ids[*id]);
        let ids: Vec<&Id> = ids.collect();
        let is_right = match reason {
            "conflicting" => !self.are_of_one_session(&ids),
            // The reason is that of the first one that has ended.
            _ if ids.len() > 1 => ids.iter().all(|id| self.may_be_over(visit, id, "unknown")),
            _ => ids.iter().all(|id| self.may_be_over(visit, id, reason)),
        };
        let is_known = !self.facts.begins_unknown || reason != "unknown";
        holds(is_right, "a live session is never answered 440")?;
        holds(is_known, "an unknown id begins a session where it may")
    }

    /// A request was answered 503: for want of a check, or of a record of what the response does.
    pub fn unavailable(&self, visit: &Visit, now: u64) -> Verdict {
        let since = visit.responded.unwrap_or(visit.sent);
        let has_failed = !self.tolerance.is_calm(visit, since, now);
        holds(has_failed, "a store that works is never answered 503")
    }

    /// A check ended: the application was called, or the request answered.
    pub fn checked_in_time(&self, visit: &Visit, now: u64) -> Verdict {
        let further = match self.tolerance.settings.kind {
            SiteKind::Users | SiteKind::OwnLimits => 0,
            // The id may begin a session.
            SiteKind::Tokens => 1,
            // It may be a visitor's, or that of a log-in meanwhile, and several may be looked up.
            SiteKind::Visitors => 3,
        };
        let steps = visit.presented.len().max(1) as u64 + further;
        let is_in_time = now - visit.sent <= steps * self.bounds.store_timeout + 1;
        holds(is_in_time, "a request is checked, or answered 503, in time")
    }

    /// What a response does was recorded, or was not.
    pub fn recorded_in_time(&self, visit: &Visit, now: u64) -> Verdict {
        let sessions = visit
            .presented
            .iter()
            .filter_map(|id| self.facts.session(*id));
        let steps = 16 + 3 * sessions.map(|session| session.ids as u64).sum::<u64>();
        let took = now - visit.responded.unwrap_or(now);
        let is_in_time = took <= steps * self.bounds.store_timeout;
        holds(
            is_in_time,
            "a response is recorded, or answered 503, in time",
        )
    }

    fn are_of_one_session(&self, ids: &[&Id]) -> bool {
        let session = self.facts.sessions.get(ids[0].session);
        let is_whole = session.is_some_and(|session| !session.torn);
        is_whole && ids.iter().all(|id| id.session == ids[0].session)
    }

    /// Returns whether the id may be over for this reason. Which of several is named is not
    /// promised.
    pub fn may_be_over(&self, visit: &Visit, id: &Id, reason: &str) -> bool {
        let (lifetime, now) = (&id.lifetime, visit.reading);
        let Some(session) = self.facts.sessions.get(id.session) else {
            return true;
        };
        let is_past = |now: i64| {
            let replaced = id.first_replaced();
            replaced.is_some_and(|since| self.bounds.is_past_overlap(since, now))
        };
        // Activity of an id that was replaced too long ago does not count.
        let active = id.activity.iter().filter(|active| {
            let counts = active.at < visit.sent && !is_past(active.reading);
            counts && self.tolerance.is_written(active, visit)
        });
        let active = active
            .map(|active| active.reading)
            .fold(session.began, i64::max);
        let idle = now - active >= lifetime.idle_at_least;
        let absolute = now - session.began >= lifetime.absolute_at_least;
        let future = id.latest - now > lifetime.idle_at_least;
        let is_known = id.issued == Issued::Surely && !id.lost;
        let is_started = is_known && id.started.is_some_and(|at| at < visit.sent);
        let is_starting = id.start_asked.is_some() && !is_started;
        let is_ended = is_past(now) || session.log_out_asked.is_some() || id.late || is_starting;
        match reason {
            "idle" => idle || is_ended,
            "absolute" => absolute || is_ended,
            "future" => future || is_ended,
            "replaced" => is_past(now),
            "revoked" => is_ended || (session.torn && !id.replaced.is_empty()),
            _ => idle || absolute || future || is_ended || !is_known,
        }
    }
}

pub fn holds(is_right: bool, guarantee: &'static str) -> Verdict {
    if is_right { Ok(()) } else { Err(guarantee) }
}
