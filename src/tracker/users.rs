//! The settings of users' sessions, and the links to them with the type of the store hidden.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::session::activity::Activity;
use crate::session::key::SessionKey;
use crate::session::time::Timestamp;
use crate::session::user::{UserKey, UserLink};
use crate::store::timeout::WithTimeout;
use crate::store::user_store::UserStore;
use crate::tracker::box_future::BoxFuture;

/// The shortest secret, in bytes. Nobody guesses 128 random bits.
const SHORTEST_SECRET: usize = 16;

/// Separates the key that is derived from the secret from all others.
const CONTEXT: &str = "tower-login-timeout 2026-11-28 keys of users";

/// The settings of users' sessions: the secret under which their ids are hashed, and how many
/// sessions each may have.
///
/// A session is in the list of its user for as long as the absolute timeout at its log-in says. If
/// that is raised later, sessions from before leave the list at the earlier time. Limits of a
/// session's own move it.
///
/// Give it to [`LoginTimeoutLayer::with_users`](crate::LoginTimeoutLayer::with_users) or
/// [`Tracker::with_users`](crate::Tracker::with_users).
///
/// ```
/// use tower_login_timeout::{Users, WhenFull};
///
/// let users = Users::new("a secret of 16 bytes or more")?.with_at_most(3, WhenFull::EndOldest);
/// assert!(Users::new("too short").is_err());
/// # Ok::<(), tower_login_timeout::UsersError>(())
/// ```
#[derive(Clone)]
pub struct Users {
    secret: [u8; 32],
    limit: Option<(usize, WhenFull)>,
}

/// What becomes of a log-in of a user who has as many sessions as allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum WhenFull {
    /// The session ends in which the user logged in longest ago.
    EndOldest,
    /// The new session does not begin.
    RefuseNew,
}

impl Users {
    /// Creates the settings with a secret of the application, which has at least 16 bytes. All
    /// nodes need the same one. With another secret, users' earlier sessions are not found.
    ///
    /// # Errors
    ///
    /// Refuses a shorter secret.
    pub fn new(secret: impl AsRef<[u8]>) -> Result<Self, UsersError> {
        let secret = secret.as_ref();
        if secret.len() < SHORTEST_SECRET {
            return Err(UsersError(secret.len()));
        }
        Ok(Self {
            secret: blake3::derive_key(CONTEXT, secret),
            limit: None,
        })
    }

    /// Sets how many live sessions a user may have, at least one. There is no limit otherwise.
    ///
    /// Log-ins at the same moment do not get past it. Where new sessions are refused, all of them
    /// may be.
    #[must_use]
    pub fn with_at_most(mut self, sessions: usize, when_full: WhenFull) -> Self {
        self.limit = Some((sessions.max(1), when_full));
        self
    }

    pub(super) fn key(&self, user: &str) -> UserKey {
        UserKey::of(&self.secret, user)
    }

    pub(super) fn limit(&self) -> Option<(usize, WhenFull)> {
        self.limit
    }
}

/// Shows no secret.
impl fmt::Debug for Users {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Users")
            .field("limit", &self.limit)
            .finish_non_exhaustive()
    }
}

/// The error of a secret that is too short.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsersError(usize);

impl fmt::Display for UsersError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the secret for the ids of users has {} bytes: use at least {SHORTEST_SECRET} random ones",
            self.0
        )
    }
}

impl Error for UsersError {}

/// The links of sessions to users, in a store whose type is hidden.
#[derive(Clone)]
pub(crate) struct UserLinks {
    pub(super) settings: Users,
    store: Arc<dyn DynUserStore>,
}

impl UserLinks {
    pub(crate) fn new<St: UserStore>(settings: Users, store: St, limit: Duration) -> Self {
        let store = Arc::new(Limited { store, limit });
        Self { settings, store }
    }

    pub(super) fn store(&self) -> &dyn DynUserStore {
        &*self.store
    }
}

/// A [`UserStore`] whose type is hidden, with the policy's time limit for each operation.
pub(crate) trait DynUserStore: Send + Sync {
    fn link(&self, user: UserKey, link: UserLink, keep_until: Timestamp) -> BoxFuture<'static, ()>;
    fn links_of(&self, user: UserKey) -> BoxFuture<'static, Vec<UserLink>>;
    fn link_of(&self, session: SessionKey) -> BoxFuture<'static, Option<(UserKey, UserLink)>>;
    fn unlink(&self, user: UserKey, sessions: Vec<SessionKey>) -> BoxFuture<'static, ()>;
    fn load_many(
        &self,
        sessions: Vec<SessionKey>,
    ) -> BoxFuture<'static, Vec<(SessionKey, Activity)>>;
    fn revoke_many(
        &self,
        sessions: Vec<SessionKey>,
        keep_until: Timestamp,
    ) -> BoxFuture<'static, Vec<(SessionKey, Activity)>>;
}

struct Limited<St> {
    store: St,
    limit: Duration,
}

impl<St: UserStore> Limited<St> {
    fn call<T: Send + 'static>(&self, call: St::Future<T>) -> BoxFuture<'static, T> {
        let call = WithTimeout::new(call, self.limit);
        Box::pin(call)
    }
}

impl<St: UserStore> DynUserStore for Limited<St> {
    fn link(&self, user: UserKey, link: UserLink, keep_until: Timestamp) -> BoxFuture<'static, ()> {
        self.call(self.store.link(user, link, keep_until))
    }

    fn links_of(&self, user: UserKey) -> BoxFuture<'static, Vec<UserLink>> {
        self.call(self.store.links_of(user))
    }

    fn link_of(&self, session: SessionKey) -> BoxFuture<'static, Option<(UserKey, UserLink)>> {
        self.call(self.store.link_of(session))
    }

    fn unlink(&self, user: UserKey, sessions: Vec<SessionKey>) -> BoxFuture<'static, ()> {
        self.call(self.store.unlink(user, sessions))
    }

    fn load_many(
        &self,
        sessions: Vec<SessionKey>,
    ) -> BoxFuture<'static, Vec<(SessionKey, Activity)>> {
        self.call(self.store.load_many(sessions))
    }

    fn revoke_many(
        &self,
        sessions: Vec<SessionKey>,
        keep_until: Timestamp,
    ) -> BoxFuture<'static, Vec<(SessionKey, Activity)>> {
        self.call(self.store.revoke_many(sessions, keep_until))
    }
}
