//! The contender `least`: a layer that does only what a timeout must do.

use std::collections::HashMap;
use std::future::{Ready, ready};
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use axum::Router;
use futures_util::future::Either;
use http::header::{COOKIE, SET_COOKIE};
use http::{Request, Response, StatusCode};
use tower::layer::layer_fn;
use tower::util::MapResponse;
use tower::{Service, service_fn};
use tower_login_timeout::{Clock, SystemClock};

use super::{ABSOLUTE, IDLE, bare};
use crate::Failure;
use crate::harness::{Harness, ServiceHarness};

/// The number of locks. This crate has as many for a million sessions.
const SHARDS: usize = 1250;

/// Puts the layer around the bare service.
pub fn harness() -> Result<impl Harness, Failure> {
    ServiceHarness::new(async { Ok(least(sessions(), service_fn(bare::answer))) })
}

/// Puts the layer around the bare axum application.
pub fn app() -> Router {
    let sessions = sessions();
    bare::app().layer(layer_fn(move |inner| least(sessions, inner)))
}

fn least<S, B>(
    sessions: &'static Sessions,
    inner: S,
) -> Least<MapResponse<S, impl FnOnce(Response<B>) -> Response<B> + Clone + Send + Sync>> {
    let watched = MapResponse::new(inner, move |response: Response<B>| {
        if let Some(id) = response.headers().get(SET_COOKIE).and_then(id_in) {
            sessions.begin(id);
        }
        response
    });
    Least {
        inner: watched,
        sessions,
    }
}

/// Finds the cookie, hashes the id, reads the clock, looks the session up, and writes its activity.
///
/// It has no configuration, removes nothing, gives no reason for a refusal, and has no handle for
/// the application. It works in one process only. It counts no references, since the table is never
/// freed.
#[derive(Clone)]
struct Least<S> {
    inner: S,
    sessions: &'static Sessions,
}

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for Least<S>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>>,
    ResBody: Default,
{
    type Response = Response<ResBody>;
    type Error = S::Error;
    type Future = Either<S::Future, Ready<Result<Response<ResBody>, S::Error>>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        let id = request.headers().get(COOKIE).and_then(id_in);
        if id.is_none_or(|id| self.sessions.touch(id)) {
            return Either::Left(self.inner.call(request));
        }
        let mut refusal = Response::new(ResBody::default());
        *refusal.status_mut() = StatusCode::UNAUTHORIZED;
        Either::Right(ready(Ok(refusal)))
    }
}

fn id_in(value: &http::HeaderValue) -> Option<&[u8]> {
    let mut pairs = value.as_bytes().split(|byte| *byte == b';');
    pairs.find_map(|pair| pair.trim_ascii_start().strip_prefix(b"sid="))
}

struct Sessions(Vec<Shard>);

#[derive(Default)]
#[repr(align(64))]
struct Shard(Mutex<Records>);

type Records = HashMap<[u8; 16], Times, BuildHasherDefault<IdentityHasher>>;

/// The times of a session, in milliseconds since 1970.
struct Times {
    created_at: u64,
    last_activity: u64,
}

fn sessions() -> &'static Sessions {
    let shards = (0..SHARDS).map(|_| Shard::default()).collect();
    Box::leak(Box::new(Sessions(shards)))
}

impl Sessions {
    fn begin(&self, id: &[u8]) {
        let (key, now) = (key(id), now());
        let times = Times {
            created_at: now,
            last_activity: now,
        };
        self.locked(&key).insert(key, times);
    }

    /// Returns whether the session is live. If so, it writes the activity.
    fn touch(&self, id: &[u8]) -> bool {
        let (key, now) = (key(id), now());
        let mut records = self.locked(&key);
        let Some(times) = records.get_mut(&key) else {
            return false;
        };
        let idle = u128::from(now.saturating_sub(times.last_activity));
        let age = u128::from(now.saturating_sub(times.created_at));
        let live = idle < IDLE.as_millis() && age < ABSOLUTE.as_millis();
        if live {
            times.last_activity = now;
        }
        live
    }

    fn locked(&self, key: &[u8; 16]) -> MutexGuard<'_, Records> {
        let [.., a, b, c, d] = *key;
        let Shard(records) = &self.0[u32::from_le_bytes([a, b, c, d]) as usize % SHARDS];
        records.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn key(id: &[u8]) -> [u8; 16] {
    let mut key = [0; 16];
    key.copy_from_slice(&blake3::hash(id).as_bytes()[..16]);
    key
}

fn now() -> u64 {
    SystemClock.now().as_unix_millis()
}

/// A hasher that takes the key as it is, since the key is a hash already. The length of the key is
/// written before the key, and is not used.
#[derive(Default)]
struct IdentityHasher(u64);

impl Hasher for IdentityHasher {
    fn write(&mut self, bytes: &[u8]) {
        if let Some(first) = bytes.first_chunk() {
            self.0 = u64::from_le_bytes(*first);
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
