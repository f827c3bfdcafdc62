//! A request and its answer, among the facts.

use super::visitors::facts::{Greeting, LoggingIn};

/// A request.
pub struct Visit {
    pub node: usize,
    pub instance: usize,
    pub kind: Kind,
    /// The ids that it presented.
    pub presented: Vec<usize>,
    pub sent: u64,
    pub reading: i64,
    /// Whether it came in time to be activity, as far as is known when it was sent.
    pub in_time: bool,
    pub in_time_as_visitor: bool,
    /// Whether the application did not see the ids that were presented.
    pub taken_out: bool,
    pub reached: Option<u64>,
    pub responded: Option<u64>,
    pub effect: Effect,
    /// The id that it gives a visitor.
    pub greeting: Option<Greeting>,
    pub state: VisitState,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Active,
    Passive,
    Exempt,
}

/// What the application's response does to the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    None,
    Begins {
        id: usize,
    },
    LogsIn(LoggingIn),
    /// The new id was never issued before.
    Replaces(Replacing),
    /// Another request may have given the session the same new id.
    Shares(Replacing),
    /// It ends the session under every id that the request presented.
    Ends,
}

/// A change of an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replacing {
    pub old: usize,
    pub new: usize,
    pub reading: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VisitState {
    Open,
    /// It was answered, its client hung up, or its node died.
    Closed,
}
