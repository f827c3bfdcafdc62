//! How do revocations by other nodes reach this one?

use redis::{Msg, PushInfo, PushKind};
use tokio::sync::broadcast;

use crate::session::key::SessionKey;
use crate::store::shared_store::{Announced, Revocations};

/// More than a node that is alive falls behind by.
const BACKLOG: usize = 1024;

/// What is announced on the channel, handed on to whoever listens in this process.
#[derive(Clone)]
pub(super) struct Announcements {
    channel: String,
    listeners: broadcast::Sender<Announced>,
}

impl Announcements {
    pub(super) fn on(channel: String) -> Self {
        let (listeners, _) = broadcast::channel(BACKLOG);
        Self { channel, listeners }
    }

    pub(super) fn channel(&self) -> &str {
        &self.channel
    }

    pub(super) fn listen(&self) -> Revocations {
        self.listeners.subscribe().into()
    }

    /// Says that announcements may have been lost.
    pub(super) fn missed(&self) {
        self.tell(Announced::Missed);
    }

    /// Takes what the server sent unasked.
    pub(super) fn take(&self, push: PushInfo) {
        if push.kind != PushKind::Message {
            return;
        }
        let payload =
            Msg::from_push_info(push).map(|message| message.get_payload_bytes().try_into());
        match payload {
            Some(Ok(key)) => self.tell(Announced::Revoked(SessionKey::from_bytes(key))),
            // It is on our channel, so it meant something.
            _ => self.missed(),
        }
    }

    fn tell(&self, announced: Announced) {
        // An error means that nobody listens.
        let _ = self.listeners.send(announced);
    }
}
