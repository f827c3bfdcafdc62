//! JSON documents that carry many keys or touches in one value.
//!
//! Each supported database can read a JSON document. So the text of a statement is the same for any
//! number of keys, and the statement is prepared once. The documents contain only digits,
//! hexadecimal digits and fixed names, so nothing has to be escaped.

use std::fmt::Write;

use super::row::{limit, millis};
use super::value::Value;
use crate::session::activity::Activity;
use crate::session::key::SessionKey;
use crate::session::time::Timestamp;
use crate::session::touch::Touch;

/// The largest number of keys or touches in one statement. Five times as many would hold their row
/// locks for 60 ms.
pub(super) const MAX_BATCH: usize = 1000;

/// A touch that has to be written, with what was read when that was decided.
///
/// The statement writes it only if the row still fits: see
/// [`still_applies`](super::dialect::still_applies).
#[derive(Debug)]
pub(super) struct DueTouch {
    key: SessionKey,
    moves_to: Timestamp,
    keep_until: Timestamp,
    seen: Activity,
    stale_until: Timestamp,
}

impl DueTouch {
    /// Returns the due touch, if the touch applies to the activity.
    pub(super) fn new(key: SessionKey, touch: &Touch, seen: Activity) -> Option<Self> {
        touch.applies_to(&seen).then(|| Self {
            key,
            moves_to: touch.last_activity(),
            keep_until: touch.keep_until(&seen),
            seen,
            stale_until: touch.stale_until(&seen),
        })
    }

    pub(super) fn values(&self) -> Vec<Value> {
        vec![
            Value::Number(millis(self.moves_to)),
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
            millis(self.moves_to),
            millis(self.keep_until),
            millis(self.seen.created_at()),
            optional(self.seen.limits().idle()),
            optional(self.seen.limits().absolute()),
            millis(self.seen.last_activity()),
            millis(self.stale_until),
        );
    }
}

/// Writes touches as a JSON array of objects.
pub(super) fn touches(touches: &[DueTouch]) -> Value {
    array(touches, DueTouch::write)
}

/// Writes keys as a JSON array of hexadecimal strings.
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
