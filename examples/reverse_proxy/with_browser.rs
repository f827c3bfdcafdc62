//! The proxy's own answers to pages.

use tower_login_timeout::{ActivityStore, BoxError, LoginTimeoutLayer};

/// Answers pages at this path.
#[allow(
    clippy::unnecessary_wraps,
    reason = "without the feature, it is an error"
)]
pub fn answer_at<St: ActivityStore>(
    path: &str,
    layer: LoginTimeoutLayer<St>,
) -> Result<LoginTimeoutLayer<St>, BoxError> {
    Ok(layer.with_browser(path))
}
