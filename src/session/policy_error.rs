//! The error of a policy or of limits.

use std::error::Error;
use std::fmt;
use std::time::Duration;

/// The error of a setting that makes no sense. Its text says what to set instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyError(ErrorKind);

#[derive(Clone, Debug, PartialEq, Eq)]
enum ErrorKind {
    Zero(&'static str),
    TouchedTooRarely {
        touch_every: Duration,
        idle: Duration,
    },
}

impl PolicyError {
    pub(super) const fn zero(setting: &'static str) -> Self {
        Self(ErrorKind::Zero(setting))
    }

    pub(super) const fn touched_too_rarely(touch_every: Duration, idle: Duration) -> Self {
        Self(ErrorKind::TouchedTooRarely { touch_every, idle })
    }
}

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            ErrorKind::Zero(setting) => write!(
                f,
                "`{setting}` is zero, so every request would come too late: use a longer time, \
                 or `Duration::MAX` for no limit"
            ),
            ErrorKind::TouchedTooRarely { touch_every, idle } => write!(
                f,
                "`touch_every` ({touch_every:?}) is not shorter than `idle` ({idle:?}), so active sessions \
                 would end: a tenth of `idle` is a good choice"
            ),
        }
    }
}

impl Error for PolicyError {}
