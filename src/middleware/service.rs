//! The service: identify the session, then check it or let the request pass.

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use tower_service::Service;

use crate::identify::identify_session::Presented;
use crate::middleware::ambiguity::Ambiguity;
use crate::middleware::body::ResponseBody;
use crate::middleware::config::ConfigHandle;
use crate::middleware::future::{ResponseFuture, take_ready};
use crate::middleware::state::SessionState;
use crate::middleware::visitors::Attempt;
use crate::observe::event::Outcome;
use crate::request::head::RequestHead;
use crate::session::verdict::Expired;
use crate::store::activity_store::ActivityStore;
use crate::store::memory::memory_store::MemoryStore;
use crate::tracker::session_handle::SessionHandle;

/// A service that a [`LoginTimeoutLayer`](crate::LoginTimeoutLayer) wraps around another one.
///
/// It adds no bound to the wrapped service but `Clone`, leaves its error type alone, and calls the
/// instance that was polled ready.
///
/// Calling it asks the store. A store that needs a runtime needs it then, as it has it in any
/// server.
pub struct LoginTimeout<S, St = MemoryStore> {
    inner: S,
    config: Arc<ConfigHandle<St>>,
    sharing: Sharing,
}

/// Whether a service refers to the configuration by the handle of the service that it was cloned
/// from.
///
/// A handle of its own costs an allocation. It pays for the clone that a connection or a thread
/// keeps. axum's router clones the service for each request: such a clone is called once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sharing {
    Own,
    SharedAndNew,
    SharedAndCalled,
}

impl<S, St> LoginTimeout<S, St> {
    pub(super) fn new(inner: S, config: Arc<ConfigHandle<St>>) -> Self {
        Self {
            inner,
            config,
            sharing: Sharing::Own,
        }
    }

    /// Returns a reference to the wrapped service.
    pub fn inner(&self) -> &S {
        &self.inner
    }

    /// Returns a mutable reference to the wrapped service.
    pub fn inner_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// Returns the wrapped service.
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
        if self.sharing != Sharing::Own {
            self.count_call();
        }
        let visitors = self.config.visitors.as_deref();
        let attempt = visitors.and_then(|visitors| visitors.attempt(RequestHead::from(&request)));
        self.start(request, attempt)
    }
}

impl<S, St> LoginTimeout<S, St> {
    /// Gives the service a handle of its own if it is called for the second time.
    #[cold]
    fn count_call(&mut self) {
        if self.sharing == Sharing::SharedAndCalled {
            self.config = self.config.renewed();
            self.sharing = Sharing::Own;
        } else {
            self.sharing = Sharing::SharedAndCalled;
        }
    }

    /// Identifies the session and asks for it, or lets the request pass.
    #[inline(always)]
    fn start<ReqBody, ResBody>(
        &mut self,
        mut request: Request<ReqBody>,
        attempt: Option<Box<Attempt>>,
    ) -> ResponseFuture<S, St, ReqBody>
    where
        S: Service<Request<ReqBody>, Response = Response<ResBody>> + Clone,
        St: ActivityStore,
    {
        let Self { inner, config, .. } = self;
        let head = RequestHead::from(&request);
        if let Some(pages) = &config.pages
            && let Some(answer) = pages.answer(config, head)
        {
            // Dropped, so that it releases what `poll_ready` reserved.
            drop(take_ready(inner));
            return ResponseFuture::answering(config, answer);
        }
        let presented = config.identify.identify(head);
        if presented == Presented::None {
            config.observers.request(Outcome::Anonymous);
            request.extensions_mut().remove::<SessionHandle>();
            let call = inner.call(request);
            return ResponseFuture::calling(
                Arc::clone(config),
                call,
                SessionState::Anonymous,
                None,
                attempt,
            );
        }
        if config.exempt.any(head) {
            config.observers.request(Outcome::Exempt);
            return self.pass_unchecked(presented, attempt, request);
        }
        match presented {
            Presented::None => {
                config.observers.request(Outcome::Anonymous);
                self.pass_unchecked(Presented::None, attempt, request)
            }
            Presented::One(key) => {
                ResponseFuture::checking(config, key, None, attempt, inner, request)
            }
            Presented::Split { ids, glued } if ids.len() == 1 => {
                let ambiguity = Some(Ambiguity::with_fallback(glued));
                ResponseFuture::checking(config, ids[0], ambiguity, attempt, inner, request)
            }
            presented @ (Presented::Ambiguous(_) | Presented::Split { .. }) => {
                let keys = presented.into_keys();
                match keys[..] {
                    [] => {
                        config.observers.request(Outcome::Anonymous);
                        config.identify.keep_only(request.headers_mut(), None, &[]);
                        self.pass_unchecked(Presented::None, attempt, request)
                    }
                    [key] => {
                        let ambiguity = Some(Ambiguity::of(Vec::new()));
                        ResponseFuture::checking(config, key, ambiguity, attempt, inner, request)
                    }
                    [first, ..] => {
                        ResponseFuture::selecting(config, first, keys, attempt, inner, request)
                    }
                }
            }
            Presented::TooMany => {
                let expired = Expired::conflicting(config.clock.now());
                let response = config.refuse(expired, None, head);
                // Dropped, so that it releases what `poll_ready` reserved.
                drop(take_ready(inner));
                ResponseFuture::responding(config, response)
            }
        }
    }

