//! The statements on links, for SQLite.

use super::statements::{MOST_REMOVED, UserStatements};
use crate::store::sql::dialect::text;

/// Writes the statements for the links of this table's sessions. `now` is the
/// database's time, and `logged_until` for how long a change is in the log.
pub(in crate::store::sql) fn statements(
    table: &str,
    now: &str,
    logged_until: &str,
) -> UserStatements {
    UserStatements {
        migrate: text(format!(
            r#"CREATE TABLE IF NOT EXISTS "{table}_users" (
                session BLOB NOT NULL PRIMARY KEY,
                user_key BLOB NOT NULL,
                linked_at INTEGER NOT NULL,
                keep_until INTEGER NOT NULL,
                label BLOB NOT NULL
            ) STRICT, WITHOUT ROWID;
            CREATE INDEX IF NOT EXISTS "{table}_users_user" ON "{table}_users" (user_key);
            CREATE INDEX IF NOT EXISTS "{table}_users_keep" ON "{table}_users" (keep_until)"#
        )),
        link: text(format!(
            r#"INSERT INTO "{table}_users" (session, user_key, linked_at, keep_until, label)
            VALUES (?, ?, ?, ?, ?)
            ON CONFLICT (session) DO UPDATE SET user_key = excluded.user_key,
                linked_at = excluded.linked_at, keep_until = excluded.keep_until,
                label = excluded.label"#
        )),
        remove: text(format!(
            r#"DELETE FROM "{table}_users" WHERE session IN (
                SELECT session FROM "{table}_users" WHERE keep_until <= min(?, {now})
                ORDER BY keep_until LIMIT {MOST_REMOVED}
            )"#
        )),
        links_of: text(format!(
            r#"SELECT session, linked_at, label FROM "{table}_users" WHERE user_key = ?"#
        )),
        link_of: text(format!(
            r#"SELECT user_key, linked_at, label FROM "{table}_users" WHERE session = ?"#
        )),
        unlink: text(format!(
            r#"DELETE FROM "{table}_users"
            WHERE session IN (SELECT unhex(value) FROM json_each(?)) AND user_key = ?"#
        )),
        revoke_many: text(format!(
            r#"UPDATE "{table}" SET revoked = TRUE, keep_until = max(keep_until, ?2),
                logged_until = {logged_until}
            WHERE id IN (SELECT unhex(value) FROM json_each(?1))"#
        )),
    }
}
