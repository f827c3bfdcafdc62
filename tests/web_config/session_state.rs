//! Tests of `<sessionState>`, attribute by attribute.

use std::time::Duration;

use crate::{left_out, read, reads, removal, web};

const MINUTE: Duration = Duration::from_secs(60);

#[test]
fn what_is_left_out_of_the_file_is_as_asp_net_has_it() {
    for web_config in [
        read("<configuration />"),
        web(""),
        web("<sessionState />"),
        web("<sessionState mode='InProc' timeout='20' cookieless='false' />"),
        web("<sessionState cookieName='ASP.NET_SessionId' cookieless='UseCookies' />"),
    ] {
        let policy = web_config.settings().policy();
        assert_eq!(policy.idle(), 20 * MINUTE);
        assert_eq!(policy.absolute(), Duration::MAX);
        assert_eq!(policy.touch_every(), Duration::ZERO);
        assert!(reads(&web_config, "ASP.NET_SessionId"));
        assert!(reads(&web_config, "asp.net_sessionid"));
        assert!(web_config.left_out().is_empty());
    }
}

#[test]
fn each_attribute() {
    let web_config = web("<sessionState timeout='5' cookieName='S' cookieSameSite='Lax' />");
    assert_eq!(web_config.settings().policy().idle(), 5 * MINUTE);
    assert!(reads(&web_config, "S"));
    assert!(removal(&web_config).contains("SameSite=Lax"));
    assert!(web_config.left_out().is_empty());
}

#[test]
fn modes() {
    for (mode, has_cookie, is_listed) in [
        ("InProc", true, false),
        ("StateServer", true, true),
        ("SQLServer", true, true),
        ("Custom", true, true),
        ("Off", false, true),
    ] {
        let web_config = web(&format!("<sessionState mode='{mode}' />"));
        assert_eq!(
            web_config.settings().cookie().is_some(),
            has_cookie,
            "{mode}"
        );
        assert_eq!(
            web_config.left_out().len(),
            usize::from(is_listed),
            "{mode}"
        );
    }
}

#[test]
fn an_id_that_is_in_the_address_is_listed() {
    for (cookieless, has_cookie) in [
        ("UseUri", false),
        ("true", false),
        ("AutoDetect", true),
        ("UseDeviceProfile", true),
    ] {
        let web_config = web(&format!("<sessionState cookieless='{cookieless}' />"));
        assert_eq!(
            web_config.settings().cookie().is_some(),
            has_cookie,
            "{cookieless}"
        );
        let what = format!("<sessionState cookieless={cookieless:?}> in line 3");
        assert_eq!(left_out(&web_config), [what]);
    }
}

#[test]
fn session_state_in_another_file_is_listed() {
    let web_config = web("<sessionState configSource='state.config' />");
    assert_eq!(
        left_out(&web_config),
        [r#"<sessionState configSource="state.config"> in line 3"#]
    );
    assert!(web_config.settings().cookie().is_none());
}

#[test]
fn several_groups_of_sections_are_one() {
    let web_config = read(
        "<configuration><system.web><compilation /></system.web>\
         <system.web><sessionState timeout='7' /></system.web></configuration>",
    );
    assert_eq!(web_config.settings().policy().idle(), 7 * MINUTE);
}
