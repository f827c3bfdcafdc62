//! The contract of a store that several nodes share, and its announcements of revocations.

use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use crate::session::key::SessionKey;
use crate::session::touch::Touch;
use crate::store::activity_store::ActivityStore;

/// A store that several nodes share. A near cache can stand in front of it.
pub trait SharedStore: ActivityStore {
    /// Writes many touches in as few round trips as it can. Each follows the rules of
    /// [`ActivityStore::touch`].
    ///
    /// The touches are sorted by key, and each key occurs once. Two nodes that lock records in this
    /// order do not deadlock.
    fn touch_many(&self, touches: Vec<(SessionKey, Touch)>) -> Self::Future<()>;

    /// Subscribes to the revocations of all nodes.
    fn revocations(&self) -> Revocations;
}

/// A subscription to the revocations that a store announces.
#[derive(Debug)]
pub struct Revocations(Option<broadcast::Receiver<Announced>>);

/// One announcement of a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Announced {
    /// This session was revoked.
    Revoked(SessionKey),
    /// Announcements were lost. Any session may have been revoked.
    Missed,
}

impl Revocations {
    /// Creates the subscription of a store that announces nothing.
    #[must_use]
    pub const fn never() -> Self {
        Self(None)
    }

    /// Waits for the next announcement. Waits for ever if the store announces nothing, or is gone.
    ///
    /// No announcement is lost when the future is dropped.
    pub async fn next(&mut self) -> Announced {
        let Some(receiver) = &mut self.0 else {
            return std::future::pending().await;
        };
        match receiver.recv().await {
            Ok(announced) => announced,
            Err(RecvError::Lagged(_)) => Announced::Missed,
            Err(RecvError::Closed) => {
                self.0 = None;
                Announced::Missed
            }
        }
    }
}

/// A receiver that lags behind answers [`Announced::Missed`]. So does one whose sender is gone,
/// once.
impl From<broadcast::Receiver<Announced>> for Revocations {
    fn from(receiver: broadcast::Receiver<Announced>) -> Self {
        Self(Some(receiver))
    }
}
