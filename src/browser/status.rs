//! What a page is told of its session.

use std::time::Duration;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Response};

use crate::browser::endpoint::nosniff;
use crate::session::activity::Activity;
use crate::session::policy::Policy;
use crate::session::time::{NO_LIMIT, Timestamp};
use crate::session::verdict::{Reason, Verdict};

/// The state of a page's session.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Status {
    Anonymous,
    Expired(Reason),
    Active {
        remaining: Duration,
        idle: Duration,
        absolute_remaining: Duration,
    },
}

impl Status {
    /// Returns the state of the session with this record.
    pub(crate) fn of(policy: &Policy, found: Option<Activity>, now: Timestamp) -> Self {
        match (policy.decide(found, now), found) {
            (Verdict::Active { remaining }, Some(activity)) => Self::Active {
                remaining,
                idle: activity.limits().idle().unwrap_or(policy.idle()),
                absolute_remaining: policy
                    .absolute_end(&activity)
                    .saturating_duration_since(now),
            },
            (Verdict::Expired(expired), _) => Self::Expired(expired.reason()),
            // The next request begins it.
            (Verdict::Begins, None) => Self::of(policy, Some(Activity::began(now)), now),
            (Verdict::Begins | Verdict::Active { .. }, _) => Self::Anonymous,
        }
    }

    /// Responds with the state as JSON. No cache may keep it.
    pub(crate) fn response(self, warn_before: Duration) -> Response<Bytes> {
        let state = match self {
            Self::Anonymous => r#""state":"anonymous","reason":null"#.to_owned(),
            Self::Expired(reason) => format!(r#""state":"expired","reason":"{reason}""#),
            Self::Active { .. } => r#""state":"active","reason":null"#.to_owned(),
        };
        let [remaining, idle, absolute] = match self {
            Self::Active {
                remaining,
                idle,
                absolute_remaining,
            } => [remaining, idle, absolute_remaining].map(millis),
            Self::Anonymous | Self::Expired(_) => ["null"; 3].map(str::to_owned),
        };
        let body = format!(
            r#"{{{state},"remainingMs":{remaining},"idleMs":{idle},"absoluteRemainingMs":{absolute},"warnBeforeMs":{}}}"#,
            warn_before.as_millis()
        );
        let mut response = Response::new(Bytes::from(body));
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        nosniff(headers);
        response
    }
}

/// Returns a time in milliseconds. A time without a limit is `null`.
fn millis(time: Duration) -> String {
    if time < NO_LIMIT {
        time.as_millis().to_string()
    } else {
        "null".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(status: Status) -> String {
        let response = status.response(Duration::from_secs(60));
        assert_eq!(response.headers()[CACHE_CONTROL], "no-store");
        String::from_utf8(response.into_body().to_vec()).unwrap()
    }

    #[test]
    fn a_live_session_has_its_times() {
        let policy = Policy::default();
        let began = Timestamp::from_unix_millis(1_700_000_000_000);
        let now = began.saturating_add(Duration::from_secs(60));
        assert_eq!(
            json(Status::of(&policy, Some(Activity::began(began)), now)),
            r#"{"state":"active","reason":null,"remainingMs":840000,"idleMs":900000,"absoluteRemainingMs":28740000,"warnBeforeMs":60000}"#
        );
    }

    #[test]
    fn others_have_none() {
        assert_eq!(
            json(Status::Anonymous),
            r#"{"state":"anonymous","reason":null,"remainingMs":null,"idleMs":null,"absoluteRemainingMs":null,"warnBeforeMs":60000}"#
        );
        assert!(
            json(Status::Expired(Reason::Idle))
                .starts_with(r#"{"state":"expired","reason":"idle","#)
        );
    }
}
