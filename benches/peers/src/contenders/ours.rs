//! The contender `ours`: this crate.

use axum::Router;
use tower::{Layer, service_fn};
use tower_login_timeout::{
    ActivityStore, Clock, CookieId, LoginTimeoutLayer, MemoryStore, Policy, PolicyBuilder,
};

use super::{ABSOLUTE, IDLE, bare};
use crate::Failure;
use crate::harness::{Harness, ServiceHarness};

/// This crate, with a store for so many sessions.
///
/// # Errors
///
/// If there is no runtime for it.
pub fn harness(sessions: usize, clock: impl Clock) -> Result<impl Harness, Failure> {
    harness_with(store(sessions), clock)
}

/// This crate, with this store.
///
/// # Errors
///
/// If there is no runtime for it.
pub fn harness_with(store: MemoryStore, clock: impl Clock) -> Result<impl Harness, Failure> {
    let layer = layer(Policy::builder(), store)?.with_clock(clock);
    ServiceHarness::new(async move { Ok(layer.layer(service_fn(bare::answer))) })
}

/// An axum application behind this crate.
///
/// # Errors
///
/// Never.
pub fn app(sessions: usize) -> Result<Router, Failure> {
    app_with(Policy::builder(), store(sessions))
}

/// An axum application behind this crate, with this store.
///
/// # Errors
///
/// If the policy is none.
pub fn app_with<St: ActivityStore>(policy: PolicyBuilder, store: St) -> Result<Router, Failure> {
    Ok(bare::app().layer(layer(policy, store)?))
}

/// A store that is not full with so many sessions.
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
