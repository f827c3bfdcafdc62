//! When are we asked to end, where there are no signals but Ctrl-C?

use std::io;

use tokio::signal::ctrl_c;

pub struct Stop;

impl Stop {
    pub fn listen() -> io::Result<Self> {
        Ok(Self)
    }

    /// Waits until we are asked, once more if we were before.
    pub async fn asked(&mut self) -> io::Result<()> {
        ctrl_c().await
    }
}
