//! The end of a streaming response, which comes with the end of its session.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Buf;
use http_body::Frame;

use crate::middleware::stream_format::{LastPart, StreamFormat};
use crate::session::verdict::Expired;
use crate::tracker::ended::Ended;
use crate::tracker::session_handle::SessionHandle;

/// How many frames may be ready one after another before the session is watched. A short response,
/// as most of gRPC's are, ends before that and costs no timer.
const READY_FRAMES: u8 = 16;

/// Watches the session of a streaming response, and says how the stream ends.
#[derive(Debug)]
pub(crate) struct StreamEnd {
    format: StreamFormat,
    watch: Watch,
    /// The last four bytes of the stream, where its events are told apart.
    tail: [u8; 4],
}

#[derive(Debug)]
enum Watch {
    NotYet { session: SessionHandle, frames: u8 },
    Watching(Ended),
}

impl StreamEnd {
    pub(super) fn new(format: StreamFormat, session: SessionHandle) -> Box<Self> {
        Box::new(Self {
            format,
            watch: Watch::NotYet { session, frames: 0 },
            // Before the first byte, a new event may begin.
            tail: *b"\n\n\n\n",
        })
    }

    /// Returns the last part of the stream, once the session is over.
    pub(super) fn poll_over(&mut self, cx: &mut Context<'_>) -> Poll<LastPart> {
        match &mut self.watch {
            Watch::NotYet { .. } => Poll::Pending,
            Watch::Watching(ended) => Pin::new(ended)
                .poll(cx)
                .map(|expired| self.last_part(&expired)),
        }
    }

    /// Takes note of what the wrapped service's body did. Watches the session from now on if the
    /// body keeps the client waiting, or has gone on for a while.
    pub(super) fn note<D: Buf, E>(&mut self, polled: &Poll<Option<Result<Frame<D>, E>>>) {
        if let Poll::Ready(Some(Ok(frame))) = polled
            && let Some(data) = frame.data_ref()
        {
            self.note_data(data);
        }
        if let Watch::NotYet { session, frames } = &mut self.watch {
            *frames += 1;
            if polled.is_pending() || *frames >= READY_FRAMES {
                self.watch = Watch::Watching(session.ended());
            }
        }
    }

    fn note_data(&mut self, data: &impl Buf) {
        let chunk = data.chunk();
        if chunk.len() < data.remaining() {
            // The end of the data is not at hand. So it does not count as the end of an event.
            self.tail = [0; 4];
            return;
        }
        for byte in &chunk[chunk.len().saturating_sub(4)..] {
            self.tail.rotate_left(1);
            self.tail[3] = *byte;
        }
    }

    fn last_part(&self, expired: &Expired) -> LastPart {
        // A client drops an event that is not complete when the stream ends. It must not take our
        // event for the rest of it.
        let blank_lines: [&[u8]; 3] = [b"\n\n", b"\r\r", b"\r\n\r\n"];
        let is_between_events = blank_lines.iter().any(|line| self.tail.ends_with(line));
        if self.format == StreamFormat::Events && !is_between_events {
            return LastPart::Nothing;
        }
        self.format.last_part(expired)
    }
}
