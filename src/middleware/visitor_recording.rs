//! What a response changes where anonymous visitors have a session cookie too.

use std::sync::Arc;

use http::Response;

use crate::identify::identify_session::Issued;
use crate::middleware::config::ConfigHandle;
use crate::middleware::log_in;
use crate::middleware::new_visitor::NewVisitor;
use crate::middleware::recording::{Recording, presented, user_of};
use crate::middleware::state::SessionState;
use crate::middleware::visitors::{Aim, Attempt, Visitors};
use crate::session::key::SessionKey;
use crate::store::activity_store::ActivityStore;

impl<St: ActivityStore> Recording<St> {
    /// Starts the write of what the response changes, if it changes anything, as [`Recording::of`]
    /// does where only a log-in sets a cookie. Removes the cookie that the wrapped service did not
    /// see.
    #[cold]
    pub(super) fn among_visitors<B>(
        config: &Arc<ConfigHandle<St>>,
        visitors: &Visitors,
        attempt: Option<&Attempt>,
        state: &SessionState,
        others: &[SessionKey],
        response: &mut Response<B>,
    ) -> Option<Self> {
        let issued = config.identify.issued(response.headers(), &*config.clock);
        if let (SessionState::FormerVisitor, Issued::Nothing) = (state, issued) {
            config.identify.forget(response.headers_mut());
        }
        let achieved = visitors.achieved(attempt, response.status(), response.headers());
        let user = user_of(config, response);
        let presented = presented(state, others);
        let new_id = match issued {
            Issued::Started(key) => Some(key).filter(|key| !presented.contains(key)),
            Issued::Nothing | Issued::Ended => None,
        };
        match state {
            SessionState::Live(_) | SessionState::Exempt(_) | SessionState::Unverified(_)
                if achieved == Some(Aim::LogOut) =>
            {
                if issued != Issued::Ended && new_id.is_none() {
                    config.identify.forget(response.headers_mut());
                }
                let visitor = new_id.map(|key| NewVisitor::new(config, visitors, key, state));
                Some(Self::of_log_out(config, presented, visitor))
            }
            SessionState::Live(_) | SessionState::Unverified(_) => {
                Self::of(config, state, others, response)
            }
            _ if issued == Issued::Ended => Self::of(config, state, others, response),
            _ if achieved == Some(Aim::LogIn) || user.is_some() => {
                let key = match issued {
                    Issued::Started(key) => Some(key),
                    Issued::Nothing | Issued::Ended => state.key(),
                };
                let limits = response.extensions().get().copied();
                Self::of_new_id(config, state, others, key?, limits, user)
            }
            _ => {
                let visitor = NewVisitor::new(config, visitors, new_id?, state);
                let begin = log_in::begin_visitor(Arc::clone(config), visitor, state.key());
                Some(Self::log_in(config, begin))
            }
        }
    }
}
