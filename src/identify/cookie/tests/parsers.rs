//! Models of the parsers that differ most, so that `read` can be tried with headers that nobody has
//! sent to the real ones.

use memchr::memchr;

use crate::session::canonical::from_hex;

/// Returns the values that a parser gives its application for the cookie of a name, as UTF-8 where
/// it is text.
pub(super) type Parser = fn(line: &[u8], name: &str) -> Vec<Vec<u8>>;

pub(super) const ALL: [(&str, Parser); 6] = [
    ("Python's SimpleCookie", simple_cookie),
    ("the crate cookie, encoded", cookie_crate),
    ("PHP", php),
    ("npm's cookie 0.3", npm_cookie),
    ("CGI::Cookie", cgi_cookie),
    ("Tomcat's legacy processor", tomcat_legacy),
];

fn from_latin(text: &[u8]) -> Vec<u8> {
    text.iter()
        .map(|&byte| char::from(byte))
        .collect::<String>()
        .into_bytes()
}

/// Undoes each `%hh`.
fn percent_decoded(text: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let hex = text
            .get(at + 1..at + 3)
            .and_then(|hex| from_hex(hex[0], hex[1]));
        match hex {
            Some(byte) if text[at] == b'%' => {
                decoded.push(byte);
                at += 3;
            }
            _ => {
                decoded.push(text[at]);
                at += 1;
            }
        }
    }
    decoded
}

/// What the module `http.cookies` reads with its regular expression.
fn simple_cookie(line: &[u8], name: &str) -> Vec<Vec<u8>> {
    let is_space = |byte: u8| matches!(byte, b' ' | b'\t'..=b'\r');
    let is_key =
        |byte: u8| byte.is_ascii_alphanumeric() || b"!#%&'~_`><@,:/$*+-.^|)(?}{=".contains(&byte);
    let is_value = |byte: u8| is_key(byte) || b"[]".contains(&byte);
    let skip = |mut at: usize, is: &dyn Fn(u8) -> bool| {
        while line.get(at).is_some_and(|&byte| is(byte)) {
            at += 1;
        }
        at
    };
    // `\s*(\s+|;|$)`
    let tail = |at: usize| {
        let behind = skip(at, &is_space);
        match line.get(behind) {
            None => Some(behind),
            Some(b';') => Some(behind + 1),
            Some(_) => (behind > at).then_some(behind),
        }
    };
    let quoted = |at: usize| {
        let mut end = at + 1;
        (line.get(at) == Some(&b'"')).then_some(())?;
        loop {
            match line.get(end)? {
                b'"' => return Some(end + 1),
                b'\\' => end += 2,
                _ => end += 1,
            }
        }
    };
    let mut found = Vec::new();
    let mut at = 0;
    while at < line.len() {
        let start = skip(at, &is_space);
        let most = skip(start, &is_key);
        let matched = (start + 1..=most).find_map(|end| {
            let equals = skip(end, &is_space);
            if line.get(equals) == Some(&b'=') {
                let value = skip(equals + 1, &is_space);
                for close in [quoted(value), Some(skip(value, &is_value))]
                    .into_iter()
                    .flatten()
                {
                    if let Some(behind) = tail(close) {
                        return Some((end, Some(value..close), behind));
                    }
                }
            }
            tail(end).map(|behind| (end, None, behind))
        });
        let Some((end, value, behind)) = matched else {
            break;
        };
        if &line[start..end] == name.as_bytes()
            && let Some(value) = value
        {
            let value = &line[value];
            found.push(from_latin(&match value {
                [b'"', inner @ .., b'"'] => python_unquoted(inner),
                value => value.to_vec(),
            }));
        }
        at = behind.max(at + 1);
    }
    found
}

fn python_unquoted(text: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    let mut at = 0;
    while at < text.len() {
        match text[at..] {
            [b'\\', a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', ..] => {
                plain.push((a - b'0') * 64 + (b - b'0') * 8 + (c - b'0'));
                at += 4;
            }
            [b'\\', byte, ..] => {
                plain.push(byte);
                at += 2;
            }
            _ => {
                plain.push(text[at]);
                at += 1;
            }
        }
    }
    plain
}

