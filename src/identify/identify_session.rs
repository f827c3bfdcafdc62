//! Who is asking?

use http::{HeaderMap, HeaderValue};

use crate::clock::Clock;
use crate::request::head::RequestHead;
use crate::session::key::SessionKey;

/// Tells which session a request belongs to, and which session a response begins or ends.
///
/// [`CookieId`](crate::CookieId), [`BearerToken`](crate::BearerToken) and [`HeaderId`](crate::HeaderId) are ready to use. So
/// is any closure from [`RequestHead`] to `Option<SessionKey>`, if it names its argument's type:
///
/// ```
/// use tower_login_timeout::{IdentifySession, Presented, RequestHead, SessionKey};
///
/// let in_the_query = |request: RequestHead<'_>| {
///     let id = request.uri().query()?.strip_prefix("ticket=")?;
///     Some(SessionKey::of(id))
/// };
/// let request = http::Request::get("/?ticket=sesame").body(()).unwrap();
/// assert_eq!(
///     in_the_query.identify(RequestHead::from(&request)),
///     Presented::One(SessionKey::of("sesame")),
/// );
/// ```
pub trait IdentifySession: Send + Sync + 'static {
    /// The session that the request presents.
    fn identify(&self, request: RequestHead<'_>) -> Presented;

    /// What the wrapped service's response does to the client's session. The clock is for attributes such as `Expires`.
    fn issued(&self, response: &HeaderMap, clock: &dyn Clock) -> Issued {
        let _ = (response, clock);
        Issued::Nothing
    }

    /// The `Set-Cookie` that makes the client forget its id, if that is how it is kept.
    fn forget(&self) -> Option<HeaderValue> {
        None
    }
}

/// What a request presents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Presented {
    /// No id: an anonymous visitor, who passes.
    None,
    /// One id.
    One(SessionKey),
    /// Two different ids. The layer could check one and the application believe the other, so such a request is refused.
    Conflicting,
}

/// What a response does to the client's session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Issued {
    /// Nothing.
    Nothing,
    /// The client is given this id.
    Started(SessionKey),
    /// The client's id is taken away.
    Ended,
}

impl<F> IdentifySession for F
where
    F: Fn(RequestHead<'_>) -> Option<SessionKey> + Send + Sync + 'static,
{
    fn identify(&self, request: RequestHead<'_>) -> Presented {
        self(request).map_or(Presented::None, Presented::One)
    }
}

impl Presented {
    /// Combines the ids that a request presents in one place.
    pub(super) fn of<'a>(ids: impl Iterator<Item = &'a [u8]>) -> Self {
        ids.filter(|id| !id.is_empty())
            .fold(Self::None, |presented, id| {
                presented.and(SessionKey::of(id))
            })
    }

    /// The two together: the same id twice is one id.
    pub(super) fn and(self, id: SessionKey) -> Self {
        match self {
            Self::None => Self::One(id),
            Self::One(other) if other == id => self,
            Self::One(_) | Self::Conflicting => Self::Conflicting,
        }
    }
}
