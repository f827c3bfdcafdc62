//! Tests of fields whose feature is not compiled in.

use tower_login_timeout::Settings;

#[test]
fn a_field_without_its_feature_says_which_feature_it_needs() {
    for (field, feature, is_on) in [
        (
            "browser = { path = '/session' }",
            "browser",
            cfg!(feature = "browser"),
        ),
        ("near_cache = {}", "cached", cfg!(feature = "cached")),
    ] {
        let read = toml::from_str::<Settings>(&format!("store = 'memory:'\n{field}"));
        if is_on {
            assert!(read.is_ok(), "{field}");
            continue;
        }
        let error = read.unwrap_err().to_string();
        assert!(error.contains("line 2"), "{error}");
        assert!(
            error.contains(&format!("add the feature `{feature}`")),
            "{error}"
        );
    }
}
