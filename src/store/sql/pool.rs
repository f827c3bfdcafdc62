//! The pool of connections of a store.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use sqlx::pool::{PoolConnection, PoolOptions};
use sqlx::{Connection, Pool};
use tokio::runtime::Handle;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout, timeout_at};

use super::dialect::Dialect;
use super::error::SqlError;
use super::reconnect::{Attempt, Failed, Reason, Reconnect, Succeeded};
use super::settings::{Protocol, Settings};
use crate::store::event::store_event::StoreEvent;

/// A connection that was idle for longer is tested before it is used. A busy pool has no such
/// connection. After a restart of the server, every connection that was not in use is one.
const TEST_AFTER: Duration = Duration::from_millis(50);

/// The time that an idle connection has to answer a test.
const TEST_LIMIT: Duration = Duration::from_millis(250);

/// The time that a connection has to answer when it goes back to the pool.
const RETURN_LIMIT: Duration = Duration::from_secs(1);

/// A pool of connections, and what is known about its server. Clones share both.
pub(super) struct ConnectionPool<DB: Dialect> {
    pool: Pool<DB>,
    shared: Arc<Shared>,
}

struct Shared {
    settings: Settings,
    reconnect: Reconnect,
    /// How many connections operations use now.
    in_use: AtomicUsize,
}

impl<DB: Dialect> ConnectionPool<DB> {
    /// Uses the connections of a pool by these settings.
    pub(super) fn new(pool: Pool<DB>, settings: Settings) -> Self {
        let shared = Shared {
            settings,
            reconnect: Reconnect::default(),
            in_use: AtomicUsize::new(0),
        };
        Self {
            pool,
            shared: Arc::new(shared),
        }
    }

    /// Uses the same connections by other settings.
    pub(super) fn with_settings(&self, settings: Settings) -> Self {
        Self::new(self.pool.clone(), settings)
    }

    pub(super) fn settings(&self) -> &Settings {
        &self.shared.settings
    }

    pub(super) fn sqlx(&self) -> &Pool<DB> {
        &self.pool
    }

    /// Takes a connection out of the pool, or opens one.
    pub(super) async fn take(&self) -> Result<PoolConnection<DB>, SqlError> {
        let limit = self.settings().acquire_timeout();
        let deadline = Instant::now() + limit;
        loop {
            let Some(attempt) = self.shared.reconnect.attempt(limit) else {
                // Idle connections are still good if only new ones are refused.
                if let Some(connection) = self.take_idle() {
                    return Ok(connection);
                }
                if timeout_at(deadline, self.shared.reconnect.wait())
                    .await
                    .is_err()
                {
                    return Err(SqlError::reconnecting());
                }
                continue;
            };
            let acquired = self
                .shared
                .reconnect
                .unless_another_fails(self.pool.acquire());
            let acquired = timeout_at(deadline, acquired).await;
            match acquired.unwrap_or(Some(Err(sqlx::Error::PoolTimedOut))) {
                Some(Ok(connection)) => {
                    let store = DB::STORE;
                    match self.shared.reconnect.succeeded() {
                        Succeeded::Still => {}
                        Succeeded::First => self.report(&StoreEvent::Connected { store }),
                        Succeeded::Again(away) => {
                            self.report(&StoreEvent::Reconnected { store, away });
                        }
                    }
                    self.shared.in_use.fetch_add(1, Ordering::Relaxed);
                    return Ok(connection);
                }
                Some(Err(error)) => {
                    self.record_failure(attempt, &error);
                    self.test_idle().detach();
                    return Err(error.into());
                }
                None => {}
            }
        }
    }

    fn take_idle(&self) -> Option<PoolConnection<DB>> {
        let connection = self.pool.try_acquire()?;
        self.shared.in_use.fetch_add(1, Ordering::Relaxed);
        Some(connection)
    }

