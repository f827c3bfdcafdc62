//! Revocations by other nodes, as the server announces them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use redis::{Msg, PushInfo, PushKind};
use tokio::sync::broadcast;

use crate::session::key::SessionKey;
use crate::store::shared_store::{Announced, Revocations};

/// How many announcements a listener may fall behind before it is told that it missed some.
const BACKLOG: usize = 1024;

/// The announcements of one channel, passed on to all listeners in this process.
#[derive(Clone)]
pub(super) struct Announcements {
    channel: String,
    listeners: broadcast::Sender<Announced>,
    /// Whether the server pushes them. RESP2 cannot on the same connection.
    pushed: Arc<AtomicBool>,
}

impl Announcements {
    pub(super) fn on(channel: String) -> Self {
        let (listeners, _) = broadcast::channel(BACKLOG);
        Self {
            channel,
            listeners,
            pushed: Arc::default(),
        }
    }

    pub(super) fn channel(&self) -> &str {
        &self.channel
    }

    pub(super) fn listen(&self) -> Revocations {
        if self.pushed.load(Ordering::Relaxed) {
            self.listeners.subscribe().into()
        } else {
            Revocations::never()
        }
    }

    pub(super) fn set_pushed(&self, pushed: bool) {
        self.pushed.store(pushed, Ordering::Relaxed);
    }

    /// Tells the listeners that announcements may have been lost.
    pub(super) fn missed(&self) {
        self.tell(Announced::Missed);
    }

    /// Passes on a message that the server pushed.
    pub(super) fn receive(&self, push: PushInfo) {
        if push.kind != PushKind::Message {
            return;
        }
        let payload =
            Msg::from_push_info(push).map(|message| message.get_payload_bytes().try_into());
        match payload {
            Some(Ok(key)) => self.tell(Announced::Revoked(SessionKey::from_bytes(key))),
            // The message is on our channel but cannot be read, so a revocation may be lost.
            _ => self.missed(),
        }
    }

    fn tell(&self, announced: Announced) {
        // An error means that there is no listener.
        let _ = self.listeners.send(announced);
    }
}
