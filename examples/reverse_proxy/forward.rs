//! Requests that go on to the application, and the responses that come back.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST};
use http::uri::{Authority, Scheme};
use http::{HeaderName, HeaderValue, Request, Response, StatusCode, Uri, Version};
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use hyper::upgrade;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tower_login_timeout::SessionHandle;

use crate::options::Options;
use crate::trusted::TrustedProxies;
use crate::{headers, tunnel, users};

/// The body of the application's response as it comes in, or a short one of the proxy's.
pub type Body = Either<Incoming, Full<Bytes>>;

/// Passes requests on to one application.
#[derive(Clone)]
pub struct Forward {
    upstream: Authority,
    trusted: TrustedProxies,
    client: Client<HttpConnector, Incoming>,
    /// The response header that says whose a session is.
    user_header: Option<HeaderName>,
}

impl Forward {
    pub fn to(upstream: Authority, options: &Options) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(Duration::from_secs(5)));
        connector.set_nodelay(true);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .build(connector);
        Self {
            upstream,
            trusted: TrustedProxies::new(options.trusted_proxy.clone()),
            client,
            user_header: options.user_header.clone(),
        }
    }

    /// Passes one request on and returns its response. No body is held in memory.
    pub async fn pass(self, mut request: Request<Incoming>, client: SocketAddr) -> Response<Body> {
        let session = request.extensions().get::<SessionHandle>().cloned();
        let downstream =
            headers::asks_for_websocket(request.headers()).then(|| upgrade::on(&mut request));
        let Some(request) = self.outgoing(request, client) else {
            return plain(
                StatusCode::BAD_REQUEST,
                "This request cannot be passed on.\n",
            );
        };
        let mut response = match self.client.request(request).await {
            Ok(response) => response,
            Err(error) => {
                eprintln!("the application did not answer: {}", with_causes(&error));
                return bad_gateway();
            }
        };
        headers::strip_hop_by_hop(response.headers_mut());
        if let Some(header) = &self.user_header {
            users::take_out(header, &mut response);
        }
        *response.version_mut() = Version::default();
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            return response.map(Either::Left);
        }
        let Some(downstream) = downstream else {
            return bad_gateway();
        };
        let upstream = upgrade::on(&mut response);
        tokio::spawn(tunnel::join(downstream, upstream, session));
        headers::ask_for_websocket(response.headers_mut());
        response.map(|_| Either::Right(Full::default()))
    }

    /// Makes the request for the application, unless its target has no path, as that of `CONNECT`.
    fn outgoing(
        &self,
        request: Request<Incoming>,
        client: SocketAddr,
    ) -> Option<Request<Incoming>> {
        let (mut parts, body) = request.into_parts();
        let host = match parts.uri.authority() {
            Some(authority) => HeaderValue::from_str(authority.as_str()).ok(),
            None => parts.headers.get(HOST).cloned(),
        };
        parts.uri = Uri::builder()
            .scheme(Scheme::HTTP)
            .authority(self.upstream.clone())
            .path_and_query(parts.uri.path_and_query()?.clone())
            .build()
            .ok()?;
        parts.version = Version::HTTP_11;
        let takes_trailers = headers::takes_trailers(&parts.headers);
        let asks_for_websocket = headers::asks_for_websocket(&parts.headers);
        headers::strip_hop_by_hop(&mut parts.headers);
        headers::announce_body(&mut parts.headers, &body);
        headers::strip_odd_names(&mut parts.headers);
        headers::strip_other_addresses(&mut parts.headers);
        headers::join_cookies(&mut parts.headers);
        let sender = self.trusted.sender(client.ip());
        headers::add_forwarded(&mut parts.headers, client.ip(), host, sender);
        if takes_trailers {
            headers::ask_for_trailers(&mut parts.headers);
        }
        if asks_for_websocket {
            headers::ask_for_websocket(&mut parts.headers);
        }
        Some(Request::from_parts(parts, body))
    }
}

fn bad_gateway() -> Response<Body> {
    plain(
        StatusCode::BAD_GATEWAY,
        "The application did not answer. Please try again.\n",
    )
}

fn plain(status: StatusCode, text: &'static str) -> Response<Body> {
    let mut response = Response::new(Either::Right(Full::from(text)));
    *response.status_mut() = status;
    let content_type = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}

fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