/// What axum-extra, tower-cookies, actix-web, Rocket, poem and salvo read.
fn cookie_crate(line: &[u8], name: &str) -> Vec<Vec<u8>> {
    let Ok(line) = str::from_utf8(line) else {
        return Vec::new();
    };
    cookie::Cookie::split_parse_encoded(line)
        .flatten()
        .filter(|cookie| cookie.name() == name)
        .flat_map(|cookie| {
            [
                cookie.value().as_bytes().to_vec(),
                cookie.value_trimmed().as_bytes().to_vec(),
            ]
        })
        .collect()
}

fn php(line: &[u8], name: &str) -> Vec<Vec<u8>> {
    let mangled = |name: &[u8]| {
        let start = name
            .iter()
            .position(|&byte| byte != b' ')
            .unwrap_or(name.len());
        let mut name = name[start..].to_vec();
        for at in 0..name.len() {
            match name[at] {
                b'.' | b' ' => name[at] = b'_',
                b'[' if at == 0 => return Vec::new(),
                b'[' if name[at..].contains(&b']') => {
                    name.truncate(at);
                    break;
                }
                b'[' => {
                    name[at] = b'_';
                    break;
                }
                _ => {}
            }
        }
        name
    };
    line.split(|&byte| byte == b';')
        .filter_map(|pair| {
            let pair = pair.trim_ascii_start();
            let equals = memchr(b'=', pair)?;
            (mangled(&pair[..equals]) == mangled(name.as_bytes()))
                .then(|| percent_decoded(&pair[equals + 1..]))
        })
        .collect()
}

fn npm_cookie(line: &[u8], name: &str) -> Vec<Vec<u8>> {
    let line = String::from_utf8(from_latin(line)).unwrap();
    // What JavaScript trims, of latin-1.
    let trimmed = |text: &str| {
        text.trim_matches(|c| matches!(c, ' ' | '\t'..='\r' | '\u{A0}'))
            .to_owned()
    };
    line.split(';')
        .filter_map(|pair| {
            let (key, value) = pair.trim_start_matches(' ').split_once('=')?;
            let value = trimmed(value);
            let value = match value.strip_prefix('"') {
                Some(inner) => {
                    let mut inner = inner.to_owned();
                    inner.pop();
                    inner
                }
                None => value,
            };
            let is_malformed = value.match_indices('%').any(|(at, _)| {
                value
                    .as_bytes()
                    .get(at + 1..at + 3)
                    .is_none_or(|hex| from_hex(hex[0], hex[1]).is_none())
            });
            let decoded = String::from_utf8(percent_decoded(value.as_bytes()));
            let decoded = decoded.ok().filter(|_| !is_malformed).unwrap_or(value);
            (trimmed(key) == name).then(|| decoded.into_bytes())
        })
        .take(1)
        .collect()
}

fn cgi_cookie(line: &[u8], name: &str) -> Vec<Vec<u8>> {
    let unescaped = |text: &[u8]| {
        let text: Vec<u8> = text
            .iter()
            .map(|&byte| if byte == b'+' { b' ' } else { byte })
            .collect();
        let mut decoded = Vec::new();
        let mut at = 0;
        while at < text.len() {
            let hex = |range: std::ops::Range<usize>| {
                let digits = str::from_utf8(text.get(range)?).ok()?;
                let is_hex = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
                is_hex
                    .then(|| u32::from_str_radix(digits, 16).ok())
                    .flatten()
            };
            if text[at] == b'%'
                && let Some(byte) = hex(at + 1..at + 3)
            {
                decoded.push(u8::try_from(byte).unwrap());
                at += 3;
            } else if text[at..].starts_with(b"%u")
                && let Some(code) = hex(at + 2..at + 6)
            {
                let character = char::from_u32(code).unwrap_or('\u{FFFD}');
                decoded.extend(character.to_string().bytes());
                at += 6;
            } else {
                decoded.push(text[at]);
                at += 1;
            }
        }
        decoded
    };
    line.split(|&byte| byte == b';' || byte == b',')
        .filter_map(|pair| {
            let pair = pair.trim_ascii();
            let equals = memchr(b'=', pair)?;
            (unescaped(&pair[..equals]) == name.as_bytes()).then_some(&pair[equals + 1..])
        })
        .flat_map(|value| value.split(|&byte| byte == b'&').map(unescaped))
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
                    value = Some(python_unquoted(&line[open..at.min(line.len())]));
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
        if line[start] != b'$'
            && &line[start..end] == name.as_bytes()
            && (start == 0 || line[start - 1] != b'$')
        {
            found.extend(value);
        }
        at = to_next(at);
    }
}
