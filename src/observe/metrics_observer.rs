//! The observer that counts events in the crate `metrics`.

use metrics::{Unit, counter, describe_counter, describe_histogram, histogram};

use crate::observe::event::{Event, Outcome};
use crate::observe::port::Observe;
use crate::session::verdict::Reason;
use crate::store::event::observe_store::ObserveStore;
use crate::store::event::store_event::StoreEvent;

/// How many requests were let pass, refused or not answered.
const REQUESTS: &str = "login_timeout_requests_total";
/// How often the store failed.
const STORE_ERRORS: &str = "login_timeout_store_errors_total";
/// How many sessions began, changed their id, or were ended.
const SESSIONS: &str = "login_timeout_sessions_total";

/// How often something happened to a store.
const STORE_EVENTS: &str = "login_timeout_store_events_total";
/// How long the operations of a store take.
const STORE_SECONDS: &str = "login_timeout_store_seconds";

/// What the label `event` of [`STORE_EVENTS`] may say.
const EVENTS: [&str; 8] = [
    "lost",
    "reconnected",
    "log_behind",
    "log_cut",
    "flush_failed",
    "clock_stepped",
    "evicted",
    "slow",
];

/// What the label `outcome` may say.
const OUTCOMES: [Outcome; 12] = [
    Outcome::Live,
    Outcome::Anonymous,
    Outcome::Exempt,
    Outcome::Unchecked,
    Outcome::Unavailable,
    Outcome::Refused(Reason::Idle),
    Outcome::Refused(Reason::Absolute),
    Outcome::Refused(Reason::Revoked),
    Outcome::Refused(Reason::Unknown),
    Outcome::Refused(Reason::Conflicting),
    Outcome::Refused(Reason::Replaced),
    Outcome::Refused(Reason::Future),
];

/// Counts events in the crate [`metrics`](https://docs.rs/metrics), for any exporter.
///
/// | metric | label | values |
/// |---|---|---|
/// | `login_timeout_requests_total` | `outcome` | `live`, `anonymous`, `exempt`, `unchecked`, `unavailable`, or why it was refused: `idle`, `absolute`, `revoked`, `unknown`, `conflicting`, `replaced`, `future` |
/// | `login_timeout_sessions_total` | `event` | `began`, `rotated`, `ended` |
/// | `login_timeout_store_errors_total` | `kind` | `timeout`, `failure` |
/// | `login_timeout_store_events_total` | `event` | `lost`, `reconnected`, `log_behind`, `log_cut`, `flush_failed`, `clock_stepped`, `evicted`, `slow` |
/// | `login_timeout_store_seconds` | `store` | the name that a [`TimedStore`](crate::TimedStore) was given |
/// | | `operation` | `create`, `begin`, `load`, `touch`, `change`, `revoke`, `touch_many`, `changes_since` |
///
/// No label holds anything else. The 25 counters are there from the start, at zero.
/// `login_timeout_store_seconds` is a histogram, and is there when an operation was measured. Give
/// this observer to the store too, as an [`ObserveStore`](crate::ObserveStore), so that the store's
/// events are counted. The label `event` names the [`StoreEvent`](crate::StoreEvent).
///
/// The outcomes are those of [`Outcome`](crate::Outcome). A request
/// counts when the layer decides about it. A store that fails later, while a log-in or log-out is
/// recorded, counts in `login_timeout_store_errors_total`.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use metrics_util::debugging::{DebugValue, DebuggingRecorder};
/// use tower_login_timeout::{CookieId, LoginTimeoutLayer, MemoryStore, MetricsObserver, Policy};
///
/// // An application installs its exporter's recorder once, when it starts.
/// let recorder = DebuggingRecorder::new();
/// let counted = recorder.snapshotter();
/// recorder.install()?;
///
/// let layer = LoginTimeoutLayer::new(Policy::default(), CookieId::new("sid")?, MemoryStore::new())
///     .with_observer(MetricsObserver::new());
/// # let runtime = tokio::runtime::Builder::new_current_thread().build()?;
/// # runtime.block_on(async move {
/// layer.tracker().start("sesame").await
/// # })?;
///
/// let counted = counted.snapshot().into_vec().into_iter();
/// let mut counted = counted.filter(|(.., value)| *value == DebugValue::Counter(1));
/// let (key, ..) = counted.next().expect("one session");
/// assert_eq!(key.key().name(), "login_timeout_sessions_total");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct MetricsObserver;

impl MetricsObserver {
    /// Creates an observer, and registers its counters with the recorder that is installed.
    #[must_use]
    pub fn new() -> Self {
        describe_counter!(REQUESTS, "Requests, by what the layer decided about them.");
        describe_counter!(
            SESSIONS,
            "Sessions that began, changed their id or were ended."
        );
        describe_counter!(
            STORE_ERRORS,
            "Store operations that failed or took too long."
        );
        describe_counter!(STORE_EVENTS, "Events in the life of a store.");
        describe_histogram!(
            STORE_SECONDS,
            Unit::Seconds,
            "How long the operations of a store take."
        );
        for event in EVENTS {
            counter!(STORE_EVENTS, "event" => event).increment(0);
        }
        for outcome in OUTCOMES {
            counter!(REQUESTS, "outcome" => outcome.as_str()).increment(0);
        }
        for event in ["began", "rotated", "ended"] {
            counter!(SESSIONS, "event" => event).increment(0);
        }
        for kind in ["timeout", "failure"] {
            counter!(STORE_ERRORS, "kind" => kind).increment(0);
        }
        Self
    }
}

impl Default for MetricsObserver {
    fn default() -> Self {
        Self::new()
    }
}

impl ObserveStore for MetricsObserver {
    fn observe_store(&self, event: &StoreEvent<'_>) {
        let event = match *event {
            StoreEvent::Lost { .. } => "lost",
            StoreEvent::Reconnected { .. } => "reconnected",
            StoreEvent::ChangeLogBehind { .. } => "log_behind",
            StoreEvent::ChangeLogCut => "log_cut",
            StoreEvent::FlushFailed { .. } => "flush_failed",
            StoreEvent::ClockStepped { .. } => "clock_stepped",
            StoreEvent::Evicted { .. } => "evicted",
            StoreEvent::Slow { .. } => "slow",
            StoreEvent::Timed {
                store,
                operation,
                took,
            } => {
                let operation = operation.as_str();
                histogram!(STORE_SECONDS, "store" => store, "operation" => operation).record(took);
                return;
            }
        };
        counter!(STORE_EVENTS, "event" => event).increment(1);
    }
}

impl Observe for MetricsObserver {
    fn observe(&self, event: &Event<'_>) {
        match event {
            Event::Request { outcome } => {
                counter!(REQUESTS, "outcome" => outcome.as_str()).increment(1);
            }
            Event::Began { .. } => counter!(SESSIONS, "event" => "began").increment(1),
            Event::Rotated { .. } => counter!(SESSIONS, "event" => "rotated").increment(1),
            Event::Ended { .. } => counter!(SESSIONS, "event" => "ended").increment(1),
            Event::StoreFailed { error, .. } => {
                let kind = if error.is_timeout() {
                    "timeout"
                } else {
                    "failure"
                };
                counter!(STORE_ERRORS, "kind" => kind).increment(1);
            }
            Event::Refused { .. } => {}
        }
    }

    fn wants_requests(&self) -> bool {
        true
    }
}
