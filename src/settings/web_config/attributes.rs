//! The attributes of an element, as ASP.NET reads them.

use std::time::Duration;

use roxmltree::Node;

use super::error::WebConfigError;
use super::left_out::LeftOut;
use crate::identify::cookie::cookie_id::CookieId;
use crate::identify::cookie::cookie_id_error::CookieIdError;
use crate::identify::cookie::removal::SameSite;

/// An element that may be left out. Its attributes then have their defaults.
#[derive(Clone, Copy)]
pub(super) struct Attributes<'a> {
    element: &'static str,
    node: Option<Node<'a, 'a>>,
}

impl<'a> Attributes<'a> {
    pub(super) fn of(element: &'static str, node: Option<Node<'a, 'a>>) -> Self {
        Self { element, node }
    }

    pub(super) fn text(&self, name: &str) -> Option<&'a str> {
        self.node?.attribute(name)
    }

    /// Reads a number of minutes.
    pub(super) fn minutes(
        &self,
        name: &str,
        default: u32,
        most: u32,
    ) -> Result<Duration, WebConfigError> {
        let minutes = match self.text(name) {
            None => default,
            Some(text) => match text.trim().parse() {
                Ok(minutes) if (1..=most).contains(&minutes) => minutes,
                _ => {
                    let expected = format!("a number of minutes from 1 to {most}");
                    return Err(self.wrong(name, text, &expected));
                }
            },
        };
        Ok(Duration::from_secs(60 * u64::from(minutes)))
    }

    /// Reads `true` or `false`, in any case.
    pub(super) fn flag(&self, name: &str, default: Flag) -> Result<Flag, WebConfigError> {
        match self.text(name) {
            None => Ok(default),
            Some(text) if text.trim().eq_ignore_ascii_case("true") => Ok(Flag::True),
            Some(text) if text.trim().eq_ignore_ascii_case("false") => Ok(Flag::False),
            Some(text) => Err(self.wrong(name, text, "true or false")),
        }
    }

    /// Reads one of these values, in any case.
    pub(super) fn choice<T: Copy>(
        &self,
        name: &str,
        choices: &[(&str, T)],
    ) -> Result<Option<T>, WebConfigError> {
        let Some(text) = self.text(name) else {
            return Ok(None);
        };
        let known = |(name, _): &&(&str, T)| name.eq_ignore_ascii_case(text.trim());
        match choices.iter().find(known) {
            Some((_, choice)) => Ok(Some(*choice)),
            None => {
                let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
                Err(self.wrong(name, text, &format!("one of {}", names.join(", "))))
            }
        }
    }

    /// Creates the cookie of this name. System.Web takes `.aspxauth` for `.ASPXAUTH`.
    pub(super) fn cookie(&self, name: &str, default: &str) -> Result<CookieId, WebConfigError> {
        let cookie = CookieId::new(self.text(name).unwrap_or(default));
        let cookie = cookie.map_err(|error| self.refused(name, &error))?;
        let cookie = cookie.with_name_in_any_case();
        let choices = [
            ("Lax", Some(SameSite::Lax)),
            ("Strict", Some(SameSite::Strict)),
            ("None", Some(SameSite::None)),
            ("Unspecified", None),
            ("-1", None),
        ];
        Ok(match self.choice("cookieSameSite", &choices)?.flatten() {
            Some(same_site) => cookie.with_same_site(same_site),
            None => cookie,
        })
    }

    /// Lists the attributes that are not among the known ones. Their values stay unsaid, since a
    /// connection string has a password.
    pub(super) fn others(&self, known: &[&str]) -> Vec<LeftOut> {
        let attributes = self.node.into_iter().flat_map(|node| node.attributes());
        let others = attributes.filter(|attribute| !known.contains(&attribute.name()));
        let (element, line) = (self.element, self.line());
        let left_out = |attribute: roxmltree::Attribute<'_, '_>| {
            LeftOut::new(
                format!("<{element} {}> in line {line}", attribute.name()),
                "It does not say how long a session lives or which cookie it is in.",
                "Leave it in the application, which still reads it.",
            )
        };
        others.map(left_out).collect()
    }

    /// Returns what a list calls an attribute.
    pub(super) fn named(&self, name: &str) -> String {
        format!("<{} {name}> in line {}", self.element, self.line())
    }

    /// Returns what a list calls an attribute, with its value.
    pub(super) fn with_value(&self, name: &str) -> String {
        let value = self.text(name).unwrap_or_default();
        let (element, line) = (self.element, self.line());
        format!("<{element} {name}={value:?}> in line {line}")
    }

    /// Returns the error of a cookie that no browser would keep.
    pub(super) fn refused(&self, name: &str, error: &CookieIdError) -> WebConfigError {
        let text = format!("the attribute `{name}` of `<{}>`: {error}", self.element);
        WebConfigError::in_line(self.line(), text)
    }

    fn wrong(&self, name: &str, value: &str, expected: &str) -> WebConfigError {
        let element = self.element;
        WebConfigError::in_line(
            self.line(),
            format!("the attribute `{name}` of `<{element}>` is {value:?}, and not {expected}"),
        )
    }

    fn line(&self) -> u32 {
        self.node.map_or(0, line)
    }
}

/// An attribute that is `true` or `false`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Flag {
    True,
    False,
}

/// Returns the line in which an element begins.
pub(super) fn line(node: Node<'_, '_>) -> u32 {
    node.document().text_pos_at(node.range().start).row
}
