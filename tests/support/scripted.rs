//! A store that fails, hangs or waits when it is told to.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use tokio::sync::Notify;
use tower_login_timeout::{
    Activity, ActivityStore, BoxError, MemoryStore, SessionKey, Timestamp, Touch,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    Create,
    Begin,
    Load,
    Touch,
    Revoke,
}

#[derive(Clone)]
pub enum Fault {
    /// Answers with an error.
    Fails,
    /// Never answers.
    Hangs,
    /// Answers one poll later.
    Yields,
    /// Does its work once it is notified.
    Waits(Arc<Notify>),
}

/// A memory store whose operations go wrong as scripted. Clones share the script.
#[derive(Clone, Default)]
pub struct ScriptedStore {
    inner: MemoryStore,
    faults: Arc<Mutex<Vec<(Operation, Fault)>>>,
    calls: Arc<Mutex<Vec<Operation>>>,
}

impl ScriptedStore {
    /// From now on, this operation goes wrong.
    pub fn set(&self, operation: Operation, fault: Fault) {
        self.faults.lock().unwrap().push((operation, fault));
    }

    /// From now on, all is well.
    pub fn heal(&self) {
        self.faults.lock().unwrap().clear();
    }

    /// The operations since this was last asked.
    pub fn calls(&self) -> Vec<Operation> {
        std::mem::take(&mut *self.calls.lock().unwrap())
    }

    fn run<T, F>(
        &self,
        operation: Operation,
        work: impl FnOnce(&MemoryStore) -> F + Send + 'static,
    ) -> Boxed<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, std::convert::Infallible>> + Send + 'static,
    {
        self.calls.lock().unwrap().push(operation);
        let faults = self.faults.lock().unwrap();
        let fault = faults.iter().rev().find(|(at, _)| *at == operation);
        let fault = fault.map(|(_, fault)| fault.clone());
        let inner = self.inner.clone();
        Box::pin(async move {
            match fault {
                None => {}
                Some(Fault::Fails) => return Err("scripted to fail".into()),
                Some(Fault::Hangs) => std::future::pending().await,
                Some(Fault::Yields) => tokio::task::yield_now().await,
                Some(Fault::Waits(go)) => go.notified().await,
            }
            Ok(work(&inner).await.unwrap_or_else(|never| match never {}))
        })
    }
}

type Boxed<T> = Pin<Box<dyn Future<Output = Result<T, BoxError>> + Send>>;

impl ActivityStore for ScriptedStore {
    type Error = BoxError;
    type Future<T: Send + 'static> = Boxed<T>;

    fn create(&self, key: SessionKey, activity: Activity, keep_until: Timestamp) -> Boxed<()> {
        self.run(Operation::Create, move |store| {
            store.create(key, activity, keep_until)
        })
    }

    fn begin(&self, key: SessionKey, activity: Activity, keep_until: Timestamp) -> Boxed<Activity> {
        self.run(Operation::Begin, move |store| {
            store.begin(key, activity, keep_until)
        })
    }

    fn load(&self, key: SessionKey) -> Boxed<Option<Activity>> {
        self.run(Operation::Load, move |store| store.load(key))
    }

    fn touch(&self, key: SessionKey, touch: Touch) -> Boxed<Option<Activity>> {
        self.run(Operation::Touch, move |store| store.touch(key, touch))
    }

    fn revoke(&self, key: SessionKey, keep_until: Timestamp) -> Boxed<bool> {
        self.run(Operation::Revoke, move |store| {
            store.revoke(key, keep_until)
        })
    }
}
