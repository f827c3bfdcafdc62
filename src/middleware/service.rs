//! The service: identify the session, then check it or let the request pass.

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use tower_service::Service;

use crate::middleware::body::ResponseBody;
use crate::middleware::config::ConfigHandle;
use crate::middleware::first_look::FirstLook;
use crate::middleware::future::ResponseFuture;
use crate::request::head::RequestHead;
use crate::store::activity_store::ActivityStore;
use crate::store::memory::memory_store::MemoryStore;

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

    fn call(&mut self, mut request: Request<ReqBody>) -> Self::Future {
        if self.sharing != Sharing::Own {
            self.count_call();
        }
        let Self { inner, config, .. } = self;
        let visitors = config.visitors.as_deref();
        let attempt = visitors.and_then(|visitors| visitors.attempt(RequestHead::from(&request)));
        match FirstLook::of(config, &mut request) {
            FirstLook::Pass(state) => {
                ResponseFuture::calling(config, state, attempt, inner, request)
            }
            FirstLook::Hold(held) => {
                let step = held.step(config, attempt, inner, request);
                ResponseFuture::at(config, step)
            }
        }
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
