//! Tests of files as Microsoft documents them.

use std::time::Duration;

use http::{Request, StatusCode};
use tower_login_timeout::{
    Expired, LoginTimeoutLayer, MemoryStore, RequestHead, ResponseForExpired, Timestamp,
};

use crate::common::site::{Site, policy, reason};
use crate::{left_out, read, reads, removal};

const MINUTE: Duration = Duration::from_secs(60);

/// From "forms Element for authentication (ASP.NET Settings Schema)".
#[test]
fn the_example_of_the_forms_element() {
    let web_config = read(
        r#"<configuration>
             <system.web>
               <authentication mode="Forms">
                 <forms
                   name="401kApp"
                   loginUrl="/login.aspx"
                   cookieless="AutoDetect">
                   <credentials passwordFormat = "SHA1">
                     <user name="UserName"
                       password="07B7F3EE06F278DB966BE960E7CBBD103DF30CA6"/>
                   </credentials>
                 </forms>
               </authentication>
             </system.web>
           </configuration>"#,
    );
    assert!(reads(&web_config, "401kApp"));
    assert_eq!(web_config.settings().policy().idle(), 30 * MINUTE);
    let said = format!("{web_config:?} {:?}", web_config.left_out());
    assert!(!said.contains("07B7F3EE"), "{said}");
    assert_eq!(
        left_out(&web_config),
        [r#"<forms cookieless="AutoDetect"> in line 4"#]
    );
}

/// From "How To: Protect Forms Authentication in ASP.NET 2.0", with all of its attributes.
#[test]
fn the_example_of_how_forms_authentication_works() {
    let web_config = read(
        r#"<?xml version="1.0"?>
           <configuration xmlns="http://schemas.microsoft.com/.NetConfiguration/v2.0">
             <system.web>
               <authentication mode="Forms">
                 <forms loginUrl="Login.aspx"
                        protection="All"
                        timeout="30"
                        name=".ASPXAUTH"
                        path="/"
                        requireSSL="false"
                        slidingExpiration="true"
                        defaultUrl="default.aspx"
                        cookieless="UseCookies"
                        enableCrossAppRedirects="false" />
               </authentication>
               <authorization><deny users="?" /></authorization>
             </system.web>
             <location path="Register.aspx">
               <system.web><authorization><allow users="*" /></authorization></system.web>
             </location>
           </configuration>"#,
    );
    let settings = web_config.settings();
    assert_eq!(settings.policy().idle(), 30 * MINUTE);
    assert_eq!(settings.policy().absolute(), Duration::MAX);
    assert!(reads(&web_config, ".ASPXAUTH"));
    assert_eq!(
        left_out(&web_config),
        [
            r#"<forms loginUrl="Login.aspx"> in line 5"#,
            "<forms protection> in line 5",
            "<forms defaultUrl> in line 5",
            "<forms enableCrossAppRedirects> in line 5",
            r#"<location path="Register.aspx"> in line 18"#,
        ]
    );
}

/// From "sessionState Element (ASP.NET Settings Schema)".
#[test]
fn the_example_of_the_session_state_element() {
    let web_config = read(
        r#"<configuration>
             <system.web>
               <sessionState
                 mode="SQLServer"
                 cookieless="true"
                 regenerateExpiredSessionId="true"
                 timeout="30"
                 sqlConnectionString="Data Source=MySqlServer;User Id=sesame;Password=sesame;"
                 stateNetworkTimeout="30"/>
             </system.web>
           </configuration>"#,
    );
    assert!(web_config.settings().cookie().is_none());
    assert_eq!(web_config.settings().policy().idle(), 30 * MINUTE);
    assert_eq!(
        left_out(&web_config),
        [
            r#"<sessionState mode="SQLServer"> in line 3"#,
            r#"<sessionState cookieless="true"> in line 3"#,
            "<sessionState regenerateExpiredSessionId> in line 3",
            "<sessionState sqlConnectionString> in line 3",
            "<sessionState stateNetworkTimeout> in line 3",
        ]
    );
    let said = format!("{web_config:?}");
    assert!(!said.contains("sesame"), "{said}");
}

/// The file of the template for MVC 4, shortened.
#[tokio::test]
async fn a_layer_from_the_template_of_mvc_4() {
    let web_config = read(
        r#"<?xml version="1.0" encoding="utf-8"?>
           <!-- For more information on how to configure your ASP.NET application, please visit
                http://go.microsoft.com/fwlink/?LinkId=169433 -->
           <configuration>
             <configSections>
               <section name="entityFramework" type="System.Data.Entity.Internal, EntityFramework" />
             </configSections>
             <connectionStrings>
               <add name="DefaultConnection" connectionString="Data Source=(LocalDb)\v11.0" />
             </connectionStrings>
             <system.web>
               <compilation debug="true" targetFramework="4.5" />
               <httpRuntime targetFramework="4.5" />
               <authentication mode="Forms">
                 <forms loginUrl="~/Account/Login" timeout="2880" />
               </authentication>
               <sessionState mode="InProc" customProvider="DefaultSessionProvider">
                 <providers><add name="DefaultSessionProvider" /></providers>
               </sessionState>
             </system.web>
             <runtime>
               <assemblyBinding xmlns="urn:schemas-microsoft-com:asm.v1">
                 <dependentAssembly><assemblyIdentity name="WebGrease" /></dependentAssembly>
               </assemblyBinding>
             </runtime>
           </configuration>"#,
    );
    assert_eq!(
        left_out(&web_config),
        [
            "<sessionState timeout> in line 17",
            r#"<forms loginUrl="~/Account/Login"> in line 15"#
        ]
    );
    let settings = web_config.settings();
    assert_eq!(settings.policy().idle(), 2880 * MINUTE);
    assert!(removal(&web_config).starts_with(".ASPXAUTH=; Path=/"));

    let request = Request::get("/Cart?a=b").header("sec-fetch-mode", "navigate");
    let request = request.body(()).unwrap();
    let expired = Expired::conflicting(Timestamp::UNIX_EPOCH);
    let response = settings.response();
    let response = response.response_for_expired(&expired, RequestHead::from(&request));
    assert_eq!(response.status(), StatusCode::SEE_OTHER);
    assert_eq!(
        response.headers()["location"],
        "/Account/Login?ReturnUrl=/Cart%3Fa%3Db"
    );

    let site = Site::new(policy());
    let clock = site.clock.clone();
    let site = site.configured(|_| {
        let layer = LoginTimeoutLayer::from_settings(settings, MemoryStore::new()).unwrap();
        layer.with_clock(clock)
    });
    site.start("ticket").await;
    let request = |path: &str| {
        let request = Request::get(path).header("cookie", ".aspxauth=ticket");
        request.body(String::new()).unwrap()
    };
    // Activity in the first half of the time does not renew a ticket.
    site.clock.advance(1440 * MINUTE - MINUTE);
    assert_eq!(site.send(request("/")).await.status(), 200);
    site.clock.advance(1440 * MINUTE);
    assert_eq!(site.send(request("/")).await.status(), 200);
    // Activity in the second half did.
    site.clock.advance(2880 * MINUTE - MINUTE);
    assert_eq!(site.send(request("/")).await.status(), 200);
    site.clock.advance(2880 * MINUTE);
    assert_eq!(reason(&site.send(request("/")).await), "idle");
    assert_eq!(site.send(request("/Account/Login")).await.status(), 200);
}

/// As above, with activity in the first half only.
#[tokio::test]
async fn a_session_ends_when_its_ticket_does() {
    let web_config = crate::forms("timeout='30'");
    let site = Site::new(policy());
    let clock = site.clock.clone();
    let site = site.configured(|_| {
        let settings = web_config.settings();
        let layer = LoginTimeoutLayer::from_settings(settings, MemoryStore::new()).unwrap();
        layer.with_clock(clock)
    });
    site.start("ticket").await;
    let request = || {
        let request = Request::get("/").header("cookie", ".ASPXAUTH=ticket");
        request.body(String::new()).unwrap()
    };
    site.clock.advance(10 * MINUTE);
    assert_eq!(site.send(request()).await.status(), 200);
    site.clock.advance(20 * MINUTE);
    assert_eq!(reason(&site.send(request()).await), "idle");
}

/// The configuration that .NET 2.0 and later have where a file says nothing, from the same page.
#[test]
fn the_default_configuration_means_what_an_empty_element_means() {
    let documented = read(
        r#"<configuration><system.web><authentication mode="Forms">
             <forms
               name=".ASPXAUTH"
               loginUrl="login.aspx"
               defaultUrl="default.aspx"
               protection="All"
               timeout="30"
               path="/"
               requireSSL="false"
               slidingExpiration="true"
               cookieless="UseDeviceProfile"
               domain=""
               enableCrossAppRedirects="false">
               <credentials passwordFormat="SHA1" />
             </forms>
           </authentication></system.web></configuration>"#,
    );
    let empty = crate::forms("");
    let settings = documented.settings();
    assert_eq!(settings.policy(), empty.settings().policy());
    assert_eq!(
        format!("{:?}", settings.response()),
        format!("{:?}", empty.settings().response())
    );
    assert_eq!(removal(&documented), removal(&empty));
    assert!(reads(&documented, ".ASPXAUTH"));
    assert_eq!(
        left_out(&documented),
        [
            r#"<forms loginUrl="login.aspx"> in line 2"#,
            r#"<forms cookieless="UseDeviceProfile"> in line 2"#,
            "<forms defaultUrl> in line 2",
            "<forms protection> in line 2",
            "<forms enableCrossAppRedirects> in line 2",
        ]
    );
}
