//! The `Set-Cookie` headers that remove the cookie.

use cookie::{Cookie, Expiration, time};
use http::HeaderValue;

/// The `SameSite` attribute of a cookie.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SameSite {
    /// Sent with requests from the same site only.
    Strict,
    /// Also sent with navigations from other sites.
    Lax,
    /// Sent with all requests. Browsers want `Secure` beside it.
    None,
}

/// A path and domain at which a browser may hold the cookie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) path: String,
    pub(super) domain: Option<String>,
}

/// What the application sets beside the path and the domain, wherever it sets the cookie.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Marks {
    pub(super) secure: bool,
    pub(super) partitioned: bool,
    pub(super) same_site: Option<SameSite>,
}

/// Returns a `Set-Cookie` for each place, which removes the cookie there.
pub(super) fn removals(name: &str, places: &[Place], marks: Marks) -> Vec<HeaderValue> {
    let removal = |place: &Place| HeaderValue::from_str(&removal(name, place, marks)).ok();
    places.iter().filter_map(removal).collect()
}

fn removal(name: &str, place: &Place, marks: Marks) -> String {
    let mut cookie = Cookie::build((name, ""))
        .path(&*place.path)
        .max_age(time::Duration::ZERO)
        .expires(Expiration::from(time::OffsetDateTime::UNIX_EPOCH))
        .secure(marks.secure)
        .partitioned(marks.partitioned);
    if let Some(domain) = &place.domain {
        cookie = cookie.domain(&**domain);
    }
    if let Some(same_site) = marks.same_site {
        cookie = cookie.same_site(same_site.into());
    }
    cookie.to_string()
}

impl From<SameSite> for cookie::SameSite {
    fn from(same_site: SameSite) -> Self {
        match same_site {
            SameSite::Strict => Self::Strict,
            SameSite::Lax => Self::Lax,
            SameSite::None => Self::None,
        }
    }
}
