//! What does a near cache ask of the store behind it?

use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use crate::session::key::SessionKey;
use crate::session::touch::Touch;
use crate::store::activity_store::ActivityStore;

/// A store that a near cache can stand in front of.
pub trait SharedStore: ActivityStore {
    /// Writes gathered touches in as few round trips as it can, each by the rules of [`ActivityStore::touch`].
    ///
    /// They come sorted by key, each key once, so that two nodes that write at the same time never wait for each other in a circle.
    fn touch_many(&self, touches: Vec<(SessionKey, Touch)>) -> Self::Future<()>;

    /// Where this store announces revocations made by any node.
    fn revocations(&self) -> Revocations;
}

/// Revocations as a store pushes them.
#[derive(Debug)]
pub struct Revocations(Option<broadcast::Receiver<Announced>>);

/// One announcement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Announced {
    /// This session was revoked.
    Revoked(SessionKey),
    /// Some announcements were lost: every session may have been revoked.
    Missed,
}

impl Revocations {
    /// Of a store that pushes nothing: whoever asks must look for himself.
    #[must_use]
    pub const fn never() -> Self {
        Self(None)
    }

    /// The next announcement. Waits for ever if the store pushes nothing, or is gone.
    ///
    /// Dropping the future loses nothing.
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

/// A receiver that lags behind has missed something; so has one whose sender is gone.
impl From<broadcast::Receiver<Announced>> for Revocations {
    fn from(receiver: broadcast::Receiver<Announced>) -> Self {
        Self(Some(receiver))
    }
}
