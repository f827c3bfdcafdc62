//! What does the response change about the session?

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::Response;
use pin_project_lite::pin_project;

use crate::identify::identify_session::Issued;
use crate::middleware::config::Config;
use crate::middleware::state::{Live, Reply, RequestKind, SessionState};
use crate::session::activity::Activity;
use crate::session::key::SessionKey;
use crate::session::limits::Limits;
use crate::session::policy::Policy;
use crate::session::time::Timestamp;
use crate::session::verdict::Verdict;
use crate::store::activity_store::ActivityStore;
use crate::store::error::StoreError;
use crate::store::timeout::WithTimeout;

pin_project! {
    /// What is written between the wrapped service's response and the client.
    #[project = RecordingProjection]
    pub(super) enum Recording<St: ActivityStore> {
        /// The response gives the client an id: is it tracked already?
        LookingUpIssued {
            #[pin]
            load: WithTimeout<St::Future<Option<Activity>>>,
            issue: Issue,
        },
        /// It is not, and continues the session that the request presented: what has become of that?
        LookingUpPresented {
            #[pin]
            load: WithTimeout<St::Future<Option<Activity>>>,
            issue: Issue,
        },
        Creating {
            #[pin]
            create: WithTimeout<St::Future<()>>,
        },
        Continuing {
            #[pin]
            begin: WithTimeout<St::Future<Activity>>,
        },
        /// The response takes the client's id away.
        Revoking {
            #[pin]
            revoke: WithTimeout<St::Future<bool>>,
        },
        /// Answering took long, so the session was active again.
        Touching {
            #[pin]
            touch: WithTimeout<St::Future<Option<Activity>>>,
            now: Timestamp,
        },
    }
}

/// An id that the client is given.
#[derive(Clone, Copy)]
pub(super) struct Issue {
    key: SessionKey,
    limits: Option<Limits>,
    continues: Option<Live>,
    now: Timestamp,
}

/// What became of recording.
pub(super) enum Recorded {
    /// The presented session goes on, last known like this.
    GoesOn(Activity),
    /// The client was given another session, or none.
    Replaced,
    /// The presented session is gone.
    Gone,
}

/// What could not be recorded.
pub(super) enum NotRecorded {
    /// The client would hold an id that is not tracked.
    LogIn(StoreError),
    /// The client would believe in a log-out that did not happen.
    LogOut(StoreError),
    /// The session may end early by the time that this one request took.
    LateActivity(StoreError),
}

impl<St: ActivityStore> Recording<St> {
    /// What there is to record, if anything.
    #[inline]
    pub(super) fn of<B>(
        config: &Config<St>,
        state: &SessionState,
        response: &Response<B>,
    ) -> Option<Self> {
        let issued = config.identify.issued(response.headers(), &*config.clock);
        let presented = state.presented();
        match (issued, presented, state) {
            (Issued::Started(key), _, _) if Some(key) != presented => {
                let issue = Issue {
                    key,
                    limits: response.extensions().get().copied(),
                    continues: match state {
                        SessionState::Live(live) => Some(*live),
                        SessionState::Anonymous | SessionState::Unchecked(_) => None,
                    },
                    now: config.clock.now(),
                };
                let load = config.with_timeout(config.store.load(key));
                Some(Self::LookingUpIssued { load, issue })
            }
            (Issued::Ended, Some(key), _) => {
                let keep_until = config.policy.keep_revoked_until(config.clock.now());
                let revoke = config.with_timeout(config.store.revoke(key, keep_until));
                Some(Self::Revoking { revoke })
            }
            // What did not wait took no time, as far as a session is concerned: the clock is read once for it.
            (_, _, SessionState::Live(live)) if live.reply == Reply::Delayed => {
                let now = config.clock.now();
                live.is_due_again(&config.policy, now).then(|| {
                    let touch = config.store.touch(live.key, config.policy.touch(now));
                    let touch = config.with_timeout(touch);
                    Self::Touching { touch, now }
                })
            }
            _ => None,
        }
    }

    pub(super) fn poll(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        config: &Config<St>,
    ) -> Poll<Result<Recorded, NotRecorded>> {
        loop {
            let next = match self.as_mut().project() {
                RecordingProjection::LookingUpIssued { load, issue } => {
                    let found = ready!(load.poll(cx)).map_err(NotRecorded::LogIn)?;
                    match issue.continues {
                        _ if is_active(&config.policy, found, issue.now) => {
                            return Poll::Ready(Ok(Recorded::Replaced));
                        }
                        Some(live) => Self::LookingUpPresented {
                            load: config.with_timeout(config.store.load(live.key)),
                            issue: *issue,
                        },
                        None => create(config, issue),
                    }
                }
                RecordingProjection::LookingUpPresented { load, issue } => {
                    let found = ready!(load.poll(cx)).map_err(NotRecorded::LogIn)?;
                    match issue.continues {
                        Some(live) => {
                            continued(config, issue, live, found.unwrap_or(live.activity))
                        }
                        None => create(config, issue),
                    }
                }
                RecordingProjection::Creating { create } => {
                    ready!(create.poll(cx)).map_err(NotRecorded::LogIn)?;
                    return Poll::Ready(Ok(Recorded::Replaced));
                }
                RecordingProjection::Continuing { begin } => {
                    ready!(begin.poll(cx)).map_err(NotRecorded::LogIn)?;
                    return Poll::Ready(Ok(Recorded::Replaced));
                }
                RecordingProjection::Revoking { revoke } => {
                    ready!(revoke.poll(cx)).map_err(NotRecorded::LogOut)?;
                    return Poll::Ready(Ok(Recorded::Gone));
                }
                RecordingProjection::Touching { touch, now } => {
                    let before = ready!(touch.poll(cx)).map_err(NotRecorded::LateActivity)?;
                    let touch = config.policy.touch(*now);
                    return Poll::Ready(Ok(before.map_or(Recorded::Gone, |activity| {
                        Recorded::GoesOn(touch.applied_to(activity))
                    })));
                }
            };
            self.set(next);
        }
    }
}

/// Begins the issued session anew.
fn create<St: ActivityStore>(config: &Config<St>, issue: &Issue) -> Recording<St> {
    let limits = issue.limits.unwrap_or_default();
    let activity = Activity::began(issue.now).with_limits(limits);
    let keep_until = config.policy.keep_until(&activity);
    let create = config.store.create(issue.key, activity, keep_until);
    Recording::Creating {
        create: config.with_timeout(create),
    }
}

/// Continues the presented session under the issued id: it is as old, and if that has ended meanwhile, so has this.
fn continued<St: ActivityStore>(
    config: &Config<St>,
    issue: &Issue,
    live: Live,
    presented: Activity,
) -> Recording<St> {
    let kind = live.kind == RequestKind::Active;
    let activity = if kind && is_active(&config.policy, Some(presented), issue.now) {
        presented.active_at(issue.now)
    } else {
        presented
    };
    let activity = activity.with_limits(issue.limits.unwrap_or(activity.limits()));
    let keep_until = config.policy.keep_until(&activity);
    // Another request may have continued it under this id already, and it may have ended since: that stands.
    let begin = config.store.begin(issue.key, activity, keep_until);
    Recording::Continuing {
        begin: config.with_timeout(begin),
    }
}

fn is_active(policy: &Policy, activity: Option<Activity>, now: Timestamp) -> bool {
    matches!(policy.decide(activity, now), Verdict::Active { .. })
}
