//! The row of a link, and its conversion to and from [`UserLink`].

use sqlx::{ColumnIndex, Decode, Type};

use crate::session::key::SessionKey;
use crate::session::time::Timestamp;
use crate::session::user::{UserKey, UserLink};
use crate::store::sql::error::SqlError;
use crate::store::sql::row::millis;
use crate::store::sql::value::Value;

/// A row of a link as the database returned it, not yet validated.
///
/// It is public because a trait that bounds a public type names it. Other crates cannot name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkRow {
    /// The session of a user, or the user of a session.
    key: Vec<u8>,
    linked_at: i64,
    label: Vec<u8>,
}

impl LinkRow {
    /// Returns the link of the session that the row names.
    pub(super) fn link(self) -> Result<UserLink, SqlError> {
        let session = self.key()?;
        self.link_of(SessionKey::from_bytes(session))
    }

    /// Returns the user that the row names, and the link of this session.
    pub(super) fn user_and_link(
        self,
        session: SessionKey,
    ) -> Result<(UserKey, UserLink), SqlError> {
        let user = UserKey::from_bytes(self.key()?);
        Ok((user, self.link_of(session)?))
    }

    fn key(&self) -> Result<[u8; 16], SqlError> {
        let key = self.key.as_slice().try_into();
        key.map_err(|_| SqlError::malformed("a key of a link is not 16 bytes long"))
    }

    fn link_of(self, session: SessionKey) -> Result<UserLink, SqlError> {
        let millis = u64::try_from(self.linked_at);
        let millis = millis.map_err(|_| SqlError::malformed("`linked_at` is not a time"))?;
        let label = String::from_utf8(self.label);
        let label = label.map_err(|_| SqlError::malformed("`label` is not text"))?;
        let linked_at = Timestamp::from_unix_millis(millis);
        Ok(UserLink::new(session, linked_at, label))
    }
}

/// Returns the values of a link, in the order in which the statement takes them.
pub(super) fn values(user: UserKey, link: &UserLink, keep_until: Timestamp) -> [Value; 5] {
    [
        Value::key(link.session()),
        Value::Bytes(user.to_bytes().to_vec()),
        Value::Number(millis(link.linked_at())),
        Value::Number(millis(keep_until)),
        Value::Bytes(link.label().as_bytes().to_vec()),
    ]
}

/// Reads a row of three columns: a key, the time of the link, and the label.
pub(in crate::store::sql) fn link_row<R: sqlx::Row>(row: R) -> Result<LinkRow, sqlx::Error>
where
    usize: ColumnIndex<R>,
    for<'r> Vec<u8>: Decode<'r, R::Database> + Type<R::Database>,
    for<'r> i64: Decode<'r, R::Database> + Type<R::Database>,
{
    Ok(LinkRow {
        key: row.try_get(0)?,
        linked_at: row.try_get(1)?,
        label: row.try_get(2)?,
    })
}
