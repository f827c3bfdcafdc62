//! The writes of a log-in: a session begins, or goes on under a new id.

use std::sync::Arc;

use crate::middleware::config::ConfigHandle;
use crate::middleware::new_visitor::NewVisitor;
use crate::middleware::recorded::Recorded;
use crate::observe::event::Cause;
use crate::session::activity::Activity;
use crate::session::key::SessionKey;
use crate::session::verdict::Verdict;
use crate::store::activity_store::ActivityStore;
use crate::store::error::StoreError;
use crate::store::rotation::Rotation;
use crate::store::visitor;
use crate::tracker::all_sessions::Tracker;
use crate::tracker::session_user::{Admission, SessionUser};

/// Where the id of a log-in is from.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// The request presented it.
    Request,
    /// The response set it, in the place of the one that the request presented, if it did.
    Response { replaces: Option<SessionKey> },
}

/// Begins a session.
pub(super) async fn begin<St: ActivityStore>(
    config: Arc<ConfigHandle<St>>,
    key: SessionKey,
    activity: Activity,
    origin: Origin,
    user: Option<SessionUser>,
) -> Result<Recorded, StoreError> {
    let tracker = Tracker::of(Arc::clone(&config));
    let (store, policy, now) = (&config.store, &config.policy, activity.created_at());
    let has_visitors = config.visitors.is_some();
    if has_visitors {
        let is_visitor = visitor::prepare_log_in(store, policy, key, now).await?;
        // The store may have forgotten an id that the application still knows.
        if origin == Origin::Request && !is_visitor {
            return Ok(Recorded::Replaced);
        }
    }
    if let Some(user) = &user
        && tracker.prepare_for(user, key, &activity).await? == Admission::Refused
    {
        if has_visitors {
            visitor::end(store, policy, key, now).await?;
            // The application may have left its session behind with the user in it.
            if let Origin::Response {
                replaces: Some(old),
            } = origin
            {
                visitor::end(store, policy, old, now).await?;
            }
        }
        return Ok(Recorded::Replaced);
    }
    let keep_until = policy.keep_until(&activity);
    // A record that is there stays, live or ended: a `Set-Cookie` brings nothing back.
    let begin = store.begin(key, activity, keep_until);
    if config.with_timeout(begin).await? == activity {
        config.observers.began(key, Cause::Response);
    }
    if has_visitors {
        visitor::end(store, policy, key, now).await?;
        if let Origin::Response {
            replaces: Some(old),
        } = origin
        {
            visitor::replace(store, policy, old, key, now).await?;
        }
    }
    if let Some(user) = &user {
        // A session that is too much has ended. Its next request is told so.
        let _ = tracker.keep_within_limit(user, key).await?;
    }
    Ok(Recorded::Replaced)
}

/// Begins the record of a visitor under a new id. The request presented the old one, if any.
pub(super) async fn begin_visitor<St: ActivityStore>(
    config: Arc<ConfigHandle<St>>,
    visitor: NewVisitor,
    old: Option<SessionKey>,
) -> Result<Recorded, StoreError> {
    if let Some(old) = old {
        // The visitor may have logged in since the request began. Then the application's session
        // that gets the new id is the user's.
        let known = config.with_timeout(config.store.load(old)).await?;
        if let Some(known) = known {
            let rotation = Rotation {
                old,
                new: visitor.key(),
                limits: None,
                now: config.clock.now(),
                active_at: None,
            };
            rotate(config, rotation, known, None).await?;
            return Ok(Recorded::Replaced);
        }
        // The application may know an id that the store has forgotten, and give its session
        // another. Or the visitor has logged in with another id, and the application has left its
        // session behind with the user in it.
        let known = config
            .with_timeout(config.store.load(old.of_visitor()))
            .await?;
        let verdict = config.policy.decide(known, config.clock.now());
        let is_visitor = known.is_some_and(|known| known.replaced_at().is_none());
        if !is_visitor || !matches!(verdict, Verdict::Active { .. }) {
            return Ok(Recorded::Replaced);
        }
    }
    visitor.begin(&config).await;
    Ok(Recorded::Replaced)
}

/// Continues a live session under a new id.
pub(super) async fn rotate<St: ActivityStore>(
    config: Arc<ConfigHandle<St>>,
    rotation: Rotation,
    known: Activity,
    user: Option<SessionUser>,
) -> Result<Recorded, StoreError> {
    let tracker = Tracker::of(Arc::clone(&config));
    let (old, new) = (rotation.old, rotation.new);
    let known = match config.users {
        // The link must stay as long as the session, whose limits may have changed since.
        Some(_) => tracker.activity(old).await?.unwrap_or(known),
        None => known,
    };
    let activity = match rotation.limits {
        Some(limits) => known.with_limits(limits),
        None => known,
    };
    let linked = match &user {
        Some(user) => Some(tracker.link(user, new, &activity).await?),
        None if config.users.is_some() => tracker.link_new_id(old, new, &activity).await?,
        None => None,
    };
    if !rotation.record(&config.store, &config.policy).await? {
        return Ok(Recorded::Replaced);
    }
    config.observers.rotated(old, new, Cause::Response);
    if config.users.is_some() {
        // The session can be found without this, and its failure is reported.
        let links = tracker.settle_links((old, new), linked, user.as_ref());
        let _ = links.await;
    }
    if let Some(user) = &user
        && tracker.keep_within_limit(user, new).await? == Admission::Refused
    {
        return Ok(Recorded::Gone);
    }
    // A stream that waits for the end of the old id goes on with the new one.
    Ok(Recorded::GoesOn(activity))
}
