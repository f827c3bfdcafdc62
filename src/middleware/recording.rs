//! What a response changes about the session, written before the client gets it.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::Response;
use pin_project_lite::pin_project;

use crate::identify::identify_session::Issued;
use crate::middleware::config::{Config, ConfigHandle};
use crate::middleware::log_in::{self, Origin};
use crate::middleware::new_visitor::NewVisitor;
use crate::middleware::recorded::{NotRecorded, Recorded};
use crate::middleware::state::{Reply, RequestKind, SessionState};
use crate::observe::event::{Cause, StoreOperation};
use crate::session::activity::Activity;
use crate::session::change::Change;
use crate::session::key::SessionKey;
use crate::session::limits::Limits;
use crate::session::time::Timestamp;
use crate::store::activity_store::ActivityStore;
use crate::store::detached::Detached;
use crate::store::error::StoreError;
use crate::store::lifecycle;
use crate::store::rotation::Rotation;
use crate::store::timeout::WithTimeout;
use crate::store::visitor;
use crate::tracker::all_sessions::Tracker;
use crate::tracker::session_user::{Admission, SessionUser};

pin_project! {
    /// The write of what a response changes.
    #[project = RecordingProjection]
    pub(super) enum Recording<St: ActivityStore> {
        /// The response gives the client an id, or changes the limits of its session.
        LogIn {
            #[pin]
            write: Detached<Recorded>,
        },
        /// The response takes the client's id away.
        LogOut {
            #[pin]
            write: Detached<Recorded>,
        },
        /// The answer took long, so the session was active again.
        Touch {
            #[pin]
            touch: WithTimeout<St::Future<Option<Activity>>>,
            now: Timestamp,
        },
    }
}

impl<St: ActivityStore> Recording<St> {
    /// Starts the write of what the response changes, if it changes anything.
    ///
    /// The request presented the id of the state, and `others` beside it, which the wrapped service
    /// did not see.
    #[inline]
    pub(super) fn of<B>(
        config: &Arc<ConfigHandle<St>>,
        state: &SessionState,
        others: &[SessionKey],
        response: &Response<B>,
    ) -> Option<Self> {
        match config.identify.issued(response.headers(), &*config.clock) {
            Issued::Nothing => match state.key() {
                Some(key) if config.users.is_some() => {
                    Self::of_same_id(config, state, key, None, user_of(config, response))
                }
                _ => Self::of_late_activity(config, state),
            },
            Issued::Started(key) => {
                let limits = response.extensions().get().copied();
                let user = user_of(config, response);
                if is_presented(state, others, key) {
                    Self::of_same_id(config, state, key, limits, user)
                } else {
                    Self::of_new_id(config, state, others, key, limits, user)
                }
            }
            Issued::Ended => {
                let presented = presented(state, others);
                (!presented.is_empty()).then(|| Self::of_log_out(config, presented, None))
            }
        }
    }

    /// Starts the write of a new id: it begins a session, or continues the live one that was
    /// presented.
    // Few responses change a session, and all pay for what is in their way.
    #[cold]
    pub(super) fn of_new_id(
        config: &Arc<ConfigHandle<St>>,
        state: &SessionState,
        others: &[SessionKey],
        key: SessionKey,
        limits: Option<Limits>,
        user: Option<SessionUser>,
    ) -> Option<Self> {
        let now = config.clock.now();
        match state {
            SessionState::Anonymous
            | SessionState::Exempt(_)
            | SessionState::Visitor { .. }
            | SessionState::FormerVisitor => {
                let activity = Activity::began(now).with_limits(limits.unwrap_or_default());
                let origin = match is_presented(state, others, key) {
                    true => Origin::Request,
                    false => Origin::Response {
                        replaces: state.key(),
                    },
                };
                let begin = log_in::begin(Arc::clone(config), key, activity, origin, user);
                Some(Self::log_in(config, begin))
            }
            // The session that would go on may have ended: nothing begins from an id that was not
            // checked.
            SessionState::Unverified(_) => None,
            SessionState::Live(live) => {
                let rotation = Rotation {
                    old: live.key,
                    new: key,
                    limits,
                    now,
                    active_at: (live.kind == RequestKind::Active).then_some(now),
                };
                let rotate = log_in::rotate(Arc::clone(config), rotation, live.activity, user);
                Some(Self::log_in(config, rotate))
            }
        }
    }

