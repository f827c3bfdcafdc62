//! The response body.

use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use crate::middleware::stream_end::StreamEnd;
use crate::middleware::stream_format::LastPart;

pin_project! {
    /// The body of a response that passed this layer: the wrapped service's, or a short one of our
    /// own.
    ///
    /// It is a [`Body`] wherever the wrapped service's body is one whose data can be made from
    /// [`Bytes`], as that of axum, hyper and tonic can.
    #[derive(Debug)]
    pub struct ResponseBody<B> {
        #[pin]
        kind: Kind<B>,
    }
}

pin_project! {
    #[project = KindProjection]
    #[derive(Debug)]
    enum Kind<B> {
        Inner { #[pin] body: B },
        Short { bytes: Option<Bytes> },
        /// A stream that ends with its session.
        Stream { #[pin] body: B, end: Box<StreamEnd> },
        /// The last part of such a stream.
        Last { part: LastPart },
    }
}

impl<B> ResponseBody<B> {
    pub(crate) fn inner(body: B) -> Self {
        Self {
            kind: Kind::Inner { body },
        }
    }

    pub(super) fn stream(body: B, end: Box<StreamEnd>) -> Self {
        Self {
            kind: Kind::Stream { body, end },
        }
    }

    pub(crate) fn short(bytes: Bytes) -> Self {
        let bytes = Some(bytes).filter(|bytes| !bytes.is_empty());
        Self {
            kind: Kind::Short { bytes },
        }
    }
}

/// An empty body, so that layers which make responses of their own fit outside: tower-http's
/// `CorsLayer` and `TimeoutLayer`.
impl<B> Default for ResponseBody<B> {
    fn default() -> Self {
        Self::short(Bytes::new())
    }
}

impl<B> Body for ResponseBody<B>
where
    B: Body,
    B::Data: From<Bytes>,
{
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let mut kind = self.project().kind;
        loop {
            let last = match kind.as_mut().project() {
                KindProjection::Inner { body } => return body.poll_frame(cx),
                KindProjection::Short { bytes } => {
                    let data = bytes.take().map(Into::into);
                    return Poll::Ready(data.map(|data| Ok(Frame::data(data))));
                }
                KindProjection::Stream { body, end } => match end.poll_over(cx) {
                    Poll::Ready(last) => last,
                    Poll::Pending => {
                        let polled = body.poll_frame(cx);
                        end.note(&polled);
                        if polled.is_ready() {
                            return polled;
                        }
                        // The session may be watched only since now. Then it has to be polled, so
                        // that it can wake this task.
                        ready!(end.poll_over(cx))
                    }
                },
                KindProjection::Last { part } => {
                    let frame = match mem::replace(part, LastPart::Nothing) {
                        LastPart::Data(data) => Some(Frame::data(data.into())),
                        LastPart::Trailers(trailers) => Some(Frame::trailers(trailers)),
                        LastPart::Nothing => None,
                    };
                    return Poll::Ready(frame.map(Ok));
                }
            };
            // The wrapped service's body is dropped, so that its producer notices.
            kind.set(Kind::Last { part: last });
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Inner { body } | Kind::Stream { body, .. } => body.is_end_stream(),
            Kind::Last { part } => matches!(part, LastPart::Nothing),
            Kind::Short { bytes } => bytes.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Inner { body } => body.size_hint(),
            // It may end early, unless its length was told.
            Kind::Stream { body, .. } => match body.size_hint().exact() {
                Some(exact) => SizeHint::with_exact(exact),
                None => SizeHint::default(),
            },
            Kind::Last { .. } => SizeHint::default(),
            Kind::Short { bytes } => {
                SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
            }
        }
    }
}
