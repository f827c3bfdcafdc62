//! The question that a request puts to the store, and what is decided from its answer.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};

use crate::identify::identify_session::Presented;
use crate::middleware::ambiguity::Ambiguity;
use crate::middleware::config::{Config, ConfigHandle};
use crate::middleware::selection::{self, Selection};
use crate::middleware::state::{Live, Reply, RequestKind, SessionState};
use crate::middleware::visitors::Attempt;
use crate::observe::event::{Cause, Outcome, StoreOperation};
use crate::request::head::RequestHead;
use crate::session::activity::Activity;
use crate::session::key::SessionKey;
use crate::session::policy::StoreFailure;
use crate::session::time::Timestamp;
use crate::session::verdict::Verdict;
use crate::store::activity_store::{ActivityStore, BoxError};
use crate::store::error::StoreError;
use crate::store::timeout::WithTimeout;
use crate::tracker::all_sessions::Tracker;
use crate::tracker::session_handle::SessionHandle;

/// The question to the store: may this session act?
pub(super) struct Question {
    pub(super) key: SessionKey,
    now: Timestamp,
    kind: RequestKind,
    pub(super) ambiguity: Option<Box<Ambiguity>>,
    pub(super) attempt: Option<Box<Attempt>>,
    visitor: AskedForVisitor,
}

/// What is known of the visitor's record under the id.
#[derive(Clone, Copy, PartialEq, Eq)]
enum AskedForVisitor {
    NotYet,
    /// The visitor has ended.
    Ended,
}

/// What follows from the store's answer.
pub(super) enum Decision {
    Pass(SessionState),
    Respond(Response<Bytes>),
    Begin,
    /// No log-in is known of the id. It may be a visitor's.
    AskForVisitor,
    /// The visitor has ended, perhaps by a log-in that this request has crossed.
    AskAgain,
    /// The id is not live. Look up these and it.
    Select(Vec<SessionKey>),
}

pub(super) type BoxedSelection = Pin<Box<dyn Future<Output = Result<Selection, BoxError>> + Send>>;

impl Question {
    /// Asks whether the session may act. Where several ids are presented, the selection may set
    /// another key later.
    pub(super) fn new<St: ActivityStore>(
        config: &Config<St>,
        key: SessionKey,
        request: RequestHead<'_>,
    ) -> Self {
        let kind = if config.passive.any(request) {
            RequestKind::Passive
        } else {
            RequestKind::Active
        };
        Self {
            key,
            now: config.clock.now(),
            kind,
            ambiguity: None,
            attempt: None,
            visitor: AskedForVisitor::NotYet,
        }
    }

    pub(super) fn select<St: ActivityStore>(
        &self,
        config: &Arc<ConfigHandle<St>>,
        keys: Vec<SessionKey>,
    ) -> WithTimeout<BoxedSelection> {
        let selection = selection::select(Arc::clone(config), keys, self.now);
        let selection: BoxedSelection = Box::pin(selection);
        config.with_timeout(selection)
    }

    pub(super) fn check<St: ActivityStore>(
        &self,
        config: &Config<St>,
    ) -> St::Future<Option<Activity>> {
        self.touch(config, self.key)
    }

    /// Asks whether the id is that of a visitor who has not logged in.
    #[cold]
    pub(super) fn check_visitor<St: ActivityStore>(
        &self,
        config: &Config<St>,
    ) -> St::Future<Option<Activity>> {
        self.touch(config, self.key.of_visitor())
    }

    #[inline]
    fn touch<St: ActivityStore>(
        &self,
        config: &Config<St>,
        key: SessionKey,
    ) -> St::Future<Option<Activity>> {
        let touch = config.policy.touch(self.now);
        match self.kind {
            RequestKind::Passive => config.store.touch(key, touch.passive()),
            RequestKind::Active => config.store.touch(key, touch),
        }
    }

    #[inline]
    pub(super) fn decide<St: ActivityStore, B>(
        &mut self,
        config: &Arc<ConfigHandle<St>>,
        found: Result<Option<Activity>, StoreError>,
        request: &mut Request<B>,
    ) -> Decision {
        let found = match found {
            Ok(found) => found,
            Err(error) => return self.unverified(config, &error, request),
        };
        match found {
            Some(activity) if config.policy.remaining(&activity, self.now).is_ok() => {
                self.live(config, activity, request)
            }
            found => self.not_live(config, found, request),
        }
    }

    /// Decides about a session that may not act, or does not exist yet.
    #[cold]
    fn not_live<St: ActivityStore, B>(
        &mut self,
        config: &Arc<ConfigHandle<St>>,
        found: Option<Activity>,
        request: &mut Request<B>,
    ) -> Decision {
        match config.policy.decide(found, self.now) {
            Verdict::Expired(expired) => {
                let ambiguity = self.ambiguity.as_deref_mut();
                if let Some(mut keys) = ambiguity.and_then(Ambiguity::take_fallback) {
                    keys.insert(0, self.key);
                    return Decision::Select(keys);
                }
                if found.is_none() && config.visitors.is_some() {
                    return self.unknown_to_log_ins(config, request);
                }
                let head = RequestHead::from(&*request);
                Decision::Respond(config.refuse(expired, Some(self.key), head))
            }
            Verdict::Begins | Verdict::Active { .. } if config.visitors.is_some() => {
                self.unknown_to_log_ins(config, request)
            }
            Verdict::Begins | Verdict::Active { .. } => Decision::Begin,
        }
    }

