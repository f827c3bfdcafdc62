//! The search for the shortest plan that still breaks a guarantee.

use std::time::{Duration, Instant};

use super::plan::{Plan, Step};
use super::run::run;
use super::witness::Tracing;

/// How long the search may take.
const LONGEST: Duration = Duration::from_secs(30);

/// Returns a plan with as few steps as can be found that breaks this guarantee too.
pub fn shortened(plan: &Plan, guarantee: &'static str) -> Plan {
    let mut search = Search {
        best: plan.clone(),
        guarantee,
        began: Instant::now(),
    };
    let mut pieces = 2;
    while pieces <= search.best.steps.len().max(1) && !search.is_over() {
        if search.leave_out_one_of(pieces) {
            pieces = 2.max(pieces / 2);
        } else if pieces == search.best.steps.len() {
            break;
        } else {
            pieces = (2 * pieces).min(search.best.steps.len());
        }
    }
    search.best
}

struct Search {
    best: Plan,
    guarantee: &'static str,
    began: Instant,
}

impl Search {
    /// Cuts the steps in so many pieces, and leaves out those that are not needed. Returns whether
    /// any is left out.
    fn leave_out_one_of(&mut self, pieces: usize) -> bool {
        let mut is_shorter = false;
        let size = self.best.steps.len().div_ceil(pieces);
        // From the end: what happens after the failure is never needed.
        let mut end = self.best.steps.len();
        while end > 0 && !self.is_over() {
            let start = end.saturating_sub(size);
            let steps = &self.best.steps;
            let rest: Vec<Step> = [&steps[..start], &steps[end..]].concat();
            if self.breaks(rest) {
                is_shorter = true;
            }
            end = start;
        }
        is_shorter
    }

    fn is_over(&self) -> bool {
        self.began.elapsed() > LONGEST
    }

    /// Keeps these steps if they break the guarantee.
    fn breaks(&mut self, steps: Vec<Step>) -> bool {
        let plan = Plan {
            steps,
            ..self.best.clone()
        };
        let is_broken = run(&plan, Tracing::Off).broken == Some(self.guarantee);
        if is_broken {
            self.best = plan;
        }
        is_broken
    }
}
