//! The plan of a run: what users do, and what goes wrong, drawn from the seed.

use super::action::Action;
use super::days;
use super::kinds;
use super::mishaps;
use super::random::Random;
use super::settings::Settings;
use super::trouble::{Trouble, Troubles};
use super::visitors;

/// What a run does. The same plan gives the same run.
#[derive(Clone, Debug)]
pub struct Plan {
    pub seed: u64,
    pub settings: Settings,
    pub steps: Vec<Step>,
}

/// Something that happens at its time, in milliseconds since the beginning.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    pub at: u64,
    pub what: What,
}

#[derive(Clone, Copy, Debug)]
pub enum What {
    Request(Request),
    /// An administrator ends the session that this user's browser holds.
    Revoke {
        user: usize,
        node: usize,
    },
    Mishap(Mishap),
}

/// A request of a user.
#[derive(Clone, Copy, Debug)]
pub struct Request {
    pub user: usize,
    pub node: usize,
    pub presents: Presents,
    pub action: Action,
    pub patience: Patience,
}

/// Which session ids a request presents.
#[derive(Clone, Copy, Debug)]
pub enum Presents {
    /// What the browser holds.
    Own,
    /// An id that the browser held so many ids ago.
    Old(usize),
    /// What the browser holds, and an id that it held so many ids ago.
    OwnAndOld(usize),
    /// Two ids that two browsers hold.
    Two { other: usize },
    /// An id that nobody has issued.
    Guess(u64),
}

/// When a client hangs up.
#[derive(Clone, Copy, Debug)]
pub enum Patience {
    Endless,
    /// After the response future was polled so many times.
    Polls(u64),
    /// After so many milliseconds.
    Millis(u64),
}

/// Something that goes wrong.
#[derive(Clone, Copy, Debug)]
pub enum Mishap {
    Trouble(Trouble),
    /// The store loses what it wrote in the last so many milliseconds, and is down for a while.
    Crash {
        loses: u64,
        down: u64,
    },
    /// A node dies, and is started again after a while.
    Kill {
        node: usize,
        down: u64,
    },
    /// A node is told to stop, and is started again after a while.
    Stop {
        node: usize,
        down: u64,
    },
    /// A node's clock is set so far ahead of the true time.
    Step {
        node: usize,
        ahead: i64,
    },
}

impl Plan {
    /// Draws a plan with about so many requests.
    pub fn draw(seed: u64, requests: usize) -> Self {
        let mut random = Random::new(seed);
        let settings = kinds::draw(seed, Settings::draw(&mut random));
        let mut steps = days::draw(&mut random, &settings, requests);
        let last = steps.iter().map(|step| step.at).max().unwrap_or(0);
        mishaps::draw(&mut random, &settings, last, &mut steps);
        if settings.visitors.is_some() {
            visitors::days::draw(seed, &settings, &mut steps);
        }
        steps.sort_by_key(|step| step.at);
        Self {
            seed,
            settings,
            steps,
        }
    }

    /// Returns the troubles that the steps bring.
    pub fn troubles(&self) -> Troubles {
        let troubles = self.steps.iter().filter_map(|step| match step.what {
            What::Mishap(mishap) => mishap.trouble(step.at),
            What::Request(_) | What::Revoke { .. } => None,
        });
        Troubles::new(troubles.collect())
    }
}
