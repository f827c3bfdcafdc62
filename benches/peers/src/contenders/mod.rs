//! The contenders, and the application of each.

use std::time::Duration;

use axum::Router;
use tower_login_timeout::SystemClock;

use crate::Failure;
use crate::harness::Harness;

pub mod axum_session;
pub mod bare;
pub mod least;
pub mod ours;
pub mod tower_sessions;

/// How long a session may be idle, for everybody.
pub const IDLE: Duration = Duration::from_secs(15 * 60);

/// How long a session may live, for everybody who knows of that.
pub const ABSOLUTE: Duration = Duration::from_secs(8 * 60 * 60);

/// Somebody who can be asked in this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contender {
    /// The service alone. What the others need beyond it is what they cost.
    Bare,
    /// A plain layer that does only what such a timeout must do.
    Least,
    /// This crate: idle and absolute timeout, exact to the millisecond, in a `MemoryStore`.
    Ours,
    /// tower-sessions with `OnInactivity` and `always_save`, which is what makes its timeout one of inactivity.
    Sliding,
    /// tower-sessions with `AtDateTime`: an absolute timeout alone.
    Fixed,
    /// axum_session in memory, as it is by default.
    AxumSession,
}

impl Contender {
    /// Everybody, the bare service first.
    pub const ALL: [Self; 6] = [
        Self::Bare,
        Self::Least,
        Self::Ours,
        Self::Sliding,
        Self::Fixed,
        Self::AxumSession,
    ];

    /// The name in figures.
    pub fn id(self) -> &'static str {
        match self {
            Self::Bare => "bare",
            Self::Least => "least",
            Self::Ours => "ours",
            Self::Sliding => "tower-sessions-sliding",
            Self::Fixed => "tower-sessions",
            Self::AxumSession => "axum_session",
        }
    }

    /// The contender of this name.
    ///
    /// # Errors
    ///
    /// If there is none.
    pub fn of(id: &str) -> Result<Self, Failure> {
        let found = Self::ALL.into_iter().find(|contender| contender.id() == id);
        found.ok_or_else(|| format!("there is no contender {id:?}").into())
    }

    /// The contender around a service that does next to nothing, with room for so many sessions.
    ///
    /// # Errors
    ///
    /// If it cannot be set up.
    pub fn harness(self, sessions: usize) -> Result<Box<dyn Harness>, Failure> {
        Ok(match self {
            Self::Bare => Box::new(bare::harness()?),
            Self::Least => Box::new(least::harness()?),
            Self::Ours => Box::new(ours::harness(sessions, SystemClock)?),
            Self::Sliding => Box::new(tower_sessions::sliding(IDLE)?),
            Self::Fixed => Box::new(tower_sessions::fixed()?),
            Self::AxumSession => Box::new(axum_session::harness()?),
        })
    }

    /// The contender around an axum application.
    ///
    /// # Errors
    ///
    /// If it cannot be set up.
    pub async fn app(self, sessions: usize) -> Result<Router, Failure> {
        match self {
            Self::Bare => Ok(bare::app()),
            Self::Least => Ok(least::app()),
            Self::Ours => ours::app(sessions),
            Self::Sliding => Ok(tower_sessions::sliding_app()),
            Self::Fixed => Ok(tower_sessions::fixed_app()),
            Self::AxumSession => axum_session::app().await,
        }
    }
}
