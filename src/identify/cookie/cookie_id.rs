//! The identifier that reads the session id from a cookie.

use std::fmt;
use std::sync::{Arc, OnceLock};

use http::header::{COOKIE, SET_COOKIE};
use http::{HeaderMap, HeaderValue};

use super::attributes::Attributes;
use super::cookie_id_error::CookieIdError;
use super::ids::Id;
use super::name::{Letters, Name, is_token};
use super::reading::{Reading, read};
use super::removal::{Marks, Place, SameSite, removals};
use super::rewrite::{Spelling, rewrite};
use super::seal::Seal;
use crate::clock::port::Clock;
use crate::identify::identify_session::{IdentifySession, Issued, Presented};
use crate::request::head::RequestHead;
use crate::session::key::SessionKey;

/// An identifier that reads the session id from a cookie.
///
/// # What begins and ends a session
///
/// The identifier watches the wrapped service's responses. A `Set-Cookie` with this name begins a
/// session with its value. One that removes the cookie (an empty value, `Max-Age=0`, a past
/// `Expires`) revokes the session that the request presented, under every id that it presented. So
/// an application that sets a session cookie at log-in needs no code for this layer. The status of
/// the response does not matter, because a browser keeps the cookie of a `401` or a `500` too.
///
/// A new value beside a live one that the request presented *continues* that session: it is as old,
/// and has the same limits of its own. So a rotation does not escape the absolute timeout. The old
/// id stays valid for the [rotation overlap](crate::PolicyBuilder::with_rotation_overlap), for
/// requests that are under way. An application that wants another session instead calls
/// [`SessionHandle::revoke`](crate::SessionHandle::revoke), and
/// [`start`](crate::SessionHandle::start) for the new one.
///
/// If a response sets the cookie more than once, the last value counts. It ends the session only if
/// nothing but removals is left, since applications clean up older paths beside the one they use. A
/// removal for another `Path` or `Domain` than the session's cookie has ends nothing: tell the
/// identifier which they are by [`with_path`](CookieId::with_path) and
/// [`with_domain`](CookieId::with_domain). It also takes those with which it first sees the
/// application set the cookie.
///
/// # Nothing passes by spelling
///
/// Applications read `Cookie` headers in many ways: `s%69d=A`, `"sid"="A"`, a comma for a
/// semicolon. A header that all of 81 known parsers read alike is passed on byte for byte, and
/// nearly all headers are so. From any other header the identifier collects every id that one of
/// the parsers could find. The layer looks all of them up, and the wrapped service gets one
/// `Cookie` line, written anew, in which no parser finds another id than the live one. Foreign
/// cookies stay as they came, unless a parser could find the session's name in them.
///
/// | request | outcome |
/// |---|---|
/// | no cookie of this name, or only empty ones | no id |
/// | one value, which all parsers read alike | that id |
/// | one live id, and others that are unknown or have ended | the live id, and the service sees it alone |
/// | two live sessions, or more than [`Presented::MOST`] ids | refused as [`Conflicting`](crate::Reason::Conflicting) |
/// | several `Cookie` lines (HTTP/2 splits them) | joined to one |
///
/// What is read in more than one way, by which parsers, and which ordinary traffic it concerns:
///
/// | spelling of `sid=A` | read so by, among others | ordinary traffic |
/// |---|---|---|
/// | `s%69d=A`, `%73id=A` | the crate `cookie`, axum-extra, tower-sessions, actix-web; Plack, CGI | none |
/// | `SID=A` | ASP.NET Core; Jetty 9.4 on a shared connection | sites with both names |
/// | `s.id`, `s[id`, `s_id` for each other; `sid[]=A` | PHP | arrays in cookies |
/// | `__Host-sid=A` | Sanic | sites that rename their cookie |
/// | white space of any kind around name or value | Django, Starlette, Express, Rust | none |
/// | `x=1, sid=A`, `x=1 sid=A`, `x="a; sid=A"` | Python's `SimpleCookie`, aiohttp, Perl, Jetty, Netty | JSON and lists in other cookies |
/// | `(sid=A`, `@sid=A`, `=sid=A` | Tomcat's legacy processor, Pyramid, Werkzeug 2 | addresses in other cookies |
/// | `sid=%41`, `sid="A"`, `sid="\101"` | 35 parsers; Python, Java | ids with `%`, which are one id anyway |
/// | `sid=A,b`, `sid=A=b`, `sid=A&b`, cut to `A` | Perl, Tomcat's legacy processor, mochiweb | ids in base64 |
/// | several cookies of the name | the first, the last or all count | cookies of two paths |
/// | several `Cookie` lines | joined with `;` or `,`, or one of them counts | HTTP/2 |
///
/// ```
/// use tower_login_timeout::{CookieId, IdentifySession, Presented, RequestHead, SessionKey};
///
/// let identify = CookieId::new("sid")?.with_secure();
/// let request = http::Request::get("/").header("cookie", "theme=dark; sid=sesame");
/// let request = request.body(()).unwrap();
/// assert_eq!(
///     identify.identify(RequestHead::from(&request)),
///     Presented::One(SessionKey::of("sesame")),
/// );
/// # Ok::<(), tower_login_timeout::CookieIdError>(())
/// ```
#[derive(Clone)]
pub struct CookieId {
    name: String,
    letters: Letters,
    places: Vec<Place>,
    marks: Marks,
    pub(super) seal: Option<Arc<dyn Seal>>,
    header: Header,
    removals: Vec<HeaderValue>,
    first_set: Arc<OnceLock<Attributes>>,
}

