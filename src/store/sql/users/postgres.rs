//! The statements on links, for PostgreSQL.

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
            r#"SELECT pg_advisory_xact_lock(hashtext('{table}'));
            CREATE TABLE IF NOT EXISTS "{table}_users" (
                session bytea NOT NULL PRIMARY KEY,
                user_key bytea NOT NULL,
                linked_at bigint NOT NULL,
                keep_until bigint NOT NULL,
                label bytea NOT NULL
            );
            CREATE INDEX IF NOT EXISTS "{table}_users_user" ON "{table}_users" (user_key);
            CREATE INDEX IF NOT EXISTS "{table}_users_keep" ON "{table}_users" (keep_until)"#
        )),
        link: text(format!(
            r#"INSERT INTO "{table}_users" (session, user_key, linked_at, keep_until, label)
            VALUES ($1, $2, $3, $4, $5)
            ON CONFLICT (session) DO UPDATE SET user_key = excluded.user_key,
                linked_at = excluded.linked_at, keep_until = excluded.keep_until,
                label = excluded.label"#
        )),
        remove: text(format!(
            r#"DELETE FROM "{table}_users" WHERE session IN (
                SELECT session FROM "{table}_users" WHERE keep_until <= least($1, {now})
                ORDER BY keep_until LIMIT {MOST_REMOVED} FOR UPDATE SKIP LOCKED
            )"#
        )),
        links_of: text(format!(
            r#"SELECT session, linked_at, label FROM "{table}_users" WHERE user_key = $1"#
        )),
        link_of: text(format!(
            r#"SELECT user_key, linked_at, label FROM "{table}_users" WHERE session = $1"#
        )),
        unlink: text(format!(
            r#"DELETE FROM "{table}_users" WHERE user_key = $2 AND session IN (
                SELECT decode(key, 'hex') FROM json_array_elements_text($1::json) AS key
            )"#
        )),
        // The rows are locked in the order of their keys, so that two nodes never deadlock.
        revoke_many: text(format!(
            r#"WITH ended AS (
                SELECT id FROM "{table}" WHERE id IN (
                    SELECT decode(key, 'hex') FROM json_array_elements_text($1::json) AS key
                )
                ORDER BY id FOR NO KEY UPDATE
            )
            UPDATE "{table}" AS stored
            SET revoked = TRUE, keep_until = greatest(stored.keep_until, $2),
                logged_until = {logged_until}
            FROM ended WHERE stored.id = ended.id"#
        )),
    }
}
