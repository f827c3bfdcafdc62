//! `WebConfig`, a file and what could not be carried over.

use roxmltree::{Document, Node, ParsingOptions};

use super::attributes::Attributes;
use super::error::WebConfigError;
use super::left_out::LeftOut;
use super::section::{self, Section};
use super::text::decoded;
use super::{forms, session_state};
use crate::settings::document::Settings;

/// The settings of an ASP.NET application, read from its `web.config`: the timeouts, the cookie,
/// the log-in page.
///
/// ```
/// use std::time::Duration;
/// use tower_login_timeout::{LoginTimeoutLayer, MemoryStore, WebConfig};
///
/// let web_config = WebConfig::read(
///     br#"<?xml version="1.0" encoding="utf-8"?>
///     <configuration>
///       <system.web>
///         <authentication mode="Forms">
///           <forms name=".SHOP" loginUrl="/Account/Login" timeout="20" requireSSL="true" />
///         </authentication>
///       </system.web>
///     </configuration>"#,
/// )?;
/// assert_eq!(web_config.settings().policy().idle(), Duration::from_secs(20 * 60));
/// assert!(web_config.left_out().is_empty());
///
/// let layer = LoginTimeoutLayer::from_settings(web_config.settings(), MemoryStore::new())?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # What is read
///
/// With `<authentication mode="Forms">`, a session is a log-in:
///
/// | `<forms>` | default | settings |
/// |---|---|---|
/// | `timeout` | 30 minutes | `policy.idle`, and no absolute timeout |
/// | `slidingExpiration="false"` | `true` | `timeout` is `policy.absolute`, and there is no idle timeout |
/// | | | `policy.touch_every` is half of `timeout`, since ASP.NET renews a ticket after half of its time |
/// | `name`, `path`, `domain` | `.ASPXAUTH`, `/`, none | the same of the cookie, with its name in any case |
/// | `requireSSL`, `cookieSameSite` | `false`, none | `cookie.secure`, `cookie.same_site` |
/// | `loginUrl` | `login.aspx` | the log-in page, which is exempt, with the parameter `ReturnUrl` |
///
/// In any other case, a session is the application's session state:
///
/// | `<sessionState>` | default | settings |
/// |---|---|---|
/// | `timeout` | 20 minutes | `policy.idle`, and no absolute timeout |
/// | `cookieName` | `ASP.NET_SessionId` | the cookie, with its name in any case |
/// | `cookieSameSite` | none | `cookie.same_site` |
///
/// [`left_out`](WebConfig::left_out) lists the rest. If the log-in is not in the file, or not in a
/// cookie, the settings have no cookie: then
/// [`from_settings`](crate::LoginTimeoutLayer::from_settings) refuses them.
///
/// ASP.NET has no absolute timeout beside a sliding one. To set one, replace the policy by
/// [`Settings::with_policy`].
///
/// # A file from anywhere
///
/// Reading does no I/O, and takes little memory whatever the file is. A file above 256 KiB is
/// refused, since IIS itself reads no file above 250 KB. So is a file with a document type, which
/// could define entities.
#[derive(Clone, Debug)]
pub struct WebConfig {
    settings: Settings,
    left_out: Vec<LeftOut>,
}

impl WebConfig {
    /// Reads a file, in UTF-8, or in UTF-16 with a byte order mark.
    ///
    /// The files of the folders above it and `machine.config` are not read: what they say counts
    /// for ASP.NET, and not here.
    ///
    /// # Errors
    ///
    /// If this is no XML, no `web.config`, or one that ASP.NET itself would refuse.
    pub fn read(file: &[u8]) -> Result<Self, WebConfigError> {
        let text = decoded(file)?;
        let options = ParsingOptions {
            // No entities, so none that expand to others.
            allow_dtd: false,
            ..ParsingOptions::default()
        };
        let document = Document::parse_with_options(&text, options)
            .map_err(|error| WebConfigError::new(format!("it is no well-formed XML: {error}")))?;
        let configuration = section::configuration(&document)?;
        let mut left_out = Vec::new();
        let settings = settings(configuration, &mut left_out)?;
        left_out.extend(section::locations(configuration));
        Ok(Self { settings, left_out })
    }

    /// Returns the settings.
    #[must_use]
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Returns the settings, to change them.
    #[must_use]
    pub fn into_settings(self) -> Settings {
        self.settings
    }

    /// Returns what the file says and the settings do not.
    #[must_use]
    pub fn left_out(&self) -> &[LeftOut] {
        &self.left_out
    }
}

/// Who an application takes its users from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Forms,
    Another,
}

fn settings(
    configuration: Node<'_, '_>,
    left_out: &mut Vec<LeftOut>,
) -> Result<Settings, WebConfigError> {
    let authentication = section::section(configuration, "authentication", left_out)?;
    let state = section::section(configuration, "sessionState", left_out)?;
    if let Section::Here(node) = section::section(configuration, "httpCookies", left_out)? {
        let cookies = Attributes::of("httpCookies", Some(node));
        left_out.push(LeftOut::new(
            cookies.named("*"),
            "It is about all cookies of the application, and not read.",
            "If it has `requireSSL` or `domain`, set them for the cookie of the settings.",
        ));
    }
    match (authentication, state) {
        // Who knows which cookie the log-in is in.
        (Section::Elsewhere, _) => Ok(Settings::default()),
        (Section::Here(node), _) if mode(node, left_out)? == Mode::Forms => {
            if let Section::Here(state) = state {
                left_out.push(session_state::beside_forms(state));
            }
            forms::settings(node, left_out)
        }
        (_, Section::Here(state)) => session_state::settings(Some(state), left_out),
        (_, Section::Absent) => session_state::settings(None, left_out),
        (_, Section::Elsewhere) => Ok(Settings::default()),
    }
}

/// Returns the mode, and lists what it means if it is not `Forms`.
fn mode(node: Node<'_, '_>, left_out: &mut Vec<LeftOut>) -> Result<Mode, WebConfigError> {
    let authentication = Attributes::of("authentication", Some(node));
    let modes = [
        ("Windows", Mode::Another),
        ("Forms", Mode::Forms),
        ("None", Mode::Another),
        ("Passport", Mode::Another),
        ("Federated", Mode::Another),
    ];
    let mode = authentication
        .choice("mode", &modes)?
        .unwrap_or(Mode::Another);
    if mode == Mode::Another {
        left_out.push(LeftOut::new(
            authentication.with_value("mode"),
            "The file has no log-in cookie. So a session is the session state.",
            "If the application's code sets a log-in cookie, as ASP.NET Identity does with \
             `.AspNet.ApplicationCookie`, use that one: `from_settings_with` takes it.",
        ));
    }
    Ok(mode)
}
