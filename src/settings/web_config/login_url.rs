//! The log-in page as a `web.config` names it.

use super::attributes::Attributes;
use super::left_out::LeftOut;
use crate::settings::login_page::{self, LoginPage};

/// The parameter that tells ASP.NET's log-in page where to return to.
const RETURN_URL_NAME: &str = "ReturnUrl";

/// Returns the page that `loginUrl` names, if it is on the same site.
pub(super) fn login_page(forms: Attributes<'_>, left_out: &mut Vec<LeftOut>) -> Option<LoginPage> {
    let url = forms.text("loginUrl").unwrap_or("login.aspx").trim();
    let below_application = url
        .strip_prefix("~/")
        .or_else(|| is_relative(url).then_some(url));
    let path = match below_application {
        Some(below) => format!("/{below}"),
        None => url.to_owned(),
    };
    let Ok(path) = login_page::checked(&path) else {
        left_out.push(LeftOut::new(
            forms.with_value("loginUrl"),
            "It is no page of this site, and ended sessions are sent to pages of the site only.",
            "Add a page to the site that redirects there, and set it by `with_login_page` of the \
             response.",
        ));
        return None;
    };
    if below_application.is_some() && forms.text("loginUrl").is_some() {
        left_out.push(LeftOut::new(
            forms.with_value("loginUrl"),
            "It is taken for a page below `/`, since the file does not say where in the site the \
             application is.",
            "If the application is not at `/`, set the page by `with_login_page` of the response.",
        ));
    }
    Some(LoginPage {
        path,
        return_url_name: Some(RETURN_URL_NAME.to_owned()),
    })
}

/// Returns whether a URL has neither a slash at its beginning nor a scheme.
fn is_relative(url: &str) -> bool {
    let first = url.split(['/', '?', '#']).next().unwrap_or_default();
    !url.starts_with(['/', '\\', '~']) && !first.contains(':')
}