    /// Decides about an id of which no log-in is known.
    // Few sites have visitors with a cookie, and all pay for what is in their way.
    #[cold]
    fn unknown_to_log_ins<St: ActivityStore, B>(
        &self,
        config: &Arc<ConfigHandle<St>>,
        request: &mut Request<B>,
    ) -> Decision {
        match self.visitor {
            AskedForVisitor::NotYet => Decision::AskForVisitor,
            AskedForVisitor::Ended => self.former_visitor(config, request),
        }
    }

    /// Decides about an id of which no log-in is known, from the visitor's record.
    pub(super) fn visit<St: ActivityStore, B>(
        &mut self,
        config: &Arc<ConfigHandle<St>>,
        found: Result<Option<Activity>, StoreError>,
        request: &mut Request<B>,
    ) -> Decision {
        let found = match found {
            Ok(found) => found,
            Err(error) => return self.unverified(config, &error, request),
        };
        match (config.policy.decide(found, self.now), found) {
            (Verdict::Active { .. }, Some(activity)) => self.visitor(config, activity, request),
            // A log-in ends the visitor, or shortens the time that is left before it does.
            (_, Some(_)) => {
                self.visitor = AskedForVisitor::Ended;
                Decision::AskAgain
            }
            _ => self.former_visitor(config, request),
        }
    }

    /// Lets the request of a visitor pass.
    fn visitor<St: ActivityStore, B>(
        &self,
        config: &Arc<ConfigHandle<St>>,
        activity: Activity,
        request: &mut Request<B>,
    ) -> Decision {
        if let Some(ambiguity) = &self.ambiguity {
            ambiguity.resolve(config, self.key, request);
        }
        config.observers.request(Outcome::Anonymous);
        request.extensions_mut().remove::<SessionHandle>();
        let key = self.key;
        Decision::Pass(SessionState::Visitor { key, activity })
    }

    /// Lets the request pass without the id, if it can be taken out.
    fn former_visitor<St: ActivityStore, B>(
        &self,
        config: &Arc<ConfigHandle<St>>,
        request: &mut Request<B>,
    ) -> Decision {
        let mut ids = vec![self.key];
        ids.extend_from_slice(self.ambiguity.as_deref().map_or(&[], Ambiguity::others));
        config.identify.take_out(request.headers_mut(), &ids);
        let head = RequestHead::from(&*request);
        if config.identify.identify(head) != Presented::None {
            return match config.policy.decide(None, self.now) {
                Verdict::Expired(expired) => {
                    Decision::Respond(config.refuse(expired, Some(self.key), head))
                }
                Verdict::Begins | Verdict::Active { .. } => Decision::Begin,
            };
        }
        config.observers.request(Outcome::Anonymous);
        request.extensions_mut().remove::<SessionHandle>();
        Decision::Pass(SessionState::FormerVisitor)
    }

    /// Lets the request pass, with a handle of its session.
    #[inline]
    fn live<St: ActivityStore, B>(
        &self,
        config: &Arc<ConfigHandle<St>>,
        found: Activity,
        request: &mut Request<B>,
    ) -> Decision {
        let activity = match self.kind {
            RequestKind::Active if config.policy.touch(self.now).finds_stale(&found) => {
                found.active_at(self.now)
            }
            RequestKind::Active | RequestKind::Passive => found,
        };
        if let Some(ambiguity) = &self.ambiguity {
            ambiguity.resolve(config, self.key, request);
        }
        config.observers.request(Outcome::Live);
        let is_streaming = config.streaming.any(RequestHead::from(&*request));
        let handle = SessionHandle::new(Tracker::of(Arc::clone(config)), self.key, activity);
        request.extensions_mut().insert(handle);
        Decision::Pass(SessionState::Live(Live {
            key: self.key,
            activity,
            checked_at: self.now,
            kind: self.kind,
            reply: Reply::Immediate,
            is_streaming,
        }))
    }

    /// Does what the policy says about a request that could not be checked.
    pub(super) fn unverified<St: ActivityStore, B>(
        &self,
        config: &Config<St>,
        error: &StoreError,
        request: &mut Request<B>,
    ) -> Decision {
        let operation = StoreOperation::Check;
        config
            .observers
            .store_failed(operation, Cause::Request, error);
        match config.policy.store_failure() {
            StoreFailure::Reject => {
                config.observers.request(Outcome::Unavailable);
                Decision::Respond(config.unavailable(error))
            }
            StoreFailure::Allow => {
                config.observers.request(Outcome::Unchecked);
                if let Some(ambiguity) = &self.ambiguity {
                    ambiguity.resolve(config, self.key, request);
                }
                request.extensions_mut().remove::<SessionHandle>();
                Decision::Pass(SessionState::Unverified(self.key))
            }
        }
    }

    pub(super) fn begin<St: ActivityStore>(
        &self,
        config: &Config<St>,
    ) -> WithTimeout<St::Future<Activity>> {
        let activity = self.beginning();
        let keep_until = config.policy.keep_until(&activity);
        config.with_timeout(config.store.begin(self.key, activity, keep_until))
    }

    /// Returns the record of a session that begins with this request.
    fn beginning(&self) -> Activity {
        Activity::began(self.now)
    }

    /// Reports that the session began, unless the store had a record meanwhile.
    pub(super) fn note_beginning<St>(
        &self,
        config: &Config<St>,
        found: &Result<Option<Activity>, StoreError>,
    ) {
        if matches!(found, Ok(Some(found)) if *found == self.beginning()) {
            config.observers.began(self.key, Cause::Request);
        }
    }
}
