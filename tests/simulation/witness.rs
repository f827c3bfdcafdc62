//! What was seen in a run: how often what was covered, a trace, a broken guarantee.

use std::collections::BTreeMap;

/// How often each thing of each kind happened.
pub type Coverage = BTreeMap<(&'static str, &'static str), u64>;

/// Whether each event is written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tracing {
    Off,
    On,
}

/// What was seen in a run.
#[derive(Debug)]
pub struct Witness {
    pub coverage: Coverage,
    pub trace: Vec<String>,
    pub broken: Option<&'static str>,
}

impl Witness {
    pub fn new(tracing: Tracing) -> Self {
        Self {
            coverage: Coverage::new(),
            trace: Vec::with_capacity(match tracing {
                Tracing::Off => 0,
                Tracing::On => 4_096,
            }),
            broken: None,
        }
    }

    pub fn count(&mut self, kind: &'static str, name: &'static str) {
        *self.coverage.entry((kind, name)).or_default() += 1;
    }

    pub fn add(&mut self, line: String) {
        self.trace.push(line);
    }

    /// Notes the first guarantee that was broken.
    pub fn broken(&mut self, guarantee: &'static str) {
        self.broken.get_or_insert(guarantee);
    }
}