/// What the wrapped service sees of a header that parsers read differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Header {
    Rewritten,
    Untouched,
}

impl CookieId {
    /// Creates an identifier that reads the cookie of this name, at the path `/` of the host that
    /// sets it.
    ///
    /// The prefixes `__Host-` and `__Secure-` make the cookie secure.
    ///
    /// # Errors
    ///
    /// Refuses a name that is no token (RFC 6265, 4.1.1).
    pub fn new(name: impl Into<String>) -> Result<Self, CookieIdError> {
        let name = name.into();
        if name.is_empty() || !name.bytes().all(is_token) {
            return Err(CookieIdError::Name(name));
        }
        let secure = has_prefix(&name, "__Secure-") || has_prefix(&name, "__Host-");
        Self {
            name,
            letters: Letters::Exact,
            places: vec![Place {
                path: "/".to_owned(),
                domain: None,
            }],
            marks: Marks {
                secure,
                ..Marks::default()
            },
            seal: None,
            header: Header::Rewritten,
            removals: Vec::new(),
            first_set: Arc::default(),
        }
        .checked()
    }

    /// Sets the `Path` that the application sets the cookie with, so that it can be removed. The
    /// default is `/`.
    ///
    /// # Errors
    ///
    /// Refuses a path that cannot stand in a `Set-Cookie`, and any but `/` for a `__Host-` cookie.
    pub fn with_path(mut self, path: impl Into<String>) -> Result<Self, CookieIdError> {
        let path = path.into();
        if let Some(place) = self.places.first_mut() {
            place.path = path;
        }
        self.checked()
    }

    /// Sets the `Domain` that the application sets the cookie with, so that it can be removed. The
    /// default is none.
    ///
    /// # Errors
    ///
    /// Refuses a domain that cannot stand in a `Set-Cookie`, and any for a `__Host-` cookie.
    pub fn with_domain(mut self, domain: impl Into<String>) -> Result<Self, CookieIdError> {
        let domain = domain.into();
        if let Some(place) = self.places.first_mut() {
            place.domain = Some(domain);
        }
        self.checked()
    }

    /// Removes the cookie at another path and domain too, when the session has ended.
    ///
    /// It is for cookies that an earlier version of the application set elsewhere: they would be
    /// presented again and again.
    ///
    /// ```
    /// use http::HeaderMap;
    /// use tower_login_timeout::{CookieId, IdentifySession};
    ///
    /// let identify = CookieId::new("sid")?.with_other_place("/old", None)?;
    /// let mut headers = HeaderMap::new();
    /// identify.forget(&mut headers);
    /// assert_eq!(headers.get_all("set-cookie").iter().count(), 2);
    /// # Ok::<(), tower_login_timeout::CookieIdError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Refuses what [`with_path`](CookieId::with_path) and [`with_domain`](CookieId::with_domain)
    /// refuse.
    pub fn with_other_place(
        mut self,
        path: impl Into<String>,
        domain: Option<String>,
    ) -> Result<Self, CookieIdError> {
        let path = path.into();
        self.places.push(Place { path, domain });
        self.checked()
    }

    /// Removes the cookie with `Secure`, as the application sets it.
    #[must_use]
    pub fn with_secure(mut self) -> Self {
        self.marks.secure = true;
        self.with_new_removals()
    }

    /// Removes the cookie with this `SameSite`, as the application sets it.
    #[must_use]
    pub fn with_same_site(mut self, same_site: SameSite) -> Self {
        self.marks.same_site = Some(same_site);
        self.with_new_removals()
    }

    /// Removes the cookie with `Partitioned` and `Secure`, as the application sets it (CHIPS).
    #[must_use]
    pub fn with_partitioned(mut self) -> Self {
        self.marks.partitioned = true;
        self.marks.secure = true;
        self.with_new_removals()
    }

