//! The links of sessions to their users, in Redis: a hash for each user, and a string for each
//! session. Each is written by itself, since in a Cluster they lie on different servers.

use redis::{Cmd, Value};

use super::call::Call;
use super::codec::{digits, timestamp};
use super::error::RedisStoreError;
use super::operations::Operations;
use crate::session::key::SessionKey;
use crate::session::time::Timestamp;
use crate::session::user::{UserKey, UserLink};

/// The version with which the value of a link begins.
const VERSION: u8 = b'1';

impl Operations {
    pub(super) async fn link(
        &self,
        user: UserKey,
        link: &UserLink,
        keep_until: Timestamp,
    ) -> Result<(), RedisStoreError> {
        let session = link.session();
        let before = self.link_of(session).await?;
        // The user's list first: a session that is linked is in a list.
        let hash = self.name_of_user(user);
        let value = &pack(link)[..];
        let call = Call::Link {
            session,
            value,
            keep_until,
        };
        self.script(&[&hash], &call).await?;
        let text = self.name_of_link(session);
        let mut set = Cmd::new();
        set.arg("SET").arg(&text);
        set.arg([&[VERSION], &user.to_bytes()[..], value].concat());
        if keep_until < Timestamp::MAX {
            set.arg("PXAT").arg(keep_until.as_unix_millis().max(1));
        }
        self.command(&text, &set).await?;
        match before {
            Some((other, _)) if other != user => self.remove_from_list(other, &[session]).await,
            _ => Ok(()),
        }
    }

    pub(super) async fn links_of(&self, user: UserKey) -> Result<Vec<UserLink>, RedisStoreError> {
        let hash = self.name_of_user(user);
        let mut get = Cmd::new();
        get.arg("HGETALL").arg(&hash);
        let malformed = || RedisStoreError::malformed(hash.clone());
        let fields = match self.command(&hash, &get).await? {
            Value::Map(fields) => fields,
            Value::Array(list) => list
                .chunks_exact(2)
                .map(|pair| (pair[0].clone(), pair[1].clone()))
                .collect(),
            _ => return Err(malformed()),
        };
        let link = |(session, value): (Value, Value)| {
            let (Value::BulkString(session), Value::BulkString(value)) = (session, value) else {
                return None;
            };
            let session = SessionKey::from_bytes(session.try_into().ok()?);
            unpack(session, &value)
        };
        // One malformed link must not hide the others.
        Ok(fields.into_iter().filter_map(link).collect())
    }

    pub(super) async fn link_of(
        &self,
        session: SessionKey,
    ) -> Result<Option<(UserKey, UserLink)>, RedisStoreError> {
        let text = self.name_of_link(session);
        let mut get = Cmd::new();
        get.arg("GET").arg(&text);
        let malformed = || RedisStoreError::malformed(text.clone());
        let value = match self.command(&text, &get).await? {
            Value::Nil => return Ok(None),
            Value::BulkString(value) => value,
            _ => return Err(malformed()),
        };
        let (user, link) = owner(&value).ok_or_else(malformed)?;
        let link = unpack(session, link).ok_or_else(malformed)?;
        Ok(Some((user, link)))
    }

    /// Removes what leads from a session to this user.
    pub(super) async fn unlink(
        &self,
        user: UserKey,
        session: SessionKey,
    ) -> Result<(), RedisStoreError> {
        let text = self.name_of_link(session);
        self.script(&[&text], &Call::Unlink(user)).await?;
        Ok(())
    }

    /// Removes what leads from a user to these sessions.
    pub(super) async fn remove_from_list(
        &self,
        user: UserKey,
        sessions: &[SessionKey],
    ) -> Result<(), RedisStoreError> {
        if sessions.is_empty() {
            return Ok(());
        }
        let hash = self.name_of_user(user);
        let mut remove = Cmd::new();
        remove.arg("HDEL").arg(&hash);
        for session in sessions {
            remove.arg(&session.to_bytes()[..]);
        }
        self.command(&hash, &remove).await?;
        Ok(())
    }

    fn name_of_user(&self, user: UserKey) -> String {
        format!("{}user:{}", self.prefix, digits(user.to_bytes()))
    }

    fn name_of_link(&self, session: SessionKey) -> String {
        format!("{}link:{}", self.prefix, digits(session.to_bytes()))
    }
}

/// Writes a link: the version, the time of the link in 48 bits, and the label.
fn pack(link: &UserLink) -> Vec<u8> {
    let [_, _, millis @ ..] = link.linked_at().as_unix_millis().to_be_bytes();
    [&[VERSION], &millis[..], link.label().as_bytes()].concat()
}

fn unpack(session: SessionKey, value: &[u8]) -> Option<UserLink> {
    let (&VERSION, rest) = value.split_first()? else {
        return None;
    };
    let (linked_at, label) = timestamp(rest).ok()?;
    Some(UserLink::new(
        session,
        linked_at,
        str::from_utf8(label).ok()?,
    ))
}

/// Splits what is stored for a session into its user and the link.
fn owner(value: &[u8]) -> Option<(UserKey, &[u8])> {
    let (&VERSION, rest) = value.split_first()? else {
        return None;
    };
    let (user, link) = rest.split_first_chunk::<16>()?;
    Some((UserKey::from_bytes(*user), link))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_read_as_it_was_written() {
        let session = SessionKey::of("sesame");
        for at in [Timestamp::UNIX_EPOCH, Timestamp::MAX] {
            for label in ["", "Firefox on Linux", "\0\r\n€"] {
                let link = UserLink::new(session, at, label);
                assert_eq!(unpack(session, &pack(&link)), Some(link));
            }
        }
        for value in [&b""[..], b"2", b"1", b"1\0\0\0\0\0", b"1\0\0\0\0\0\0\xff"] {
            assert_eq!(unpack(session, value), None, "{value:?}");
        }
        assert_eq!(owner(b"1user"), None);
    }
}
