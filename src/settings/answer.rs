//! The answer to ended sessions as a file gives it.

use std::collections::BTreeMap;
use std::fmt;

use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderName, HeaderValue, StatusCode};
use serde::de::{Error, Unexpected, Visitor};
use serde::{Deserialize, Deserializer};

use super::text::parsed;
use crate::respond::format::ResponseFormat;
use crate::respond::phrase::PhraseError;
use crate::respond::response::LoginTimeoutResponse;

/// Reads an answer. What the file leaves out is as [`LoginTimeoutResponse::new`] has it.
pub(super) fn answer<'de, D>(deserializer: D) -> Result<LoginTimeoutResponse, D::Error>
where
    D: Deserializer<'de>,
{
    let file = AnswerFile::deserialize(deserializer)?;
    file.answer()
        .map_err(|error| D::Error::custom(format_args!("`answer`: {error}")))
}

#[derive(Default, Deserialize)]
#[serde(rename = "answer", default, deny_unknown_fields)]
struct AnswerFile {
    #[serde(deserialize_with = "status")]
    status: Option<StatusCode>,
    #[serde(deserialize_with = "phrase")]
    phrase: Option<String>,
    format: Option<FormatName>,
    message: Option<String>,
    headers: BTreeMap<Name, Lines>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename = "format", rename_all = "snake_case")]
enum FormatName {
    Negotiated,
    Html,
    Json,
    Problem,
    Text,
    Grpc,
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Name(String);

/// The lines of a header: one text, or a list of texts.
struct Lines(Vec<HeaderValue>);

impl AnswerFile {
    fn answer(self) -> Result<LoginTimeoutResponse, PhraseError> {
        let mut answer = LoginTimeoutResponse::new();
        // The status comes before the phrase, since it sets a phrase of its own.
        if let Some(status) = self.status {
            answer = answer.with_status(status);
        }
        if let Some(phrase) = self.phrase {
            answer = answer.with_phrase(phrase)?;
        }
        if let Some(format) = self.format {
            answer = answer.with_format(match format {
                FormatName::Negotiated => ResponseFormat::Negotiated,
                FormatName::Html => ResponseFormat::Html,
                FormatName::Json => ResponseFormat::Json,
                FormatName::Problem => ResponseFormat::Problem,
                FormatName::Text => ResponseFormat::Text,
                FormatName::Grpc => ResponseFormat::Grpc,
            });
        }
        if let Some(message) = self.message {
            answer = answer.with_message(message);
        }
        for (name, Lines(values)) in self.headers {
            let Ok(name) = HeaderName::try_from(name.0) else {
                continue;
            };
            for value in values {
                answer = answer.with_header(name.clone(), value);
            }
        }
        Ok(answer)
    }
}

fn status<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<StatusCode>, D::Error> {
    deserializer.deserialize_u16(StatusVisitor).map(Some)
}

fn phrase<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    parsed(deserializer, "phrase", "text", |phrase| {
        LoginTimeoutResponse::new().with_phrase(phrase)?;
        Ok::<_, PhraseError>(Some(phrase.to_owned()))
    })
}

/// A status that tells a client that it did not get what it asked for.
struct StatusVisitor;

impl Visitor<'_> for StatusVisitor {
    type Value = StatusCode;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("`status` as a number from 400 to 599, such as 440 or 401")
    }

    fn visit_u64<E: Error>(self, status: u64) -> Result<StatusCode, E> {
        u16::try_from(status)
            .ok()
            .filter(|status| (400..600).contains(status))
            .and_then(|status| StatusCode::from_u16(status).ok())
            .ok_or_else(|| E::invalid_value(Unexpected::Unsigned(status), &self))
    }

    fn visit_i64<E: Error>(self, status: i64) -> Result<StatusCode, E> {
        match u64::try_from(status) {
            Ok(status) => self.visit_u64(status),
            Err(_) => Err(E::invalid_value(Unexpected::Signed(status), &self)),
        }
    }
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        parsed(deserializer, "headers", "a header's name", |name| {
            match HeaderName::try_from(name) {
                // With another length than the body's, clients would wait or read half of it.
                Ok(name) if name == CONTENT_LENGTH || name == TRANSFER_ENCODING => {
                    Err(format!("{name:?} is set by the server"))
                }
                Ok(name) => Ok(Self(name.as_str().to_owned())),
                Err(_) => Err(format!("{name:?} cannot be a header's name")),
            }
        })
    }
}

impl<'de> Deserialize<'de> for Lines {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(LinesVisitor)
    }
}

struct LinesVisitor;

impl<'de> Visitor<'de> for LinesVisitor {
    type Value = Lines;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a header's value in `headers`: a text, or a list of texts")
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Lines, E> {
        line(value).map(|line| Lines(vec![line]))
    }

    fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut values: A) -> Result<Lines, A::Error> {
        let mut lines = Vec::new();
        while let Some(value) = values.next_element::<String>()? {
            lines.push(line(&value)?);
        }
        Ok(Lines(lines))
    }
}

fn line<E: Error>(value: &str) -> Result<HeaderValue, E> {
    HeaderValue::try_from(value).map_err(|_| {
        E::custom("`headers`: a header's value cannot have line ends or other control characters")
    })
}