    /// Reads the cookie's name in any case: `SID` as `sid`.
    ///
    /// Behind ASP.NET Core and Jetty 9.4 it is needed, since they take the one for the other. None
    /// of the 81 parsers does, and there are sites with two cookies whose names differ in nothing
    /// else.
    ///
    /// ```
    /// use tower_login_timeout::{CookieId, IdentifySession, Presented, RequestHead};
    ///
    /// let request = http::Request::get("/").header("cookie", "SID=sesame").body(()).unwrap();
    /// let identify = CookieId::new("sid")?;
    /// assert_eq!(identify.identify(RequestHead::from(&request)), Presented::None);
    /// let identify = identify.with_name_in_any_case();
    /// assert_ne!(identify.identify(RequestHead::from(&request)), Presented::None);
    /// # Ok::<(), tower_login_timeout::CookieIdError>(())
    /// ```
    #[must_use]
    pub fn with_name_in_any_case(mut self) -> Self {
        self.letters = Letters::AnyCase;
        self
    }

    /// Passes every `Cookie` header on byte for byte, also one that parsers read differently.
    ///
    /// This gives up a guarantee: the layer still looks up every id that a parser could find, and
    /// refuses a request without a live one. But beside a live id, the application may read another
    /// one that has ended.
    #[must_use]
    pub fn with_untouched_header(mut self) -> Self {
        self.header = Header::Untouched;
        self
    }

    fn checked(self) -> Result<Self, CookieIdError> {
        let is_host = has_prefix(&self.name, "__Host-");
        for Place { path, domain } in &self.places {
            if is_host && (path != "/" || domain.is_some()) {
                return Err(CookieIdError::HostPrefix);
            }
            for attribute in [Some(path), domain.as_ref()].into_iter().flatten() {
                if attribute.is_empty() || !attribute.bytes().all(is_attribute_byte) {
                    return Err(CookieIdError::Attribute(attribute.clone()));
                }
            }
        }
        Ok(self.with_new_removals())
    }

    fn with_new_removals(mut self) -> Self {
        self.removals = removals(&self.name, &self.places, self.marks);
        self
    }

    /// Returns the key of a value as it is on the wire, if it is an id.
    fn key(&self, value: &[u8]) -> Option<SessionKey> {
        match &self.seal {
            None => SessionKey::of_presented(value),
            Some(seal) => {
                let id = seal.open(&self.name, str::from_utf8(value).ok()?)?;
                SessionKey::of_presented(id.as_bytes())
            }
        }
    }

    /// Returns the value, if this `name=value` of a `Set-Cookie` is our cookie: without white space
    /// and quotes around it.
    fn value_of<'a>(&self, pair: &'a [u8]) -> Option<&'a [u8]> {
        let (name, rest) = pair.trim_ascii_start().split_at_checked(self.name.len())?;
        let is_ours = match self.letters {
            Letters::Exact => name == self.name.as_bytes(),
            Letters::AnyCase => name.eq_ignore_ascii_case(self.name.as_bytes()),
        };
        let rest = is_ours.then_some(rest)?;
        let value = rest.trim_ascii_start().strip_prefix(b"=")?.trim_ascii();
        let unquoted = value
            .strip_prefix(b"\"")
            .and_then(|value| value.strip_suffix(b"\""));
        Some(unquoted.unwrap_or(value))
    }

    /// Returns whether a `Set-Cookie` with these attributes removes the session's own cookie, and
    /// not one of another path or domain.
    fn removes_ours(&self, attributes: &Attributes) -> bool {
        let first_set = self.first_set.get();
        let is_path = |path: &String| {
            let ours = self.places.first().is_some_and(|place| place.path == *path);
            ours || first_set.is_some_and(|first_set| first_set.path.as_ref() == Some(path))
        };
        let is_domain = |domain: &String| {
            let ours = self.places.first().and_then(|place| place.domain.as_ref());
            let ours =
                ours.is_some_and(|ours| ours.trim_start_matches('.').eq_ignore_ascii_case(domain));
            ours || first_set.is_some_and(|first_set| first_set.domain.as_ref() == Some(domain))
        };
        attributes.path.as_ref().is_none_or(is_path)
            && attributes.domain.as_ref().is_none_or(is_domain)
    }

    fn keys(&self, ids: &[Id<'_>]) -> Vec<SessionKey> {
        ids.iter()
            .filter_map(|id| self.key(id.spelling()))
            .collect()
    }

    fn ids<'a>(&self, headers: &'a HeaderMap) -> Reading<'a> {
        read(lines(headers), self.name())
    }

    fn name(&self) -> Name<'_> {
        Name::new(&self.name, self.letters)
    }
}

