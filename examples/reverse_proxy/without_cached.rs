//! The error for `--cached` without the feature `cached`.

use tower_login_timeout::BoxError;

use crate::configuration::Configuration;
use crate::options::Options;

/// Refuses to serve.
pub async fn serve(_: Options, _: Configuration) -> Result<(), BoxError> {
    Err(
        "`--cached` is not compiled in: add `--features cached` to the command of cargo, and the feature of the store"
            .into(),
    )
}
