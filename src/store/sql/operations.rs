//! The operations of a store, in statements.

use std::collections::HashMap;

use super::batch::{self, DueTouch};
use super::dialect::{SqlDatabase, Statements};
use super::error::SqlError;
use super::log_row;
use super::pool::ConnectionPool;
use super::pooled_connection::PooledConnection;
use super::row::{self, Row};
use super::sweep::{CLAIM, PAGE, Pace, Sweep};
use super::value::Value;
use crate::session::activity::Activity;
use crate::session::change::Change;
use crate::session::key::SessionKey;
use crate::session::time::{Timestamp, whole_millis};
use crate::session::touch::Touch;
use crate::store::event::store_event::StoreEvent;

/// How often `begin` tries again when the row exists for the write and is gone for the read.
const ATTEMPTS: usize = 3;

/// How often `change` decides again because the row has changed since it was read.
const CHANGES: usize = 32;

/// The state that the clones of a store share.
pub(super) struct Inner<DB: SqlDatabase> {
    pub(super) pool: ConnectionPool<DB>,
    /// A pool of one connection that writes, for databases with one writer.
    pub(super) writer: Option<ConnectionPool<DB>>,
    pub(super) statements: Statements,
    pub(super) sweep: Sweep,
}

/// Whether this store may sweep now.
enum Claim {
    /// It is the only sweeper. The database's time is known.
    Granted(Timestamp),
    /// Another store sweeps.
    Refused,
    /// The table of the sweep cannot be used.
    Unavailable,
}

impl<DB: SqlDatabase> Inner<DB> {
    pub(super) fn new(pool: ConnectionPool<DB>, writer: Option<ConnectionPool<DB>>) -> Self {
        Self {
            statements: DB::statements(pool.settings()),
            pool,
            writer,
            sweep: Sweep::default(),
        }
    }

    /// Returns the pool whose connections write.
    pub(super) fn writers(&self) -> &ConnectionPool<DB> {
        self.writer.as_ref().unwrap_or(&self.pool)
    }

    /// Returns the connection that has read, or one that may write.
    async fn writer_after(
        &self,
        reader: PooledConnection<DB>,
    ) -> Result<PooledConnection<DB>, SqlError> {
        match &self.writer {
            Some(pool) => reader.exchange(pool).await,
            None => Ok(reader),
        }
    }

    /// Creates the tables that are missing.
    pub(super) async fn migrate(
        &self,
        mut connection: PooledConnection<DB>,
    ) -> Result<(), SqlError> {
        let script = &self.statements.migrate;
        let sessions = self.look(&mut connection).await;
        let claim = [Value::Number(self.sweep.sweeper())];
        let sweep = connection.number(&self.statements.sweep_time, &claim).await;
        match (sessions, sweep) {
            (Ok(()), Ok(_)) => Ok(()),
            (Ok(()), Err(_)) => {
                // Without this table, nodes sweep without each other. That is no reason not to
                // start.
                let _ = connection.run_script(script).await;
                Ok(())
            }
            (Err(error), _) if error.is_about_the_table() => {
                connection.run_script(script).await?;
                self.look(&mut connection).await
            }
            (Err(error), _) => Err(error),
        }
    }

    /// Looks whether the session table exists, has the right columns, and can be read as the log of
    /// changes.
    async fn look(&self, connection: &mut PooledConnection<DB>) -> Result<(), SqlError> {
        let values = [Value::key(SessionKey::from_bytes([0; 16]))];
        connection.fetch(&self.statements.load, &values).await?;
        let values = log_row::values(0, 0);
        connection.log(&self.statements.log, &values).await?;
        Ok(())
    }

    pub(super) async fn load(
        &self,
        connection: &mut PooledConnection<DB>,
        key: SessionKey,
    ) -> Result<Option<Activity>, SqlError> {
        let rows = connection
            .fetch(&self.statements.load, &[Value::key(key)])
            .await?;
        rows.first().map(Row::activity).transpose()
    }

    pub(super) async fn begin(
        &self,
        mut connection: PooledConnection<DB>,
        key: SessionKey,
        activity: Activity,
        keep_until: Timestamp,
    ) -> Result<Activity, SqlError> {
        for _ in 0..ATTEMPTS {
            let values = row::values(key, &activity, keep_until);
            if connection
                .execute_durably(&self.statements.begin, &values)
                .await?
                > 0
            {
                return Ok(activity);
            }
            if let Some(found) = self.load(&mut connection, key).await? {
                return Ok(found);
            }
        }
        Err(SqlError::refused(
            "the row of the session was created and removed several times meanwhile: try again",
        ))
    }

    pub(super) async fn touch(
        &self,
        mut reader: PooledConnection<DB>,
        key: SessionKey,
        touch: Touch,
    ) -> Result<Option<Activity>, SqlError> {
        let found = self.load(&mut reader, key).await?;
        if let Some(due) = found.and_then(|seen| DueTouch::new(key, &touch, seen)) {
            let mut writer = self.writer_after(reader).await?;
            writer
                .execute(&self.statements.touch, &due.values())
                .await?;
        }
        Ok(found)
    }

    /// Changes the row where the change applies. Returns the record as it was.
    ///
    /// The row may change between the read and the write. Then the write matches no row, and the
    /// change is decided again.
    pub(super) async fn change(
        &self,
        mut connection: PooledConnection<DB>,
        key: SessionKey,
        change: &Change,
    ) -> Result<Option<Activity>, SqlError> {
        for _ in 0..CHANGES {
            let Some(before) = self.load(&mut connection, key).await? else {
                return Ok(None);
            };
            let after = change.applied_to(before);
            if after == before {
                return Ok(Some(before));
            }
            let values = row::changed(key, &before, &after, change.keep_until(&before));
            let statement = &self.statements.change;
            if connection.execute_durably(statement, &values).await? > 0 {
                return Ok(Some(before));
            }
        }
        Err(SqlError::refused(
            "the row of the session was changed many times meanwhile: try again",
        ))
    }

