//! A store for tests that counts what it is asked, and fails, hangs, waits or panics when told to.

use std::convert::Infallible;
use std::fmt;
use std::future::{Ready, pending};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::sync::{Notify, Semaphore};
use tokio::task::yield_now;
pub use tower_login_timeout::TimedOperation as Operation;
use tower_login_timeout::{
    Activity, ActivityStore, Change, MemoryStore, SessionKey, Timestamp, Touch, UserKey, UserLink,
    UserStore,
};

/// What goes wrong with an operation.
#[derive(Clone, Debug)]
pub enum Fault {
    /// It answers with an error.
    Fails,
    /// It never answers.
    Hangs,
    /// It answers one poll later.
    Yields,
    /// It does its work once it is notified.
    Waits(Arc<Notify>),
    /// It does its work at once, and answers when the gate is opened.
    AnswersLate,
    /// It panics.
    Panics,
}

/// A memory store whose operations go wrong as the test says. Clones share the faults.
#[derive(Clone, Default)]
pub struct ScriptedStore {
    /// The records. A test uses them directly to play another node.
    pub memory: MemoryStore,
    pub script: Arc<Script>,
}

pub struct Script {
    faults: Mutex<Faults>,
    calls: Mutex<Vec<Operation>>,
    questions: AtomicUsize,
    gate: Semaphore,
    #[cfg(feature = "cached")]
    pub shared: shared::Part,
}

#[derive(Default)]
struct Faults {
    of_all: Option<Fault>,
    of_one: Vec<(Operation, Fault)>,
    lost: Vec<SessionKey>,
}

impl Default for Script {
    fn default() -> Self {
        Self {
            faults: Mutex::default(),
            calls: Mutex::default(),
            questions: AtomicUsize::new(0),
            gate: Semaphore::new(0),
            #[cfg(feature = "cached")]
            shared: shared::Part::default(),
        }
    }
}

/// The error of an operation that fails.
#[derive(Debug)]
pub struct Down;

impl fmt::Display for Down {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the server is down")
    }
}

impl std::error::Error for Down {}

pub type Answer<T> = Pin<Box<dyn Future<Output = Result<T, Down>> + Send>>;

impl ScriptedStore {
    /// Creates a store that keeps its records in this memory.
    pub fn over(memory: MemoryStore) -> Self {
        Self {
            memory,
            ..Self::default()
        }
    }

    /// Makes one operation go wrong from now on.
    pub fn set(&self, operation: Operation, fault: Fault) {
        let mut faults = self.script.faults.lock().unwrap();
        faults.of_one.push((operation, fault));
    }

    /// Makes every operation go wrong from now on.
    pub fn set_all(&self, fault: Fault) {
        self.script.faults.lock().unwrap().of_all = Some(fault);
    }

    /// Makes every touch of one session fail from now on, as if its server were lost.
    pub fn lose(&self, key: SessionKey) {
        self.script.faults.lock().unwrap().lost.push(key);
    }

    /// Makes every operation work again.
    pub fn heal(&self) {
        *self.script.faults.lock().unwrap() = Faults::default();
    }

    /// Lets one answer go that [`Fault::AnswersLate`] holds back.
    pub fn open_gate(&self) {
        self.script.gate.add_permits(1);
    }

    /// Returns the operations since the last call of this function.
    pub fn calls(&self) -> Vec<Operation> {
        std::mem::take(&mut *self.script.calls.lock().unwrap())
    }

    /// Counts how often the store was asked about one session, by `touch` or `load`.
    pub fn questions(&self) -> usize {
        self.script.questions.load(Ordering::SeqCst)
    }

    fn is_lost(&self, key: SessionKey) -> bool {
        self.script.faults.lock().unwrap().lost.contains(&key)
    }

