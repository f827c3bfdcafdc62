//! Tests of files that somebody made to do harm.

use std::time::{Duration, Instant};

use proptest::prelude::*;
use tower_login_timeout::WebConfig;

use crate::{reads, web};

/// The most memory that reading may take, in bytes.
const MOST_MEMORY: u64 = 64 * 1024 * 1024;

/// Reads a file, and checks that it takes little memory and time. Returns what is said.
fn measured(file: &[u8]) -> String {
    let began = Instant::now();
    let mut said = String::new();
    let used = allocation_counter::measure(|| {
        said = match WebConfig::read(file) {
            Ok(web_config) => format!("{} left out", web_config.left_out().len()),
            Err(error) => error.to_string(),
        };
    });
    assert!(
        used.bytes_max < MOST_MEMORY,
        "{} bytes: {said}",
        used.bytes_max
    );
    // A build without optimisation on a machine that has other things to do.
    assert!(
        began.elapsed() < Duration::from_secs(20),
        "{:?}",
        began.elapsed()
    );
    said
}

#[test]
fn entities_are_refused() {
    for file in [
        r#"<!DOCTYPE a [<!ENTITY a "b">]><configuration>&a;</configuration>"#,
        r#"<!DOCTYPE a [<!ENTITY a SYSTEM "file:///etc/passwd">]><configuration>&a;</configuration>"#,
        r#"<!DOCTYPE a SYSTEM "http://127.0.0.1:1/a.dtd"><configuration />"#,
        "<!DOCTYPE configuration><configuration />",
        "<?xml version='1.0'?>\n<!-- a --><!DOCTYPE configuration><configuration />",
    ] {
        let error = measured(file.as_bytes());
        assert!(error.contains("DTD"), "{error}");
    }
}

