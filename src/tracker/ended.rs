//! The future that completes when a session is over.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use crate::clock::sleep::Sleep;
use crate::session::activity::Activity;
use crate::session::key::SessionKey;
use crate::session::verdict::{Expired, Reason, Verdict};
use crate::store::lifecycle::MOST_IDS;
use crate::store::random::jittered;
use crate::tracker::box_future::BoxFuture;
use crate::tracker::parts::DynTracker;

/// The future of [`SessionHandle::ended`](crate::SessionHandle::ended).
///
/// It completes once, with the reason. Polled after that, it stays pending.
#[must_use = "futures do nothing unless polled"]
pub struct Ended {
    tracker: Arc<dyn DynTracker>,
    /// The session's newest id that is known, and its record.
    key: SessionKey,
    known: Activity,
    /// The id that is looked at.
    looked_at: SessionKey,
    /// How many ids this look has followed.
    followed: usize,
    step: Step,
}

enum Step {
    /// Nothing is done before the first poll.
    New,
    Sleeping(Sleep),
    Looking(BoxFuture<'static, Option<Activity>>),
    Over,
}

impl Ended {
    pub(super) fn new(tracker: Arc<dyn DynTracker>, key: SessionKey, known: Activity) -> Self {
        Self {
            tracker,
            key,
            known,
            looked_at: key,
            followed: 0,
            step: Step::New,
        }
    }

    /// Returns what follows from the record that a look has found.
    fn found(&mut self, found: Option<Activity>) -> Next {
        let found = match found {
            Some(found) if self.followed == 0 || self.is_same(&found) => {
                (self.key, self.known) = (self.looked_at, found);
                if let Some(next) = self.id_behind(&found) {
                    self.followed += 1;
                    return Next::Look(next);
                }
                Some(found)
            }
            // The id behind is gone, or is another session's by now.
            _ if self.followed > 0 => Some(self.known),
            found => found,
        };
        self.followed = 0;
        let now = self.tracker.now();
        match self.tracker.policy().decide(found, now) {
            Verdict::Active { remaining } => Next::Sleep(remaining),
            Verdict::Expired(expired) => Next::Over(expired),
            Verdict::Begins => Next::Over(Expired::new(Reason::Unknown, None, now)),
        }
    }

    /// Returns what follows from a look that failed: only the absolute timeout is sure.
    fn failed(&mut self) -> Next {
        self.followed = 0;
        let now = self.tracker.now();
        let end = self.tracker.policy().absolute_end(&self.known);
        if now >= end {
            return Next::Over(Expired::new(Reason::Absolute, Some(self.known), now));
        }
        Next::Sleep(end.saturating_duration_since(now))
    }

    /// Returns the id that took the place of this one, if one did.
    fn id_behind(&self, found: &Activity) -> Option<SessionKey> {
        let is_replaced = found.replaced_at().is_some() && !found.is_revoked();
        let next = found.next_id().filter(|_| is_replaced)?;
        (self.followed < MOST_IDS).then_some(next)
    }

    /// An id that was started anew is another session, as its age shows.
    fn is_same(&self, found: &Activity) -> bool {
        found.created_at() == self.known.created_at()
    }

    fn look(&mut self, key: SessionKey) -> Step {
        self.looked_at = key;
        Step::Looking(Arc::clone(&self.tracker).look(key))
    }

    /// Sleeps until the session could be over, and not for longer than until the next look.
    fn sleep(&self, remaining: Duration) -> Step {
        // Random times keep many streams from looking at once, also where all are due together.
        let look_every = self.tracker.look_every();
        let end = remaining.saturating_add(jittered(look_every / 10));
        // A near cache may hear of a log-out a second later, and that is within `look_every` too.
        let next_look = jittered(look_every * 3 / 4);
        Step::Sleeping(self.tracker.sleep(end.min(next_look)))
    }
}

/// What a look leads to.
enum Next {
    Look(SessionKey),
    Sleep(Duration),
    Over(Expired),
}

impl Future for Ended {
    type Output = Expired;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Expired> {
        loop {
            let next = match &mut self.step {
                Step::New => {
                    let known = self.known;
                    match self.found(Some(known)) {
                        // Other requests may have kept the session alive since.
                        Next::Over(_) => Next::Look(self.key),
                        next => next,
                    }
                }
                Step::Sleeping(sleep) => {
                    ready!(Pin::new(sleep).poll(cx));
                    Next::Look(self.key)
                }
                Step::Looking(look) => match ready!(look.as_mut().poll(cx)) {
                    Ok(found) => self.found(found),
                    Err(_) => self.failed(),
                },
                Step::Over => return Poll::Pending,
            };
            self.step = match next {
                Next::Look(key) => self.look(key),
                Next::Sleep(remaining) => self.sleep(remaining),
                Next::Over(expired) => {
                    self.step = Step::Over;
                    return Poll::Ready(expired);
                }
            };
        }
    }
}

impl fmt::Debug for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ended")
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}
