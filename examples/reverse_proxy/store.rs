//! Where is activity remembered?

use tower_login_timeout::{ActivityStore, BoxError, MemoryStore};

use crate::options::{Options, StoreChoice};

/// Opens the store that was chosen.
pub fn open(options: &Options) -> Result<impl ActivityStore, BoxError> {
    match options.store {
        StoreChoice::Memory => Ok(MemoryStore::new()),
    }
}
