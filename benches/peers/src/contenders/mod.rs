//! The contenders that are measured.

use std::time::Duration;

use axum::Router;
use http::StatusCode;
use tower_login_timeout::{Policy, SystemClock};

use crate::Failure;
use crate::harness::Harness;

pub mod axum_session;
pub mod bare;
pub mod least;
pub mod ours;
pub mod tower_sessions;

/// The idle timeout of all contenders that have one.
pub const IDLE: Duration = Duration::from_secs(15 * 60);

/// The absolute timeout of all contenders that have one.
pub const ABSOLUTE: Duration = Duration::from_secs(8 * 60 * 60);

/// A way to have a timeout, or the service without one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contender {
    /// The service alone. The cost of the others is their time beyond this.
    Bare,
    /// A layer that does only what such a timeout must do.
    Least,
    /// This crate: idle and absolute timeout, exact to the millisecond, in a `MemoryStore`.
    Ours,
    /// tower-sessions with `OnInactivity` and `always_save`: an idle timeout alone.
    Sliding,
    /// tower-sessions with `AtDateTime`: an absolute timeout alone.
    Fixed,
    /// axum_session in memory, with its defaults.
    AxumSession,
}

impl Contender {
    /// All contenders, the bare service first.
    pub const ALL: [Self; 6] = [
        Self::Bare,
        Self::Least,
        Self::Ours,
        Self::Sliding,
        Self::Fixed,
        Self::AxumSession,
    ];

    /// Returns the name in figures.
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

    /// Finds the contender of this name.
    pub fn of(id: &str) -> Result<Self, Failure> {
        let found = Self::ALL.into_iter().find(|contender| contender.id() == id);
        found.ok_or_else(|| format!("there is no contender {id:?}").into())
    }

    /// Returns the status of a page without a session.
    pub fn anonymous_status(self) -> StatusCode {
        match self {
            Self::Bare | Self::Least | Self::Ours => StatusCode::OK,
            _ => StatusCode::NO_CONTENT,
        }
    }

    /// Builds the contender around a small service, with room for these sessions.
    pub fn harness(self, sessions: usize) -> Result<Box<dyn Harness>, Failure> {
        Ok(match self {
            Self::Bare => Box::new(bare::harness()?),
            Self::Least => Box::new(least::harness()?),
            Self::Ours => Box::new(ours::harness(ours::store(sessions), SystemClock)?),
            Self::Sliding => Box::new(tower_sessions::harness(tower_sessions::sliding())?),
            Self::Fixed => Box::new(tower_sessions::harness(tower_sessions::fixed())?),
            Self::AxumSession => Box::new(axum_session::harness()?),
        })
    }

    /// Builds the contender around an axum application.
    pub async fn app(self, sessions: usize) -> Result<Router, Failure> {
        match self {
            Self::Bare => Ok(bare::app()),
            Self::Least => Ok(least::app()),
            Self::Ours => ours::app(Policy::builder(), ours::store(sessions)),
            Self::Sliding => Ok(tower_sessions::app(tower_sessions::sliding())),
            Self::Fixed => Ok(tower_sessions::app(tower_sessions::fixed())),
            Self::AxumSession => axum_session::app().await,
        }
    }
}
