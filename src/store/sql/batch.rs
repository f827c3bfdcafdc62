//! How are many keys or touches said in one statement?
//!
//! As one JSON document, since every database here takes one apart: the text of a statement stays the same however many
//! there are, so it is prepared once. It is made of digits only.

use std::fmt::Write;

use super::dialect::Value;
use super::row::{limit, millis};
use crate::session::activity::Activity;
use crate::session::key::SessionKey;
use crate::session::time::Timestamp;
use crate::session::touch::Touch;

/// How many keys or touches one statement takes. Five times as many would hold their locks for 60 ms.
pub(super) const MOST: usize = 1000;

/// A touch that applies to the activity that was read, and the conditions under which it still does when it is written.
///
/// A row that is still the same session, not revoked, and no less active than it was, is still live: activity only
/// moves its end away. `stale_until` is the latest last activity that this touch moves.
#[derive(Debug)]
pub(super) struct Move {
    key: SessionKey,
    to: Timestamp,
    keep_until: Timestamp,
    seen: Activity,
    stale_until: Timestamp,
}

impl Move {
    /// The move that this touch makes of the activity, if it applies.
    pub(super) fn of(key: SessionKey, touch: &Touch, seen: Activity) -> Option<Self> {
        touch.applies_to(&seen).then(|| Self {
            key,
            to: touch.last_activity(),
            keep_until: touch.keep_until(&seen),
            seen,
            stale_until: touch.stale_until(&seen),
        })
    }

    pub(super) fn values(&self) -> Vec<Value> {
        vec![
            Value::Number(millis(self.to)),
            Value::Number(millis(self.keep_until)),
            Value::key(self.key),
            Value::Number(millis(self.seen.created_at())),
            Value::OptionalNumber(self.seen.limits().idle().map(limit)),
            Value::OptionalNumber(self.seen.limits().absolute().map(limit)),
            Value::Number(millis(self.seen.last_activity())),
            Value::Number(millis(self.stale_until)),
        ]
    }

    fn write(&self, document: &mut String) {
        let optional = |limit_or_none: Option<std::time::Duration>| match limit_or_none {
            Some(own) => limit(own).to_string(),
            None => "null".to_owned(),
        };
        let _ = write!(
            document,
            r#"{{"id":"{}","moves_to":{},"keep_until":{},"created_at":{},"idle_limit":{},"absolute_limit":{},"seen":{},"stale_until":{}}}"#,
            Hex(self.key),
            millis(self.to),
            millis(self.keep_until),
            millis(self.seen.created_at()),
            optional(self.seen.limits().idle()),
            optional(self.seen.limits().absolute()),
            millis(self.seen.last_activity()),
            millis(self.stale_until),
        );
    }
}

/// An array of objects.
pub(super) fn moves(moves: &[Move]) -> Value {
    array(moves, Move::write)
}

/// An array of hexadecimal strings.
pub(super) fn keys(keys: &[SessionKey]) -> Value {
    array(keys, |key, document| {
        let _ = write!(document, "\"{}\"", Hex(*key));
    })
}

fn array<T>(items: &[T], mut write: impl FnMut(&T, &mut String)) -> Value {
    let mut document = String::from("[");
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            document.push(',');
        }
        write(item, &mut document);
    }
    document.push(']');
    Value::Document(document)
}

struct Hex(SessionKey);

impl std::fmt::Display for Hex {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0.to_bytes()))
    }
}
