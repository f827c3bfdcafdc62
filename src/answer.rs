//! What goes into every answer of our own?

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, SET_COOKIE};
use http::{Method, Response};

use crate::event;
use crate::head::RequestHead;
use crate::key::SessionKey;
use crate::layer::Config;
use crate::verdict::Expired;

impl<St> Config<St> {
    /// The answer to a session that may not act, whoever words it.
    pub(crate) fn answer(
        &self,
        expired: Expired,
        key: Option<SessionKey>,
        request: RequestHead<'_>,
    ) -> Response<Bytes> {
        event::expired(&expired, key, request);
        let mut response = self.respond.response_for_expired(&expired, request);
        response.extensions_mut().insert(expired);
        self.forget_id(&mut response);
        if *request.method() == Method::HEAD {
            // As a GET would say it (RFC 9110, 8.6).
            let length = std::mem::take(response.body_mut()).len();
            response.headers_mut().insert(CONTENT_LENGTH, length.into());
        }
        response
    }

    /// Makes the client's next request an anonymous one, so that it can reach the log-in page.
    pub(crate) fn forget_id(&self, response: &mut Response<Bytes>) {
        if let Some(forget) = self.identify.forget() {
            response.headers_mut().append(SET_COOKIE, forget);
        }
    }
}
