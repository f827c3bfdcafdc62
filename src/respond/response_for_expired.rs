//! The port that makes the response to a request whose session may not act.

use bytes::Bytes;
use http::Response;

use crate::request::head::RequestHead;
use crate::session::verdict::Expired;

/// Makes the response to a request whose session may not act.
///
/// [`LoginTimeoutResponse`](crate::LoginTimeoutResponse) is ready to use. So is any closure from
/// [`Expired`] and [`RequestHead`] to a response, if it names the types of its arguments:
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::convert::Infallible;
/// use bytes::Bytes;
/// use http::{Request, Response, StatusCode};
/// use tower::{ServiceBuilder, ServiceExt, service_fn};
/// use tower_login_timeout::{
///     CookieId, Expired, LoginTimeoutLayer, MemoryStore, Policy, RequestHead,
/// };
///
/// let layer = LoginTimeoutLayer::new(Policy::default(), CookieId::new("sid")?, MemoryStore::new())
///     .with_response(|expired: &Expired, _: RequestHead<'_>| {
///         let mut response = Response::new(Bytes::from(format!("over: {}", expired.reason())));
///         *response.status_mut() = StatusCode::UNAUTHORIZED;
///         response
///     });
///
/// let service = ServiceBuilder::new().layer(layer).service(service_fn(async |_: Request<String>| {
///     Ok::<_, Infallible>(Response::new(String::new()))
/// }));
/// let request = Request::get("/").header("cookie", "sid=unknown").body(String::new())?;
/// assert_eq!(service.oneshot(request).await?.status(), 401);
/// # Ok(())
/// # }
/// ```
///
/// The body is [`Bytes`], which axum calls `axum::body::Bytes`.
///
/// The layer adds three things to the response: [`Expired`] in the extensions, the `Set-Cookie`
/// that removes the session cookie, and no body if the request was `HEAD`.
pub trait ResponseForExpired: Send + Sync + 'static {
    /// Makes the response.
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