    /// Takes note of a failed attempt, unless the pool was just busy.
    fn record_failure(&self, attempt: Attempt, error: &sqlx::Error) {
        let reason = match error {
            // Other operations use the connections, so the server may well be there.
            sqlx::Error::PoolTimedOut if self.shared.in_use.load(Ordering::Relaxed) > 0 => return,
            // An application may use the connections of its pool.
            sqlx::Error::PoolTimedOut if self.settings().protocol == Protocol::Text => return,
            sqlx::Error::Database(error) if is_refused_login(error.code().as_deref()) => {
                Reason::LoginRefused
            }
            _ => Reason::Unreachable,
        };
        if self.shared.reconnect.failed(attempt, reason) == Failed::First {
            self.report(&StoreEvent::Lost { store: DB::STORE });
        }
    }

    pub(super) fn report(&self, event: &StoreEvent<'_>) {
        self.settings().observers.report(event);
    }

    /// Gives a connection back.
    pub(super) fn give_back(&self, mut connection: PoolConnection<DB>) {
        self.shared.in_use.fetch_sub(1, Ordering::Relaxed);
        // sqlx tests a connection that comes back, and would wait for the answer for as long as TCP
        // does: a quarter of an hour, in which the connection counts as in use. `return_to_pool` is
        // what dropping the connection spawns. It is hidden in sqlx's documentation, and it is the
        // only way to limit that time. So the version of sqlx is fixed in `Cargo.toml`.
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(timeout(RETURN_LIMIT, connection.return_to_pool()));
        }
    }

    /// Closes a connection at once.
    pub(super) fn close(&self, connection: PoolConnection<DB>) {
        self.shared.in_use.fetch_sub(1, Ordering::Relaxed);
        drop(connection.detach());
    }

    /// Closes all idle connections.
    pub(super) fn close_idle(&self) {
        while let Some(idle) = self.pool.try_acquire() {
            drop(idle.detach());
        }
    }

    /// Takes the idle connections out of the pool, tests them, and closes those that do not answer.
    ///
    /// They are out of the pool when this returns, so that no request gets a lost one meanwhile.
    pub(super) fn test_idle(&self) -> IdleTests {
        let mut tests = JoinSet::new();
        let idle = std::iter::from_fn(|| self.take_idle());
        for mut connection in idle.collect::<Vec<_>>() {
            let pool = self.clone();
            tests.spawn(async move {
                let answers = timeout(TEST_LIMIT, connection.ping()).await;
                let answers = matches!(answers, Ok(Ok(())));
                match answers {
                    true => pool.give_back(connection),
                    false => pool.close(connection),
                }
                answers
            });
        }
        IdleTests(tests)
    }
}

/// Tests of idle connections that are under way.
pub(super) struct IdleTests(JoinSet<bool>);

impl IdleTests {
    /// Lets the tests go on in the background.
    pub(super) fn detach(mut self) {
        self.0.detach_all();
    }

    /// Returns whether connections were tested and none answered.
    pub(super) async fn none_answered(self) -> bool {
        let results = self.0.join_all().await;
        !results.is_empty() && results.iter().all(|answers| !answers)
    }
}

impl<DB: Dialect> Clone for ConnectionPool<DB> {
    fn clone(&self) -> Self {
        Self {
            pool: self.pool.clone(),
            shared: Arc::clone(&self.shared),
        }
    }
}

/// Returns the options of a pool that the store opens itself.
pub(super) fn pool_options<DB: Dialect>(settings: &Settings) -> PoolOptions<DB> {
    let limit = settings.timeout;
    let options = PoolOptions::new()
        .acquire_timeout(settings.acquire_timeout())
        .test_before_acquire(false)
        .before_acquire(|connection: &mut DB::Connection, before| {
            Box::pin(async move {
                if before.idle_for > TEST_AFTER {
                    connection.ping().await?;
                }
                Ok(true)
            })
        });
    match settings.protocol {
        Protocol::Prepared => options.after_connect(move |connection, _| {
            Box::pin(async move { DB::set_up(connection, limit).await })
        }),
        Protocol::Text => options,
    }
}

/// Returns whether an SQLSTATE says that the user or the password is wrong.
fn is_refused_login(code: Option<&str>) -> bool {
    code.is_some_and(|code| code.starts_with("28"))
}
