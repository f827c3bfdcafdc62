//! The port that makes the response while the store fails.

use bytes::Bytes;
use http::Response;

use crate::store::error::StoreError;

/// Makes the response to a request whose session cannot be checked or recorded, because the store
/// fails.
///
/// The default answers `503 Service Unavailable` with `retry-after: 1` and one line of text. Any
/// closure from [`StoreError`] to a response replaces it, if it names the type of its argument:
///
/// ```
/// use bytes::Bytes;
/// use http::{Response, StatusCode};
/// use tower_login_timeout::{ResponseForUnavailable, StoreError};
///
/// let respond = |_: &StoreError| {
///     let mut response = Response::new(Bytes::from("Wartung. Bitte erneut versuchen."));
///     *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
///     response
/// };
/// fn is_a_response(_: impl ResponseForUnavailable) {}
/// is_a_response(respond);
/// ```
///
/// Do not tell the client what the error says: it may name hosts of your network.
///
/// The request is not among the arguments, because it is gone where a log-in or a log-out cannot be
/// recorded: the wrapped service has taken it. There the layer also adds the `Set-Cookie` that
/// removes the session cookie after a log-out. The response is not used where the policy lets
/// requests pass ([`StoreFailure::Allow`](crate::StoreFailure::Allow)).
pub trait ResponseForUnavailable: Send + Sync + 'static {
    /// Makes the response.
    fn response_for_unavailable(&self, error: &StoreError) -> Response<Bytes>;
}

impl<F> ResponseForUnavailable for F
where
    F: Fn(&StoreError) -> Response<Bytes> + Send + Sync + 'static,
{
    fn response_for_unavailable(&self, error: &StoreError) -> Response<Bytes> {
        self(error)
    }
}
