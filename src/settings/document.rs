//! `Settings`, all that an operator sets.

use serde::Deserialize;

use super::answer::answer;
use super::cookie::cookie;
use super::login_page::LoginPage;
use super::paths::{Paths, exempt};
use super::policy::policy;
use super::store_url::StoreUrl;
use super::visitors::VisitorRules;
#[cfg(feature = "browser")]
use super::with_browser::Browser;
#[cfg(feature = "cached")]
use super::with_cached::NearCache;
#[cfg(not(feature = "browser"))]
use super::without_browser::Browser;
#[cfg(not(feature = "cached"))]
use super::without_cached::NearCache;
use crate::identify::cookie::cookie_id::CookieId;
use crate::respond::response::LoginTimeoutResponse;
use crate::session::policy::Policy;

/// What an operator sets: how long sessions live, which cookie they are in, what the client is
/// told. It is read from a file, in any format that serde has a crate for.
///
/// Every field may be left out. It is then as the builders have it.
///
/// ```
/// use std::time::Duration;
/// use tower_login_timeout::Settings;
///
/// let settings: Settings = toml::from_str(
///     r#"
///         store = "redis://localhost"  # for `AnyStore`; the default is "memory:"
///         remaining_header = true      # `login-timeout-remaining`
///
///         [policy]
///         idle = "20m"                 # "none" for no limit
///         absolute = "12h"             # "none" for no limit
///         touch_every = "1m"
///         never_early = true
///         rotation_overlap = "30s"
///         remember_expired_for = "7d"
///         store_timeout = "500ms"
///         unknown = "expire"           # or "begin"
///         store_failure = "allow"      # or "reject"
///
///         [cookie]
///         name = "sid"
///         path = "/"
///         domain = "example.com"
///         secure = true
///         same_site = "lax"            # "strict", "lax" or "none"
///         partitioned = false
///         name_in_any_case = false
///         untouched_header = false
///         other_places = [{ path = "/old", domain = "www.example.com" }]
///
///         [passive]                    # checked, but no activity
///         paths = ["/poll"]
///         path_prefixes = ["/notifications"]
///
///         [exempt]                     # not checked
///         paths = ["/login"]
///         path_prefixes = ["/static"]
///
///         [visitors]                   # anonymous visitors have the cookie too
///         log_in = { paths = ["/login"] }
///         log_out = { paths = ["/logout"] }
///         idle = "1d"                  # of a visitor; the default is the policy's
///         absolute = "30d"
///
///         [answer]
///         status = 440
///         phrase = "Login Timeout"
///         format = "negotiated"        # "html", "json", "problem", "text" or "grpc"
///         message = "Please log in again."
///         headers = { retry-after = "0", link = ["</a>", "</b>"] }
///
///         [login_page]
///         path = "/login"
///         return_url_name = "next"
///     "#,
/// )?;
/// assert_eq!(settings.policy().idle(), Duration::from_secs(20 * 60));
/// assert_eq!(settings.store(), "redis://localhost");
/// # Ok::<(), toml::de::Error>(())
/// ```
///
/// Two more fields need a feature of the crate. Without it, they are an error that names the
/// feature:
///
/// | field | feature | what it sets |
/// |---|---|---|
/// | `browser = { path = "/session", warn_before = "2m" }` | `browser` | where the layer answers pages itself, and when they warn |
/// | `near_cache = { max_staleness = "2s" }` | `cached` | the near cache: all that `CachedStoreBuilder` sets, under the same names |
///
/// # Mistakes
///
/// A mistake is found when the settings are read. The error names the field and what was expected.
/// The format crate adds the line.
///
/// ```
/// use tower_login_timeout::Settings;
///
/// let error = |text: &str| toml::from_str::<Settings>(text).unwrap_err().to_string();
/// let unknown = error("[policy]\nidel = \"15m\"");
/// assert!(unknown.contains("line 2"));
/// assert!(unknown.contains("unknown field `idel`, expected one of `idle`, `absolute`"));
/// assert!(error("[policy]\nidle = 15").contains("expected `idle` as a time with its unit"));
/// assert!(error("[policy]\nidle = \"0s\"").contains("`idle`: zero would end every session"));
/// let name = error("[cookie]\nname = \"a b\"");
/// assert!(name.contains("`name`: \"a b\" cannot be a cookie's name"));
/// ```
///
/// # A schema for editors
///
/// [`Settings::JSON_SCHEMA`] describes the fields. Editors complete and check them with it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename = "settings", default, deny_unknown_fields)]
pub struct Settings {
    pub(super) store: StoreUrl,
    #[serde(deserialize_with = "policy")]
    pub(super) policy: Policy,
    #[serde(deserialize_with = "cookie")]
    pub(super) cookie: Option<CookieId>,
    pub(super) passive: Paths,
    #[serde(deserialize_with = "exempt")]
    pub(super) exempt: Paths,
    #[serde(deserialize_with = "some")]
    pub(super) visitors: Option<VisitorRules>,
    #[serde(deserialize_with = "answer")]
    pub(super) answer: LoginTimeoutResponse,
    #[serde(deserialize_with = "some")]
    pub(super) login_page: Option<LoginPage>,
    pub(super) remaining_header: bool,
    #[serde(deserialize_with = "some")]
    pub(super) browser: Option<Browser>,
    #[serde(deserialize_with = "some")]
    pub(super) near_cache: Option<NearCache>,
}

impl Settings {
    /// The JSON schema of the settings, in draft 2020-12.
    ///
    /// ```
    /// let schema = tower_login_timeout::Settings::JSON_SCHEMA;
    /// let schema: serde_json::Value = serde_json::from_str(schema)?;
    /// assert_eq!(schema["properties"]["policy"]["properties"]["idle"]["default"], "15m");
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    pub const JSON_SCHEMA: &str = include_str!("settings.schema.json");

    /// Returns the policy.
    #[must_use]
    pub const fn policy(&self) -> Policy {
        self.policy
    }

    /// Returns the cookie, if there is one.
    #[must_use]
    pub const fn cookie(&self) -> Option<&CookieId> {
        self.cookie.as_ref()
    }

    /// Returns the answer to requests whose session may not act, with its log-in page.
    #[must_use]
    pub fn response(&self) -> LoginTimeoutResponse {
        let answer = self.answer.clone();
        match &self.login_page {
            Some(page) => page.added_to(answer),
            None => answer,
        }
    }

    /// Returns the store's URL, for `AnyStore::connect`. The default is `memory:`.
    ///
    /// It may hold a password. `Debug` does not show it.
    #[must_use]
    pub fn store(&self) -> &str {
        self.store.as_str()
    }

    /// Replaces the policy.
    #[must_use]
    pub const fn with_policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }
}

/// Reads a value that is there. A field with no value, such as `null`, is an error.
fn some<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Deserialize<'de>,
{
    T::deserialize(deserializer).map(Some)
}
