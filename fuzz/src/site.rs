//! A service behind the layer, which tells what reached it.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use http::{Request, Response};
use tower::{Layer, ServiceExt, service_fn};
use tower_login_timeout::{
    CookieId, LoginTimeoutLayer, LoginTimeoutResponse, ManualClock, MemoryStore, Policy, SessionKey,
};

use crate::now::now;

pub struct Site(LoginTimeoutLayer);

impl Site {
    pub fn new(name: &str) -> Self {
        let identify = CookieId::new(name).unwrap();
        let layer = LoginTimeoutLayer::new(Policy::default(), identify, MemoryStore::new());
        Self(layer.with_clock(ManualClock::new()))
    }

    pub fn answering(self, response: LoginTimeoutResponse) -> Self {
        Self(self.0.with_response(response))
    }

    pub fn start(&self, id: SessionKey) {
        now(self.0.tracker().start(id)).unwrap();
    }

    pub fn revoke(&self, id: SessionKey) {
        assert!(now(self.0.tracker().revoke(id)).unwrap());
    }

    /// Sends a request. Returns the `Cookie` lines that reached the service, if it was reached, and
    /// the head of the response.
    pub fn ask(&self, request: Request<()>) -> (Option<Vec<Vec<u8>>>, http::response::Parts) {
        let reached = Arc::new(Mutex::new(None));
        let noted = Arc::clone(&reached);
        let service = self.0.layer(service_fn(move |request: Request<()>| {
            let lines = request.headers().get_all("cookie").iter();
            let lines = lines.map(|line| line.as_bytes().to_vec()).collect();
            *noted.lock().unwrap() = Some(lines);
            async { Ok::<_, Infallible>(Response::new(String::new())) }
        }));
        let response = now(service.oneshot(request)).unwrap();
        let reached = reached.lock().unwrap().take();
        (reached, response.into_parts().0)
    }
}
