//! Readers of `Cookie` headers as applications have them, written without a look at the crate's
//! own.

use std::sync::LazyLock;

use regex::bytes::Regex;

/// Returns the values that an application gets for the cookie of a name, as UTF-8 where it is text.
pub type Reader = fn(line: &[u8], name: &str) -> Vec<Vec<u8>>;

pub const ALL: [(&str, Reader); 8] = [
    ("strict", strict),
    ("the crate cookie", cookie_crate),
    ("SimpleCookie", simple_cookie),
    ("npm's cookie", npm_cookie),
    ("PHP", php),
    ("Django", django),
    ("CGI::Cookie", cgi_cookie),
    ("Tomcat's legacy processor", tomcat_legacy),
];

/// Returns the values that a reader finds who splits, trims, compares and decodes nothing.
pub fn strict(line: &[u8], name: &str) -> Vec<Vec<u8>> {
    pairs(line, b';')
        .filter(|(key, _)| key.trim_ascii() == name.as_bytes())
        .map(|(_, value)| unquoted(value.trim_ascii()).to_vec())
        .collect()
}

/// What axum-extra, tower-cookies, actix-web and Rocket read.
fn cookie_crate(line: &[u8], name: &str) -> Vec<Vec<u8>> {
    let line = str::from_utf8(line).unwrap_or_default();
    cookie::Cookie::split_parse_encoded(line)
        .flatten()
        .filter(|cookie| cookie.name() == name)
        .flat_map(|cookie| [cookie.value(), cookie.value_trimmed()].map(|value| value.into()))
        .collect()
}

/// What Python's `http.cookies` reads: `SimpleCookie.load`, with its own regular expression.
fn simple_cookie(line: &[u8], name: &str) -> Vec<Vec<u8>> {
    static PAIR: LazyLock<Regex> = LazyLock::new(|| {
        let pattern = r#"(?-u)^\s*(?P<key>[\w\d!#%&'~_`><@,:/$*+\-.^|)(?}{=]+?)(\s*=\s*(?P<value>"(?:[^\\"]|\\.)*"|\w{3},\s[\w\d\s-]{9,11}\s[\d:]{8}\sGMT|[\w\d!#%&'~_`><@,:/$*+\-.^|)(?}{=\[\]]*))?\s*(\s+|;|$)"#;
        Regex::new(pattern).unwrap()
    });
    let mut found = Vec::new();
    let mut rest = line;
    while let Some(pair) = PAIR.captures(rest) {
        if &pair["key"] == name.as_bytes()
            && let Some(value) = pair.name("value")
        {
            found.push(from_latin1(&python_unquoted(value.as_bytes())));
        }
        rest = &rest[pair[0].len()..];
        if rest.is_empty() {
            break;
        }
    }
    found
}

/// What Django reads behind WSGI and behind ASGI.
fn django(line: &[u8], name: &str) -> Vec<Vec<u8>> {
    let as_wsgi = String::from_utf8_lossy(line).into_owned();
    let as_asgi = String::from_utf8(from_latin1(line)).unwrap_or_default();
    let values = |text: &str| -> Vec<Vec<u8>> {
        // What `str.strip` takes off, beside what Rust's `trim` does.
        let trimmed = |text: &str| {
            let is_blank = |c: char| c.is_whitespace() || matches!(c, '\u{1C}'..='\u{1F}');
            text.trim_matches(is_blank).to_owned()
        };
        text.split(';')
            .filter_map(|chunk| chunk.split_once('='))
            .filter(|(key, _)| trimmed(key) == name)
            .map(|(_, value)| python_unquoted(trimmed(value).as_bytes()))
            .collect()
    };
    [values(&as_wsgi), values(&as_asgi)].concat()
}

/// What the package `cookie` reads, before and since 0.7, for Express and Next.
fn npm_cookie(line: &[u8], name: &str) -> Vec<Vec<u8>> {
    let line = String::from_utf8(from_latin1(line)).unwrap_or_default();
    let is_blank = |c: char| matches!(c, ' ' | '\t'..='\r' | '\u{A0}');
    let values = |quote_alone: bool| {
        line.split(';')
            .filter_map(|pair| pair.split_once('='))
            .filter(|(key, _)| key.trim_matches(is_blank) == name)
            .map(|(_, value)| {
                let value = value.trim_matches(is_blank);
                let inner = value.strip_prefix('"').map(|inner| {
                    let mut inner = inner.chars();
                    inner.next_back();
                    inner.as_str()
                });
                let closed = value.len() > 1 && value.ends_with('"');
                let value = inner.filter(|_| quote_alone || closed).unwrap_or(value);
                percent_decoded(value.as_bytes())
            })
            .collect::<Vec<_>>()
    };
    [values(true), values(false)].concat()
}

/// What PHP has in `$_COOKIE`, where an array's elements count as values.
fn php(line: &[u8], name: &str) -> Vec<Vec<u8>> {
    let mangled = |key: &[u8]| -> Vec<u8> {
        let key = key.strip_prefix(b"[").unwrap_or(key);
        let end = match key.iter().position(|&byte| byte == b'[') {
            Some(open) if key[open..].contains(&b']') => open,
            _ => key.len(),
        };
        let is_odd = |byte: u8| matches!(byte, b'.' | b' ' | b'[');
        let underscored = |&byte: &u8| if is_odd(byte) { b'_' } else { byte };
        key[..end].iter().map(underscored).collect()
    };
    pairs(line, b';')
        .filter(|(key, _)| mangled(key.trim_ascii_start()) == mangled(name.as_bytes()))
        .map(|(_, value)| percent_decoded(value))
        .collect()
}