    fn fault(&self, operation: Operation) -> Option<Fault> {
        let faults = self.script.faults.lock().unwrap();
        let of_one = faults.of_one.iter().rev().find(|(at, _)| *at == operation);
        of_one
            .map(|(_, fault)| fault.clone())
            .or_else(|| faults.of_all.clone())
    }

    /// Does the work as the faults allow. They count as they are at the first poll.
    fn run<T: Send + 'static>(
        &self,
        operation: Operation,
        work: impl FnOnce(&MemoryStore) -> T + Send + 'static,
    ) -> Answer<T> {
        self.script.calls.lock().unwrap().push(operation);
        let this = self.clone();
        Box::pin(async move {
            match this.fault(operation) {
                None => {}
                Some(Fault::Fails) => return Err(Down),
                Some(Fault::Hangs) => pending().await,
                Some(Fault::Yields) => yield_now().await,
                Some(Fault::Waits(go)) => go.notified().await,
                Some(Fault::AnswersLate) => {
                    let answer = work(&this.memory);
                    this.script.gate.acquire().await.unwrap().forget();
                    return Ok(answer);
                }
                Some(Fault::Panics) => panic!("the client has a bug"),
            }
            Ok(work(&this.memory))
        })
    }
}

/// Returns the answer of the memory store, which is always ready.
fn now<T>(ready: Ready<Result<T, Infallible>>) -> T {
    ready.into_inner().unwrap_or_else(|never| match never {})
}

impl ActivityStore for ScriptedStore {
    type Error = Down;
    type Future<T: Send + 'static> = Answer<T>;

    fn create(&self, key: SessionKey, activity: Activity, keep_until: Timestamp) -> Answer<()> {
        self.run(Operation::Create, move |memory| {
            now(memory.create(key, activity, keep_until))
        })
    }

    fn begin(
        &self,
        key: SessionKey,
        activity: Activity,
        keep_until: Timestamp,
    ) -> Answer<Activity> {
        self.run(Operation::Begin, move |memory| {
            now(memory.begin(key, activity, keep_until))
        })
    }

    fn load(&self, key: SessionKey) -> Answer<Option<Activity>> {
        self.script.questions.fetch_add(1, Ordering::SeqCst);
        self.run(Operation::Load, move |memory| now(memory.load(key)))
    }

    fn touch(&self, key: SessionKey, touch: Touch) -> Answer<Option<Activity>> {
        self.script.questions.fetch_add(1, Ordering::SeqCst);
        if self.is_lost(key) {
            self.script.calls.lock().unwrap().push(Operation::Touch);
            return Box::pin(async { Err(Down) });
        }
        self.run(
            Operation::Touch,
            move |memory| now(memory.touch(key, touch)),
        )
    }

    fn change(&self, key: SessionKey, change: Change) -> Answer<Option<Activity>> {
        self.run(Operation::Change, move |memory| {
            now(memory.change(key, change))
        })
    }

    fn revoke(&self, key: SessionKey, keep_until: Timestamp) -> Answer<Option<Activity>> {
        self.run(Operation::Revoke, move |memory| {
            now(memory.revoke(key, keep_until))
        })
    }
}

impl UserStore for ScriptedStore {
    fn link(&self, user: UserKey, link: UserLink, keep_until: Timestamp) -> Answer<()> {
        self.run(Operation::Link, move |memory| {
            now(memory.link(user, link, keep_until))
        })
    }

    fn links_of(&self, user: UserKey) -> Answer<Vec<UserLink>> {
        self.run(Operation::LinksOf, move |memory| now(memory.links_of(user)))
    }

    fn link_of(&self, session: SessionKey) -> Answer<Option<(UserKey, UserLink)>> {
        self.run(
            Operation::LinkOf,
            move |memory| now(memory.link_of(session)),
        )
    }

    fn unlink(&self, user: UserKey, sessions: Vec<SessionKey>) -> Answer<()> {
        self.run(Operation::Unlink, move |memory| {
            now(memory.unlink(user, sessions))
        })
    }

