//! What a site with visitors is like.

use tower_login_timeout::{Limits, Visitors, rule};

use crate::simulation::kinds::limits;
use crate::simulation::random::Random;
use crate::simulation::settings::Cookies;
use crate::simulation::visit::Kind;

/// What a site is like where visitors who have not logged in have a session cookie too.
#[derive(Clone, Debug)]
pub struct VisitorSettings {
    /// The limits of visitors.
    pub limits: Limits,
    pub log_in: LogIn,
    /// Whether the log-in is exempt from the check.
    pub log_in_kind: Kind,
    pub log_out: LogOut,
    /// How many clicks in a hundred come with a log-in.
    pub log_ins: u64,
}

/// What the application does with the id at the log-in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogIn {
    Keeps,
    Replaces,
    /// It keeps the id, and starts the session with the tracker.
    Starts,
}

/// What the application does with the id at the log-out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogOut {
    RemovesCookie,
    Replaces,
    Keeps,
}

impl VisitorSettings {
    pub fn draw(random: &mut Random, cookies: &mut Cookies) -> Self {
        *cookies = random.pick(&[Cookies::Plain, Cookies::Plain, Cookies::Rolling]);
        Self {
            limits: if random.percent(50) {
                Limits::default()
            } else {
                limits(random)
            },
            log_in: random.pick(&[LogIn::Keeps, LogIn::Keeps, LogIn::Replaces, LogIn::Starts]),
            log_in_kind: random.pick(&[Kind::Active, Kind::Active, Kind::Exempt]),
            log_out: random.pick(&[LogOut::RemovesCookie, LogOut::Replaces, LogOut::Keeps]),
            log_ins: random.pick(&[2, 8, 25]),
        }
    }

    /// Returns the rule by which the layer tells visitors from users.
    pub fn rule(&self) -> Visitors {
        Visitors::new()
            .with_log_in(rule::path("/log-in"))
            .with_log_in(rule::path("/exempt/log-in"))
            .with_log_out(rule::path("/log-out"))
            .with_log_out(rule::path("/exempt/log-out"))
            .with_limits(self.limits)
    }
}