impl IdentifySession for CookieId {
    fn identify(&self, request: RequestHead<'_>) -> Presented {
        match self.ids(request.headers()) {
            Reading::Plain(None) => Presented::None,
            Reading::Canonical(value) if self.seal.is_none() => {
                Presented::One(SessionKey::of_canonical(value))
            }
            Reading::Plain(Some(value)) | Reading::Canonical(value) => match self.key(value) {
                Some(key) => Presented::One(key),
                None => Presented::None,
            },
            Reading::Split { ids, glued } => Presented::split(self.keys(&ids), self.keys(&glued)),
            Reading::TooMany(_) if self.header == Header::Untouched => Presented::TooMany,
            Reading::Wide(ids) | Reading::TooMany(ids) => Presented::ambiguous(self.keys(&ids)),
        }
    }

    fn keep_only(&self, headers: &mut HeaderMap, live: Option<SessionKey>, ended: &[SessionKey]) {
        if self.header == Header::Untouched || !headers.contains_key(COOKIE) {
            return;
        }
        let ids = match self.ids(headers) {
            Reading::Wide(ids) | Reading::TooMany(ids) => ids,
            Reading::Split { mut ids, glued } => {
                ids.extend(glued);
                ids
            }
            // Another identifier found several ids, and not this one.
            Reading::Plain(None) => Vec::new(),
            Reading::Plain(Some(value)) | Reading::Canonical(value) => vec![Id::from(value)],
        };
        let is_live = |id: &&Id<'_>| live.is_some() && self.key(id.spelling()) == live;
        let kept = ids.iter().find(is_live);
        let written = |spelling| {
            let kept = kept.map(|id| (id, spelling));
            rewrite(lines(headers), self.name(), kept)
        };
        let mut line = written(Spelling::AsPresented);
        // A parser that cuts the id short must not find an ended one.
        if self.finds_one_of(ended, line.as_ref()) {
            line = written(Spelling::Encoded);
        }
        headers.remove(COOKIE);
        if let Some(line) = line {
            headers.insert(COOKIE, line);
        }
    }

    fn take_out(&self, headers: &mut HeaderMap, ids: &[SessionKey]) {
        self.keep_only(headers, None, ids);
    }

    fn issued(&self, response: &HeaderMap, clock: &dyn Clock) -> Issued {
        // Most responses set no cookie.
        if response.contains_key(SET_COOKIE) {
            self.issued_by(response, clock)
        } else {
            Issued::Nothing
        }
    }

    fn forget(&self, response: &mut HeaderMap) {
        for removal in &self.removals {
            response.append(SET_COOKIE, removal.clone());
        }
    }
}

impl CookieId {
    /// Returns what the `Set-Cookie` lines do.
    fn issued_by(&self, response: &HeaderMap, clock: &dyn Clock) -> Issued {
        let mut issued = Issued::Nothing;
        for line in response.get_all(SET_COOKIE) {
            let line = line.as_bytes();
            let pair = line.split(|byte| *byte == b';').next().unwrap_or_default();
            let Some(value) = self.value_of(pair) else {
                continue;
            };
            let attributes = Attributes::read(&line[pair.len()..], clock);
            let key = self.key(value);
            if value.is_empty() || attributes.expired {
                if issued == Issued::Nothing && self.removes_ours(&attributes) {
                    issued = Issued::Ended;
                }
            } else if let Some(key) = key {
                issued = Issued::Started(key);
                self.first_set.get_or_init(|| attributes);
            }
        }
        issued
    }

    /// Returns whether some parser finds one of these ids in a line.
    fn finds_one_of(&self, ids: &[SessionKey], line: Option<&HeaderValue>) -> bool {
        let (false, Some(line)) = (ids.is_empty(), line) else {
            return false;
        };
        match read([line.as_bytes()], self.name()) {
            Reading::Plain(None) => false,
            Reading::Plain(Some(value)) | Reading::Canonical(value) => {
                self.key(value).is_some_and(|key| ids.contains(&key))
            }
            Reading::Wide(found) => self.keys(&found).iter().any(|key| ids.contains(key)),
            Reading::Split { .. } | Reading::TooMany(_) => true,
        }
    }
}

impl fmt::Debug for CookieId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CookieId")
            .field("name", &self.name)
            .field("places", &self.places)
            .field("marks", &self.marks)
            .finish_non_exhaustive()
    }
}

/// Returns the `Cookie` lines.
fn lines(headers: &HeaderMap) -> impl Iterator<Item = &[u8]> {
    headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes)
}

fn has_prefix(name: &str, prefix: &str) -> bool {
    name.get(..prefix.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

fn is_attribute_byte(byte: u8) -> bool {
    (byte.is_ascii_graphic() || byte == b' ') && byte != b';'
}
