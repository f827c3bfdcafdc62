//! The responses that leave the layer.

use std::sync::Arc;

use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use http::{HeaderName, HeaderValue, Method, Response};

use crate::middleware::body::ResponseBody;
use crate::middleware::config::{Config, ConfigHandle, RemainingHeader, Streams};
use crate::middleware::recorded::{NotRecorded, Recorded};
use crate::middleware::state::SessionState;
use crate::middleware::stream_end::StreamEnd;
use crate::middleware::stream_format::StreamFormat;
use crate::observe::event::{Cause, Event, Outcome, StoreOperation};
use crate::request::head::RequestHead;
use crate::session::activity::Activity;
use crate::session::key::SessionKey;
use crate::session::policy::StoreFailure;
use crate::session::time::NO_LIMIT;
use crate::session::verdict::{Expired, Reason, Verdict};
use crate::store::activity_store::ActivityStore;
use crate::store::error::StoreError;
use crate::tracker::all_sessions::Tracker;
use crate::tracker::session_handle::SessionHandle;

const REMAINING: HeaderName = HeaderName::from_static("login-timeout-remaining");

impl<St: ActivityStore> Config<St> {
    /// Responds to a request whose session may not act.
    pub(super) fn refuse(
        &self,
        expired: Expired,
        key: Option<SessionKey>,
        request: RequestHead<'_>,
    ) -> Response<Bytes> {
        self.observers.request(Outcome::Refused(expired.reason()));
        self.observers.report(&Event::Refused {
            session: key.map(Into::into),
            expired: &expired,
            path: request.original_uri().path(),
        });
        let mut response = self.respond.response_for_expired(&expired, request);
        // The cookie may hold the new id by now.
        if expired.reason() != Reason::Replaced {
            self.identify.forget(response.headers_mut());
        }
        response.extensions_mut().insert(expired);
        if *request.method() == Method::HEAD {
            // As a GET would say it (RFC 9110, 8.6).
            let length = std::mem::take(response.body_mut()).len();
            let headers = response.headers_mut();
            headers.entry(CONTENT_LENGTH).or_insert(length.into());
        }
        response
    }

    /// Responds to a request that cannot be checked or recorded.
    pub(super) fn unavailable(&self, error: &StoreError) -> Response<Bytes> {
        self.respond_unavailable.response_for_unavailable(error)
    }
}

impl<St: ActivityStore> ConfigHandle<St> {
    /// Passes on the wrapped service's response, for a session that was last known like this.
    #[inline]
    pub(super) fn pass<B>(
        self: &Arc<Self>,
        mut response: Response<B>,
        state: &SessionState,
        activity: Option<Activity>,
    ) -> Response<ResponseBody<B>> {
        if self.remaining == RemainingHeader::Present && activity.is_some() {
            let verdict = self.policy.decide(activity, self.clock.now());
            if let Verdict::Active { remaining, .. } = verdict {
                // A session without any limit has no remaining time to tell.
                if remaining < NO_LIMIT {
                    let seconds = HeaderValue::from(remaining.as_secs());
                    response.headers_mut().insert(REMAINING, seconds);
                }
            }
        }
        self.pass_unchanged(response, state, activity)
    }

    /// Passes on the wrapped service's response, and ends it with the session if it is a stream.
    #[inline]
    fn pass_unchanged<B>(
        self: &Arc<Self>,
        response: Response<B>,
        state: &SessionState,
        activity: Option<Activity>,
    ) -> Response<ResponseBody<B>> {
        let mut response = response.map(ResponseBody::inner);
        if let Some(activity) = activity
            && let Some(format) = state.stream_format(response.headers())
        {
            self.end_stream(&mut response, format, state.key(), activity);
        }
        response
    }

    /// Lets a streaming response end with its session.
    // Few responses are streams.
    #[cold]
    fn end_stream<B>(
        self: &Arc<Self>,
        response: &mut Response<ResponseBody<B>>,
        format: StreamFormat,
        key: Option<SessionKey>,
        activity: Activity,
    ) {
        if let (Some(key), Streams::EndWithSession) = (key, self.streams) {
            let tracker = Tracker::of(Arc::clone(self));
            let session = SessionHandle::new(tracker, key, activity);
            let end = StreamEnd::new(format, session);
            response.body_mut().set_end(end);
        }
    }

    /// Responds after what the wrapped service's response changes was recorded, or was not.
    pub(super) fn finish<B>(
        self: &Arc<Self>,
        response: Response<B>,
        state: &SessionState,
        recorded: Result<Recorded, NotRecorded>,
    ) -> Response<ResponseBody<B>> {
        match recorded {
            Ok(Recorded::GoesOn(activity)) => self.pass(response, state, Some(activity)),
            // A stream of that session ends with it, which may be now.
            Ok(Recorded::Gone | Recorded::Replaced) => {
                self.pass_unchanged(response, state, state.activity())
            }
            Err(NotRecorded::LateActivity(error)) => {
                let operation = StoreOperation::Activity;
                self.observers
                    .store_failed(operation, Cause::Response, &error);
                self.pass(response, state, state.activity())
            }
            Err(NotRecorded::LogIn(error)) => match self.policy.store_failure() {
                StoreFailure::Reject => self.unavailable(&error).map(ResponseBody::short),
                StoreFailure::Allow => self.pass(response, state, state.activity()),
            },
            Err(NotRecorded::LogOut(error)) => match self.policy.store_failure() {
                StoreFailure::Reject => {
                    let mut response = self.unavailable(&error);
                    self.identify.forget(response.headers_mut());
                    response.map(ResponseBody::short)
                }
                StoreFailure::Allow => self.pass(response, state, None),
            },
        }
    }
}
