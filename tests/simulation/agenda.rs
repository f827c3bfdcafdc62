//! The agenda: what happens when, in virtual time.

use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Mutex;
use std::task::{Poll, Waker};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// What happens when. Time is in milliseconds since the beginning of the run.
///
/// Tokio's paused clock moves only when every task waits. So no time passes while something
/// happens, and two events at one millisecond happen in the order in which they were noted.
pub struct Agenda {
    began: Instant,
    queue: Mutex<Queue>,
}

#[derive(Default)]
struct Queue {
    events: BinaryHeap<Event>,
    noted: u64,
    /// Until when `run` sleeps, and how it is woken for an event that comes earlier.
    sleeps_until: u64,
    waker: Option<Waker>,
    is_stopped: bool,
}

struct Event {
    at: u64,
    number: u64,
    work: Box<dyn FnOnce() + Send>,
}

impl Agenda {
    /// Creates an empty agenda. The run begins now.
    pub fn new() -> Self {
        Self {
            began: Instant::now(),
            queue: Mutex::default(),
        }
    }

    pub fn now(&self) -> u64 {
        self.began.elapsed().as_millis() as u64
    }

    /// Has this done at that time.
    pub fn at(&self, at: u64, work: impl FnOnce() + Send + 'static) {
        let mut queue = self.queue.lock().unwrap();
        let number = queue.noted;
        queue.noted += 1;
        let work = Box::new(work);
        queue.events.push(Event { at, number, work });
        if at < queue.sleeps_until
            && let Some(waker) = queue.waker.take()
        {
            waker.wake();
        }
    }

    /// Ends the run with the event that happens now.
    pub fn stop(&self) {
        let mut queue = self.queue.lock().unwrap();
        queue.is_stopped = true;
        if let Some(waker) = queue.waker.take() {
            waker.wake();
        }
    }

    pub fn is_stopped(&self) -> bool {
        self.queue.lock().unwrap().is_stopped
    }

    /// Forgets what has not happened yet.
    pub fn clear(&self) {
        // What an event refers to may have a last word, which is noted here. So nothing is dropped
        // under the lock.
        let events = std::mem::take(&mut self.queue.lock().unwrap().events);
        drop(events);
    }

    /// Has everything done at its time, up to this one, unless the run is stopped.
    pub async fn run(&self, until: u64) {
        let mut sleep = pin!(sleep_until(self.began));
        poll_fn(|context| {
            loop {
                let now = self.now();
                while let Some(event) = self.due(now) {
                    (event.work)();
                }
                let mut queue = self.queue.lock().unwrap();
                let next = queue.events.peek().map_or(until, |event| event.at);
                if now >= until || queue.is_stopped {
                    return Poll::Ready(());
                }
                queue.sleeps_until = next.min(until);
                queue.waker = Some(context.waker().clone());
                let instant = self.began + Duration::from_millis(queue.sleeps_until);
                drop(queue);
                sleep.as_mut().reset(instant);
                if sleep.as_mut().poll(context).is_pending() {
                    return Poll::Pending;
                }
            }
        })
        .await;
    }

    fn due(&self, now: u64) -> Option<Event> {
        let mut queue = self.queue.lock().unwrap();
        if queue.is_stopped {
            return None;
        }
        let is_due = queue.events.peek().is_some_and(|event| event.at <= now);
        if is_due { queue.events.pop() } else { None }
    }
}

impl Ord for Event {
    /// The next event is the greatest, since the heap hands out the greatest first.
    fn cmp(&self, other: &Self) -> Ordering {
        (other.at, other.number).cmp(&(self.at, self.number))
    }
}

impl PartialOrd for Event {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Event {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}

impl Eq for Event {}
