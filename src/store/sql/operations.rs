//! The operations of a store, in statements.

use std::collections::HashMap;

use sqlx::Pool;

use super::batch::{self, DueTouch};
use super::dialect::{SqlDatabase, Statements};
use super::error::SqlError;
use super::pooled_connection::PooledConnection;
use super::row::{self, Row};
use super::sweep::{PAGE, Sweep};
use super::table::TableName;
use super::value::Value;
use crate::session::activity::Activity;
use crate::session::key::SessionKey;
use crate::session::time::Timestamp;
use crate::session::touch::Touch;

/// How often `begin` tries again when the row exists for the write and is gone for the read.
const ATTEMPTS: usize = 3;

/// The state that the clones of a store share.
pub(super) struct Inner<DB: SqlDatabase> {
    pub(super) pool: Pool<DB>,
    /// A pool of one connection that writes, for databases with one writer.
    pub(super) writer: Option<Pool<DB>>,
    pub(super) table: TableName,
    pub(super) statements: Statements,
    pub(super) sweep: Sweep,
}

impl<DB: SqlDatabase> Inner<DB> {
    pub(super) fn new(pool: Pool<DB>, writer: Option<Pool<DB>>, table: TableName) -> Self {
        Self {
            pool,
            writer,
            statements: DB::statements(&table),
            table,
            sweep: Sweep::default(),
        }
    }

    /// Returns the pool whose connections write.
    pub(super) fn writers(&self) -> &Pool<DB> {
        self.writer.as_ref().unwrap_or(&self.pool)
    }

    /// Returns the connection that has read, or one that may write.
    async fn writer_after(
        &self,
        reader: PooledConnection<DB>,
    ) -> Result<PooledConnection<DB>, SqlError> {
        match &self.writer {
            Some(pool) => {
                drop(reader);
                PooledConnection::acquire(pool).await
            }
            None => Ok(reader),
        }
    }

    pub(super) async fn load(
        &self,
        connection: &mut PooledConnection<DB>,
        key: SessionKey,
    ) -> Result<Option<Activity>, SqlError> {
        let rows = connection
            .fetch(&self.statements.load, vec![Value::key(key)])
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
                .execute_durably(&self.statements.begin, values)
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
            writer.execute(&self.statements.touch, due.values()).await?;
        }
        Ok(found)
    }

    pub(super) async fn touch_batch(
        &self,
        mut reader: PooledConnection<DB>,
        touches: &[(SessionKey, Touch)],
    ) -> Result<(), SqlError> {
        let keys: Vec<_> = touches.iter().map(|(key, _)| *key).collect();
        let rows = reader
            .fetch(&self.statements.load_many, vec![batch::keys(&keys)])
            .await?;
        let mut found = HashMap::with_capacity(rows.len());
        let mut malformed = Ok(());
        for row in rows {
            match (row.key(), row.activity()) {
                (Ok(key), Ok(activity)) => {
                    found.insert(key, activity);
                }
                // The sound rows are written all the same.
                (Err(error), _) | (_, Err(error)) => malformed = Err(error),
            }
        }
        let due: Vec<_> = touches
            .iter()
            .filter_map(|(key, touch)| DueTouch::new(*key, touch, *found.get(key)?))
            .collect();
        if !due.is_empty() {
            let mut writer = self.writer_after(reader).await?;
            writer
                .execute(&self.statements.touch_many, vec![batch::touches(&due)])
                .await?;
        }
        malformed
    }

    /// Sweeps one page, unless another call does so now.
    pub(super) async fn sweep(
        &self,
        mut reader: PooledConnection<DB>,
        as_of: Timestamp,
    ) -> Result<(), SqlError> {
        let Ok(mut after) = self.sweep.after.try_lock() else {
            return Ok(());
        };
        let page = vec![Value::Bytes(after.clone()), Value::Number(PAGE as i64)];
        let rows = reader.fetch(&self.statements.page, page).await?;
        let as_of = row::millis(as_of);
        let over: Vec<_> = rows
            .iter()
            .filter(|row| row.keep_until <= as_of)
            .filter_map(|row| row.key().ok())
            .collect();
        if !over.is_empty() {
            let mut writer = self.writer_after(reader).await?;
            let values = vec![batch::keys(&over), Value::Number(as_of)];
            writer.execute(&self.statements.remove, values).await?;
        }
        let last = rows.last().map(|row| row.id.clone());
        *after = self.sweep.plan(rows.len(), last);
        Ok(())
    }
}
