//! Which session does a cookie name?

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use cookie::{Cookie, Expiration, time};
use http::header::{COOKIE, SET_COOKIE};
use http::{HeaderMap, HeaderValue};

use super::expiry;
use super::seal::Seal;
use crate::clock::Clock;
use crate::identify::identify_session::{IdentifySession, Issued, Presented};
use crate::request::head::RequestHead;
use crate::session::key::SessionKey;

/// The session id is the value of a cookie.
///
/// # What begins and ends a session
///
/// The wrapped service's responses are watched. A `Set-Cookie` with this name begins tracking its value; one that removes
/// the cookie (an empty value, `Max-Age=0`, a past `Expires`) revokes the session that the request presented. So an application that sets a
/// session cookie at log-in needs no code for this layer. The status of the response does not matter, because it does not matter to a browser:
/// it keeps the cookie of a `401` or a `500` too, and will present it.
///
/// A new value beside a live one that the request presented *continues* that session: it is as old, and has the same limits of its own. So a
/// rotation does not escape the absolute timeout. The old id stays valid until it times out, for requests that are under way; an application that
/// wants it gone calls [`SessionHandle::revoke`](crate::SessionHandle::revoke), and [`start`](crate::SessionHandle::start) for the new one, which also
/// gives it a fresh absolute timeout after a log-in.
///
/// If a response sets the cookie more than once, the last value counts; it ends the session only if nothing but removals is left, since
/// applications clean up older paths beside the one they use.
///
/// # What counts as an id
///
/// | request | outcome |
/// |---|---|
/// | no cookie of this name, or only empty ones | no id |
/// | one value, in whichever `Cookie` line (HTTP/2 splits them) | that id |
/// | the same value several times | that id |
/// | different values | [`Presented::Conflicting`] |
/// | a value in double quotes | the id within them |
/// | bytes that are not UTF-8 | an id like any other |
/// | a name in other upper and lower case, a pair without `=` | not this cookie |
///
/// ```
/// use tower_login_timeout::{CookieId, IdentifySession, Presented, RequestHead, SessionKey};
///
/// let identify = CookieId::new("sid")?.with_secure();
/// let request = http::Request::get("/").header("cookie", "theme=dark; sid=sesame").body(()).unwrap();
/// assert_eq!(
///     identify.identify(RequestHead::from(&request)),
///     Presented::One(SessionKey::of("sesame")),
/// );
/// # Ok::<(), tower_login_timeout::CookieIdError>(())
/// ```
#[derive(Clone)]
pub struct CookieId {
    name: String,
    path: String,
    domain: Option<String>,
    secure: bool,
    pub(super) seal: Option<Arc<dyn Seal>>,
    forget: HeaderValue,
}

impl CookieId {
    /// The cookie of this name, at the path `/` of the host that sets it.
    ///
    /// The prefixes `__Host-` and `__Secure-` are understood: they make the cookie secure.
    ///
    /// # Errors
    ///
    /// A cookie's name is a token (RFC 6265, 4.1.1): anything else is refused.
    pub fn new(name: impl Into<String>) -> Result<Self, CookieIdError> {
        let name = name.into();
        if name.is_empty() || !name.bytes().all(is_token_byte) {
            return Err(CookieIdError::Name(name));
        }
        let secure = has_prefix(&name, "__Secure-") || has_prefix(&name, "__Host-");
        Self {
            name,
            path: "/".to_owned(),
            domain: None,
            secure,
            seal: None,
            forget: HeaderValue::from_static(""),
        }
        .renewed()
    }

    /// The `Path` that the application sets the cookie with, so that it can be removed. The default is `/`.
    ///
    /// # Errors
    ///
    /// Refuses a path that cannot stand in a `Set-Cookie`, and any but `/` for a `__Host-` cookie.
    pub fn with_path(mut self, path: impl Into<String>) -> Result<Self, CookieIdError> {
        self.path = path.into();
        self.renewed()
    }

    /// The `Domain` that the application sets the cookie with, so that it can be removed. The default is none.
    ///
    /// # Errors
    ///
    /// Refuses a domain that cannot stand in a `Set-Cookie`, and any for a `__Host-` cookie.
    pub fn with_domain(mut self, domain: impl Into<String>) -> Result<Self, CookieIdError> {
        self.domain = Some(domain.into());
        self.renewed()
    }

    /// The application sets the cookie with `Secure`, so it is removed with `Secure`.
    #[must_use]
    pub fn with_secure(mut self) -> Self {
        self.secure = true;
        self.forget = self.removal().unwrap_or(self.forget);
        self
    }

