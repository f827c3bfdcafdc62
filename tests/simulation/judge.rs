//! The reference model: which answers the documentation allows.
//!
//! Each guarantee has one sentence, which names it in a report. The documented bounds are the only
//! tolerance: how late a near cache may see a change, how late it writes activity, `touch_every`,
//! the rotation overlap, and what a crash of the store may lose.

use super::bounds::Bounds;
use super::facts::{Active, Facts, Id, Issued, Visit, Written};
use super::settings::{Cache, Settings};
use super::trouble::Troubles;

/// A near cache believes an entry for a minute at most, whatever the log of changes says.
const BELIEVED: u64 = 60_000;
/// After a trouble, a flush that hangs may delay the next one.
const RECOVERY: u64 = 30_000;

/// Says which guarantee was broken.
pub type Verdict = Result<(), &'static str>;

pub struct Judge<'a> {
    pub facts: &'a Facts,
    pub settings: &'a Settings,
    pub troubles: &'a Troubles,
    pub bounds: Bounds,
}

impl Judge<'_> {
    /// A request was checked, and the application sees this id.
    pub fn passed(&self, visit: &Visit, id: usize) -> Verdict {
        let id = &self.facts.ids[id];
        let Some(session) = self.facts.sessions.get(id.session) else {
            return Err("an unknown id never reaches the application");
        };
        let now = visit.reading;
        let is_seen = |at: u64, by: Option<usize>| at + self.unseen_for(visit, by) < visit.sent;
        let ended = session
            .ended
            .filter(|end| is_seen(end.at, Some(end.instance)));
        let revoked = id
            .revoked_at
            .filter(|at| at + self.unread_for(visit) < visit.sent);
        let replaced = id
            .surely_replaced
            .filter(|(since, at)| self.bounds.is_past_overlap(*since, now) && is_seen(*at, None));
        holds(
            id.issued != Issued::Unchecked,
            "nothing begins from a request that was not checked",
        )?;
        // An id that the store had lost may begin anew when the application issues it again.
        let anew = if id.lost { id.reissued } else { i64::MIN / 2 };
        let (created, latest) = (session.created.max(anew), id.latest.max(anew));
        holds(
            now - created < self.bounds.absolute,
            "the absolute limit holds",
        )?;
        holds(
            visit.in_time || now - latest < self.bounds.idle_at_most,
            "the idle limit holds",
        )?;
        holds(
            ended.is_none() && revoked.is_none(),
            "nothing revives what has ended",
        )?;
        holds(replaced.is_none(), "a replaced id ends after the overlap")
    }

    /// A request was not checked, and passed all the same.
    pub fn passed_unchecked(&self, visit: &Visit, now: u64) -> Verdict {
        let may = self.settings.policy.store_failure() == tower_login_timeout::StoreFailure::Allow;
        let failed = !self.is_calm(visit, visit.sent, now);
        holds(
            may && failed,
            "a request passes unchecked only while the store fails",
        )
    }

    /// A request was refused for this reason. It presented these ids.
    pub fn refused(&self, visit: &Visit, reason: &str) -> Verdict {
        let presented: Vec<&Id> = visit
            .presented
            .iter()
            .map(|id| &self.facts.ids[*id])
            .collect();
        // Where several ids are presented, the reason is that of the first one that has ended.
        let reason = if presented.len() > 1 && reason != "conflicting" {
            "unknown"
        } else {
            reason
        };
        let is_right = match reason {
            "conflicting" => presented
                .iter()
                .any(|id| id.session != presented[0].session),
            _ => presented
                .iter()
                .all(|id| self.may_be_over(visit, id, reason)),
        };
        holds(is_right, "a live session is never answered 440")
    }

    /// A request was answered 503: for want of a check, or of a record of what the response changes.
    pub fn unavailable(&self, visit: &Visit, now: u64) -> Verdict {
        let since = visit.responded.unwrap_or(visit.sent);
        holds(
            !self.is_calm(visit, since, now),
            "a store that works is never answered 503",
        )
    }

    /// A check ended: the application was called, or the request refused.
    pub fn checked_in_time(&self, visit: &Visit, now: u64) -> Verdict {
        let steps = visit.presented.len().max(1) as u64;
        let limit = steps * self.bounds.store_timeout + 1;
        holds(
            now - visit.sent <= limit,
            "a request is checked, or answered 503, in time",
        )
    }

    /// What a response changes was recorded, or was not, in so many steps at most.
    pub fn recorded_in_time(&self, visit: &Visit, now: u64) -> Verdict {
        let ids = visit
            .presented
            .iter()
            .filter_map(|id| self.facts.session(*id));
        let steps = 16 + 3 * ids.map(|session| session.ids as u64).sum::<u64>();
        let limit = steps * self.bounds.store_timeout;
        let since = visit.responded.unwrap_or(now);
        holds(
            now - since <= limit,
            "a response is recorded, or answered 503, in time",
        )
    }

    /// Says whether the session of this id may be over for this reason, or an unknown one.
    fn may_be_over(&self, visit: &Visit, id: &Id, reason: &str) -> bool {
        let Some(session) = self.facts.sessions.get(id.session) else {
            return true;
        };
        let now = visit.reading;
        let is_past = |reading| {
            let past = |since| self.bounds.is_past_overlap(since, reading);
            id.first_replaced().is_some_and(past)
        };
        // Activity of an id that was replaced too long ago does not count.
        let is_surely_active = |active: &&Active| {
            let counts = active.at < visit.sent && !is_past(active.reading);
            counts && self.is_written(active, visit)
        };
        let active = id.activity.iter().filter(is_surely_active);
        let active = active.map(|active| active.reading).max();
        let active = active.unwrap_or(session.created).max(session.created);
        let idle = now - active >= self.bounds.idle_at_least;
        let absolute = now - session.created >= self.bounds.absolute;
        let replaced = is_past(now);
        let future = id.latest - now > self.bounds.idle_at_least;
        // Which of several reasons is named is not promised.
        let is_ended = replaced || session.log_out_asked || id.late;
        match reason {
            "idle" => idle || is_ended,
            "absolute" => absolute || is_ended,
            "future" => future || is_ended,
            "replaced" => replaced,
            "revoked" => is_ended || (session.lost && !id.replaced.is_empty()),
            _ => {
                let is_known = id.issued == Issued::Surely && !id.lost;
                idle || absolute || future || is_ended || !is_known
            }
        }
    }

    /// Says whether this activity is certainly known where this request is checked.
    fn is_written(&self, active: &Active, visit: &Visit) -> bool {
        let by = match active.written {
            Written::Already => return true,
            Written::WithCheck(by) if !self.is_near(self.node_of(by)) => return true,
            Written::WithCheck(by) | Written::AfterResponse(by) => by,
        };
        let written = active.at + self.bounds.written_within;
        let until = written.min(visit.sent);
        let is_known = written <= visit.sent || by == visit.instance;
        let is_alive = self.facts.instances[by].killed.is_none_or(|at| at > until);
        let is_whole = self
            .facts
            .lost
            .is_none_or(|lost| lost + BELIEVED < active.at);
        let since = active.at.saturating_sub(RECOVERY);
        is_known && is_alive && is_whole && self.troubles.is_calm(self.node_of(by), since, until)
    }

    /// For how long a change may be unseen where this request is checked.
    fn unseen_for(&self, visit: &Visit, by: Option<usize>) -> u64 {
        let near = &self.settings.near;
        let since = visit.sent.saturating_sub(near.max_stale_on_error);
        match () {
            () if !self.is_near(visit.node) || by == Some(visit.instance) => 0,
            () if self.troubles.is_calm(visit.node, since, visit.sent) => near.max_staleness,
            () => near.max_stale_on_error,
        }
    }

    /// The same for a change whose writer may have died before it announced it.
    fn unread_for(&self, visit: &Visit) -> u64 {
        if self.is_near(visit.node) {
            BELIEVED
        } else {
            0
        }
    }

    fn is_near(&self, node: usize) -> bool {
        self.settings.nodes[node].cache == Cache::Near
    }

    fn node_of(&self, instance: usize) -> usize {
        self.facts.instances[instance].node
    }

    /// Says whether nothing was wrong in this time, or just before: what was asked then may be
    /// waited for.
    fn is_calm(&self, visit: &Visit, since: u64, now: u64) -> bool {
        self.troubles
            .is_calm(visit.node, since.saturating_sub(1_000), now)
    }
}

fn holds(is_right: bool, guarantee: &'static str) -> Verdict {
    if is_right { Ok(()) } else { Err(guarantee) }
}
