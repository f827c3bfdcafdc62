//! The log of changes, a stream in Redis: how it is read.
//!
//! An entry has one field, `k`, with the 16 bytes of a session's key. Where they are missing, the
//! entry only marks a position.

use redis::{Cmd, ErrorKind, RedisError, Value};

use super::call::Call;
use super::error::RedisStoreError;
use super::operations::Operations;
use crate::session::key::SessionKey;
use crate::store::change_log::{Changes, LogPosition};

/// How many changes one read returns at most.
const PAGE: usize = 1_000;

impl Operations {
    /// Reads the log from a position on, in one command.
    pub(super) async fn changes_since(
        &self,
        position: Option<&LogPosition>,
    ) -> Result<Changes, RedisStoreError> {
        if let Some(position) = position
            && let Some(id) = id_of(position)
        {
            // The entry at the position comes first, where it is still there.
            let mut range = Cmd::new();
            range.arg("XRANGE").arg(&self.log).arg(id).arg("+");
            range.arg("COUNT").arg(PAGE + 1);
            if let Some(changes) = read_page(&self.command(&self.log, &range).await?, position) {
                return Ok(changes);
            }
        }
        self.end_of_log().await.map(Changes::any)
    }

    /// Returns the position of the last entry. Adds one that only marks a position where there is
    /// none.
    async fn end_of_log(&self) -> Result<LogPosition, RedisStoreError> {
        let mut last = Cmd::new();
        last.arg("XREVRANGE").arg(&self.log).arg("+").arg("-");
        last.arg("COUNT").arg(1);
        if let Value::Array(entries) = self.command(&self.log, &last).await?
            && let Some(entry) = entries.first()
        {
            let entry = Entry::read(entry).ok_or_else(no_entry)?;
            return Ok(entry.position());
        }
        match self.note(None).await? {
            Value::BulkString(id) => Ok(position(&id, None)),
            _ => Err(no_entry()),
        }
    }

    pub(super) async fn note(&self, key: Option<SessionKey>) -> Result<Value, RedisStoreError> {
        self.script(&[&self.log], &Call::Note(key)).await
    }
}

/// One entry of the log.
struct Entry<'a> {
    id: &'a [u8],
    noted: Noted,
}

#[derive(Clone, Copy)]
enum Noted {
    Change(SessionKey),
    /// The entry only marks a position.
    Nothing,
    /// Another program, or a newer version, has written the entry.
    Unreadable,
}

impl<'a> Entry<'a> {
    /// Reads an entry. Returns `None` for an answer that is no entry of a stream.
    fn read(entry: &'a Value) -> Option<Self> {
        let Value::Array(parts) = entry else {
            return None;
        };
        let [Value::BulkString(id), Value::Array(fields)] = &parts[..] else {
            return None;
        };
        Some(Self {
            id,
            noted: Noted::read(fields),
        })
    }

    fn position(&self) -> LogPosition {
        let key = match self.noted {
            Noted::Change(key) => Some(key),
            Noted::Nothing | Noted::Unreadable => None,
        };
        position(self.id, key)
    }
}

impl Noted {
    fn read(fields: &[Value]) -> Self {
        let [Value::BulkString(field), Value::BulkString(key)] = fields else {
            return Self::Unreadable;
        };
        match <[u8; 16]>::try_from(&key[..]) {
            _ if field != b"k" => Self::Unreadable,
            Ok(key) => Self::Change(SessionKey::from_bytes(key)),
            Err(_) if key.is_empty() => Self::Nothing,
            Err(_) => Self::Unreadable,
        }
    }
}

/// Reads what follows the position in a page that begins with it.
///
/// Returns `None` where the page does not begin with the entry at the position, or one of the
/// others cannot be read.
fn read_page(page: &Value, position: &LogPosition) -> Option<Changes> {
    let Value::Array(entries) = page else {
        return None;
    };
    let (first, later) = entries.split_first()?;
    let mut end = Entry::read(first)?.position();
    if end != *position {
        return None;
    }
    let mut keys = Vec::with_capacity(later.len());
    for entry in later {
        let entry = Entry::read(entry)?;
        match entry.noted {
            Noted::Change(key) => keys.push(key),
            Noted::Nothing => {}
            Noted::Unreadable => return None,
        }
        end = entry.position();
    }
    let changes = Changes::these(keys, end);
    Some(if later.len() < PAGE {
        changes
    } else {
        changes.with_more()
    })
}

/// Returns the position at an entry: its id, and the session's key that it notes.
///
/// The id alone is not enough. A replica that takes over before it has received the entry can give
/// the same id to another one, if its clock is behind.
fn position(id: &[u8], key: Option<SessionKey>) -> LogPosition {
    let key = key.map(SessionKey::to_bytes);
    LogPosition::from_bytes([id, b" ", key.as_ref().map_or(&[], |key| &key[..])].concat())
}

/// Returns the id of the entry at a position, unless Redis would refuse it.
fn id_of(position: &LogPosition) -> Option<&str> {
    let bytes = position.as_bytes();
    let end = bytes.iter().position(|byte| *byte == b' ')?;
    let id = str::from_utf8(&bytes[..end]).ok()?;
    let is_number =
        |part: &str| part.bytes().all(|byte| byte.is_ascii_digit()) && part.parse::<u64>().is_ok();
    let (millis, sequence) = id.split_once('-')?;
    (is_number(millis) && is_number(sequence)).then_some(id)
}

fn no_entry() -> RedisStoreError {
    RedisError::from((
        ErrorKind::UnexpectedReturnType,
        "the log of changes did not answer with an entry",
    ))
    .into()
}
