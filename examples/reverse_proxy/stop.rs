//! When are we asked to end?

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Notices Ctrl-C, and SIGTERM, which is how supervisors ask.
pub struct Stop {
    interrupt: Signal,
    terminate: Signal,
}

impl Stop {
    pub fn listen() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    /// Waits until we are asked, once more if we were before.
    pub async fn asked(&mut self) -> io::Result<()> {
        tokio::select! {
            _ = self.interrupt.recv() => Ok(()),
            _ = self.terminate.recv() => Ok(()),
        }
    }
}
