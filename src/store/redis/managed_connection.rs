//! A connection that is made again whenever it is lost.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use redis::{RedisError, RedisResult};
use tokio::sync::{Notify, watch};
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep};

use super::backoff::Backoff;
use super::connection::Connection;
use super::connector::{Closed, Connector};
use super::outages::Outages;
use crate::store::event::store_observers::StoreObservers;

/// How often an idle connection is checked. Nothing else shows that the server is gone.
const HEARTBEAT: Duration = Duration::from_millis(500);

/// A connection that was up for this long counts as a good one.
const STEADY: Duration = Duration::from_secs(1);

/// Operations wait for the next attempt where the pause before it is shorter.
const WORTH_WAITING: Duration = Duration::from_millis(50);

/// A connection that a background task keeps up. Clones share it. The task ends with the last
/// clone.
#[derive(Clone)]
pub(super) struct ManagedConnection(Arc<Shared>);

struct Shared {
    state: watch::Receiver<State>,
    signals: Arc<Signals>,
    task: AbortHandle,
}

/// What the operations tell the background task.
#[derive(Default)]
struct Signals {
    /// An answer looked wrong, or is missing.
    doubt: Notify,
    /// An operation failed on the connection itself.
    failed: Notify,
}

enum State {
    /// The first attempt since the connection was lost is under way: worth waiting for.
    Connecting,
    Up(Connection),
    /// The last attempt failed with this error. Further attempts follow.
    Down(RedisError),
}

impl ManagedConnection {
    /// Connects, and starts the background task.
    pub(super) async fn start(
        connector: Connector,
        observers: StoreObservers,
    ) -> RedisResult<Self> {
        let (sender, state) = watch::channel(State::Connecting);
        let signals = Arc::<Signals>::default();
        let outages = Outages::new(observers);
        let task = tokio::spawn(keep_up(connector, sender, Arc::clone(&signals), outages));
        let task = task.abort_handle();
        let connection = Self(Arc::new(Shared {
            state,
            signals,
            task,
        }));
        connection.connection().await?;
        Ok(connection)
    }

    /// Returns the connection, or at once the error that keeps it down.
    pub(super) async fn connection(&self) -> RedisResult<Connection> {
        if let State::Up(connection) = &*self.0.state.borrow() {
            return Ok(connection.clone());
        }
        Box::pin(self.after_the_attempt()).await
    }

    async fn after_the_attempt(&self) -> RedisResult<Connection> {
        let mut state = self.0.state.clone();
        let decided = state
            .wait_for(|state| !matches!(state, State::Connecting))
            .await;
        match decided.as_deref() {
            Ok(State::Up(connection)) => Ok(connection.clone()),
            Ok(State::Down(error)) => Err(error.clone()),
            // The background task ended with its runtime.
            Ok(State::Connecting) | Err(_) => {
                Err(io::Error::from(io::ErrorKind::NotConnected).into())
            }
        }
    }

    /// Has the connection checked at once, since an answer looked wrong or is missing.
    pub(super) fn doubt(&self) {
        self.0.signals.doubt.notify_one();
    }

    /// Has the connection to a server checked at once, since an operation failed on it. A Cluster
    /// client repairs its connections itself.
    pub(super) fn failed(&self) {
        self.0.signals.failed.notify_one();
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Connects, watches the connection, and connects again, until it is aborted.
async fn keep_up(
    mut connector: Connector,
    state: watch::Sender<State>,
    signals: Arc<Signals>,
    mut outages: Outages,
) {
    let mut backoff = Backoff::default();
    loop {
        let pause = match connector.connect().await {
            Ok((connection, closed)) => {
                let since = Instant::now();
                outages.ended();
                state.send_replace(State::Up(connection.clone()));
                if let Connection::Cluster(_) = connection {
                    // The Cluster client repairs its connections itself, but can wait for a lost
                    // node for ever. So a doubt makes a new client. The old one is used until the
                    // new one is connected.
                    sleep(STEADY).await;
                    signals.doubt.notified().await;
                    continue;
                }
                until_lost(&mut connector, connection, closed, &signals).await;
                outages.began();
                if since.elapsed() >= STEADY {
                    state.send_replace(State::Connecting);
                    backoff = Backoff::default();
                    continue;
                }
                let lost = RedisError::from(io::Error::from(io::ErrorKind::ConnectionReset));
                let pause = backoff.pause_after(&lost);
                state.send_replace(if pause < WORTH_WAITING {
                    State::Connecting
                } else {
                    State::Down(lost)
                });
                pause
            }
            Err(error) => {
                let pause = backoff.pause_after(&error);
                state.send_if_modified(|state| {
                    let cluster = matches!(state, State::Up(_));
                    if cluster {
                        outages.began();
                    } else {
                        *state = State::Down(error);
                    }
                    !cluster
                });
                pause
            }
        };
        sleep(pause).await;
    }
}

/// Returns when the connection is closed, does not answer, or leads to the wrong server.
async fn until_lost(
    connector: &mut Connector,
    connection: Connection,
    mut closed: Closed,
    signals: &Signals,
) {
    let Connection::Server(mut server) = connection else {
        return;
    };
    loop {
        tokio::select! {
            () = closed.wait() => return,
            () = signals.doubt.notified() => {}
            () = signals.failed.notified() => {}
            () = sleep(HEARTBEAT) => {}
        }
        if !connector.is_right(&mut server).await.unwrap_or(false) {
            return;
        }
    }
}
