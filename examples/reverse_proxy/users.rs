//! Whose a session is, which the application says in a header of its response.

use http::{HeaderName, Response};
use tower_login_timeout::{BoxError, LoginTimeoutLayer, SessionUser, UserStore, Users, WhenFull};

use crate::options::Options;

const NO_SECRET: &str = "`--user-header` needs a secret of 16 bytes or more in LOGIN_TIMEOUT_USER_SECRET, the same on \
     all nodes: the ids of users are hashed under it";

/// Returns how users are remembered, if they are.
pub fn of(options: &Options) -> Result<Option<Users>, BoxError> {
    if options.user_header.is_none() {
        return Ok(None);
    }
    let secret = options.user_secret.as_ref().ok_or(NO_SECRET)?;
    let users = Users::new(secret)?;
    Ok(Some(match options.max_sessions {
        Some(most) => users.with_at_most(most, WhenFull::EndOldest),
        None => users,
    }))
}

/// Lets the layer remember whose sessions are.
pub fn remembered<St: UserStore>(
    users: Option<&Users>,
    layer: LoginTimeoutLayer<St>,
) -> LoginTimeoutLayer<St> {
    match users {
        Some(users) => layer.with_users(users.clone()),
        None => layer,
    }
}

/// Takes the header out of the response, and tells the layer what it says.
///
/// An empty one says that the session is nobody's, so that visitors are not one user.
pub fn take_out<B>(header: &HeaderName, response: &mut Response<B>) {
    let user = response.headers_mut().remove(header);
    if let Some(user) = user.filter(|user| !user.is_empty()) {
        // Applications write names in UTF-8, and some in Latin-1.
        let user = user.as_bytes();
        let user = str::from_utf8(user).map_or_else(
            |_| user.iter().copied().map(char::from).collect(),
            str::to_owned,
        );
        response.extensions_mut().insert(SessionUser::new(user));
    }
}
