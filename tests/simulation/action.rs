//! What a request asks the application for.

use super::settings::Settings;
use super::visit::Kind;

/// What a request asks the application for.
#[derive(Clone, Copy, Debug)]
pub enum Action {
    /// A page, at once.
    Click,
    /// News. It is passive.
    Poll,
    /// A page that takes so many milliseconds.
    Slow(u64),
    /// A new session. It is exempt, unless the site has visitors and says otherwise.
    LogIn,
    /// The same, after so many milliseconds, on a site that has visitors.
    LogInAfter(u64),
    /// A log-in with a wrong password, on a site that has visitors.
    FailedLogIn,
    /// An end of the session, with a `Set-Cookie`.
    LogOut,
    /// The same, exempt from the check.
    LogOutExempt,
    /// An end of the session, by the handler, which takes so many milliseconds.
    Revoke(u64),
    /// Another id, after so many milliseconds.
    Replace(u64),
    /// Another id. The request is passive.
    ReplacePassive,
    /// A new session with the id that the browser holds, or held last. It is exempt.
    Start,
    /// The `Set-Cookie` of an id that this browser held so many ids ago.
    Reissue(usize),
}

impl Action {
    pub fn kind(self, settings: &Settings) -> Kind {
        let log_in = settings
            .visitors
            .as_ref()
            .map(|visitors| visitors.log_in_kind);
        match self {
            Self::LogIn | Self::LogInAfter(_) | Self::FailedLogIn => log_in.unwrap_or(Kind::Exempt),
            Self::Start | Self::LogOutExempt => Kind::Exempt,
            Self::Poll | Self::ReplacePassive => Kind::Passive,
            Self::Click
            | Self::Slow(_)
            | Self::LogOut
            | Self::Revoke(_)
            | Self::Replace(_)
            | Self::Reissue(_) => Kind::Active,
        }
    }

    pub fn path(self, settings: &Settings) -> &'static str {
        match (self, self.kind(settings)) {
            (Self::LogIn | Self::LogInAfter(_) | Self::FailedLogIn, Kind::Active) => "/log-in",
            (Self::LogIn | Self::LogInAfter(_) | Self::FailedLogIn, _) => "/exempt/log-in",
            (Self::LogOut, _) => "/log-out",
            (Self::LogOutExempt, _) => "/exempt/log-out",
            (_, Kind::Active) => "/",
            (_, Kind::Passive) => "/passive",
            (_, Kind::Exempt) => "/exempt",
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Click => "click",
            Self::Poll => "poll",
            Self::Slow(_) => "slow page",
            Self::LogIn => "log in",
            Self::LogInAfter(_) => "log in slowly",
            Self::FailedLogIn => "log in with a wrong password",
            Self::Start => "log in with the same id",
            Self::LogOut => "log out",
            Self::LogOutExempt => "log out, exempt",
            Self::Revoke(_) => "log out in the handler",
            Self::Replace(_) => "change the id",
            Self::ReplacePassive => "change the id, passive",
            Self::Reissue(_) => "issue an old id again",
        }
    }
}
