//! guide
#![cfg_attr(docsrs, feature(doc_cfg))]
#![warn(missing_docs, missing_debug_implementations, unreachable_pub)]

mod activity;
mod answer;
mod body;
mod clock;
#[cfg(feature = "tracing")]
#[path = "event/traced.rs"]
mod event;
#[cfg(not(feature = "tracing"))]
#[path = "event/silent.rs"]
mod event;
#[cfg(feature = "axum")]
mod extract;
mod future;
mod head;
mod identify;
mod key;
mod layer;
mod policy;
mod recording;
mod respond;
pub mod rule;
mod service;
mod store;
mod touch;
mod tracker;
mod verdict;
mod visit;

pub use activity::{Activity, Limits};
pub use body::ResponseBody;
pub use clock::{Clock, ManualClock, SystemClock, Timestamp};
#[cfg(any(feature = "private", feature = "signed"))]
/// The key of signed and encrypted cookies.
pub use cookie::Key as CookieKey;
#[cfg(feature = "axum")]
pub use extract::NoSession;
pub use future::ResponseFuture;
pub use head::RequestHead;
pub use identify::cookie::{CookieId, CookieIdError};
pub use identify::header::{BearerToken, HeaderId};
pub use identify::{IdentifySession, Issued, Presented};
pub use key::SessionKey;
pub use layer::LoginTimeoutLayer;
pub use policy::{Policy, PolicyBuilder, PolicyError, StoreFailure, Unknown};
pub use respond::{LoginTimeoutResponse, ResponseForExpired, ResponseFormat};
pub use service::LoginTimeout;
pub use store::memory::MemoryStore;
#[cfg(feature = "_shared")]
pub use store::shared::{Announced, Revocations, SharedStore};
pub use store::supervised::StoreError;
pub use store::{ActivityStore, BoxError};
pub use touch::Touch;
pub use tracker::{SessionHandle, Tracker};
pub use verdict::{Expired, Reason, Verdict};
