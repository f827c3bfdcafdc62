//! The words of the response, written in each format.

use std::fmt::Write;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response, StatusCode};

use super::format::ResponseFormat;
use super::grpc;
use super::login_page::LoginPage;
use crate::request::head::RequestHead;

/// What the body says.
#[derive(Clone, Debug)]
pub(super) enum Message {
    /// A sentence. Browsers get the page, so it is written once.
    Sentence { text: String, page: Bytes },
    /// A body of the application's.
    Body {
        content_type: HeaderValue,
        body: Bytes,
    },
}

impl Message {
    /// Creates a sentence. On a page, it is a link to the log-in page if there is one.
    pub(super) fn sentence(text: String, login_page: Option<&LoginPage>) -> Self {
        let sentence = html_text(&text);
        let content = match login_page {
            Some(page) => format!(r#"<a href="{}">{sentence}</a>"#, html_text(page.address())),
            None => sentence,
        };
        let page = format!("<html><body>{content}</body></html>").into();
        Self::Sentence { text, page }
    }

    /// Makes the sentence a link to the log-in page. A body of the application's stays as it is.
    pub(super) fn linked_to(self, login_page: &LoginPage) -> Self {
        match self {
            Self::Sentence { text, .. } => Self::sentence(text, Some(login_page)),
            Self::Body { .. } => self,
        }
    }

    /// Makes the response in a format that is not [`ResponseFormat::Negotiated`] any more.
    pub(super) fn response(
        &self,
        request: RequestHead<'_>,
        format: ResponseFormat,
        status: StatusCode,
        phrase: &str,
    ) -> Response<Bytes> {
        let (content_type, body) = match self {
            Self::Sentence { text, .. } if format == ResponseFormat::Grpc => {
                return grpc::response(request, text);
            }
            Self::Body { .. } if format == ResponseFormat::Grpc => {
                return grpc::response(request, phrase);
            }
            Self::Sentence { text, page } => {
                let body = match format {
                    ResponseFormat::Html | ResponseFormat::Negotiated => page.clone(),
                    ResponseFormat::Json => error_json(phrase, text).into(),
                    ResponseFormat::Problem => problem_json(status, phrase, text).into(),
                    ResponseFormat::Text | ResponseFormat::Grpc => text.clone().into(),
                };
                (format.content_type(), body)
            }
            Self::Body { content_type, body } => (content_type.clone(), body.clone()),
        };
        let mut response = Response::new(body);
        *response.status_mut() = status;
        response.headers_mut().insert(CONTENT_TYPE, content_type);
        response
    }
}

impl Default for Message {
    fn default() -> Self {
        let text = "Your session has expired. Please log in again.";
        Self::sentence(text.to_owned(), None)
    }
}

fn error_json(phrase: &str, message: &str) -> String {
    format!(
        r#"{{"error":{},"message":{}}}"#,
        json_string(phrase),
        json_string(message)
    )
}

/// Writes problem details (RFC 9457).
fn problem_json(status: StatusCode, phrase: &str, message: &str) -> String {
    format!(
        r#"{{"type":"about:blank","title":{},"status":{},"detail":{}}}"#,
        json_string(phrase),
        status.as_u16(),
        json_string(message)
    )
}

fn html_text(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

/// Writes a JSON string (RFC 8259, 7): two characters and the controls are escaped.
fn json_string(text: &str) -> String {
    let mut json = String::with_capacity(text.len() + 2);
    json.push('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => json.extend(['\\', character]),
            control if control < ' ' => {
                // Writing to a string cannot fail.
                let _ = write!(json, "\\u{:04x}", u32::from(control));
            }
            plain => json.push(plain),
        }
    }
    json.push('"');
    json
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_character_that_json_does_not_allow_is_escaped() {
        for character in '\0'..=char::MAX {
            let json = json_string(&character.to_string());
            let inner = json
                .strip_prefix('"')
                .and_then(|json| json.strip_suffix('"'));
            let expected = match character {
                '"' => r#"\""#.to_owned(),
                '\\' => r"\\".to_owned(),
                '\0'..='\u{1f}' => format!("\\u00{:02x}", u32::from(character)),
                plain => plain.to_string(),
            };
            assert_eq!(inner, Some(&*expected), "{character:?}");
        }
    }
}
