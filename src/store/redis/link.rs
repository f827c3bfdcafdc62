//! How does a connection come back after it was lost?

use std::sync::Arc;
use std::time::Duration;

use redis::{RedisError, RedisResult};
use tokio::sync::{Notify, watch};
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep};

use super::connection::Connection;
use super::finder::{Closed, Finder};

/// How often an idle connection is tried: nothing else tells that its other end is gone.
const HEARTBEAT: Duration = Duration::from_millis(500);

/// How long after a failure the next attempt is made: this long at first, and twice as long each time.
const SHORTEST_PAUSE: Duration = Duration::from_millis(2);
const LONGEST_PAUSE: Duration = Duration::from_millis(50);

/// A connection that was up for so long was a good one.
const STEADY: Duration = Duration::from_secs(1);

/// A connection that a task of its own keeps up. Clones share it; the task ends with the last of them.
#[derive(Clone)]
pub(super) struct Link(Arc<Kept>);

struct Kept {
    state: watch::Receiver<State>,
    doubt: Arc<Notify>,
    keeper: AbortHandle,
}

enum State {
    /// The first attempt since it was lost is under way: worth waiting for.
    Connecting,
    Up(Connection),
    /// The last attempt failed like this, and others follow.
    Down(RedisError),
}

impl Link {
    /// A link, once it is up.
    pub(super) async fn start(finder: Finder) -> RedisResult<Self> {
        let (sender, state) = watch::channel(State::Connecting);
        let doubt = Arc::new(Notify::new());
        let keeper = tokio::spawn(keep(finder, sender, Arc::clone(&doubt))).abort_handle();
        let link = Self(Arc::new(Kept {
            state,
            doubt,
            keeper,
        }));
        link.connection().await?;
        Ok(link)
    }

    /// The connection, or at once why there is none.
    pub(super) async fn connection(&self) -> RedisResult<Connection> {
        if let State::Up(connection) = &*self.0.state.borrow() {
            return Ok(connection.clone());
        }
        Box::pin(self.decided()).await
    }

    async fn decided(&self) -> RedisResult<Connection> {
        let mut state = self.0.state.clone();
        let decided = state
            .wait_for(|state| !matches!(state, State::Connecting))
            .await;
        match decided.as_deref() {
            Ok(State::Up(connection)) => Ok(connection.clone()),
            Ok(State::Down(error)) => Err(error.clone()),
            // The keeper is gone with its runtime.
            Ok(State::Connecting) | Err(_) => {
                Err(std::io::Error::from(std::io::ErrorKind::NotConnected).into())
            }
        }
    }

    /// Has the connection tried at once, since something looks wrong.
    pub(super) fn doubt(&self) {
        self.0.doubt.notify_one();
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.keeper.abort();
    }
}

async fn keep(mut finder: Finder, state: watch::Sender<State>, doubt: Arc<Notify>) {
    let mut pause = SHORTEST_PAUSE;
    loop {
        match finder.connect().await {
            Ok((connection, closed)) => {
                finder.missed();
                let since = Instant::now();
                state.send_replace(State::Up(connection.clone()));
                if let Connection::Cluster(_) = connection {
                    // The client mends what is broken, unless it waits for a node in vain. The old connection does
                    // until there is a new one.
                    sleep(STEADY).await;
                    doubt.notified().await;
                    continue;
                }
                until_lost(&mut finder, connection, closed, &doubt).await;
                state.send_replace(State::Connecting);
                finder.missed();
                if since.elapsed() >= STEADY {
                    pause = SHORTEST_PAUSE;
                    continue;
                }
            }
            Err(error) => {
                state.send_if_modified(|state| {
                    let cluster = matches!(state, State::Up(_));
                    if !cluster {
                        *state = State::Down(error);
                    }
                    !cluster
                });
            }
        }
        sleep(pause).await;
        pause = LONGEST_PAUSE.min(2 * pause);
    }
}

/// Returns when the connection is closed, does not answer, or no longer leads to the right server.
async fn until_lost(
    finder: &mut Finder,
    connection: Connection,
    mut closed: Closed,
    doubt: &Notify,
) {
    let Connection::Server(mut server) = connection else {
        return;
    };
    loop {
        tokio::select! {
            () = closed.wait() => return,
            () = doubt.notified() => {}
            () = sleep(HEARTBEAT) => {}
        }
        if !finder.is_right(&mut server).await.unwrap_or(false) {
            return;
        }
    }
}
