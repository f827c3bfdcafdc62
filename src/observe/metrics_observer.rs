//! The observer that counts events in the crate `metrics`.

use metrics::{
    Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram,
};

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

/// Whether the store is up.
const STORE_UP: &str = "login_timeout_store_up";
/// How many touches a near cache answered from memory, or asked the shared store for.
const CACHE_TOUCHES: &str = "login_timeout_cache_touches_total";
/// How many sessions a near cache has in memory.
const CACHE_SESSIONS: &str = "login_timeout_cache_sessions";
/// How long ago a near cache read the log of changes.
const CACHE_LOG_AGE: &str = "login_timeout_cache_log_age_seconds";
/// How many sessions a store in memory remembers.
const MEMORY_SESSIONS: &str = "login_timeout_memory_sessions";

/// What the label `event` of [`STORE_EVENTS`] may say.
const EVENTS: [&str; 11] = [
    "connected",
    "lost",
    "reconnected",
    "log_behind",
    "log_cut",
    "flush_failed",
    "change_not_logged",
    "malformed_rows",
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
/// | `login_timeout_store_events_total` | `event` | `connected`, `lost`, `reconnected`, `log_behind`, `log_cut`, `flush_failed`, `change_not_logged`, `malformed_rows`, `clock_stepped`, `evicted`, `slow` |
/// | `login_timeout_store_seconds` | `store` | the name that a [`TimedStore`](crate::TimedStore) was given |
/// | | `operation` | `create`, `begin`, `load`, `touch`, `change`, `revoke`, `touch_many`, `changes_since`, `link`, `links_of`, `link_of`, `unlink`, `load_many`, `revoke_many` |
/// | `login_timeout_store_up` | `store` | the kind of store: `redis`, `postgres`, `mysql`, `sqlite` |
/// | `login_timeout_cache_touches_total` | `result` | `hit`, `miss` |
/// | `login_timeout_cache_sessions` | | |
/// | `login_timeout_cache_log_age_seconds` | | |
/// | `login_timeout_memory_sessions` | | |
///
/// No label holds anything else. The names that end in `_total` are counters. Of them, the 28 of
/// requests, sessions and stores are there from the start, at zero. `login_timeout_store_seconds`
/// is a histogram. The others are gauges: `login_timeout_store_up` is 1 while the store is
/// connected and 0 after its connection was lost, and the rest count sessions, or seconds.
///
/// Give this observer to the store too, as an [`ObserveStore`](crate::ObserveStore). What the store
/// reports is there after its first report. The label `event` names the
/// [`StoreEvent`](crate::StoreEvent). Install the recorder before the store is connected: a report
/// from before that is lost.
///
/// The outcomes are those of [`Outcome`](crate::Outcome). A request counts when the layer decides
/// about it. A store that fails later, while a log-in or log-out is recorded, counts in
/// `login_timeout_store_errors_total`.
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
        describe_gauge!(STORE_UP, "Whether the store is connected: 1 or 0.");
        describe_counter!(
            CACHE_TOUCHES,
            "Touches that a near cache answered from memory, or asked the shared store for."
        );
        describe_gauge!(CACHE_SESSIONS, "Sessions in the memory of a near cache.");
        describe_gauge!(
            CACHE_LOG_AGE,
            Unit::Seconds,
            "Time since a near cache has read the log of changes to its end."
        );
        describe_gauge!(MEMORY_SESSIONS, "Sessions in a store in memory.");
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
            StoreEvent::Connected { store } => {
                gauge!(STORE_UP, "store" => store).set(1);
                "connected"
            }
            StoreEvent::Lost { store } => {
                gauge!(STORE_UP, "store" => store).set(0);
                "lost"
            }
            StoreEvent::Reconnected { store, .. } => {
                gauge!(STORE_UP, "store" => store).set(1);
                "reconnected"
            }
            StoreEvent::Cache {
                hits,
                misses,
                sessions,
                log_age,
            } => {
                counter!(CACHE_TOUCHES, "result" => "hit").increment(hits);
                counter!(CACHE_TOUCHES, "result" => "miss").increment(misses);
                gauge!(CACHE_SESSIONS).set(sessions as f64);
                gauge!(CACHE_LOG_AGE).set(log_age.unwrap_or_default());
                return;
            }
            StoreEvent::Held { sessions } => {
                gauge!(MEMORY_SESSIONS).set(sessions as f64);
                return;
            }
            StoreEvent::ChangeLogBehind { .. } => "log_behind",
            StoreEvent::ChangeLogCut => "log_cut",
            StoreEvent::FlushFailed { .. } => "flush_failed",
            StoreEvent::ChangeNotLogged { .. } => "change_not_logged",
            StoreEvent::MalformedRows { .. } => "malformed_rows",
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
