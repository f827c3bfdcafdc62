//! The choice among several ids that one request presents.

use std::sync::Arc;

use crate::middleware::config::ConfigHandle;
use crate::session::activity::Activity;
use crate::session::key::SessionKey;
use crate::session::time::Timestamp;
use crate::session::verdict::{Expired, Verdict};
use crate::store::activity_store::{ActivityStore, BoxError};

/// The outcome of looking up several ids.
pub(super) enum Selection {
    /// This id is to be checked. The store knows the others in `ended` as ended.
    Check {
        key: SessionKey,
        ended: Vec<SessionKey>,
    },
    /// None of the ids may act.
    Refused {
        expired: Expired,
        key: Option<SessionKey>,
    },
}

/// Looks up the ids, and selects the live one.
///
/// Several live sessions are conflicting, since nobody can say which of them the application would
/// take. Two ids of one session are not conflicting: an application may set its cookie for two
/// paths, and change it in one.
pub(super) async fn select<St: ActivityStore>(
    config: Arc<ConfigHandle<St>>,
    keys: Vec<SessionKey>,
    now: Timestamp,
) -> Result<Selection, BoxError> {
    let mut live: Option<(SessionKey, Activity)> = None;
    let mut first_ended = None;
    let mut ended = Vec::new();
    let mut unknown = Vec::new();
    for key in keys {
        let found = config.store.load(key).await.map_err(Into::into)?;
        let Some(activity) = found else {
            unknown.push(key);
            continue;
        };
        match config.policy.decide(found, now) {
            Verdict::Expired(expired) => {
                ended.push(key);
                first_ended.get_or_insert((expired, key));
            }
            Verdict::Active { .. } | Verdict::Begins => {
                live = match live {
                    None => Some((key, activity)),
                    Some(first) => match newer_id(first, (key, activity)) {
                        Some(newer) => Some(newer),
                        None => {
                            let expired = Expired::conflicting(now);
                            return Ok(Selection::Refused { expired, key: None });
                        }
                    },
                };
            }
        }
    }
    if let Some((key, _)) = live {
        return Ok(Selection::Check { key, ended });
    }
    if config.visitors.is_some() {
        for key in &unknown {
            let found = config.store.load(key.of_visitor());
            let found = found.await.map_err(Into::into)?;
            if let Verdict::Active { .. } = config.policy.decide(found, now) {
                return Ok(Selection::Check { key: *key, ended });
            }
        }
    }
    if let Some((expired, key)) = first_ended {
        let key = Some(key);
        return Ok(Selection::Refused { expired, key });
    }
    // The policy decides what an unknown id means. The first one is what most readers take.
    match unknown.first() {
        Some(&key) => Ok(Selection::Check { key, ended }),
        None => {
            let expired = Expired::conflicting(now);
            Ok(Selection::Refused { expired, key: None })
        }
    }
}

/// Returns the id that was replaced later or not at all, if both are ids of one session.
///
/// Ids of one session began at the same moment, and each names another one. To walk the ring of
/// them would be exact, and would take a round trip for each id.
fn newer_id(
    first: (SessionKey, Activity),
    second: (SessionKey, Activity),
) -> Option<(SessionKey, Activity)> {
    let is_one = first.1.created_at() == second.1.created_at()
        && first.1.next_id().is_some()
        && second.1.next_id().is_some();
    let replaced_at = |id: &(SessionKey, Activity)| id.1.replaced_at().unwrap_or(Timestamp::MAX);
    let newer = if replaced_at(&second) > replaced_at(&first) {
        second
    } else {
        first
    };
    is_one.then_some(newer)
}
