//! The reports of connections that are up, that are lost, and that are up again.

use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use crate::store::event::store_event::StoreEvent;
use crate::store::event::store_observers::StoreObservers;

/// The name of this kind of store.
const STORE: &str = "redis";

/// Reports when connections are up, when the first of them is lost, and when all are up again.
///
/// The connections to the nodes of a Cluster have it in common. A node that leaves the Cluster
/// while its connection is lost does not count any longer.
#[derive(Clone)]
pub(super) struct Outages(Arc<Shared>);

struct Shared {
    observers: StoreObservers,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    was_up: bool,
    /// How many connections are lost.
    lost: usize,
    /// When the outage began that lasts.
    since: Option<Instant>,
}

/// The part of one connection.
pub(super) struct Outage {
    all: Outages,
    phase: Mutex<Phase>,
}

#[derive(Clone, Copy, PartialEq)]
enum Phase {
    /// The connection is up, or was never up.
    Calm,
    Lost,
    /// The server is not needed any longer.
    Left,
}

impl Outages {
    pub(super) fn new(observers: StoreObservers) -> Self {
        Self(Arc::new(Shared {
            observers,
            state: Mutex::default(),
        }))
    }

    /// Adds a connection.
    pub(super) fn of_connection(&self) -> Outage {
        Outage {
            all: self.clone(),
            phase: Mutex::new(Phase::Calm),
        }
    }

    fn ended_for_one(&self) {
        let mut state = self.state();
        state.lost -= 1;
        let since = match state.lost {
            0 => state.since.take(),
            _ => None,
        };
        drop(state);
        if let Some(since) = since {
            self.report(&StoreEvent::Reconnected {
                store: STORE,
                away: since.elapsed(),
            });
        }
    }

    fn report(&self, event: &StoreEvent<'_>) {
        self.0.observers.report(event);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Outage {
    /// Reports that the connection is lost, unless another one is lost already.
    pub(super) fn began(&self) {
        if !self.passes(Phase::Calm, Phase::Lost) {
            return;
        }
        let mut state = self.all.state();
        state.lost += 1;
        let is_first = state.lost == 1;
        if is_first {
            state.since = Some(Instant::now());
        }
        drop(state);
        if is_first {
            self.all.report(&StoreEvent::Lost { store: STORE });
        }
    }

    /// Reports that the connection is up, for the first time or again, unless others are lost.
    pub(super) fn ended(&self) {
        if !mem::replace(&mut self.all.state().was_up, true) {
            self.all.report(&StoreEvent::Connected { store: STORE });
        }
        if self.passes(Phase::Lost, Phase::Calm) {
            self.all.ended_for_one();
        }
    }

    /// Does not count this connection any longer.
    pub(super) fn leave(&self) {
        if self.passes(Phase::Lost, Phase::Left) {
            self.all.ended_for_one();
        }
        self.passes(Phase::Calm, Phase::Left);
    }

    /// Goes from one phase to another, and returns whether it was in the first.
    fn passes(&self, from: Phase, to: Phase) -> bool {
        let mut phase = self.phase.lock().unwrap_or_else(PoisonError::into_inner);
        let is_in = *phase == from;
        if is_in {
            *phase = to;
        }
        is_in
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_in_common_are_lost_with_the_first_and_up_with_the_last() {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let events = Arc::clone(&seen);
        let mut observers = StoreObservers::default();
        observers.push(move |event: &StoreEvent<'_>| {
            events.lock().unwrap().push(match event {
                StoreEvent::Connected { .. } => "connected",
                StoreEvent::Lost { .. } => "lost",
                StoreEvent::Reconnected { .. } => "reconnected",
                event => panic!("{event:?}"),
            });
        });
        let seen = || mem::take(&mut *seen.lock().unwrap());
        let outages = Outages::new(observers);
        let (a, b) = (outages.of_connection(), outages.of_connection());
        a.ended();
        b.ended();
        assert_eq!(seen(), ["connected"]);
        a.began();
        b.began();
        a.began();
        assert_eq!(seen(), ["lost"]);
        a.ended();
        a.ended();
        assert!(seen().is_empty());
        b.leave();
        assert_eq!(seen(), ["reconnected"]);
        b.began();
        assert!(seen().is_empty());
    }
}
