//! What if the near cache is not compiled in?

use tower_login_timeout::BoxError;

use crate::options::Options;

pub async fn serve(_: Options) -> Result<(), BoxError> {
    Err(
        "`--cached` is not compiled in: add `--features cached` to the command of cargo, and the feature of the store"
            .into(),
    )
}
