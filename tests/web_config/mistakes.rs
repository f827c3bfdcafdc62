//! Tests of files that are wrong: each is refused with what is wrong.

use tower_login_timeout::WebConfig;

#[track_caller]
fn refused(file: &str, explanation: &str) {
    match WebConfig::read(file.as_bytes()) {
        Ok(web_config) => panic!("{file} is taken: {web_config:?}"),
        Err(error) => {
            let error = error.to_string();
            assert!(error.contains(explanation), "{file}: {error}");
        }
    }
}

fn in_web(elements: &str) -> String {
    format!("<configuration>\n<system.web>\n{elements}\n</system.web>\n</configuration>")
}

fn with_forms(attributes: &str) -> String {
    in_web(&format!(
        "<authentication mode='Forms'>\n<forms {attributes} /></authentication>"
    ))
}

#[test]
fn what_is_no_xml_is_refused() {
    for file in [
        "",
        " ",
        "\0",
        "hello",
        "{\"a\": 1}",
        "<configuration>",
        "<configuration></configuratio>",
        "<configuration><a></configuration></a>",
        "<configuration a='1' a='2' />",
        "<configuration a=1 />",
        "<configuration>&nbsp;</configuration>",
        "<configuration>&#0;</configuration>",
        "<configuration /><configuration />",
        "<configuration />text",
        "<x:configuration />",
        "<configuration><!-- -- --></configuration>",
        "<configuration><![CDATA[</configuration>",
    ] {
        refused(file, "it is no well-formed XML");
    }
    let error = "<configuration>\n<a>\n</b></configuration>";
    refused(error, "3:");
}

#[test]
fn another_kind_of_file_is_refused() {
    for file in [
        "<Configuration />",
        "<html />",
        "<a:configuration xmlns:a='urn:a' />",
    ] {
        refused(file, "line 1: the first element is not `<configuration>`");
    }
}

#[test]
fn values_that_asp_net_refuses_are_refused_with_their_line() {
    for timeout in [
        "0",
        "-1",
        "soon",
        "",
        "1.5",
        "00:30:00",
        "Infinite",
        "2147483648",
        "1e9",
    ] {
        let expected = format!("line 4: the attribute `timeout` of `<forms>` is {timeout:?}");
        refused(&with_forms(&format!("timeout='{timeout}'")), &expected);
        let expected =
            format!("line 3: the attribute `timeout` of `<sessionState>` is {timeout:?}");
        refused(
            &in_web(&format!("<sessionState timeout='{timeout}' />")),
            &expected,
        );
    }
    refused(
        &in_web("<sessionState timeout='525601' />"),
        "from 1 to 525600",
    );
    for (attribute, expected) in [
        ("slidingExpiration='yes'", "true or false"),
        ("requireSSL='1'", "true or false"),
        ("cookieless='maybe'", "one of UseCookies, UseUri"),
        ("cookieSameSite='Loose'", "one of Lax, Strict"),
        (
            "name=''",
            "`name` of `<forms>`: \"\" cannot be a cookie's name",
        ),
        ("name='a b'", "\"a b\" cannot be a cookie's name"),
        ("path=''", "`path` of `<forms>`: \"\""),
        ("path='/;a'", "`path` of `<forms>`: \"/;a\""),
        ("domain='a;b'", "`domain` of `<forms>`: \"a;b\""),
        (
            "name='__Host-a' path='/b'",
            "browsers keep a `__Host-` cookie only",
        ),
    ] {
        refused(&with_forms(attribute), expected);
        refused(&with_forms(attribute), "line 4");
    }
    refused(
        &in_web("<authentication mode='forms2' />"),
        "one of Windows, Forms",
    );
    refused(
        &in_web("<sessionState mode='Redis' />"),
        "one of InProc, Off",
    );
    refused(
        &in_web("<sessionState cookieName='a=b' />"),
        "cannot be a cookie's name",
    );
}

#[test]
fn sections_that_are_there_twice_are_refused() {
    for (elements, expected) in [
        (
            "<sessionState />\n<sessionState />",
            "line 4: `<sessionState>` is there a second time",
        ),
        (
            "<authentication mode='Forms' />\n<authentication mode='Forms' />",
            "line 4: `<authentication>` is there a second time",
        ),
        (
            "<authentication mode='Forms'><forms />\n<forms /></authentication>",
            "line 4: `<forms>` is there a second time",
        ),
    ] {
        refused(&in_web(elements), expected);
    }
    refused(
        "<configuration><system.web><sessionState /></system.web>\n\
         <system.web><sessionState /></system.web></configuration>",
        "line 2: `<sessionState>` is there a second time",
    );
}
