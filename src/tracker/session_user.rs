//! Whose a session is, and one session in a user's list.

use crate::session::activity::Activity;
use crate::session::key::SessionKey;
use crate::session::time::Timestamp;

/// Says whose a session is.
///
/// Put it into the extensions of the response that logs somebody in by a cookie. The layer takes it
/// from there. With tokens, give it to [`Tracker::start_for`](crate::Tracker::start_for).
///
/// ```
/// use axum::Extension;
/// use axum::http::header::SET_COOKIE;
/// use axum::response::IntoResponse;
/// use tower_login_timeout::SessionUser;
///
/// async fn log_in() -> impl IntoResponse {
///     let user = SessionUser::new("ada").with_label("Firefox on Linux");
///     ([(SET_COOKIE, "sid=0123; HttpOnly; Secure")], Extension(user), "Welcome, Ada.")
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionUser {
    user: String,
    label: String,
}

impl SessionUser {
    /// Names the user by an id that never changes: a number, a name, an address. Only a keyed hash
    /// of it is stored.
    #[must_use]
    pub fn new(user: impl Into<String>) -> Self {
        Self {
            user: user.into(),
            label: String::new(),
        }
    }

    /// Sets a label by which the user knows the session again, such as the name of the device. At
    /// most 256 bytes of it are stored, as they are: escape them where a page shows them.
    #[must_use]
    pub fn with_label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    pub(super) fn user(&self) -> &str {
        &self.user
    }

    pub(super) fn label(&self) -> &str {
        &self.label
    }
}

impl From<&str> for SessionUser {
    fn from(user: &str) -> Self {
        Self::new(user)
    }
}

impl From<String> for SessionUser {
    fn from(user: String) -> Self {
        Self::new(user)
    }
}

/// What became of a session that was to begin for a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "the session may not have begun"]
#[non_exhaustive]
pub enum Admission {
    /// The session has begun.
    Begun,
    /// The user has as many sessions as [`Users::with_at_most`](crate::Users::with_at_most)
    /// allows, so the session did not begin.
    Refused,
}

/// A live session in the list of a user's sessions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserSession {
    pub(super) key: SessionKey,
    pub(super) activity: Activity,
    pub(super) logged_in_at: Timestamp,
    pub(super) label: String,
    pub(super) is_current: bool,
}

impl UserSession {
    /// Returns the session's key, by which [`Tracker::revoke`](crate::Tracker::revoke) ends it.
    #[must_use]
    pub const fn key(&self) -> SessionKey {
        self.key
    }

    /// Returns when the session began.
    #[must_use]
    pub const fn created_at(&self) -> Timestamp {
        self.activity.created_at()
    }

    /// Returns when the user logged in. The session may be older, if the user was a visitor in it
    /// before.
    #[must_use]
    pub const fn logged_in_at(&self) -> Timestamp {
        self.logged_in_at
    }

    /// Returns when the session was last active, as recorded.
    #[must_use]
    pub const fn last_activity(&self) -> Timestamp {
        self.activity.last_activity()
    }

    /// Returns the application's label, as it was given.
    #[must_use]
    pub fn label(&self) -> &str {
        &self.label
    }

    /// Returns whether this is the session that asked, by
    /// [`SessionHandle::sessions_of_user`](crate::SessionHandle::sessions_of_user).
    #[must_use]
    pub const fn is_current(&self) -> bool {
        self.is_current
    }
}