#[test]
fn a_billion_laughs_are_refused() {
    let mut file = r#"<!DOCTYPE a [<!ENTITY l0 "lol">"#.to_owned();
    for level in 1..10 {
        let laughs = format!("&l{};", level - 1).repeat(10);
        file += &format!(r#"<!ENTITY l{level} "{laughs}">"#);
    }
    file += "]><configuration>&l9;</configuration>";
    assert!(measured(file.as_bytes()).contains("DTD"));
}

#[test]
fn a_large_file_is_refused_before_it_is_parsed() {
    let large = vec![b'<'; 50 * 1024 * 1024];
    let used = allocation_counter::measure(|| {
        let error = WebConfig::read(&large).unwrap_err().to_string();
        assert!(error.contains("52428800 bytes"), "{error}");
    });
    assert!(used.bytes_max < 10_000, "{} bytes", used.bytes_max);
}

/// Repeats a part until the file has the largest size that is read.
fn filled(start: &str, part: impl Fn(usize) -> String, end: impl Fn(usize) -> String) -> String {
    let mut file = start.to_owned();
    let mut parts = 0;
    loop {
        let next = part(parts);
        if file.len() + next.len() + end(parts + 1).len() > 256 * 1024 {
            return file + &end(parts);
        }
        file += &next;
        parts += 1;
    }
}

#[test]
fn the_largest_file_takes_little_memory_and_time() {
    let close = |_| "</configuration>".to_owned();
    let as_it_is = |part: &'static str| move |_| part.to_owned();
    let forms = "<configuration><system.web><authentication mode='Forms'><forms ";
    let forms_end = |_| "/></authentication></system.web></configuration>".to_owned();
    for file in [
        // Many elements, deep ones, and some that are never closed.
        filled("<configuration>", as_it_is("<a/>"), close),
        filled("<configuration>", as_it_is("<a>"), |depth| {
            "</a>".repeat(depth) + "</configuration>"
        }),
        filled("<configuration>", as_it_is("<a>"), |_| String::new()),
        filled("", as_it_is("<"), |_| String::new()),
        filled("<configuration>", as_it_is("<location path='a'/>"), close),
        filled(
            "<configuration>",
            as_it_is("<system.web><location/></system.web>"),
            close,
        ),
        filled("<configuration>", as_it_is("&amp;"), close),
        filled("<configuration>\n", as_it_is("<location/>\n"), close),
        filled("<configuration>", as_it_is("<!---->"), close),
        filled("<configuration>", as_it_is("<![CDATA[]]>"), close),
        // Many attributes of one element, and long ones.
        filled(forms, |number| format!("a{number}=''"), forms_end),
        filled(forms, |number| format!(" a{number}='' "), forms_end),
        filled(&format!("{forms} loginUrl='"), as_it_is("/"), |_| {
            "'/></authentication></system.web></configuration>".to_owned()
        }),
        filled(
            "<configuration><system.web><sessionState cookieName='",
            as_it_is("a"),
            |_| "'/></system.web></configuration>".to_owned(),
        ),
        // Many namespaces: an element has those of all elements around it.
        filled(
            "<configuration>",
            |number| format!("<a xmlns:b{number}='c{number}'>"),
            |depth| "</a>".repeat(depth) + "</configuration>",
        ),
    ] {
        assert!(file.len() > 255 * 1024, "{}", file.len());
        measured(file.as_bytes());
    }
}

#[test]
fn the_most_namespaces_and_attributes_that_are_read_take_little_memory_and_time() {
    let mut nested = "<configuration>".to_owned();
    for number in 0..250 {
        nested += &format!("<a xmlns:b{number}='c{number}'>");
    }
    let room = 256 * 1024 - nested.len() - 250 * 4 - 20;
    nested += &"<b/>".repeat(room / 4);
    nested += &"</a>".repeat(250);
    nested += "</configuration>";
    assert_eq!(measured(nested.as_bytes()), "0 left out");

    let attributes: String = (0..1000).map(|number| format!(" a{number}=''")).collect();
    let wide = format!("<configuration><system.web><sessionState{attributes}/></system.web>");
    let part = format!("<a{attributes}/>");
    let wide = filled(&wide, |_| part.clone(), |_| "</configuration>".to_owned());
    assert_eq!(measured(wide.as_bytes()), "1000 left out");
}

#[test]
fn more_namespaces_or_attributes_are_refused() {
    let namespaces = |count: usize| {
        let nested: String = (0..count)
            .map(|number| format!("<a xmlns:b{number}='c'>"))
            .collect();
        format!(
            "<configuration>{nested}{}</configuration>",
            "</a>".repeat(count)
        )
    };
    let attributes = |count: usize| {
        let attributes: String = (0..count).map(|number| format!(" a{number}=''")).collect();
        format!("<configuration><a{attributes}/></configuration>")
    };
    assert_eq!(measured(namespaces(250).as_bytes()), "0 left out");
    assert!(measured(namespaces(251).as_bytes()).contains("more than 250 namespaces"));
    assert_eq!(measured(attributes(1000).as_bytes()), "0 left out");
    assert!(measured(attributes(1001).as_bytes()).contains("more than 1000 attributes"));
}

#[test]
fn each_encoding_with_a_byte_order_mark_is_read() {
    let text = "<?xml version='1.0'?><configuration><system.web>\
                <sessionState cookieName='sid' /></system.web><a b='ü€😀' /></configuration>";
    let little: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let big: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
    for file in [
        text.as_bytes().to_vec(),
        [b"\xef\xbb\xbf", text.as_bytes()].concat(),
        [b"\xff\xfe", &little[..]].concat(),
        [b"\xfe\xff", &big[..]].concat(),
    ] {
        assert!(reads(&WebConfig::read(&file).unwrap(), "sid"));
    }
    for file in [
        // Without a mark, cut in the middle of a letter, half of a pair, and another encoding.
        [b"\xff\xfe", &little[..little.len() - 1]].concat(),
        [b"\xff\xfe", &0xd83d_u16.to_le_bytes()[..]].concat(),
        b"<configuration a='\xfc' />".to_vec(),
        [b"\xff\xfe\0\0", &little[..]].concat(),
        b"\xef\xbb\xbf".to_vec(),
        b"\xff\xfe".to_vec(),
        b"\xff".to_vec(),
        little,
        big,
    ] {
        assert!(WebConfig::read(&file).is_err());
    }
}

#[test]
fn elements_of_other_places_do_not_count() {
    let web_config =
        web("<a><authentication mode='Forms' /></a><!-- <sessionState timeout='1' /> -->");
    assert!(reads(&web_config, "ASP.NET_SessionId"));
    assert_eq!(
        web_config.settings().policy().idle(),
        Duration::from_secs(1200)
    );
}

#[test]
fn a_file_that_is_cut_or_changed_anywhere_never_panics() {
    let file = "<?xml version='1.0'?><configuration xmlns='http://schemas.microsoft.com/.NetConfiguration/v2.0'>\
                <location path='a' /><system.web><authentication mode='Forms'><forms name='A' \
                loginUrl='~/a' timeout='30' domain='a' path='/' requireSSL='true' /></authentication>\
                <sessionState mode='InProc' timeout='20' /></system.web></configuration>";
    assert!(WebConfig::read(file.as_bytes()).is_ok());
    for length in 0..file.len() {
        assert!(WebConfig::read(&file.as_bytes()[..length]).is_err());
    }
    for position in 0..file.len() {
        for byte in [
            0, b'<', b'>', b'&', b'\'', b'"', b'=', b'/', b' ', 0x80, 0xff,
        ] {
            let mut changed = file.as_bytes().to_vec();
            changed[position] = byte;
            drop(WebConfig::read(&changed));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_value_panics(value in "\\PC{0,20}", attribute in 0_usize..9) {
        let names = [
            "name", "path", "domain", "requireSSL", "cookieSameSite", "timeout",
            "slidingExpiration", "loginUrl", "cookieless",
        ];
        let value = value.replace('&', "&amp;").replace('<', "&lt;").replace('\'', "&apos;");
        let file = format!(
            "<configuration><system.web><authentication mode='Forms'><forms {}='{value}' />\
             </authentication></system.web></configuration>",
            names[attribute],
        );
        let read = WebConfig::read(file.as_bytes());
        if let Err(error) = read {
            prop_assert!(!error.to_string().contains("well-formed"), "{error}");
        }
    }

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        drop(WebConfig::read(&bytes));
    }
}
