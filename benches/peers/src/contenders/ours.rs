//! The contender `ours`: this crate.

use axum::Router;
use tower::{Layer, service_fn};
use tower_login_timeout::{
    ActivityStore, Clock, CookieId, LoginTimeoutLayer, MemoryStore, Policy, PolicyBuilder,
};

use super::{ABSOLUTE, IDLE, bare};
use crate::Failure;
use crate::harness::{Harness, ServiceHarness};

/// Puts the layer around the bare service.
pub fn harness(store: MemoryStore, clock: impl Clock) -> Result<impl Harness, Failure> {
    let layer = layer(Policy::builder(), store)?.with_clock(clock);
    ServiceHarness::new(async move { Ok(layer.layer(service_fn(bare::answer))) })
}

/// Puts the layer around the bare axum application.
pub fn app<St: ActivityStore>(policy: PolicyBuilder, store: St) -> Result<Router, Failure> {
    Ok(bare::app().layer(layer(policy, store)?))
}

/// Makes a store that has room for more sessions than these.
pub fn store(sessions: usize) -> MemoryStore {
    MemoryStore::with_capacity((sessions + sessions / 10).max(1_000_000))
}

fn layer<St: ActivityStore>(
    policy: PolicyBuilder,
    store: St,
) -> Result<LoginTimeoutLayer<St>, Failure> {
    let policy = policy.with_idle(IDLE).with_absolute(ABSOLUTE).build()?;
    Ok(LoginTimeoutLayer::new(policy, CookieId::new("sid")?, store))
}
