//! A connection that is made again whenever it is lost.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{RedisError, RedisResult};
use tokio::runtime::Handle;
use tokio::sync::{Notify, watch};
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep};

use super::backoff::Backoff;
use super::connector::{Closed, Connector};
use super::outages::Outage;

/// How often an idle connection is checked. Nothing else shows that the server is gone.
const HEARTBEAT: Duration = Duration::from_millis(500);

/// A connection that was up for this long counts as a good one.
const STEADY: Duration = Duration::from_secs(1);

/// Operations wait for the next attempt where the pause before it is shorter.
const WORTH_WAITING: Duration = Duration::from_millis(50);

/// A connection that a background task keeps up. The task ends with it.
pub(super) struct ManagedConnection {
    state: watch::Receiver<State>,
    /// An answer looked wrong or is missing, or an operation failed on the connection itself.
    doubt: Arc<Notify>,
    outage: Arc<Outage>,
    task: AbortHandle,
}

enum State {
    /// The first attempt since the connection was lost is under way: worth waiting for.
    Connecting,
    Up(MultiplexedConnection),
    /// The last attempt failed with this error. Further attempts follow.
    Down(RedisError),
}

impl ManagedConnection {
    /// Starts the background task on this runtime. It connects at once.
    pub(super) fn start(connector: Connector, outage: Outage, runtime: &Handle) -> Self {
        let (sender, state) = watch::channel(State::Connecting);
        let (doubt, outage) = (Arc::<Notify>::default(), Arc::new(outage));
        let task = keep_up(connector, sender, Arc::clone(&doubt), Arc::clone(&outage));
        Self {
            state,
            doubt,
            outage,
            task: runtime.spawn(task).abort_handle(),
        }
    }

    /// Returns the connection, or at once the error that keeps it down.
    pub(super) async fn connection(&self) -> RedisResult<MultiplexedConnection> {
        if let Some(connection) = self.if_up() {
            return Ok(connection);
        }
        Box::pin(self.after_the_attempt()).await
    }

    /// Returns the connection if it is up.
    pub(super) fn if_up(&self) -> Option<MultiplexedConnection> {
        match &*self.state.borrow() {
            State::Up(connection) => Some(connection.clone()),
            _ => None,
        }
    }

    async fn after_the_attempt(&self) -> RedisResult<MultiplexedConnection> {
        let mut state = self.state.clone();
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

    /// Has the connection checked at once, since an answer looked wrong or is missing, or an
    /// operation failed on it.
    pub(super) fn doubt(&self) {
        self.doubt.notify_one();
    }

    /// Does not report any longer whether the connection is lost.
    pub(super) fn leave(&self) {
        self.outage.leave();
    }
}

impl Drop for ManagedConnection {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Connects, watches the connection, and connects again, until it is aborted.
async fn keep_up(
    mut connector: Connector,
    state: watch::Sender<State>,
    doubt: Arc<Notify>,
    outage: Arc<Outage>,
) {
    let mut backoff = Backoff::default();
    loop {
        let pause = match connector.connect().await {
            Ok((connection, closed)) => {
                let since = Instant::now();
                outage.ended();
                state.send_replace(State::Up(connection.clone()));
                until_lost(&mut connector, connection, closed, &doubt).await;
                outage.began();
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
                state.send_replace(State::Down(error));
                pause
            }
        };
        sleep(pause).await;
    }
}

/// Returns when the connection is closed, does not answer, or leads to the wrong server.
async fn until_lost(
    connector: &mut Connector,
    mut connection: MultiplexedConnection,
    mut closed: Closed,
    doubt: &Notify,
) {
    loop {
        tokio::select! {
            () = closed.wait() => return,
            () = doubt.notified() => {}
            () = sleep(HEARTBEAT) => {}
        }
        if !connector.is_right(&mut connection).await.unwrap_or(false) {
            return;
        }
    }
}
