//! What the tests of the stacks share: a visitor with a browser's cookies, and sites with jars.

pub mod jars;
pub mod visitor;

/// The code of the pages in `docs` compiles, and what can run there runs.
#[cfg(doctest)]
mod pages {
    #[doc = include_str!("../../docs/beside-axum-login.md")]
    struct BesideAxumLogin;

    #[doc = include_str!("../../docs/beside-tower-sessions.md")]
    struct BesideTowerSessions;
}
