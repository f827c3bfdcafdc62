//! The operations that change a record by anything but activity, and note that in the log.

use redis::{Cmd, Value, cmd};
use tokio::time::{Instant, timeout_at};

use super::call::Call;
use super::codec::{LoadResult, keep_until, pack, read, unpack};
use super::error::RedisStoreError;
use super::operations::Operations;
use crate::session::activity::Activity;
use crate::session::change::Change;
use crate::session::key::SessionKey;
use crate::session::time::{Timestamp, whole_millis};
use crate::store::event::store_event::StoreEvent;

impl Operations {
    pub(super) async fn create(
        &self,
        key: SessionKey,
        activity: Activity,
        keep_until: Timestamp,
    ) -> Result<(), RedisStoreError> {
        let create = || self.create_record(key, &activity, keep_until);
        let has_replaced = |replaced: &Result<bool, _>| matches!(replaced, Ok(true));
        let created = self.in_time_and_noted(key, create, has_replaced);
        created.await.map(drop)
    }

    pub(super) async fn change(&self, key: SessionKey, change: Change) -> LoadResult {
        let has_changed = |found: &LoadResult| match found {
            Ok(Some(before)) => change.applied_to(*before) != *before,
            _ => false,
        };
        self.in_time_and_noted(key, || self.change_record(key, &change), has_changed)
            .await
    }

    pub(super) async fn revoke(&self, key: SessionKey, keep_until: Timestamp) -> LoadResult {
        let is_revoked = |found: &LoadResult| match found {
            Ok(found) => found.is_some(),
            Err(error) => error.is_not_replicated(),
        };
        self.in_time_and_noted(key, || self.revoke_record(key, keep_until), is_revoked)
            .await
    }

    /// Writes a record, and returns whether it may have replaced another.
    async fn create_record(
        &self,
        key: SessionKey,
        activity: &Activity,
        keep_until: Timestamp,
    ) -> Result<bool, RedisStoreError> {
        let (name, record) = (self.name(key), &pack(activity, keep_until)[..]);
        let mut set = cmd("SET");
        set.arg(&name).arg(record).arg("NX");
        if keep_until < Timestamp::MAX {
            // Redis refuses to expire at 0.
            set.arg("PXAT").arg(keep_until.as_unix_millis().max(1));
        }
        if self.command(&name, &set).await? != Value::Nil {
            return Ok(false);
        }
        // Only where a record is in the way there is a change to note. A script for every record
        // would cost each log-in more.
        let call = Call::Create {
            key,
            record,
            keep_until,
        };
        let (answer, _) = self.change_script(&name, &call).await?;
        self.written(&answer).map(|_| true)
    }

    async fn change_record(&self, key: SessionKey, change: &Change) -> LoadResult {
        let name = self.name(key);
        let malformed = || RedisStoreError::malformed(name.clone());
        let mut get = Cmd::new();
        get.arg("GET").arg(&name);
        let mut answer = self.command(&name, &get).await?;
        // The record may be touched between the read and the write. Then the script answers the
        // record as it is now, and the change is decided again. The deadline ends this.
        loop {
            let before = match &answer {
                Value::Nil => return Ok(None),
                Value::BulkString(before) => before,
                _ => return Err(malformed()),
            };
            let activity = unpack(before).map_err(|_| malformed())?;
            let after = change.applied_to(activity);
            if after == activity {
                return Ok(Some(activity));
            }
            let keep_until = keep_until(before).max(change.keep_until(&activity));
            let call = Call::Replace {
                key,
                before,
                record: &pack(&after, keep_until),
                keep_until,
            };
            let (replaced, _) = self.change_script(&name, &call).await?;
            match self.written(&replaced)? {
                Value::Int(1) => return Ok(Some(activity)),
                now => answer = now.clone(),
            }
        }
    }

    async fn revoke_record(&self, key: SessionKey, keep_until: Timestamp) -> LoadResult {
        let name = self.name(key);
        let call = Call::Revoke { key, keep_until };
        let (answer, confirmed) = self.change_script(&name, &call).await?;
        let wanted = self
            .replicated
            .as_ref()
            .map_or(0, |replicated| replicated.replicas);
        match self.written(&answer)? {
            Value::BulkString(_) if confirmed < wanted => {
                Err(RedisStoreError::not_replicated(confirmed, wanted))
            }
            before => read(&name, before),
        }
    }

    /// Runs a script that changes a record. It notes the change in the same step, except in a
    /// Cluster. Returns its answer, and how many replicas confirmed it.
    async fn change_script(
        &self,
        name: &str,
        call: &Call<'_>,
    ) -> Result<(Value, usize), RedisStoreError> {
        if self.allows_many_keys() {
            match self.confirmed_script(&[name, &self.log], call).await {
                // A Cluster is behind the address.
                Err(error) if error.is_cross_slot() => self.allow_one_key(),
                answer => return answer,
            }
        }
        self.confirmed_script(&[name], call).await
    }

    /// Runs a script. Waits for replicas where it revokes a session and they are to confirm that.
    async fn confirmed_script(
        &self,
        keys: &[&str],
        call: &Call<'_>,
    ) -> Result<(Value, usize), RedisStoreError> {
        match (call, &self.replicated) {
            (Call::Revoke { .. }, Some(replicated)) => {
                let millis = whole_millis(replicated.wait);
                let answer = replicated
                    .servers
                    .replicated_script(keys, call, replicated.replicas, millis)
                    .await;
                self.checked(answer)
            }
            _ => self.script(keys, call).await.map(|answer| (answer, 0)),
        }
    }

    /// Runs an operation that may change a record, within the deadline. In a Cluster, where the
    /// script could not note the change, a second step notes it in what is left of that time.
    ///
    /// The change counts although the second step fails. A near cache finds it within a minute.
    async fn in_time_and_noted<T, F>(
        &self,
        key: SessionKey,
        operation: impl FnOnce() -> F,
        has_changed: impl FnOnce(&Result<T, RedisStoreError>) -> bool,
    ) -> Result<T, RedisStoreError>
    where
        F: Future<Output = Result<T, RedisStoreError>>,
    {
        let end = Instant::now() + self.deadline;
        let answer = self.in_time(operation).await;
        if !self.allows_many_keys() && has_changed(&answer) {
            self.note_by(end, key).await;
        }
        answer
    }

    async fn note_by(&self, end: Instant, key: SessionKey) {
        let noting = async {
            let _permit = self.permit().await;
            self.note(Some(key)).await
        };
        let noted = timeout_at(end, noting).await.unwrap_or_else(|_| {
            self.doubt();
            Err(RedisStoreError::timed_out(self.deadline))
        });
        if let Err(error) = noted {
            self.observers.report(&StoreEvent::ChangeNotLogged {
                log: &self.log,
                error: &error,
            });
        }
    }
}