    /// Marks the row as revoked. Returns the record as it was.
    pub(super) async fn revoke(
        &self,
        mut connection: PooledConnection<DB>,
        key: SessionKey,
        keep_until: Timestamp,
    ) -> Result<Option<Activity>, SqlError> {
        let statement = &self.statements.revoke;
        let values = [Value::Number(row::millis(keep_until)), Value::key(key)];
        let first = self.load(&mut connection, key).await;
        if connection.execute_durably(statement, &values).await? == 0 {
            return Ok(None);
        }
        // The next id must be as of the revocation. Nothing changes a row that is revoked, so it is
        // still what it was then.
        let after = self.load(&mut connection, key).await?;
        match (first?, after) {
            (Some(before), Some(after)) if !before.is_revoked() => Ok(Some(unmarked(after))),
            (before, after) => Ok(after.or(before)),
        }
    }

    /// Writes the touches that are due, and returns the records that were found, as they were.
    pub(super) async fn touch_batch(
        &self,
        mut reader: PooledConnection<DB>,
        touches: &[(SessionKey, Touch)],
    ) -> Result<Vec<(SessionKey, Activity)>, SqlError> {
        let keys: Vec<_> = touches.iter().map(|(key, _)| *key).collect();
        let rows = reader
            .fetch(&self.statements.load_many, &[batch::keys(&keys)])
            .await?;
        let mut found = HashMap::with_capacity(rows.len());
        let mut malformed = 0;
        for row in rows {
            match (row.key(), row.activity()) {
                (Ok(key), Ok(activity)) => {
                    found.insert(key, activity);
                }
                (Err(_), _) | (_, Err(_)) => malformed += 1,
            }
        }
        let due: Vec<_> = touches
            .iter()
            .filter_map(|(key, touch)| DueTouch::new(*key, touch, *found.get(key)?))
            .collect();
        if !due.is_empty() {
            let mut writer = self.writer_after(reader).await?;
            writer
                .execute(&self.statements.touch_many, &[batch::touches(&due)])
                .await?;
        }
        // One malformed row must not keep the others from being written, for ever.
        if malformed > 0 {
            self.pool.report(&StoreEvent::MalformedRows {
                store: DB::STORE,
                table: self.pool.settings().table.as_str(),
                rows: malformed,
            });
        }
        Ok(found.into_iter().collect())
    }

    /// Sweeps one page, unless another call or another node does so.
    ///
    /// Rows are removed by the time of this node, but never by a time after the database's. So a
    /// node whose clock is ahead removes no live session.
    pub(super) async fn sweep(
        &self,
        mut connection: PooledConnection<DB>,
        as_of: Timestamp,
    ) -> Result<(), SqlError> {
        let Ok(mut after) = self.sweep.after.try_lock() else {
            return Ok(());
        };
        let (time, pace) = match self.claim(&mut connection).await? {
            Claim::Granted(time) => (time, Pace::Only),
            Claim::Unavailable => {
                let now = connection.number(&self.statements.now, &[]).await?;
                (timestamp(now.unwrap_or(0)), Pace::OneOfMany)
            }
            Claim::Refused => {
                *after = self.sweep.stand_by();
                return Ok(());
            }
        };
        let page = [Value::Bytes(after.clone()), Value::Number(PAGE as i64)];
        let rows = connection.fetch(&self.statements.page, &page).await?;
        let as_of = row::millis(as_of.min(time));
        let over: Vec<_> = rows
            .iter()
            .filter(|row| row.keep_until <= as_of)
            .filter_map(|row| row.key().ok())
            .collect();
        if !over.is_empty() {
            let values = [batch::keys(&over), Value::Number(as_of)];
            connection.execute(&self.statements.remove, &values).await?;
        }
        let last = rows.last().map(|row| row.id.clone());
        *after = self.sweep.plan(pace, rows.len(), last);
        Ok(())
    }

    async fn claim(&self, connection: &mut PooledConnection<DB>) -> Result<Claim, SqlError> {
        let sweeper = Value::Number(self.sweep.sweeper());
        let claim = [sweeper.clone(), Value::Number(whole_millis(CLAIM) as i64)];
        let Statements {
            claim_sweep,
            sweep_time,
            ..
        } = &self.statements;
        match connection.execute(claim_sweep, &claim).await {
            Ok(_) => {}
            Err(error) if error.is_refused_statement() => return Ok(Claim::Unavailable),
            Err(error) => return Err(error),
        }
        let time = connection.number(sweep_time, &[sweeper]).await?;
        Ok(time.map_or(Claim::Refused, |time| Claim::Granted(timestamp(time))))
    }
}

/// Takes the mark of the revocation off a copy of the record.
fn unmarked(revoked: Activity) -> Activity {
    let record = Activity::began(revoked.created_at())
        .active_at(revoked.last_activity())
        .with_limits(revoked.limits())
        .with_next_id(revoked.next_id());
    let replaced_at = revoked.replaced_at();
    replaced_at.map_or(record, |at| record.replaced(at))
}

fn timestamp(millis: i64) -> Timestamp {
    Timestamp::from_unix_millis(u64::try_from(millis).unwrap_or(0))
}
