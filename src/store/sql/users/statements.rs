//! The statements on the table of links.

use sqlx::SqlStr;

/// How many links that are over one new link removes at most. Two would be enough for the number
/// of links to stay bounded.
pub(super) const MOST_REMOVED: usize = 8;

/// The statements on links, as the database writes them.
#[derive(Debug)]
pub(in crate::store::sql) struct UserStatements {
    /// Creates the table and its indexes.
    pub(super) migrate: SqlStr,
    /// Writes a link in the place of the one that the session has. Takes the session, the user, the
    /// time of the link, the time of its removal, and the label.
    pub(super) link: SqlStr,
    /// Removes some links whose time has come. Takes the time of this node.
    pub(super) remove: SqlStr,
    /// Reads the links of a user: the session, the time of the link, and the label.
    pub(super) links_of: SqlStr,
    /// Reads the link of a session: the user, the time of the link, and the label.
    pub(super) link_of: SqlStr,
    /// Removes links. Takes a document of sessions, and their user.
    pub(super) unlink: SqlStr,
    /// Ends sessions, in the table of sessions. Takes a document of sessions, and the time of their
    /// removal.
    pub(super) revoke_many: SqlStr,
}