    /// Starts the write of what comes with an id that the client has already: limits, and whose the
    /// session is, if there is either.
    #[cold]
    fn of_same_id(
        config: &Arc<ConfigHandle<St>>,
        state: &SessionState,
        key: SessionKey,
        limits: Option<Limits>,
        user: Option<SessionUser>,
    ) -> Option<Self> {
        let was_live = state.activity().is_some();
        let limits = limits.filter(|_| was_live);
        if limits.is_none() && user.is_none() {
            return Self::of_late_activity(config, state);
        }
        let now = config.clock.now();
        let activity = state.activity().unwrap_or(Activity::began(now));
        let change = limits.map(|limits| Change::set_limits(config.policy, now, limits));
        let late = late_activity(config, state);
        let config = Arc::clone(config);
        let tracker = Tracker::of(Arc::clone(&config));
        Some(Self::log_in(&Arc::clone(&config), async move {
            let mut after = None;
            if let Some(limits) = limits {
                tracker.link_for(key, limits).await?;
            }
            if let Some(change) = change {
                let before = config.with_timeout(config.store.change(key, change));
                after = before.await?.map(|before| change.applied_to(before));
            }
            if let Some((key, now)) = late {
                let touch = config.policy.touch(now);
                match config.with_timeout(config.store.touch(key, touch)).await {
                    Ok(before) => after = before.map(|before| touch.applied_to(before)),
                    Err(error) => {
                        let operation = StoreOperation::Activity;
                        let observers = &config.observers;
                        observers.store_failed(operation, Cause::Response, &error);
                    }
                }
            }
            if let Some(user) = &user
                && tracker.admit(user, key, &activity).await? == Admission::Refused
            {
                return Ok(Recorded::Gone);
            }
            Ok(match was_live {
                true => Recorded::GoesOn(after.unwrap_or(activity)),
                // Nobody has checked it.
                false => Recorded::Replaced,
            })
        }))
    }

    /// Starts the write of a log-out: every id that was presented ends. The visitor may get another
    /// one.
    pub(super) fn of_log_out(
        config: &Arc<ConfigHandle<St>>,
        presented: Vec<SessionKey>,
        visitor: Option<NewVisitor>,
    ) -> Self {
        let now = config.clock.now();
        let config = Arc::clone(config);
        let observed = Arc::clone(&config);
        let write = reporting(&observed, StoreOperation::LogOut, async move {
            for key in presented {
                let before = lifecycle::end(&config.store, &config.policy, key, now).await?;
                if before.is_some_and(|before| !before.is_revoked()) {
                    config.observers.ended(key, Cause::Response);
                }
                if config.visitors.is_some() {
                    visitor::end(&config.store, &config.policy, key, now).await?;
                }
            }
            if let Some(visitor) = visitor {
                visitor.begin(&config).await;
            }
            Ok(Recorded::Gone)
        });
        Self::LogOut { write }
    }

    /// Starts the write of activity that lasted until now, if it lasted long enough.
    fn of_late_activity(config: &Config<St>, state: &SessionState) -> Option<Self> {
        let (key, now) = late_activity(config, state)?;
        let touch = config.store.touch(key, config.policy.touch(now));
        let touch = config.with_timeout(touch);
        Some(Self::Touch { touch, now })
    }

    pub(super) fn log_in(
        config: &Arc<ConfigHandle<St>>,
        write: impl Future<Output = Result<Recorded, StoreError>> + Send + 'static,
    ) -> Self {
        let write = reporting(config, StoreOperation::LogIn, write);
        Self::LogIn { write }
    }

    pub(super) fn poll(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        config: &Config<St>,
    ) -> Poll<Result<Recorded, NotRecorded>> {
        Poll::Ready(match self.project() {
            RecordingProjection::LogIn { write } => {
                ready!(write.poll(cx)).map_err(NotRecorded::LogIn)
            }
            RecordingProjection::LogOut { write } => {
                ready!(write.poll(cx)).map_err(NotRecorded::LogOut)
            }
            RecordingProjection::Touch { touch, now } => {
                let before = ready!(touch.poll(cx)).map_err(NotRecorded::LateActivity)?;
                let touch = config.policy.touch(*now);
                Ok(before.map_or(Recorded::Gone, |activity| {
                    Recorded::GoesOn(touch.applied_to(activity))
                }))
            }
        })
    }
}

fn is_presented(state: &SessionState, others: &[SessionKey], key: SessionKey) -> bool {
    state.key() == Some(key) || others.contains(&key)
}

/// Returns every id that the request presented.
pub(super) fn presented(state: &SessionState, others: &[SessionKey]) -> Vec<SessionKey> {
    state
        .key()
        .into_iter()
        .chain(others.iter().copied())
        .collect()
}

/// Returns whose session the wrapped service says that this is, if the layer remembers that.
pub(super) fn user_of<St, B>(config: &Config<St>, response: &Response<B>) -> Option<SessionUser> {
    config.users.as_ref()?;
    response.extensions().get().cloned()
}

/// Returns the id of the session and the time now, if answering took so long that the session was
/// active again.
fn late_activity<St: ActivityStore>(
    config: &Config<St>,
    state: &SessionState,
) -> Option<(SessionKey, Timestamp)> {
    // A service that did not wait took no time, as far as a session is concerned: the clock is read
    // once for it.
    let SessionState::Live(live) = state else {
        return None;
    };
    if live.reply == Reply::Immediate {
        return None;
    }
    let now = config.clock.now();
    live.is_due_again(&config.policy, now)
        .then_some((live.key, now))
}

/// Makes a write report its failure itself, since it may outlive the request.
fn reporting<St: ActivityStore>(
    config: &Arc<ConfigHandle<St>>,
    operation: StoreOperation,
    write: impl Future<Output = Result<Recorded, StoreError>> + Send + 'static,
) -> Detached<Recorded> {
    let config = Arc::clone(config);
    Detached::new(async move {
        let recorded = write.await;
        if let Err(error) = &recorded {
            let observers = &config.observers;
            observers.store_failed(operation, Cause::Response, error);
        }
        recorded
    })
}
