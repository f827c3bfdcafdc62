//! The world of a run: everything that its parts share.

use std::sync::{Arc, Mutex};

use tokio::time::Instant;

use super::agenda::Agenda;
use super::bounds::Bounds;
use super::browser::Browser;
use super::clock::OwnClock;
use super::facts::Facts;
use super::judge::{Judge, Verdict};
use super::node::Node;
use super::plan::Plan;
use super::server::Server;
use super::settings::{ClockSettings, Settings};
use super::tolerance::Tolerance;
use super::trouble::Troubles;
use super::witness::{Tracing, Witness};

/// The world of a run.
///
/// Locks are never waited for, since there is one thread. Where several are held, they are taken in
/// the order of the fields.
pub struct World {
    pub seed: u64,
    pub settings: Settings,
    bounds: Bounds,
    pub troubles: Troubles,
    pub agenda: Agenda,
    pub nodes: Mutex<Vec<Node>>,
    /// The clocks of the machines, which go on when a node is restarted.
    pub clocks: Vec<Arc<OwnClock>>,
    pub browsers: Mutex<Vec<Browser>>,
    pub facts: Mutex<Facts>,
    pub server: Mutex<Server>,
    witness: Mutex<Witness>,
    tracing: Tracing,
}

impl World {
    pub fn new(plan: &Plan, users: usize, tracing: Tracing) -> Arc<Self> {
        let settings = plan.settings.clone();
        let clocks = settings.nodes.iter().map(|node| {
            let (ahead, drift) = match node.clock {
                ClockSettings::FollowsStore => (0, 0),
                ClockSettings::Own { ahead, drift } => (ahead, drift),
            };
            Arc::new(OwnClock::new(Instant::now(), ahead, drift))
        });
        Arc::new(Self {
            seed: plan.seed,
            troubles: plan.troubles(),
            agenda: Agenda::new(),
            nodes: Mutex::new(settings.nodes.iter().map(|_| Node::default()).collect()),
            clocks: clocks.collect(),
            browsers: Mutex::new((0..users).map(|_| Browser::default()).collect()),
            facts: Mutex::new(Facts::new(&settings, plan.troubles())),
            server: Mutex::new(Server::new(settings.store.log)),
            witness: Mutex::new(Witness::new(tracing)),
            tracing,
            bounds: Bounds::of(&settings),
            settings,
        })
    }

    /// Asks the judge. The run ends with the first answer that is not allowed.
    pub fn judge(&self, facts: &Facts, ask: impl FnOnce(Judge<'_>) -> Verdict) {
        if let Err(guarantee) = self.ask(facts, ask)
            && self.witness.lock().unwrap().broken.is_none()
        {
            self.trace(|| format!("  BROKEN: {guarantee}"));
            self.witness.lock().unwrap().broken(guarantee);
            self.agenda.stop();
        }
    }

    /// Asks the judge something.
    pub fn ask<T>(&self, facts: &Facts, ask: impl FnOnce(Judge<'_>) -> T) -> T {
        ask(Judge {
            facts,
            bounds: self.bounds,
            store_failure: self.settings.policy.store_failure(),
            tolerance: Tolerance {
                facts,
                settings: &self.settings,
            },
        })
    }

    /// Counts something that was covered.
    pub fn count(&self, kind: &'static str, name: &'static str) {
        self.witness.lock().unwrap().count(kind, name);
    }

    /// Adds a line to the trace, if there is one.
    pub fn trace(&self, line: impl FnOnce() -> String) {
        if self.tracing == Tracing::On {
            let line = format!("{:>9} ms {}", self.agenda.now(), line());
            self.witness.lock().unwrap().add(line);
        }
    }

    /// Lets go of everything that refers to the world.
    pub fn end(&self) {
        self.nodes.lock().unwrap().clear();
        self.agenda.clear();
    }

    /// Takes what was seen.
    pub fn take_witness(&self) -> Witness {
        let empty = Witness::new(Tracing::Off);
        std::mem::replace(&mut *self.witness.lock().unwrap(), empty)
    }
}
