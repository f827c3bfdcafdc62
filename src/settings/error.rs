//! The error of settings that a layer cannot be built from.

use std::error::Error;
use std::fmt;

/// The error of settings that a layer cannot be built from. Its text says what to add.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingsError(ErrorKind);

#[derive(Clone, Debug, PartialEq, Eq)]
enum ErrorKind {
    NoCookie,
}

impl SettingsError {
    pub(super) const fn no_cookie() -> Self {
        Self(ErrorKind::NoCookie)
    }
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            ErrorKind::NoCookie => f.write_str(
                "the settings have no `cookie`, so no request would present a session: add it with \
                 its `name`, or build the layer by `from_settings_with` and an identifier",
            ),
        }
    }
}

impl Error for SettingsError {}
