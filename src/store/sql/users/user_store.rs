//! Whose sessions are, for the stores in SQL.

use std::collections::HashMap;
use std::sync::Arc;

use sqlx::SqlStr;

use super::link_row::{self, LinkRow};
use crate::session::activity::Activity;
use crate::session::key::SessionKey;
use crate::session::time::Timestamp;
use crate::session::user::{UserKey, UserLink};
use crate::store::sql::batch;
use crate::store::sql::dialect::SqlDatabase;
use crate::store::sql::error::SqlError;
use crate::store::sql::operations::Inner;
use crate::store::sql::pooled_connection::PooledConnection;
use crate::store::sql::row::{Row, millis};
use crate::store::sql::run::run;
use crate::store::sql::sql_store::SqlStore;
use crate::store::sql::value::Value;
use crate::store::user_store::UserStore;

impl<DB: SqlDatabase> UserStore for SqlStore<DB> {
    fn link(&self, user: UserKey, link: UserLink, keep_until: Timestamp) -> Self::Future<()> {
        let inner = Arc::clone(&self.0);
        run(self.0.writers(), move |mut connection| async move {
            let statements = &inner.statements.users;
            let values = link_row::values(user, &link, keep_until);
            inner
                .write(&mut connection, &statements.link, &values)
                .await?;
            let now = [Value::Number(millis(link.linked_at()))];
            // It only tidies up, and the log-in is linked. The next one tries again.
            let _ = connection.execute(&statements.remove, &now).await;
            Ok(())
        })
    }

    fn links_of(&self, user: UserKey) -> Self::Future<Vec<UserLink>> {
        let inner = Arc::clone(&self.0);
        run(&self.0.pool, move |mut connection| async move {
            let user = Value::Bytes(user.to_bytes().to_vec());
            let statement = &inner.statements.users.links_of;
            let rows = links(&mut connection, statement, &[user]).await?;
            rows.into_iter().map(LinkRow::link).collect()
        })
    }

    fn link_of(&self, session: SessionKey) -> Self::Future<Option<(UserKey, UserLink)>> {
        let inner = Arc::clone(&self.0);
        run(&self.0.pool, move |mut connection| async move {
            let statement = &inner.statements.users.link_of;
            let rows = links(&mut connection, statement, &[Value::key(session)]).await?;
            let row = rows.into_iter().next();
            row.map(|row| row.user_and_link(session)).transpose()
        })
    }

    fn unlink(&self, user: UserKey, sessions: Vec<SessionKey>) -> Self::Future<()> {
        let inner = Arc::clone(&self.0);
        run(self.0.writers(), move |mut connection| async move {
            let user = Value::Bytes(user.to_bytes().to_vec());
            for sessions in sessions.chunks(batch::MAX_BATCH) {
                let values = [batch::keys(sessions), user.clone()];
                let statement = &inner.statements.users.unlink;
                inner.write(&mut connection, statement, &values).await?;
            }
            Ok(())
        })
    }

    fn load_many(&self, sessions: Vec<SessionKey>) -> Self::Future<Vec<(SessionKey, Activity)>> {
        let inner = Arc::clone(&self.0);
        run(&self.0.pool, move |mut connection| async move {
            let mut found = Vec::with_capacity(sessions.len());
            for sessions in sessions.chunks(batch::MAX_BATCH) {
                let load = &inner.statements.load_many;
                let rows = connection.fetch(load, &[batch::keys(sessions)]).await?;
                let record = |row: &Row| Some((row.key().ok()?, row.activity().ok()?));
                found.extend(rows.iter().filter_map(record));
            }
            Ok(found)
        })
    }

    fn revoke_many(
        &self,
        sessions: Vec<SessionKey>,
        keep_until: Timestamp,
    ) -> Self::Future<Vec<(SessionKey, Activity)>> {
        let inner = Arc::clone(&self.0);
        Box::pin(async move {
            let mut revoked = Vec::with_capacity(sessions.len());
            for sessions in sessions.chunks(batch::MAX_BATCH) {
                let (inner, sessions) = (Arc::clone(&inner), sessions.to_vec());
                let batch = run(
                    &Arc::clone(&inner).writers().clone(),
                    move |connection| async move {
                        inner.revoke_batch(connection, &sessions, keep_until).await
                    },
                );
                revoked.extend(batch.await?);
            }
            Ok(revoked)
        })
    }
}

impl<DB: SqlDatabase> Inner<DB> {
    async fn revoke_batch(
        &self,
        mut connection: PooledConnection<DB>,
        sessions: &[SessionKey],
        keep_until: Timestamp,
    ) -> Result<Vec<(SessionKey, Activity)>, SqlError> {
        let keys = batch::keys(sessions);
        let load = &self.statements.load_many;
        let before = connection.fetch(load, std::slice::from_ref(&keys)).await?;
        let before = before.iter().map(|row| Ok((row.key()?, row.activity()?)));
        let before = before.collect::<Result<HashMap<_, _>, SqlError>>()?;
        let revoke = &self.statements.users.revoke_many;
        let values = [keys.clone(), Value::Number(millis(keep_until))];
        connection.execute_durably(revoke, &values).await?;
        // The next id must be as of the revocation. Nothing changes a row that is revoked.
        let mut revoked = Vec::with_capacity(sessions.len());
        for row in connection.fetch(load, &[keys]).await? {
            let (key, after) = (row.key()?, row.activity()?);
            // A row that was not there a moment ago has just begun.
            let before = before
                .get(&key)
                .copied()
                .unwrap_or(Activity::began(after.created_at()));
            revoked.push((key, before.with_next_id(after.next_id())));
        }
        Ok(revoked)
    }

    /// Writes, and creates the table first if it is not there.
    async fn write(
        &self,
        connection: &mut PooledConnection<DB>,
        statement: &SqlStr,
        values: &[Value],
    ) -> Result<(), SqlError> {
        match connection.execute(statement, values).await {
            Err(error) if error.is_about_the_table() => {
                let migrate = &self.statements.users.migrate;
                connection.run_script(migrate).await?;
                connection.execute(statement, values).await?;
            }
            written => {
                written?;
            }
        }
        Ok(())
    }
}

/// Reads links. Where there is no table yet, there is none.
async fn links<DB: SqlDatabase>(
    connection: &mut PooledConnection<DB>,
    statement: &SqlStr,
    values: &[Value],
) -> Result<Vec<LinkRow>, SqlError> {
    match connection.links(statement, values).await {
        Err(error) if error.is_about_the_table() => Ok(Vec::new()),
        links => links,
    }
}
