//! What goes out to the client?

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, SET_COOKIE};
use http::{HeaderName, HeaderValue, Method, Response};

use crate::middleware::body::ResponseBody;
use crate::middleware::config::{Config, RemainingHeader};
use crate::middleware::recording::{NotRecorded, Recorded};
use crate::middleware::state::SessionState;
use crate::observe;
use crate::request::head::RequestHead;
use crate::respond::unavailable::unavailable;
use crate::session::activity::Activity;
use crate::session::key::SessionKey;
use crate::session::policy::StoreFailure;
use crate::session::verdict::{Expired, Verdict};
use crate::store::activity_store::ActivityStore;

const REMAINING: HeaderName = HeaderName::from_static("login-timeout-remaining");

impl<St: ActivityStore> Config<St> {
    /// The answer to a session that may not act, whoever words it.
    pub(super) fn answer(
        &self,
        expired: Expired,
        key: Option<SessionKey>,
        request: RequestHead<'_>,
    ) -> Response<Bytes> {
        observe::expired(&expired, key, request);
        let mut response = self.respond.response_for_expired(&expired, request);
        response.extensions_mut().insert(expired);
        self.forget_id(&mut response);
        if *request.method() == Method::HEAD {
            // As a GET would say it (RFC 9110, 8.6).
            let length = std::mem::take(response.body_mut()).len();
            let headers = response.headers_mut();
            headers.entry(CONTENT_LENGTH).or_insert(length.into());
        }
        response
    }

    /// Makes the client's next request an anonymous one, so that it can reach the log-in page.
    pub(super) fn forget_id(&self, response: &mut Response<Bytes>) {
        if let Some(forget) = self.identify.forget() {
            response.headers_mut().append(SET_COOKIE, forget);
        }
    }

    /// The wrapped service's response, on behalf of a session that was last known like this.
    #[inline]
    pub(super) fn passed<B>(
        &self,
        mut response: Response<B>,
        activity: Option<Activity>,
    ) -> Response<ResponseBody<B>> {
        if self.remaining == RemainingHeader::Present && activity.is_some() {
            let verdict = self.policy.decide(activity, self.clock.now());
            if let Verdict::Active { remaining, .. } = verdict {
                let seconds = HeaderValue::from(remaining.as_secs());
                response.headers_mut().insert(REMAINING, seconds);
            }
        }
        response.map(ResponseBody::inner)
    }

    pub(super) fn recorded<B>(
        &self,
        response: Response<B>,
        state: &SessionState,
        recorded: Result<Recorded, NotRecorded>,
    ) -> Response<ResponseBody<B>> {
        match recorded {
            Ok(Recorded::GoesOn(activity)) => self.passed(response, Some(activity)),
            Ok(Recorded::Gone | Recorded::Replaced) => self.passed(response, None),
            Err(NotRecorded::LateActivity(error)) => {
                observe::store_failed(&error);
                self.passed(response, state.activity())
            }
            Err(NotRecorded::LogIn(error)) => {
                observe::store_failed(&error);
                match self.policy.store_failure() {
                    StoreFailure::Reject => unavailable().map(ResponseBody::short),
                    StoreFailure::Allow => self.passed(response, state.activity()),
                }
            }
            Err(NotRecorded::LogOut(error)) => {
                observe::store_failed(&error);
                match self.policy.store_failure() {
                    StoreFailure::Reject => {
                        let mut answer = unavailable();
                        self.forget_id(&mut answer);
                        answer.map(ResponseBody::short)
                    }
                    StoreFailure::Allow => self.passed(response, None),
                }
            }
        }
    }
}
