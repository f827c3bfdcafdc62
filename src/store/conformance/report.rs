//! The report of a check: the clauses that the store breaks.

use std::future::Future;

use super::subject::Outcome;

/// Collects the broken clauses of a contract.
pub(super) struct Report {
    contract: &'static str,
    broken: Vec<String>,
}

impl Report {
    pub(super) fn of(contract: &'static str) -> Self {
        Self {
            contract,
            broken: Vec::new(),
        }
    }

    /// Runs the check of a clause.
    pub(super) async fn add(&mut self, clause: &str, check: impl Future<Output = Outcome>) {
        self.note(clause, check.await);
    }

    /// Notes the outcome of a clause.
    pub(super) fn note(&mut self, clause: &str, outcome: Outcome) {
        if let Err(reason) = outcome {
            self.broken.push(format!("\n- {clause}: {reason}"));
        }
    }

    /// Panics if a clause is broken.
    pub(super) fn finish(self) {
        assert!(
            self.broken.is_empty(),
            "the store breaks the contract of {}:{}",
            self.contract,
            self.broken.concat()
        );
    }
}
