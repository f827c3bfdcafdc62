//! The error of a `web.config` that cannot be read.

use std::error::Error;
use std::fmt;

/// The error of a `web.config` that cannot be read. Its text says where, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebConfigError {
    line: Option<u32>,
    text: String,
}

impl WebConfigError {
    pub(super) fn new(text: impl Into<String>) -> Self {
        Self {
            line: None,
            text: text.into(),
        }
    }

    pub(super) fn in_line(line: u32, text: impl Into<String>) -> Self {
        Self {
            line: Some(line),
            text: text.into(),
        }
    }
}

impl fmt::Display for WebConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "web.config, line {line}: {}", self.text),
            None => write!(f, "web.config: {}", self.text),
        }
    }
}

impl Error for WebConfigError {}
