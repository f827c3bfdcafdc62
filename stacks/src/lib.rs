//! What the tests of the stacks share: a visitor with a browser's cookies, sites with jars, a codec
//! for gRPC, and how to run an example.

pub mod jars;
pub mod running;
pub mod text;
pub mod visitor;

/// The code of the pages in `docs` compiles, and what can run there runs.
#[cfg(doctest)]
mod pages {
    #[doc = include_str!("../../docs/beside-axum-login.md")]
    struct BesideAxumLogin;

    #[doc = include_str!("../../docs/beside-tower-sessions.md")]
    struct BesideTowerSessions;

    #[doc = include_str!("../../docs/beside-private-cookies.md")]
    struct BesidePrivateCookies;

    #[doc = include_str!("../../docs/beside-tonic.md")]
    struct BesideTonic;

    #[doc = include_str!("../../docs/beside-openid-connect.md")]
    struct BesideOpenIdConnect;

    #[doc = include_str!("../../docs/order-of-layers.md")]
    struct OrderOfLayers;

    #[doc = include_str!("../../docs/beside-hyper.md")]
    struct BesideHyper;

    #[doc = include_str!("../../docs/beside-htmx.md")]
    struct BesideHtmx;
}
