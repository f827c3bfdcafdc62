//! The error for the measurement with Redis, without the feature `redis`.

use crate::Failure;
use crate::effort::Effort;
use crate::figures::Figures;

/// Only says that nothing is measured.
///
/// # Errors
///
/// Never.
pub fn measure(figures: &mut Figures, _: Effort) -> Result<(), Failure> {
    figures.note(
        "nothing was measured with Redis behind: the peers were built without the feature `redis`.",
    );
    Ok(())
}

/// An application of this name.
///
/// # Errors
///
/// Always.
pub async fn app(id: &str, _: &str) -> Result<axum::Router, Failure> {
    Err(format!("{id} needs the feature `redis`").into())
}

/// Nobody takes part.
pub const FIELD: [&str; 0] = [];
