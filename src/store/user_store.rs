//! The contract of a store that knows whose sessions are.

use crate::session::activity::Activity;
use crate::session::key::SessionKey;
use crate::session::time::Timestamp;
use crate::session::user::{UserKey, UserLink};
use crate::store::activity_store::ActivityStore;

/// Remembers which sessions are whose, beside what each session did, and ends many at once.
///
/// A link is only a hint to a session. The session's record alone says whether it may act. So no
/// operation here has to be one step with a change of the record, and both may lie on different
/// servers. A link is written before its session begins. A link to a session that never began, or
/// is over, is harmless, and is removed when it is next read.
///
/// A live request never uses these operations.
///
/// [`MemoryStore`](crate::MemoryStore) and the stores of this crate implement it. The operations
/// never wait outside the future, as those of [`ActivityStore`].
pub trait UserStore: ActivityStore {
    /// Links a session to a user. Replaces the link that the session has, also where that names
    /// another user.
    ///
    /// The link may be removed at `keep_until`, and not before.
    fn link(&self, user: UserKey, link: UserLink, keep_until: Timestamp) -> Self::Future<()>;

    /// Returns the links to a user's sessions, in any order. Sessions that are over may be among
    /// them.
    fn links_of(&self, user: UserKey) -> Self::Future<Vec<UserLink>>;

    /// Returns the link of a session, and to whom it leads.
    fn link_of(&self, session: SessionKey) -> Self::Future<Option<(UserKey, UserLink)>>;

    /// Removes the links of these sessions to this user. A session that is linked to another user
    /// by now keeps that link.
    fn unlink(&self, user: UserKey, sessions: Vec<SessionKey>) -> Self::Future<()>;

    /// Returns the records of these sessions, in any order, each as [`load`](ActivityStore::load)
    /// does. There is no answer about a session without a record. A malformed record is not in the
    /// answer, and does not fail the others.
    fn load_many(&self, sessions: Vec<SessionKey>) -> Self::Future<Vec<(SessionKey, Activity)>>;

    /// Ends these sessions for good, each as [`revoke`](ActivityStore::revoke) does. Answers each
    /// record as it was before, with the next id that it has. There is no answer about a session
    /// without a record.
    fn revoke_many(
        &self,
        sessions: Vec<SessionKey>,
        keep_until: Timestamp,
    ) -> Self::Future<Vec<(SessionKey, Activity)>>;
}
