//! The response body.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use crate::middleware::stream_end::StreamEnd;
use crate::middleware::stream_format::LastPart;
use crate::store::activity_store::BoxError;

pin_project! {
    /// The body of a response that passed this layer: the wrapped service's, or a short one of our
    /// own.
    ///
    /// It is a [`Body`] wherever the wrapped service's body is one whose data can be made from
    /// [`Bytes`], as that of axum, hyper and tonic can. Its error is the wrapped service's, or an
    /// [`Expired`](crate::Expired) where a stream
    /// [is broken off](crate::LoginTimeoutLayer#streaming-responses).
    #[derive(Debug)]
    pub struct ResponseBody<B> {
        #[pin]
        kind: Kind<B>,
        // How it ends with its session, if it is a stream.
        end: Option<Box<StreamEnd>>,
    }
}

pin_project! {
    #[project = KindProjection]
    #[derive(Debug)]
    enum Kind<B> {
        Inner { #[pin] body: B },
        /// A short body, or the last part of a stream.
        Own { part: LastPart },
    }
}

impl<B> ResponseBody<B> {
    #[inline]
    pub(crate) fn inner(body: B) -> Self {
        Self {
            kind: Kind::Inner { body },
            end: None,
        }
    }

    pub(crate) fn short(bytes: Bytes) -> Self {
        let part = if bytes.is_empty() {
            LastPart::Nothing
        } else {
            LastPart::Data(bytes)
        };
        Self {
            kind: Kind::Own { part },
            end: None,
        }
    }

    /// Lets the body end with its session.
    pub(super) fn set_end(&mut self, end: Box<StreamEnd>) {
        self.end = Some(end);
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
    B::Error: Into<BoxError>,
{
    type Data = B::Data;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, BoxError>>> {
        let this = self.project();
        let mut kind = this.kind;
        if let Some(end) = this.end
            && let Poll::Ready(part) = end.poll_over(cx)
        {
            // The wrapped service's body is dropped, so that its producer notices.
            kind.set(Kind::Own { part });
            *this.end = None;
        }
        if let KindProjection::Inner { body } = kind.as_mut().project() {
            let polled = body
                .poll_frame(cx)
                .map(|frame| frame.map(|frame| frame.map_err(Into::into)));
            let Some(end) = this.end else {
                return polled;
            };
            end.note(&polled);
            if polled.is_ready() {
                return polled;
            }
            // The session may be watched only since now. Then it has to be polled, so that it can
            // wake this task.
            let part = ready!(end.poll_over(cx));
            kind.set(Kind::Own { part });
            *this.end = None;
        }
        Poll::Ready(match kind.project() {
            KindProjection::Own { part } => part.take(),
            KindProjection::Inner { .. } => None,
        })
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Inner { body } => body.is_end_stream(),
            Kind::Own { part } => matches!(part, LastPart::Nothing),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match (&self.kind, &self.end) {
            (Kind::Inner { body }, None) => body.size_hint(),
            // It may end early, unless its length was told.
            (Kind::Inner { body }, Some(_)) => match body.size_hint().exact() {
                Some(exact) => SizeHint::with_exact(exact),
                None => SizeHint::default(),
            },
            (Kind::Own { part }, _) => match part {
                LastPart::Data(data) => SizeHint::with_exact(data.len() as u64),
                LastPart::Trailers(_) | LastPart::Nothing => SizeHint::with_exact(0),
                LastPart::Error(_) => SizeHint::default(),
            },
        }
    }
}
