//! What is known of a request in which different readers find different ids.

use http::Request;

use crate::middleware::config::Config;
use crate::session::key::SessionKey;
use crate::store::activity_store::ActivityStore;

/// The ids of a request in which different readers find different ids, beside the one that is
/// checked.
///
/// Few requests have one, so it is behind a pointer.
pub(super) struct Ambiguity {
    /// The ids that the wrapped service does not see.
    others: Vec<SessionKey>,
    /// Those that the store knows as ended.
    ended: Vec<SessionKey>,
    /// Those that are looked up only if the checked one is not live.
    fallback: Vec<SessionKey>,
}

impl Ambiguity {
    pub(super) fn of(keys: Vec<SessionKey>) -> Box<Self> {
        Box::new(Self {
            others: keys,
            ended: Vec::new(),
            fallback: Vec::new(),
        })
    }

    pub(super) fn with_fallback(fallback: Vec<SessionKey>) -> Box<Self> {
        Box::new(Self {
            others: Vec::new(),
            ended: Vec::new(),
            fallback,
        })
    }

    /// Takes the ids that were not looked up, if there are any.
    pub(super) fn take_fallback(&mut self) -> Option<Vec<SessionKey>> {
        let fallback = std::mem::take(&mut self.fallback);
        self.others.extend(&fallback);
        (!fallback.is_empty()).then_some(fallback)
    }

    /// Notes which id was selected, and which others the store knows as ended.
    pub(super) fn select(&mut self, key: SessionKey, ended: Vec<SessionKey>) {
        self.others.retain(|other| *other != key);
        self.ended = ended;
    }

    pub(super) fn others(&self) -> &[SessionKey] {
        &self.others
    }

    /// Has the request's headers written anew, so that the wrapped service sees this id alone.
    pub(super) fn resolve<St: ActivityStore, B>(
        &self,
        config: &Config<St>,
        key: SessionKey,
        request: &mut Request<B>,
    ) {
        let headers = request.headers_mut();
        config.identify.keep_only(headers, Some(key), &self.ended);
    }
}