/// What `CGI::Cookie` reads in Perl: commas separate too, names are encoded, and `&` makes a list.
fn cgi_cookie(line: &[u8], name: &str) -> Vec<Vec<u8>> {
    let plus_decoded = |text: &[u8]| {
        let spaced = |&byte: &u8| if byte == b'+' { b' ' } else { byte };
        percent_decoded(&text.iter().map(spaced).collect::<Vec<_>>())
    };
    line.split(|&byte| byte == b';' || byte == b',')
        .flat_map(|chunk| pairs(chunk, b';'))
        .filter(|(key, _)| plus_decoded(key.trim_ascii()) == name.as_bytes())
        .flat_map(|(_, value)| value.trim_ascii().split(|&byte| byte == b'&'))
        .map(plus_decoded)
        .collect()
}

/// What `LegacyCookieProcessor` reads with its defaults and, as a second parser, with `=` in
/// values.
fn tomcat_legacy(line: &[u8], name: &str) -> Vec<Vec<u8>> {
    let mut found = tomcat_legacy_with(line, name, false);
    found.extend(tomcat_legacy_with(line, name, true));
    found
}

fn tomcat_legacy_with(line: &[u8], name: &str, equals_in_value: bool) -> Vec<Vec<u8>> {
    let is_blank = |byte: u8| matches!(byte, b' ' | b'\t');
    let is_separator = |byte: u8| b"\t \"(),:;<=>?@[\\]{}".contains(&byte);
    let end_of_token = |mut at: usize, in_name: bool| {
        while line
            .get(at)
            .is_some_and(|&byte| !is_separator(byte) || !in_name && equals_in_value && byte == b'=')
        {
            at += 1;
        }
        at
    };
    let skip = |mut at: usize, is: &dyn Fn(u8) -> bool| {
        while line.get(at).is_some_and(|&byte| is(byte)) {
            at += 1;
        }
        at
    };
    let to_next = |at: usize| skip(at, &|byte| byte != b';' && byte != b',') + 1;
    let mut found = Vec::new();
    let mut at = 0;
    loop {
        at = skip(at, &is_separator);
        if at >= line.len() {
            return found;
        }
        let start = at + usize::from(line[at] == b'$');
        let end = end_of_token(start, true);
        at = skip(end, &is_blank);
        let mut value = None;
        if line.get(at) == Some(&b'=') {
            at = skip(at + 1, &is_blank);
            match line.get(at) {
                None => return found,
                Some(b'"') => {
                    let open = at + 1;
                    at = open;
                    while at < line.len() && line[at] != b'"' {
                        at += if line[at] == b'\\' && at + 1 < line.len() {
                            2
                        } else {
                            1
                        };
                    }
                    value = Some(without_backslashes(&line[open..at.min(line.len())]));
                    at += 1;
                }
                Some(b';' | b',') => {}
                Some(&byte) if !is_separator(byte) || byte == b'=' && equals_in_value => {
                    let open = at;
                    at = end_of_token(open, false);
                    value = Some(line[open..at].to_vec());
                }
                Some(_) => {
                    at = to_next(at);
                    continue;
                }
            }
        } else {
            at = end;
        }
        if line.get(start) != Some(&b'$')
            && &line[start..end] == name.as_bytes()
            && (start == 0 || line[start - 1] != b'$')
        {
            found.extend(value);
        }
        at = to_next(at);
    }
}

/// Returns the pairs between separators, each with what is on both sides of its first `=`.
fn pairs(line: &[u8], separator: u8) -> impl Iterator<Item = (&[u8], &[u8])> {
    line.split(move |&byte| byte == separator)
        .filter_map(|pair| {
            let equals = pair.iter().position(|&byte| byte == b'=')?;
            Some((&pair[..equals], &pair[equals + 1..]))
        })
}

fn unquoted(value: &[u8]) -> &[u8] {
    match value {
        [b'"', inner @ .., b'"'] => inner,
        value => value,
    }
}

/// What `http.cookies._unquote` makes of a value: backslashes count in quotes only.
fn python_unquoted(value: &[u8]) -> Vec<u8> {
    static ESCAPE: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"(?-u)\\(?:([0-3][0-7][0-7])|(.))").unwrap());
    let [b'"', inner @ .., b'"'] = value else {
        return value.to_vec();
    };
    let plain = ESCAPE.replace_all(inner, |escape: &regex::bytes::Captures<'_>| {
        let octal = escape
            .get(1)
            .and_then(|octal| str::from_utf8(octal.as_bytes()).ok());
        match octal.and_then(|octal| u8::from_str_radix(octal, 8).ok()) {
            Some(byte) => vec![byte],
            None => escape[2].to_vec(),
        }
    });
    plain.into_owned()
}

/// Takes each backslash off the byte behind it.
fn without_backslashes(text: &[u8]) -> Vec<u8> {
    static ESCAPE: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"(?s-u)\\(.)").unwrap());
    ESCAPE.replace_all(text, &b"$1"[..]).into_owned()
}

fn percent_decoded(text: &[u8]) -> Vec<u8> {
    static ENCODED: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"(?-u)%([0-9A-Fa-f]{2})").unwrap());
    let decoded = ENCODED.replace_all(text, |encoded: &regex::bytes::Captures<'_>| {
        let hex = str::from_utf8(&encoded[1]).unwrap_or_default();
        vec![u8::from_str_radix(hex, 16).unwrap_or_default()]
    });
    decoded.into_owned()
}

fn from_latin1(text: &[u8]) -> Vec<u8> {
    let text: String = text.iter().map(|&byte| char::from(byte)).collect();
    text.into_bytes()
}
