//! In what order is a request identified, checked and passed on?

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use tower_service::Service;

use crate::identify::identify_session::Presented;
use crate::middleware::body::ResponseBody;
use crate::middleware::config::ConfigHandle;
use crate::middleware::future::{ResponseFuture, take_ready};
use crate::middleware::state::SessionState;
use crate::request::head::RequestHead;
use crate::session::verdict::Expired;
use crate::store::activity_store::ActivityStore;
use crate::store::memory::memory_store::MemoryStore;

/// A service behind a [`LoginTimeoutLayer`](crate::LoginTimeoutLayer).
///
/// It adds no bound to the wrapped service but `Clone`, leaves its error type alone, and calls the instance that was polled ready.
///
/// Calling it asks the store, and one that needs a runtime needs it then, as it has it in any server.
pub struct LoginTimeout<S, St = MemoryStore> {
    inner: S,
    config: Arc<ConfigHandle<St>>,
}

impl<S, St> LoginTimeout<S, St> {
    pub(super) fn new(inner: S, config: Arc<ConfigHandle<St>>) -> Self {
        Self { inner, config }
    }

    /// The wrapped service.
    pub fn inner(&self) -> &S {
        &self.inner
    }

    /// The wrapped service.
    pub fn inner_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// The wrapped service.
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S, St, ReqBody, ResBody> Service<Request<ReqBody>> for LoginTimeout<S, St>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>> + Clone,
    St: ActivityStore,
{
    type Response = Response<ResponseBody<ResBody>>;
    type Error = S::Error;
    type Future = ResponseFuture<S, St, ReqBody>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        let Self { inner, config } = self;
        let head = RequestHead::from(&request);
        let state = match config.identify.identify(head) {
            Presented::None => SessionState::Anonymous,
            Presented::One(key) if config.exempt.any(head) => SessionState::Unchecked(key),
            Presented::Conflicting if config.exempt.any(head) => SessionState::Anonymous,
            Presented::Conflicting => {
                let expired = Expired::conflicting(config.clock.now());
                let answer = config.answer(expired, None, head);
                // Who is not called gives back what it reserved when it was polled ready.
                drop(take_ready(inner));
                return ResponseFuture::answered(config, answer);
            }
            Presented::One(key) => {
                return ResponseFuture::checking(config, key, inner, request);
            }
        };
        ResponseFuture::calling(Arc::clone(config), inner.call(request), state)
    }
}

impl<S: Clone, St> Clone for LoginTimeout<S, St> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            config: self.config.renewed(),
        }
    }
}

impl<S: fmt::Debug, St> fmt::Debug for LoginTimeout<S, St> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoginTimeout")
            .field("inner", &self.inner)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use tower_layer::Layer;

    use super::*;
    use crate::identify::cookie::cookie_id::CookieId;
    use crate::middleware::layer::LoginTimeoutLayer;
    use crate::session::policy::Policy;

    #[test]
    fn each_clone_counts_its_requests_in_a_place_of_its_own() {
        let cookie = CookieId::new("sid").unwrap();
        let layer = LoginTimeoutLayer::new(Policy::default(), cookie, MemoryStore::new());
        let service = layer.layer(());
        for other in [service.clone(), layer.layer(())] {
            assert!(!Arc::ptr_eq(&service.config, &other.config));
        }
    }
}
