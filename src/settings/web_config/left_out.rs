//! What a `web.config` says and the settings do not.

use std::fmt;

/// Something that a `web.config` says and that could not be carried over into the settings.
///
/// ```
/// use tower_login_timeout::WebConfig;
///
/// let web_config = WebConfig::read(
///     br#"<configuration>
///           <location path="admin" />
///           <system.web><authentication mode="Forms" /></system.web>
///         </configuration>"#,
/// )?;
/// let left_out = &web_config.left_out()[0];
/// assert_eq!(left_out.what(), r#"<location path="admin"> in line 2"#);
/// assert!(left_out.why().contains("the whole site"));
/// assert!(left_out.instead().contains("Wrap that part"));
/// # Ok::<(), tower_login_timeout::WebConfigError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut {
    what: String,
    why: &'static str,
    instead: &'static str,
}

impl LeftOut {
    pub(super) const fn new(what: String, why: &'static str, instead: &'static str) -> Self {
        Self { what, why, instead }
    }

    /// Returns the element or attribute, and its line. It never has the value of an attribute that
    /// may hold a password.
    #[must_use]
    pub fn what(&self) -> &str {
        &self.what
    }

    /// Returns why it is left out, in a sentence.
    #[must_use]
    pub const fn why(&self) -> &'static str {
        self.why
    }

    /// Returns what to do instead, in a sentence.
    #[must_use]
    pub const fn instead(&self) -> &'static str {
        self.instead
    }
}

impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} {}", self.what, self.why, self.instead)
    }
}
