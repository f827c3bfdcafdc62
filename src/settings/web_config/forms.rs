//! Forms authentication: the log-in cookie, and how long it lives.

use std::time::Duration;

use roxmltree::Node;

use super::attributes::{Attributes, Flag};
use super::error::WebConfigError;
use super::left_out::LeftOut;
use super::login_url::login_page;
use super::section;
use crate::identify::cookie::cookie_id::CookieId;
use crate::session::policy::Policy;
use crate::settings::document::Settings;
use crate::settings::paths::Paths;

/// What is read of the element. Anything else is left out.
const KNOWN: [&str; 9] = [
    "name",
    "path",
    "domain",
    "requireSSL",
    "cookieSameSite",
    "timeout",
    "slidingExpiration",
    "loginUrl",
    "cookieless",
];

/// Where ASP.NET puts the ticket.
#[derive(Clone, Copy)]
enum Cookieless {
    UseCookies,
    UseUri,
    Depends,
}

/// Reads `<forms>` of `<authentication mode="Forms">`. Without it, the defaults of ASP.NET are in
/// force.
pub(super) fn settings(
    authentication: Node<'_, '_>,
    left_out: &mut Vec<LeftOut>,
) -> Result<Settings, WebConfigError> {
    let node = section::only(authentication, "forms")?;
    let forms = Attributes::of("forms", node);
    let cookie = cookie(forms)?;
    let login_page = login_page(forms, left_out);
    let mut settings = Settings {
        policy: policy(forms)?,
        cookie: has_cookie(forms, left_out)?.then_some(cookie),
        ..Settings::default()
    };
    if let Some(page) = login_page {
        // A visitor whose session has ended must be able to log in.
        let path = page.path.split(['?', '#']).next().unwrap_or_default();
        settings.exempt = Paths::one(path);
        settings.login_page = Some(page);
    }
    left_out.extend(forms.others(&KNOWN));
    Ok(settings)
}

fn cookie(forms: Attributes<'_>) -> Result<CookieId, WebConfigError> {
    let mut cookie = forms.cookie("name", ".ASPXAUTH")?;
    if let Some(path) = forms.text("path") {
        let with_path = cookie.with_path(path);
        cookie = with_path.map_err(|error| forms.refused("path", &error))?;
    }
    if let Some(domain) = forms.text("domain").filter(|domain| !domain.is_empty()) {
        let with_domain = cookie.with_domain(domain);
        cookie = with_domain.map_err(|error| forms.refused("domain", &error))?;
    }
    Ok(match forms.flag("requireSSL", Flag::False)? {
        Flag::True => cookie.with_secure(),
        Flag::False => cookie,
    })
}

/// Returns the policy under which a session ends when its ticket does.
///
/// ASP.NET renews a ticket only when half of its time has passed, so a session may end up to half
/// of the timeout early. That is what `touch_every` says. There is no absolute timeout beside a
/// sliding one.
fn policy(forms: Attributes<'_>) -> Result<Policy, WebConfigError> {
    let timeout = forms.minutes("timeout", 30, i32::MAX as u32)?;
    let policy = Policy::builder().with_touch_every(timeout / 2);
    let policy = match forms.flag("slidingExpiration", Flag::True)? {
        Flag::True => policy.with_idle(timeout).with_absolute(Duration::MAX),
        Flag::False => policy.with_idle(Duration::MAX).with_absolute(timeout),
    };
    policy
        .build()
        .map_err(|error| WebConfigError::new(error.to_string()))
}

/// Returns whether the ticket is in a cookie.
fn has_cookie(forms: Attributes<'_>, left_out: &mut Vec<LeftOut>) -> Result<bool, WebConfigError> {
    let choices = [
        ("UseCookies", Cookieless::UseCookies),
        ("UseUri", Cookieless::UseUri),
        ("AutoDetect", Cookieless::Depends),
        ("UseDeviceProfile", Cookieless::Depends),
    ];
    match forms.choice("cookieless", &choices)? {
        None | Some(Cookieless::UseCookies) => Ok(true),
        Some(Cookieless::Depends) => {
            left_out.push(LeftOut::new(
                forms.with_value("cookieless"),
                "A client without cookies has its ticket in the address, where it is not seen. \
                 Its requests pass unchecked.",
                "Set `cookieless=\"UseCookies\"` in the application.",
            ));
            Ok(true)
        }
        Some(Cookieless::UseUri) => {
            left_out.push(LeftOut::new(
                forms.with_value("cookieless"),
                "The ticket is in the address, where it is not seen. So the settings have no \
                 cookie.",
                "Set `cookieless=\"UseCookies\"` in the application.",
            ));
            Ok(false)
        }
    }
}
