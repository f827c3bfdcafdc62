//! Which touches go to Redis together?

use std::io;
use std::mem;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot;
use tokio::task::yield_now;

use super::error::RedisStoreError;
use super::servers::{Found, Servers};
use crate::key::SessionKey;
use crate::touch::Touch;

/// The touches of this moment, since one script for all of them takes Redis and its client less time than one for each.
pub(super) struct Gathering {
    waiting: Mutex<Vec<Waiting>>,
    /// How many go together.
    most: usize,
}

struct Waiting {
    key: SessionKey,
    touch: Touch,
    answer: oneshot::Sender<Found>,
}

impl Gathering {
    pub(super) fn new(most: usize) -> Self {
        Self {
            waiting: Mutex::default(),
            most,
        }
    }

    /// Whether somebody has to set out for this one, and for those that join it.
    fn join(&self, touch: Waiting) -> bool {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.push(touch);
        waiting.len() % self.most == 1 % self.most
    }

    fn leave(&self) -> Vec<Waiting> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.len() <= self.most {
            return mem::take(&mut waiting);
        }
        waiting.drain(..self.most).collect()
    }
}

/// Touches one record, together with whoever else is about to.
pub(super) async fn touch(servers: Arc<Servers>, key: SessionKey, touch: Touch) -> Found {
    let (answer, found) = oneshot::channel();
    if servers.gathering.join(Waiting { key, touch, answer }) {
        let gathering = Arc::clone(&servers.gathering);
        tokio::spawn(Departure(Some(gathering)).go(servers));
    }
    found.await.unwrap_or_else(|_| {
        // The runtime of whoever set out is gone.
        let gone = io::Error::from(io::ErrorKind::NotConnected);
        Err(RedisStoreError::away(gone.into()))
    })
}

/// Somebody who takes those along that are waiting by then. Where it cannot come to that, they are not left behind to
/// wait for ever: that would stop those after them from setting out.
struct Departure(Option<Arc<Gathering>>);

impl Departure {
    async fn go(mut self, servers: Arc<Servers>) {
        // Whoever is ready to join does so first.
        yield_now().await;
        let leaving = self.0.take().map(|gathering| gathering.leave());
        let (touches, answers): (Vec<_>, Vec<_>) = leaving
            .into_iter()
            .flatten()
            .filter(|waiting| !waiting.answer.is_closed())
            .map(|waiting| ((waiting.key, waiting.touch), waiting.answer))
            .unzip();
        if touches.is_empty() {
            return;
        }
        match servers
            .in_time(touches.len(), || servers.touches(&touches))
            .await
        {
            Ok(found) => {
                for (answer, found) in answers.into_iter().zip(found) {
                    _ = answer.send(found);
                }
            }
            Err(error) => {
                for answer in answers {
                    _ = answer.send(Err(error.clone()));
                }
            }
        }
    }
}

impl Drop for Departure {
    fn drop(&mut self) {
        if let Some(gathering) = self.0.take() {
            drop(gathering.leave());
        }
    }
}