    fn renewed(mut self) -> Result<Self, CookieIdError> {
        let is_host = has_prefix(&self.name, "__Host-");
        if is_host && (self.path != "/" || self.domain.is_some()) {
            return Err(CookieIdError::HostPrefix);
        }
        let attributes = [Some(&self.path), self.domain.as_ref()];
        for attribute in attributes.into_iter().flatten() {
            if attribute.is_empty() || !attribute.bytes().all(is_attribute_byte) {
                return Err(CookieIdError::Attribute(attribute.clone()));
            }
        }
        self.forget = self
            .removal()
            .ok_or_else(|| CookieIdError::Name(self.name.clone()))?;
        Ok(self)
    }

    fn removal(&self) -> Option<HeaderValue> {
        let mut cookie = Cookie::build((&*self.name, ""))
            .path(&*self.path)
            .max_age(time::Duration::ZERO)
            .expires(Expiration::from(time::OffsetDateTime::UNIX_EPOCH))
            .secure(self.secure);
        if let Some(domain) = &self.domain {
            cookie = cookie.domain(&**domain);
        }
        HeaderValue::from_str(&cookie.to_string()).ok()
    }

    /// The key of a value as it is on the wire.
    fn key(&self, value: &[u8]) -> Option<SessionKey> {
        match &self.seal {
            None => Some(SessionKey::of(value)),
            Some(seal) => {
                let id = seal.open(&self.name, str::from_utf8(value).ok()?)?;
                (!id.is_empty()).then(|| SessionKey::of(id))
            }
        }
    }

    /// The value, if this `name=value` is our cookie: without white space around it, and without quotes.
    fn value_of<'a>(&self, pair: &'a [u8]) -> Option<&'a [u8]> {
        // The name first, since most cookies are others.
        let rest = pair.trim_ascii_start().strip_prefix(self.name.as_bytes())?;
        let value = rest.trim_ascii_start().strip_prefix(b"=")?.trim_ascii();
        let unquoted = value
            .strip_prefix(b"\"")
            .and_then(|value| value.strip_suffix(b"\""));
        Some(unquoted.unwrap_or(value))
    }
}

impl IdentifySession for CookieId {
    fn identify(&self, request: RequestHead<'_>) -> Presented {
        let mut seen: &[u8] = b"";
        let mut presented = Presented::None;
        for line in request.headers().get_all(COOKIE) {
            for pair in line.as_bytes().split(|byte| *byte == b';') {
                let value = self.value_of(pair).unwrap_or_default();
                if value.is_empty() || value == seen {
                    continue;
                }
                seen = value;
                if let Some(key) = self.key(value) {
                    presented = presented.and(key);
                }
            }
        }
        presented
    }

    fn issued(&self, response: &HeaderMap, clock: &dyn Clock) -> Issued {
        let mut issued = Issued::Nothing;
        for line in response.get_all(SET_COOKIE) {
            let line = line.as_bytes();
            let pair = line.split(|byte| *byte == b';').next().unwrap_or_default();
            let Some(value) = self.value_of(pair) else {
                continue;
            };
            let attributes = &line[pair.len()..];
            if value.is_empty() || expiry::is_removal(attributes, clock) {
                if issued == Issued::Nothing {
                    issued = Issued::Ended;
                }
            } else if let Some(key) = self.key(value) {
                issued = Issued::Started(key);
            }
        }
        issued
    }

    fn forget(&self) -> Option<HeaderValue> {
        Some(self.forget.clone())
    }
}

impl fmt::Debug for CookieId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CookieId")
            .field("name", &self.name)
            .field("path", &self.path)
            .field("domain", &self.domain)
            .field("secure", &self.secure)
            .finish_non_exhaustive()
    }
}

/// A cookie that no browser would keep.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CookieIdError {
    /// The name is empty or has a character that a cookie's name must not have.
    Name(String),
    /// The path or domain is empty or has a character that would end it.
    Attribute(String),
    /// A `__Host-` cookie has the path `/` and no domain.
    HostPrefix,
}

impl fmt::Display for CookieIdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => write!(
                f,
                "{name:?} cannot be a cookie's name: use letters, digits, `-` and `_`"
            ),
            Self::Attribute(value) => write!(
                f,
                "{value:?} cannot be a cookie's path or domain: it must not be empty or contain `;` or control characters"
            ),
            Self::HostPrefix => f.write_str(
                "browsers keep a `__Host-` cookie only with the path `/` and no domain: leave both out, or rename the cookie",
            ),
        }
    }
}

impl Error for CookieIdError {}

fn has_prefix(name: &str, prefix: &str) -> bool {
    name.get(..prefix.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_graphic() && !b"()<>@,;:\\\"/[]?={}".contains(&byte)
}

fn is_attribute_byte(byte: u8) -> bool {
    (byte.is_ascii_graphic() || byte == b' ') && byte != b';'
}
