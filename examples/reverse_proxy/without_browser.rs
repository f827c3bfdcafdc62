//! The error for `--browser` without the feature `browser`.

use tower_login_timeout::{ActivityStore, BoxError, LoginTimeoutLayer};

/// Refuses to serve.
pub fn answer_at<St: ActivityStore>(
    _: &str,
    _: LoginTimeoutLayer<St>,
) -> Result<LoginTimeoutLayer<St>, BoxError> {
    Err("`--browser` is not compiled in: add `--features browser` to the command of cargo".into())
}
