//! The port that makes the response to a request whose session may not act.

use bytes::Bytes;
use http::Response;

use crate::request::head::RequestHead;
use crate::session::verdict::Expired;

/// Makes the answer to a request whose session may not act.
///
/// Its body is [`Bytes`], which axum calls `axum::body::Bytes`.
///
/// [`LoginTimeoutResponse`] is ready to use. So is any closure from [`Expired`] and [`RequestHead`] to a response, if it names the types of
/// its arguments:
///
/// ```
/// use bytes::Bytes;
/// use http::{Response, StatusCode};
/// use tower_login_timeout::{Expired, RequestHead, ResponseForExpired};
///
/// let respond = |expired: &Expired, _: RequestHead<'_>| {
///     let mut response = Response::new(Bytes::from(format!("over: {}", expired.reason())));
///     *response.status_mut() = StatusCode::UNAUTHORIZED;
///     response
/// };
/// fn is_a_response(_: impl ResponseForExpired) {}
/// is_a_response(respond);
/// ```
///
/// Whatever makes the response, the layer adds three things: [`Expired`] in its extensions, the `Set-Cookie` that removes the session
/// cookie, and no body if the request was `HEAD`.
pub trait ResponseForExpired: Send + Sync + 'static {
    /// The answer.
    fn response_for_expired(&self, expired: &Expired, request: RequestHead<'_>) -> Response<Bytes>;
}

impl<F> ResponseForExpired for F
where
    F: Fn(&Expired, RequestHead<'_>) -> Response<Bytes> + Send + Sync + 'static,
{
    fn response_for_expired(&self, expired: &Expired, request: RequestHead<'_>) -> Response<Bytes> {
        self(expired, request)
    }
}
