//! What does each operation say to the database?

use std::collections::HashMap;

use sqlx::Pool;

use super::batch::{self, Move};
use super::dialect::{SqlDatabase, Statements, Value};
use super::error::SqlError;
use super::lease::Lease;
use super::row::{self, Row};
use super::sweep::{PAGE, Sweep};
use super::table::TableName;
use crate::session::activity::Activity;
use crate::session::key::SessionKey;
use crate::session::time::Timestamp;
use crate::session::touch::Touch;

/// How often [`begin`](ActivityStore::begin) looks for a row that is there when it writes and gone when it reads.
const ATTEMPTS: usize = 3;

/// What the clones of a store share.
pub(super) struct Inner<DB: SqlDatabase> {
    pub(super) pool: Pool<DB>,
    /// A pool of the one connection that writes, where not any may.
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

    /// Whose connections write.
    pub(super) fn writers(&self) -> &Pool<DB> {
        self.writer.as_ref().unwrap_or(&self.pool)
    }

    /// The connection that has read, if it may write, or the one that may.
    async fn writer_after(&self, reader: Lease<DB>) -> Result<Lease<DB>, SqlError> {
        match &self.writer {
            Some(pool) => {
                drop(reader);
                Lease::from(pool).await
            }
            None => Ok(reader),
        }
    }

    pub(super) async fn load(
        &self,
        lease: &mut Lease<DB>,
        key: SessionKey,
    ) -> Result<Option<Activity>, SqlError> {
        let rows = lease
            .fetch(&self.statements.load, vec![Value::key(key)])
            .await?;
        rows.first().map(Row::activity).transpose()
    }

    pub(super) async fn begin(
        &self,
        mut lease: Lease<DB>,
        key: SessionKey,
        activity: Activity,
        keep_until: Timestamp,
    ) -> Result<Activity, SqlError> {
        for _ in 0..ATTEMPTS {
            let values = row::values(key, &activity, keep_until);
            if lease
                .execute_durably(&self.statements.begin, values)
                .await?
                > 0
            {
                return Ok(activity);
            }
            if let Some(found) = self.load(&mut lease, key).await? {
                return Ok(found);
            }
        }
        Err(SqlError::refused(
            "the session's row came and went while it was looked at: try again",
        ))
    }

    pub(super) async fn touch(
        &self,
        mut reader: Lease<DB>,
        key: SessionKey,
        touch: Touch,
    ) -> Result<Option<Activity>, SqlError> {
        let found = self.load(&mut reader, key).await?;
        if let Some(due) = found.and_then(|seen| Move::of(key, &touch, seen)) {
            let mut writer = self.writer_after(reader).await?;
            writer.execute(&self.statements.touch, due.values()).await?;
        }
        Ok(found)
    }

    pub(super) async fn touch_batch(
        &self,
        mut reader: Lease<DB>,
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
                // The others are written all the same.
                (Err(error), _) | (_, Err(error)) => malformed = Err(error),
            }
        }
        let moves: Vec<_> = touches
            .iter()
            .filter_map(|(key, touch)| Move::of(*key, touch, *found.get(key)?))
            .collect();
        if !moves.is_empty() {
            let mut writer = self.writer_after(reader).await?;
            writer
                .execute(&self.statements.touch_many, vec![batch::moves(&moves)])
                .await?;
        }
        malformed
    }

    /// Looks at one page, unless somebody does.
    pub(super) async fn sweep(
        &self,
        mut reader: Lease<DB>,
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
