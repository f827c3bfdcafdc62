//! The signal that ends the process on systems without Unix signals: Ctrl-C.

use std::io;

use tokio::signal::ctrl_c;

/// Listens for Ctrl-C.
pub struct Stop;

impl Stop {
    pub fn listen() -> io::Result<Self> {
        Ok(Self)
    }

    /// Waits for the next signal.
    pub async fn asked(&mut self) -> io::Result<()> {
        ctrl_c().await
    }
}

/// Never happens here.
pub struct Reload;

impl Reload {
    pub fn listen() -> io::Result<Self> {
        Ok(Self)
    }

    pub async fn asked(&mut self) -> bool {
        false
    }
}
