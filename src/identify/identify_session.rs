//! The port that tells which session a request presents, and which one a response begins or ends.

use http::HeaderMap;

use crate::clock::port::Clock;
use crate::request::head::RequestHead;
use crate::session::key::SessionKey;

/// Tells which session a request presents, and which session a response begins or ends.
///
/// [`CookieId`](crate::CookieId), [`BearerToken`](crate::BearerToken) and
/// [`HeaderId`](crate::HeaderId) are ready to use. Any closure from [`RequestHead`] to
/// `Option<SessionKey>` is an identifier too, if it names its argument's type:
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
    /// Returns the ids that the request presents.
    fn identify(&self, request: RequestHead<'_>) -> Presented;

    /// Changes the request's headers, so that the wrapped service can read this id from them and no
    /// other one.
    ///
    /// The layer calls it where `identify` found readers that differ. `live` is the id that was
    /// found live, if one was. No reader may find one of `ended`, which the store knows as ended.
    /// An identifier that never answers so need not implement it.
    fn keep_only(&self, headers: &mut HeaderMap, live: Option<SessionKey>, ended: &[SessionKey]) {
        let _ = (headers, live, ended);
    }

    /// Takes the ids out of the request's headers that an anonymous visitor may have been given: in
    /// a cookie.
    ///
    /// The layer calls it for [`Visitors`](crate::Visitors) who have timed out. An identifier whose
    /// ids only a log-in gives need not implement it. A request with such an id is refused.
    fn take_out(&self, headers: &mut HeaderMap, ids: &[SessionKey]) {
        let _ = (headers, ids);
    }

    /// Returns what the wrapped service's response does to the client's session. The clock is for
    /// attributes such as `Expires`.
    fn issued(&self, response: &HeaderMap, clock: &dyn Clock) -> Issued {
        let _ = (response, clock);
        Issued::Nothing
    }

    /// Adds to a response's headers what makes the client forget its id: a `Set-Cookie` that
    /// removes a cookie.
    fn forget(&self, response: &mut HeaderMap) {
        let _ = response;
    }

    /// Combines two identifiers: a request may present its id either way.
    ///
    /// ```
    /// use tower_login_timeout::{
    ///     BearerToken, CookieId, IdentifySession, Presented, RequestHead, SessionKey,
    /// };
    ///
    /// let identify = BearerToken.or(CookieId::new("sid")?);
    /// let presented = |name: &str, value: &str| {
    ///     let request = http::Request::get("/").header(name, value).body(()).unwrap();
    ///     identify.identify(RequestHead::from(&request))
    /// };
    /// assert_eq!(presented("cookie", "sid=a"), Presented::One(SessionKey::of("a")));
    /// assert_eq!(presented("authorization", "Bearer a"), Presented::One(SessionKey::of("a")));
    /// # Ok::<(), tower_login_timeout::CookieIdError>(())
    /// ```
    fn or<I: IdentifySession>(self, other: I) -> Either<Self, I>
    where
        Self: Sized,
    {
        Either::new(self, other)
    }
}

/// The ids that a request presents.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Presented {
    /// No id: an anonymous visitor, who passes.
    None,
    /// One id, which every reader reads alike. The request's headers are passed on as they came.
    One(SessionKey),
    /// What is presented depends on the reader: these ids, at most [`Presented::MOST`], or none.
    ///
    /// The layer looks up all of them, and has the headers [changed](IdentifySession::keep_only) so
    /// that the wrapped service sees the live one alone.
    Ambiguous(Vec<SessionKey>),
    /// What is presented depends on how a server joins the lines of the request: these ids, each in
    /// one line, or one of those that are glued together from two.
    ///
    /// The layer has the headers changed as above. It looks up the glued ids only if it finds none
    /// of the others live.
    Split {
        /// The ids in one line each.
        ids: Vec<SessionKey>,
        /// The ids that are glued together.
        glued: Vec<SessionKey>,
    },
    /// More ids than the layer looks up. Such a request is refused.
    TooMany,
}

impl Presented {
    /// The number of different ids that the layer looks up for one request.
    pub const MOST: usize = 128;

    /// Collects ids that different readers may find. Counts each id once.
    #[must_use]
    pub fn ambiguous(ids: impl IntoIterator<Item = SessionKey>) -> Self {
        let mut distinct = Vec::new();
        for id in ids {
            if distinct.contains(&id) {
                continue;
            }
            if distinct.len() == Self::MOST {
                return Self::TooMany;
            }
            distinct.push(id);
        }
        Self::Ambiguous(distinct)
    }

    /// Collects ids in several lines, and those that are glued together from two. Drops what is
    /// beyond [`MOST`](Presented::MOST) of each.
    #[must_use]
    pub fn split(mut ids: Vec<SessionKey>, mut glued: Vec<SessionKey>) -> Self {
        ids.truncate(Self::MOST);
        glued.truncate(Self::MOST);
        Self::Split { ids, glued }
    }

    /// Combines what is presented in two places.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::None, presented) | (presented, Self::None) => presented,
            (Self::TooMany, _) | (_, Self::TooMany) => Self::TooMany,
            (Self::One(one), Self::One(other)) if one == other => Self::One(one),
            (one, other) => Self::ambiguous(one.into_keys().into_iter().chain(other.into_keys())),
        }
    }

    pub(crate) fn into_keys(self) -> Vec<SessionKey> {
        match self {
            Self::None | Self::TooMany => Vec::new(),
            Self::One(key) => vec![key],
            Self::Ambiguous(keys) => keys,
            Self::Split { mut ids, glued } => {
                ids.extend(glued);
                ids
            }
        }
    }
}

/// What a response does to the client's session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Issued {
    /// Nothing.
    Nothing,
    /// It gives the client this id.
    Started(SessionKey),
    /// It takes the client's id away.
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

/// An identifier that combines two: [`IdentifySession::or`] creates it.
///
/// Both read every request. A request that presents one id in both places presents that id. If it
/// presents two, the wrapped service sees the live one alone, and two live ones are refused.
#[derive(Clone, Copy, Debug)]
pub struct Either<A, B> {
    first: A,
    second: B,
}

impl<A, B> Either<A, B> {
    const fn new(first: A, second: B) -> Self {
        Self { first, second }
    }
}

impl<A: IdentifySession, B: IdentifySession> IdentifySession for Either<A, B> {
    fn identify(&self, request: RequestHead<'_>) -> Presented {
        self.first
            .identify(request)
            .and(self.second.identify(request))
    }

    fn keep_only(&self, headers: &mut HeaderMap, live: Option<SessionKey>, ended: &[SessionKey]) {
        self.first.keep_only(headers, live, ended);
        self.second.keep_only(headers, live, ended);
    }

    fn take_out(&self, headers: &mut HeaderMap, ids: &[SessionKey]) {
        self.first.take_out(headers, ids);
        self.second.take_out(headers, ids);
    }

    fn issued(&self, response: &HeaderMap, clock: &dyn Clock) -> Issued {
        match self.first.issued(response, clock) {
            Issued::Started(key) => Issued::Started(key),
            Issued::Ended => match self.second.issued(response, clock) {
                Issued::Started(key) => Issued::Started(key),
                Issued::Ended | Issued::Nothing => Issued::Ended,
            },
            Issued::Nothing => self.second.issued(response, clock),
        }
    }

    fn forget(&self, response: &mut HeaderMap) {
        self.first.forget(response);
        self.second.forget(response);
    }
}
