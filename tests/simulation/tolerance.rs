//! What the documentation leaves open: how late a change is seen, and activity is written.

use super::facts::{Active, Facts, Id, Written};
use super::settings::{Cache, Settings};
use super::visit::Visit;

/// A near cache believes an entry for a minute at most, whatever the log of changes says.
pub const BELIEVED: u64 = 60_000;

/// So long after a trouble, a flush that hangs may still delay the next one.
pub const RECOVERY: u64 = 30_000;

/// What is asked shortly before a trouble may be waited for, or fail, in it.
const BEFORE: u64 = 1_000;

/// What the documentation leaves open.
pub struct Tolerance<'a> {
    pub facts: &'a Facts,
    pub settings: &'a Settings,
}

impl Tolerance<'_> {
    /// Returns for how long the end of an id, by this instance, may be unseen where the request is
    /// checked.
    ///
    /// A near cache sees what was ended through it at once. But an id that another node has
    /// replaced before is not ended again by a log-out, so its entry lasts as if there were none.
    pub fn unseen_for(&self, visit: &Visit, id: &Id, by: Option<usize>) -> u64 {
        let near = &self.settings.near;
        let since = visit.sent.saturating_sub(near.max_stale_on_error);
        let until = visit.reached.unwrap_or(visit.sent);
        let is_own = by == Some(visit.instance) && id.replaced.is_empty();
        match () {
            () if !self.is_near(visit.node) || is_own => 0,
            () if self.facts.troubles.is_calm(visit.node, since, until) => near.max_staleness,
            () => near.max_stale_on_error,
        }
    }

    /// The same for a change whose writer may have died before it announced it.
    pub fn unread_for(&self, visit: &Visit) -> u64 {
        if self.is_near(visit.node) {
            BELIEVED
        } else {
            0
        }
    }

    /// Returns whether this activity is certainly known where the request is checked.
    pub fn is_written(&self, active: &Active, visit: &Visit) -> bool {
        let by = match active.written {
            Written::Already => return true,
            Written::WithCheck(by) if !self.is_near(self.facts.instances[by].node) => return true,
            Written::WithCheck(by) | Written::AfterResponse(by) => by,
        };
        let written = active.at + self.facts.bounds.written_within;
        let instance = &self.facts.instances[by];
        // A clock that is set forward ends sessions as early as that is far. Activity that is not
        // written yet does not help.
        let is_set = instance.clock_set.is_some_and(|at| at >= active.at);
        let is_known = written <= visit.sent || (by == visit.instance && !is_set);
        let until = written.min(visit.sent);
        let is_alive = instance.killed.is_none_or(|at| at > until);
        // A near cache may believe that the store knows what it has lost.
        let is_whole = self
            .facts
            .lost
            .is_none_or(|lost| lost + BELIEVED < active.at);
        let since = active.at.saturating_sub(RECOVERY);
        let is_calm = self.facts.troubles.is_calm(instance.node, since, until);
        is_known && is_alive && is_whole && is_calm
    }

    /// Returns whether the store worked for the node of this request.
    pub fn is_calm(&self, visit: &Visit, since: u64, until: u64) -> bool {
        let since = since.saturating_sub(BEFORE);
        self.facts.troubles.is_calm(visit.node, since, until)
    }

    fn is_near(&self, node: usize) -> bool {
        self.settings.nodes[node].cache == Cache::Near
    }
}
