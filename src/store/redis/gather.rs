//! Which touches go to Redis together?

use std::future::poll_fn;
use std::io;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;

use tokio::runtime::{Handle, Id};
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::error::RedisStoreError;
use super::servers::{Found, Servers};
use crate::session::key::SessionKey;
use crate::session::touch::Touch;

/// How many touches a script does, so that it holds up others for half a millisecond at most.
pub(super) const BATCH: usize = 128;

/// The touches of this moment, since one script for all of them takes Redis and its client less time than one for each.
///
/// Each runtime gathers its own: one that does not run, or ends, holds up nobody else.
#[derive(Default)]
pub(super) struct Gathering(Mutex<Vec<Group>>);

struct Group {
    runtime: Id,
    waiting: Vec<Waiting>,
    /// How many batches are about to leave.
    departures: usize,
}

struct Waiting {
    key: SessionKey,
    touch: Touch,
    answer: oneshot::Sender<Found>,
}

impl Gathering {
    /// Whether somebody has to set out for this one, and for those that join it.
    fn join(&self, runtime: Id, touch: Waiting) -> bool {
        let mut groups = self.groups();
        let place = groups.iter().position(|group| group.runtime == runtime);
        let place = place.unwrap_or_else(|| {
            groups.push(Group {
                runtime,
                waiting: Vec::new(),
                departures: 0,
            });
            groups.len() - 1
        });
        let Group {
            waiting,
            departures,
            ..
        } = &mut groups[place];
        if waiting.len() == waiting.capacity() {
            // While nothing moves, those who gave up must not pile up.
            waiting.retain(|waiting| !waiting.answer.is_closed());
        }
        waiting.push(touch);
        let one_more = waiting.len() > *departures * BATCH;
        *departures += usize::from(one_more);
        one_more
    }

    fn leave(&self, runtime: Id) -> Vec<Waiting> {
        let mut groups = self.groups();
        let Some(place) = groups.iter().position(|group| group.runtime == runtime) else {
            return Vec::new();
        };
        let group = &mut groups[place];
        group.departures -= 1;
        if group.departures == 0 {
            // Each departure has room for all that are left.
            return groups.swap_remove(place).waiting;
        }
        let most = group.waiting.len().min(BATCH);
        let rest = group.waiting.split_off(most);
        mem::replace(&mut group.waiting, rest)
    }

    fn groups(&self) -> MutexGuard<'_, Vec<Group>> {
        // A panic under the lock could only be an allocation failure; nothing is left half-done by it.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Touches one record, together with whoever else is about to.
pub(super) async fn touch(servers: Arc<Servers>, key: SessionKey, touch: Touch) -> Found {
    let deadline = servers.deadline;
    let (answer, found) = oneshot::channel();
    let runtime = Handle::current();
    let joining = Waiting { key, touch, answer };
    if servers.gathering.join(runtime.id(), joining) {
        let departure = Departure {
            servers,
            runtime: Some(runtime.id()),
        };
        runtime.spawn(departure.go());
    }
    match timeout(deadline, found).await {
        Ok(Ok(found)) => found,
        Err(_) => Err(RedisStoreError::timed_out(deadline)),
        Ok(Err(_)) => {
            // The runtime has ended.
            let gone = io::Error::from(io::ErrorKind::NotConnected);
            Err(RedisStoreError::away(gone.into()))
        }
    }
}

/// Somebody who takes along those that are waiting by then. Wherever this is dropped, they are not left behind.
struct Departure {
    servers: Arc<Servers>,
    /// Whose touches it takes, until it has.
    runtime: Option<Id>,
}

impl Departure {
    async fn go(mut self) {
        others_first().await;
        let servers = Arc::clone(&self.servers);
        // However long it takes: those that wait have deadlines of their own.
        let _turn = servers.turn().await;
        let mut leaving = self.leave();
        leaving.retain(|waiting| !waiting.answer.is_closed());
        let touches: Vec<_> = leaving
            .iter()
            .map(|waiting| (waiting.key, waiting.touch))
            .collect();
        let found = servers.by_deadline(|| servers.touches(touches)).await;
        match found {
            Ok(found) => {
                for (waiting, found) in leaving.into_iter().zip(found) {
                    _ = waiting.answer.send(found);
                }
            }
            Err(error) => {
                for waiting in leaving {
                    _ = waiting.answer.send(Err(error.clone()));
                }
            }
        }
    }

    /// What nobody else takes along, if that was not done yet.
    fn leave(&mut self) -> Vec<Waiting> {
        let runtime = self.runtime.take();
        runtime.map_or_else(Vec::new, |runtime| self.servers.gathering.leave(runtime))
    }
}

impl Drop for Departure {
    fn drop(&mut self) {
        drop(self.leave());
    }
}

/// Lets those go first that are ready. Unlike tokio's `yield_now`, it stays where another thread can take it over while
/// this one is busy.
async fn others_first() {
    let mut have_been = false;
    poll_fn(|context| {
        if mem::replace(&mut have_been, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

#[cfg(test)]
mod tests {
    use tokio::runtime::Builder;

    use super::*;
    use crate::session::policy::Policy;
    use crate::session::time::Timestamp;

    #[test]
    fn those_who_gave_up_do_not_pile_up() {
        let runtime = Builder::new_current_thread().build().unwrap();
        let id = runtime.handle().id();
        let gathering = Gathering::default();
        let touch = Policy::default().touch(Timestamp::MAX);
        let join = |key| {
            let (answer, found) = oneshot::channel();
            let set_out = gathering.join(id, Waiting { key, touch, answer });
            (set_out, found)
        };
        let (patient, _found) = join(SessionKey::of("patient"));
        assert!(patient);
        for number in 0..10 * BATCH {
            let (set_out, _) = join(SessionKey::of(number.to_string()));
            assert!(!set_out, "{number}");
        }
        let left = gathering.leave(id);
        assert!(left.len() < BATCH, "{}", left.len());
        assert_eq!(left[0].key, SessionKey::of("patient"));
        assert!(gathering.groups().is_empty());
    }
}
