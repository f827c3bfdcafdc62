//! Tests of the settings that are read from a file.

mod common;

mod settings {
    mod defaults;
    #[cfg(not(all(feature = "browser", feature = "cached")))]
    mod features;
    mod fields;
    mod layer;
    mod mistakes;
    #[cfg(all(feature = "browser", feature = "cached"))]
    mod schema;
}

use tower_login_timeout::Settings;

/// Reads settings in TOML, which have no mistake.
fn settings(toml: &str) -> Settings {
    toml::from_str(toml).unwrap_or_else(|error| panic!("{error}"))
}