    /// Calls the wrapped service without a check. The request has no handle, even if an outer layer
    /// gave it one.
    fn pass_unchecked<ReqBody, ResBody>(
        &mut self,
        presented: Presented,
        attempt: Option<Box<Attempt>>,
        mut request: Request<ReqBody>,
    ) -> ResponseFuture<S, St, ReqBody>
    where
        S: Service<Request<ReqBody>, Response = Response<ResBody>>,
        St: ActivityStore,
    {
        let Self { inner, config, .. } = self;
        request.extensions_mut().remove::<SessionHandle>();
        let (state, ambiguity) = match presented {
            Presented::None => (SessionState::Anonymous, None),
            Presented::One(key) => (SessionState::Exempt(key), None),
            presented @ (Presented::Ambiguous(_) | Presented::Split { .. }) => {
                let keys = presented.into_keys();
                // Nothing tells which id is the right one. The first one is what most readers take.
                let first = keys.first().copied();
                config.identify.keep_only(request.headers_mut(), first, &[]);
                let state = first.map_or(SessionState::Anonymous, SessionState::Exempt);
                (state, Some(Ambiguity::of(keys)))
            }
            Presented::TooMany => {
                config.identify.keep_only(request.headers_mut(), None, &[]);
                (SessionState::Anonymous, None)
            }
        };
        ResponseFuture::calling(
            Arc::clone(config),
            inner.call(request),
            state,
            ambiguity,
            attempt,
        )
    }
}

impl<S: Clone, St> Clone for LoginTimeout<S, St> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            config: Arc::clone(&self.config),
            sharing: Sharing::SharedAndNew,
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
    use std::convert::Infallible;

    use tower::service_fn;
    use tower_layer::Layer;

    use super::*;
    use crate::identify::cookie::cookie_id::CookieId;
    use crate::middleware::layer::LoginTimeoutLayer;
    use crate::session::policy::Policy;

    #[tokio::test]
    async fn a_clone_that_is_called_again_counts_its_requests_in_a_place_of_its_own() {
        let cookie = CookieId::new("sid").unwrap();
        let layer = LoginTimeoutLayer::new(Policy::default(), cookie, MemoryStore::new());
        let inner = service_fn(async |_| Ok::<_, Infallible>(Response::new(String::new())));
        let service = layer.layer(inner);
        let mut clone = service.clone();
        for is_shared in [true, false, false] {
            let _ = clone.call(Request::new(())).await;
            assert_eq!(Arc::ptr_eq(&service.config, &clone.config), is_shared);
        }
        assert!(!Arc::ptr_eq(&service.config, &layer.layer(inner).config));
        assert!(Arc::ptr_eq(&clone.config, &clone.clone().config));
    }
}