    fn load_many(&self, sessions: Vec<SessionKey>) -> Answer<Vec<(SessionKey, Activity)>> {
        self.run(Operation::LoadMany, move |memory| {
            now(memory.load_many(sessions))
        })
    }

    fn revoke_many(
        &self,
        sessions: Vec<SessionKey>,
        keep_until: Timestamp,
    ) -> Answer<Vec<(SessionKey, Activity)>> {
        self.run(Operation::RevokeMany, move |memory| {
            now(memory.revoke_many(sessions, keep_until))
        })
    }
}

/// The part of the store that only a near cache needs.
#[cfg(feature = "cached")]
mod shared {
    use std::mem::take;
    use std::sync::Mutex;

    use tower_login_timeout::{Changes, LogPosition, SessionKey, SharedStore, Touch, TouchAnswer};

    use super::{Answer, Down, Fault, Operation, ScriptedStore, now};

    #[derive(Default)]
    pub struct Part {
        batches: Mutex<Vec<Vec<(SessionKey, Touch)>>>,
        log: Mutex<Log>,
    }

    /// What the next reader of the log of changes gets.
    #[derive(Clone, Copy, Default, PartialEq)]
    enum Log {
        #[default]
        Right,
        /// The log does not go back to the position.
        IsCut,
        /// The nodes that made the changes died before they could write them there.
        LacksChanges,
        /// The answer says that the log goes on, and no later read succeeds.
        EndsHalfWay,
    }

    impl ScriptedStore {
        /// Returns every batch of touches so far.
        pub fn batches(&self) -> Vec<Vec<(SessionKey, Touch)>> {
            self.script.shared.batches.lock().unwrap().clone()
        }

        /// Cuts the log of changes: the next reader is told that any session may have changed.
        pub fn cut_log(&self) {
            *self.script.shared.log.lock().unwrap() = Log::IsCut;
        }

        /// Takes the changes out of the log that the next reader would get.
        pub fn lose_changes(&self) {
            *self.script.shared.log.lock().unwrap() = Log::LacksChanges;
        }

        /// Has the next reader get a part of the log, and then only errors.
        pub fn break_log_half_way(&self) {
            *self.script.shared.log.lock().unwrap() = Log::EndsHalfWay;
        }

        /// Counts how often the log of changes was read since the last call of `calls`.
        pub fn reads_of_the_log(&self) -> usize {
            let calls = self.calls();
            calls
                .iter()
                .filter(|call| **call == Operation::ChangesSince)
                .count()
        }
    }

    impl SharedStore for ScriptedStore {
        fn touch_many(&self, touches: Vec<(SessionKey, Touch)>) -> Answer<Vec<TouchAnswer<Down>>> {
            let batches = &self.script.shared.batches;
            batches.lock().unwrap().push(touches.clone());
            let (touches, lost): (Vec<_>, Vec<_>) = touches
                .into_iter()
                .partition(|(key, _)| !self.is_lost(*key));
            self.run(Operation::TouchMany, move |memory| {
                let found = now(memory.touch_many(touches)).into_iter();
                let found = found.filter_map(|(key, found)| Some((key, Ok(found.ok()?))));
                let lost = lost.into_iter().map(|(key, _)| (key, Err(Down)));
                found.chain(lost).collect()
            })
        }

        fn changes_since(&self, position: Option<LogPosition>) -> Answer<Changes> {
            let log = take(&mut *self.script.shared.log.lock().unwrap());
            let store = self.clone();
            self.run(Operation::ChangesSince, move |memory| {
                let changes = now(memory.changes_since(position));
                match log {
                    Log::Right => changes,
                    Log::IsCut => Changes::any(changes.position().clone()),
                    Log::LacksChanges => Changes::these(Vec::new(), changes.position().clone()),
                    Log::EndsHalfWay => {
                        store.set(Operation::ChangesSince, Fault::Fails);
                        changes.with_more()
                    }
                }
            })
        }
    }
}
