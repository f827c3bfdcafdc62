//! The formats of streaming responses, and how each of them ends.

use std::mem;

use bytes::{BufMut, Bytes, BytesMut};
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue};
use http_body::Frame;

use crate::respond::grpc;
use crate::session::verdict::Expired;
use crate::store::activity_store::BoxError;

const REASON: HeaderName = HeaderName::from_static("login-timeout-reason");

/// The flag of a frame that holds trailers, in gRPC-Web.
const TRAILERS: u8 = 0x80;

/// The format of a streaming response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StreamFormat {
    /// Server-sent events.
    Events,
    /// gRPC over HTTP/2.
    Grpc,
    /// gRPC-Web in its binary form.
    GrpcWeb,
    /// A stream into which nothing can be written: it is encoded, or of another type.
    Other,
}

/// What this layer itself puts into a body: the last part of a stream, or all of a short body.
#[derive(Debug)]
pub(super) enum LastPart {
    Data(Bytes),
    /// Boxed, since every response body has room for a last part.
    Trailers(Box<HeaderMap>),
    /// The server breaks the response off, so that the client does not take it for whole.
    Error(Box<Expired>),
    Nothing,
}

impl LastPart {
    /// Takes it. Nothing is left.
    pub(super) fn take<D: From<Bytes>>(&mut self) -> Option<Result<Frame<D>, BoxError>> {
        match mem::replace(self, Self::Nothing) {
            Self::Data(data) => Some(Ok(Frame::data(data.into()))),
            Self::Trailers(trailers) => Some(Ok(Frame::trailers(*trailers))),
            Self::Error(expired) => Some(Err(expired)),
            Self::Nothing => None,
        }
    }
}

impl StreamFormat {
    /// Returns the format of the response with these headers, if it is a stream.
    #[inline]
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        let value = headers.get(CONTENT_TYPE)?.as_bytes();
        // Nearly every response is of another type, which a few letters tell.
        match value {
            [b't' | b'T', _, _, _, b'/', b'e' | b'E', ..]
            | [
                b'a' | b'A',
                _,
                _,
                _,
                _,
                _,
                _,
                _,
                _,
                _,
                _,
                b'/',
                b'g' | b'G',
                ..,
            ] => Self::of_type(value, headers),
            _ => None,
        }
    }

    #[cold]
    fn of_type(value: &[u8], headers: &HeaderMap) -> Option<Self> {
        let media_type = value.split(|byte| *byte == b';').next()?.trim_ascii();
        let format = if media_type.eq_ignore_ascii_case(b"text/event-stream") {
            Self::Events
        } else {
            let (grpc, rest) = media_type.split_at_checked(b"application/grpc".len())?;
            if !grpc.eq_ignore_ascii_case(b"application/grpc") {
                return None;
            }
            let rest = rest.to_ascii_lowercase();
            match &*rest {
                [] | [b'+', ..] => Self::Grpc,
                rest if rest.starts_with(b"-web-text") => Self::Other,
                rest if rest.starts_with(b"-web") => Self::GrpcWeb,
                _ => return None,
            }
        };
        if headers.contains_key(CONTENT_LENGTH) {
            return None;
        }
        let is_encoded = headers.contains_key(CONTENT_ENCODING);
        Some(if is_encoded { Self::Other } else { format })
    }

    /// Returns what tells the client why the stream ends.
    pub(super) fn last_part(self, expired: &Expired) -> LastPart {
        match self {
            Self::Events => {
                let reason = expired.reason();
                let event = format!("event: login-timeout\ndata: {{\"reason\":\"{reason}\"}}\n\n");
                LastPart::Data(event.into())
            }
            Self::Grpc => LastPart::Trailers(Box::new(trailers(expired))),
            Self::GrpcWeb => LastPart::Data(trailers_in_body(&trailers(expired))),
            Self::Other => LastPart::Error(Box::new(expired.clone())),
        }
    }
}

fn trailers(expired: &Expired) -> HeaderMap {
    let mut trailers = HeaderMap::new();
    grpc::insert_status(&mut trailers, &expired.to_string());
    let reason = HeaderValue::from_static(expired.reason().as_str());
    trailers.insert(REASON, reason);
    trailers
}

/// Returns the trailers as the last frame of a gRPC-Web body.
fn trailers_in_body(trailers: &HeaderMap) -> Bytes {
    let mut block = BytesMut::new();
    for (name, value) in trailers {
        block.put_slice(name.as_str().as_bytes());
        block.put_slice(b": ");
        block.put_slice(value.as_bytes());
        block.put_slice(b"\r\n");
    }
    let mut frame = BytesMut::with_capacity(5 + block.len());
    frame.put_u8(TRAILERS);
    // The trailers are short.
    frame.put_u32(block.len() as u32);
    frame.put(block);
    frame.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::time::Timestamp;
    use crate::session::verdict::Reason;

    fn format(headers: &[(HeaderName, &'static str)]) -> Option<StreamFormat> {
        let headers = headers.iter();
        let headers = headers.map(|(name, value)| (name.clone(), HeaderValue::from_static(value)));
        StreamFormat::of(&headers.collect())
    }

    fn expired(reason: Reason) -> Expired {
        Expired::new(reason, None, Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn streams_are_known_by_their_type() {
        for (value, expected) in [
            ("text/event-stream", Some(StreamFormat::Events)),
            (
                "Text/Event-Stream; charset=utf-8",
                Some(StreamFormat::Events),
            ),
            ("application/grpc", Some(StreamFormat::Grpc)),
            ("application/grpc+proto", Some(StreamFormat::Grpc)),
            ("application/grpc-web+proto", Some(StreamFormat::GrpcWeb)),
            ("application/grpc-web-text", Some(StreamFormat::Other)),
            ("application/grpcish", None),
            ("application/json", None),
            ("text/html", None),
            ("", None),
        ] {
            assert_eq!(format(&[(CONTENT_TYPE, value)]), expected, "{value}");
        }
        assert_eq!(format(&[]), None);
    }

    #[test]
    fn a_response_of_known_length_is_no_stream_and_nothing_is_written_into_an_encoded_one() {
        let events = (CONTENT_TYPE, "text/event-stream");
        assert_eq!(format(&[events.clone(), (CONTENT_LENGTH, "10")]), None);
        let encoded = format(&[events, (CONTENT_ENCODING, "gzip")]).unwrap();
        let last_part = encoded.last_part(&expired(Reason::Idle));
        assert!(matches!(last_part, LastPart::Error(error) if error.reason() == Reason::Idle));
    }

    #[test]
    fn grpc_web_has_its_trailers_in_the_body() {
        let LastPart::Data(frame) = StreamFormat::GrpcWeb.last_part(&expired(Reason::Revoked))
        else {
            panic!("no data");
        };
        let (head, block) = frame.split_at(5);
        assert_eq!(head[0], 0x80);
        assert_eq!(head[1..], (block.len() as u32).to_be_bytes());
        let block = std::str::from_utf8(block).unwrap();
        assert!(block.contains("grpc-status: 16\r\n"), "{block}");
        assert!(
            block.contains("login-timeout-reason: revoked\r\n"),
            "{block}"
        );
    }
}
