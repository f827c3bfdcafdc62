//! The session's cookie as a file gives it.

use serde::de::Error;
use serde::{Deserialize, Deserializer};

use super::text::parsed;
use crate::identify::cookie::cookie_id::CookieId;
use crate::identify::cookie::cookie_id_error::CookieIdError;
use crate::identify::cookie::removal::SameSite;

/// Reads a cookie. What the file leaves out is as [`CookieId::new`] has it.
pub(super) fn cookie<'de, D>(deserializer: D) -> Result<Option<CookieId>, D::Error>
where
    D: Deserializer<'de>,
{
    let file = CookieFile::deserialize(deserializer)?;
    file.cookie()
        .map(Some)
        .map_err(|error| D::Error::custom(format_args!("`cookie`: {error}")))
}

#[derive(Deserialize)]
#[serde(rename = "cookie", deny_unknown_fields)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a line of the file, with a name"
)]
struct CookieFile {
    #[serde(deserialize_with = "name")]
    name: String,
    #[serde(default, deserialize_with = "path")]
    path: Option<String>,
    #[serde(default, deserialize_with = "domain")]
    domain: Option<String>,
    #[serde(default)]
    secure: bool,
    #[serde(default)]
    same_site: Option<SameSiteName>,
    #[serde(default)]
    partitioned: bool,
    #[serde(default)]
    name_in_any_case: bool,
    #[serde(default)]
    untouched_header: bool,
    #[serde(default)]
    other_places: Vec<PlaceFile>,
}

#[derive(Deserialize)]
#[serde(rename = "place", deny_unknown_fields)]
struct PlaceFile {
    #[serde(deserialize_with = "path")]
    path: Option<String>,
    #[serde(default, deserialize_with = "domain")]
    domain: Option<String>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename = "same_site", rename_all = "snake_case")]
enum SameSiteName {
    Strict,
    Lax,
    None,
}

impl CookieFile {
    fn cookie(self) -> Result<CookieId, CookieIdError> {
        let mut cookie = CookieId::new(self.name)?;
        if let Some(path) = self.path {
            cookie = cookie.with_path(path)?;
        }
        if let Some(domain) = self.domain {
            cookie = cookie.with_domain(domain)?;
        }
        if self.secure {
            cookie = cookie.with_secure();
        }
        if let Some(same_site) = self.same_site {
            cookie = cookie.with_same_site(match same_site {
                SameSiteName::Strict => SameSite::Strict,
                SameSiteName::Lax => SameSite::Lax,
                SameSiteName::None => SameSite::None,
            });
        }
        if self.partitioned {
            cookie = cookie.with_partitioned();
        }
        if self.name_in_any_case {
            cookie = cookie.with_name_in_any_case();
        }
        if self.untouched_header {
            cookie = cookie.with_untouched_header();
        }
        for place in self.other_places {
            cookie = cookie.with_other_place(place.path.unwrap_or_default(), place.domain)?;
        }
        Ok(cookie)
    }
}

// Each value is checked alone first, so that an error has the line of the value. Together they are
// checked when the cookie is built.

fn name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    parsed(deserializer, "name", "a cookie's name", |name| {
        CookieId::new(name).map(|_| name.to_owned())
    })
}

fn path<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    parsed(
        deserializer,
        "path",
        "a cookie's path, such as \"/\"",
        |path| {
            CookieId::new("id")?.with_path(path)?;
            Ok::<_, CookieIdError>(Some(path.to_owned()))
        },
    )
}

fn domain<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    parsed(deserializer, "domain", "a cookie's domain", |domain| {
        CookieId::new("id")?.with_domain(domain)?;
        Ok::<_, CookieIdError>(Some(domain.to_owned()))
    })
}
