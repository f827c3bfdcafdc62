//! The statements on links, for MySQL and MariaDB.

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
            "CREATE TABLE IF NOT EXISTS `{table}_users` (
                session BINARY(16) NOT NULL PRIMARY KEY,
                user_key BINARY(16) NOT NULL,
                linked_at BIGINT NOT NULL,
                keep_until BIGINT NOT NULL,
                label VARBINARY(256) NOT NULL,
                KEY `{table}_users_user` (user_key),
                KEY `{table}_users_keep` (keep_until)
            ) ENGINE = InnoDB"
        )),
        link: text(format!(
            "INSERT INTO `{table}_users` (session, user_key, linked_at, keep_until, label)
            VALUES (?, ?, ?, ?, ?)
            ON DUPLICATE KEY UPDATE user_key = VALUES(user_key), linked_at = VALUES(linked_at),
                keep_until = VALUES(keep_until), label = VALUES(label)"
        )),
        remove: text(format!(
            "DELETE FROM `{table}_users` WHERE keep_until <= LEAST(?, {now})
            ORDER BY keep_until LIMIT {MOST_REMOVED}"
        )),
        links_of: text(format!(
            "SELECT session, linked_at, label FROM `{table}_users` WHERE user_key = ?"
        )),
        link_of: text(format!(
            "SELECT user_key, linked_at, label FROM `{table}_users` WHERE session = ?"
        )),
        unlink: text(format!(
            "DELETE linked FROM JSON_TABLE(?, '$[*]' COLUMNS (hex CHAR(32) PATH '$')) AS wanted
            STRAIGHT_JOIN `{table}_users` AS linked FORCE INDEX (PRIMARY) ON linked.session = UNHEX(wanted.hex)
            WHERE linked.user_key = ?"
        )),
        // MariaDB would walk through the whole table for `id IN (SELECT …)`, and lock each row.
        revoke_many: text(format!(
            "UPDATE JSON_TABLE(?, '$[*]' COLUMNS (hex CHAR(32) PATH '$')) AS ended
            STRAIGHT_JOIN `{table}` AS stored ON stored.id = UNHEX(ended.hex)
            SET stored.revoked = TRUE, stored.keep_until = GREATEST(stored.keep_until, ?),
                stored.logged_until = {logged_until}"
        )),
    }
}
