//! Session state: the cookie of a session's data, and how long the data lives.

use std::time::Duration;

use roxmltree::Node;

use super::attributes::Attributes;
use super::error::WebConfigError;
use super::left_out::LeftOut;
use crate::session::policy::Policy;
use crate::settings::document::Settings;

/// What is read of the element. Anything else is left out.
const KNOWN: [&str; 5] = [
    "mode",
    "timeout",
    "cookieName",
    "cookieSameSite",
    "cookieless",
];

/// The longest timeout that ASP.NET takes: a year.
const MOST_MINUTES: u32 = 525_600;

#[derive(Clone, Copy)]
enum Mode {
    Off,
    InProcess,
    Shared,
}

#[derive(Clone, Copy)]
enum Cookieless {
    Never,
    Always,
    Depends,
}

/// Reads `<sessionState>`. Without it, the defaults of ASP.NET are in force.
pub(super) fn settings(
    node: Option<Node<'_, '_>>,
    left_out: &mut Vec<LeftOut>,
) -> Result<Settings, WebConfigError> {
    let state = Attributes::of("sessionState", node);
    let timeout = state.minutes("timeout", 20, MOST_MINUTES)?;
    let policy = Policy::builder()
        .with_idle(timeout)
        .with_absolute(Duration::MAX);
    let policy = policy
        .build()
        .map_err(|error| WebConfigError::new(error.to_string()))?;
    let cookie = state.cookie("cookieName", "ASP.NET_SessionId")?;
    let is_kept = is_kept(state, left_out)?;
    let has_cookie = has_cookie(state, left_out)?;
    left_out.extend(state.others(&KNOWN));
    Ok(Settings {
        policy,
        cookie: (is_kept && has_cookie).then_some(cookie),
        ..Settings::default()
    })
}

/// Lists session state beside forms authentication: the log-in counts.
pub(super) fn beside_forms(node: Node<'_, '_>) -> LeftOut {
    LeftOut::new(
        Attributes::of("sessionState", Some(node)).named("timeout"),
        "The log-in cookie of `<forms>` says how long a session lives. The session's data has a \
         timeout of its own, and is read by the application only.",
        "Let the data live at least as long as the log-in.",
    )
}

/// Returns whether the application keeps sessions.
fn is_kept(state: Attributes<'_>, left_out: &mut Vec<LeftOut>) -> Result<bool, WebConfigError> {
    let modes = [
        ("InProc", Mode::InProcess),
        ("Off", Mode::Off),
        ("StateServer", Mode::Shared),
        ("SQLServer", Mode::Shared),
        ("Custom", Mode::Shared),
    ];
    match state.choice("mode", &modes)? {
        None | Some(Mode::InProcess) => Ok(true),
        Some(Mode::Shared) => {
            left_out.push(LeftOut::new(
                state.with_value("mode"),
                "It says where the application keeps its data. Activity is remembered elsewhere.",
                "If several nodes serve the site, open a store that they share, such as Redis.",
            ));
            Ok(true)
        }
        Some(Mode::Off) => {
            left_out.push(LeftOut::new(
                state.with_value("mode"),
                "The application has no sessions. So the settings have no cookie.",
                "If its own code sets a log-in cookie, set that one in the settings.",
            ));
            Ok(false)
        }
    }
}

/// Returns whether the id is in a cookie.
fn has_cookie(state: Attributes<'_>, left_out: &mut Vec<LeftOut>) -> Result<bool, WebConfigError> {
    let choices = [
        ("UseCookies", Cookieless::Never),
        ("false", Cookieless::Never),
        ("UseUri", Cookieless::Always),
        ("true", Cookieless::Always),
        ("AutoDetect", Cookieless::Depends),
        ("UseDeviceProfile", Cookieless::Depends),
    ];
    match state.choice("cookieless", &choices)? {
        None | Some(Cookieless::Never) => Ok(true),
        Some(Cookieless::Depends) => {
            left_out.push(LeftOut::new(
                state.with_value("cookieless"),
                "A client without cookies has its id in the address, where it is not seen. Its \
                 requests pass unchecked.",
                "Set `cookieless=\"UseCookies\"` in the application.",
            ));
            Ok(true)
        }
        Some(Cookieless::Always) => {
            left_out.push(LeftOut::new(
                state.with_value("cookieless"),
                "The id is in the address, where it is not seen. So the settings have no cookie.",
                "Set `cookieless=\"UseCookies\"` in the application.",
            ));
            Ok(false)
        }
    }
}
