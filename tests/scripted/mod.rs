//! What does a shared store do that does as it is told?

// Not every test makes use of all of it.
#![allow(dead_code)]

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::sync::{Semaphore, broadcast};
use tower_login_timeout::{
    Activity, ActivityStore, Announced, MemoryStore, Revocations, SessionKey, SharedStore,
    Timestamp, Touch,
};

/// A shared store over memory that counts what it is asked, and answers, fails, hangs, waits or panics as it is told.
#[derive(Clone)]
pub(crate) struct Scripted {
    /// What is stored. Another node, so to speak, uses it directly.
    pub(crate) memory: MemoryStore,
    pub(crate) script: Arc<Script>,
}

pub(crate) struct Script {
    mode: Mutex<Mode>,
    touches: AtomicUsize,
    loads: AtomicUsize,
    batches: Mutex<Vec<Vec<(SessionKey, Touch)>>>,
    gate: Semaphore,
    push: broadcast::Sender<Announced>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Mode {
    Answers,
    Fails,
    Hangs,
    /// Does what is asked at once, and answers when the gate is opened.
    AnswersLate,
    Panics,
}

#[derive(Debug)]
pub(crate) struct Broken;

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the server is down")
    }
}

impl std::error::Error for Broken {}

type Answer<T> = Pin<Box<dyn Future<Output = Result<T, Broken>> + Send>>;

impl Scripted {
    pub(crate) fn new() -> Self {
        Self::over(MemoryStore::new())
    }

    pub(crate) fn over(memory: MemoryStore) -> Self {
        Self {
            memory,
            script: Arc::new(Script {
                mode: Mutex::new(Mode::Answers),
                touches: AtomicUsize::new(0),
                loads: AtomicUsize::new(0),
                batches: Mutex::default(),
                gate: Semaphore::new(0),
                push: broadcast::Sender::new(16),
            }),
        }
    }

    pub(crate) fn set(&self, mode: Mode) {
        *self.script.mode.lock().unwrap() = mode;
    }

    /// Lets one answer go that is late.
    pub(crate) fn open_gate(&self) {
        self.script.gate.add_permits(1);
    }

    /// How often it was asked about a session.
    pub(crate) fn questions(&self) -> usize {
        self.script.touches.load(Ordering::SeqCst) + self.script.loads.load(Ordering::SeqCst)
    }

    pub(crate) fn batches(&self) -> Vec<Vec<(SessionKey, Touch)>> {
        self.script.batches.lock().unwrap().clone()
    }

    pub(crate) fn announce(&self, announced: Announced) {
        self.script.push.send(announced).expect("nobody listens");
    }

    pub(crate) fn listeners(&self) -> usize {
        self.script.push.receiver_count()
    }

    fn answer<T: Send + 'static>(
        &self,
        operation: impl FnOnce(MemoryStore) -> T + Send + 'static,
    ) -> Answer<T> {
        let this = self.clone();
        Box::pin(async move {
            let mode = *this.script.mode.lock().unwrap();
            match mode {
                Mode::Answers => Ok(operation(this.memory)),
                Mode::Fails => Err(Broken),
                Mode::Hangs => std::future::pending().await,
                Mode::AnswersLate => {
                    let answer = operation(this.memory);
                    this.script.gate.acquire().await.unwrap().forget();
                    Ok(answer)
                }
                Mode::Panics => panic!("the client has a bug"),
            }
        })
    }
}

/// What is ready, since memory always is.
fn now<T>(ready: std::future::Ready<Result<T, std::convert::Infallible>>) -> T {
    match ready.into_inner() {
        Ok(answer) => answer,
        Err(never) => match never {},
    }
}

impl ActivityStore for Scripted {
    type Error = Broken;
    type Future<T: Send + 'static> = Answer<T>;

    fn create(&self, key: SessionKey, activity: Activity, keep_until: Timestamp) -> Answer<()> {
        self.answer(move |memory| now(memory.create(key, activity, keep_until)))
    }

    fn begin(
        &self,
        key: SessionKey,
        activity: Activity,
        keep_until: Timestamp,
    ) -> Answer<Activity> {
        self.answer(move |memory| now(memory.begin(key, activity, keep_until)))
    }

    fn load(&self, key: SessionKey) -> Answer<Option<Activity>> {
        self.script.loads.fetch_add(1, Ordering::SeqCst);
        self.answer(move |memory| now(memory.load(key)))
    }

    fn touch(&self, key: SessionKey, touch: Touch) -> Answer<Option<Activity>> {
        self.script.touches.fetch_add(1, Ordering::SeqCst);
        self.answer(move |memory| now(memory.touch(key, touch)))
    }

    fn revoke(&self, key: SessionKey, keep_until: Timestamp) -> Answer<bool> {
        let push = self.script.push.clone();
        self.answer(move |memory| {
            let revoked = now(memory.revoke(key, keep_until));
            // Nobody may be listening.
            let _ = push.send(Announced::Revoked(key));
            revoked
        })
    }
}

impl SharedStore for Scripted {
    fn touch_many(&self, touches: Vec<(SessionKey, Touch)>) -> Answer<()> {
        self.script.batches.lock().unwrap().push(touches.clone());
        self.answer(move |memory| now(memory.touch_many(touches)))
    }

    fn revocations(&self) -> Revocations {
        self.script.push.subscribe().into()
    }
}
