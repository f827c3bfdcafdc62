//! Tests of the conformance suite: it passes the memory store, and finds each fault of a broken
//! one.
#![cfg(feature = "conformance")]

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tower_login_timeout::{
    Activity, ActivityStore, BoxError, Limits, MemoryStore, Policy, SessionKey, Timestamp, Touch,
    conformance,
};

#[tokio::test(flavor = "multi_thread")]
async fn the_memory_store_keeps_the_contract_again_and_again() {
    let store = MemoryStore::new();
    conformance::check(&store).await;
    conformance::check(&store).await;
}

#[tokio::test]
async fn the_mutant_without_a_fault_passes() {
    conformance::check(&Mutant::with(Fault::None)).await;
}

/// Defines one test per fault. The report of the suite must name the rule that the fault breaks.
macro_rules! finds {
    ($($test:ident: $fault:ident breaks $clause:literal;)*) => {$(
        #[tokio::test]
        async fn $test() {
            let check = tokio::spawn(async { conformance::check(&Mutant::with(Fault::$fault)).await });
            let panic = check.await.expect_err("the fault was not found").into_panic();
            let report = panic.downcast::<String>().expect("a report");
            assert!(report.contains(concat!("\n- ", $clause, ": ")), "{report}");
        }
    )*};
}

finds! {
    a_touch_that_creates: TouchCreates breaks "touch never creates a record";
    a_touch_that_moves_backwards: TouchBackwards breaks "touch never moves last activity backwards";
    a_touch_that_revives_the_idle: RevivesIdle breaks "touch never revives a session that was idle for too long";
    a_touch_that_revives_the_old: RevivesOld breaks "touch never revives a session past its absolute timeout";
    a_touch_that_revives_the_revoked: RevivesRevoked breaks "touch never changes a revoked session";
    a_touch_that_moves_the_revoked: MovesRevoked breaks "touch never changes a revoked session";
    a_touch_that_answers_afterwards: AnswersAfter breaks "touch answers the activity as it was before";
    a_touch_that_always_writes: WritesAlways breaks "touch writes only when it is due";
    a_touch_that_never_writes: WritesNever breaks "touch writes only when it is due";
    a_touch_that_ignores_limits: IgnoresLimits breaks "touch obeys the session's own limits";
    a_late_touch_judged_as_of_then: JudgesThen breaks "a late touch is judged as of now";
    a_late_touch_written_as_of_now: WritesNow breaks "a late touch is judged as of now";
    a_passive_touch_that_moves: WritesNow breaks "a passive touch moves nothing";
    a_create_that_keeps_limits: CreateKeepsLimits breaks "create replaces the whole record";
    a_create_that_keeps_the_revocation: CreateKeepsRevoked breaks "create replaces the whole record";
    a_create_that_never_moves_backwards: CreateMonotone breaks "create replaces the whole record";
    a_begin_that_replaces: BeginReplaces breaks "begin writes only where nothing was, and answers what is there";
    a_begin_that_answers_its_own: BeginAnswersOwn breaks "begin writes only where nothing was, and answers what is there";
    a_begin_in_two_steps: BeginRaces breaks "concurrent begins agree";
    a_revoke_that_creates: RevokeCreates breaks "revoke never creates a record";
    a_revoke_that_always_says_yes: RevokeSaysYes breaks "revoke never creates a record";
    a_revoke_that_removes: RevokeRemoves breaks "revoke marks the record and answers whether there was one";
    a_revoke_that_says_yes_only_once: RevokeOnce breaks "revoke marks the record and answers whether there was one";
    a_begin_that_undoes_a_revocation: BeginUndoesRevoked breaks "a revocation is final";
    limits_that_are_clamped: ClampsLimits breaks "limits are kept as they were given";
    keys_that_are_cut: CutsKeys breaks "sessions do not affect each other";
    removal_ahead_of_time: RemovesEarly breaks "a record is kept until its time";
    a_touch_in_two_steps: TouchRaces breaks "concurrent touches never move last activity backwards";
    a_touch_in_two_steps_that_writes_the_whole: TouchRaces breaks "a touch never undoes a concurrent revocation";
    a_create_in_two_halves: HalfWritten breaks "an operation that is dropped half-way leaves the record whole";
    a_pool_that_leaks: Leaks breaks "an operation that is dropped half-way leaves the record whole";
    seconds_in_32_bits: NarrowTime breaks "the earliest and the latest moment are kept";
    a_revocation_that_is_forgotten: RevokeRemoves breaks "a revocation is final";
}

/// The fault of a broken store.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    None,
    TouchCreates,
    TouchBackwards,
    RevivesIdle,
    RevivesOld,
    RevivesRevoked,
    MovesRevoked,
    AnswersAfter,
    WritesAlways,
    WritesNever,
    IgnoresLimits,
    JudgesThen,
    WritesNow,
    CreateKeepsLimits,
    CreateKeepsRevoked,
    CreateMonotone,
    BeginReplaces,
    BeginAnswersOwn,
    BeginRaces,
    RevokeCreates,
    RevokeSaysYes,
    RevokeRemoves,
    RevokeOnce,
    BeginUndoesRevoked,
    ClampsLimits,
    CutsKeys,
    RemovesEarly,
    TouchRaces,
    HalfWritten,
    Leaks,
    NarrowTime,
}

/// A simple store that is correct except for one fault.
#[derive(Clone)]
struct Mutant {
    fault: Fault,
    records: Arc<Mutex<Vec<Record>>>,
    in_flight: Arc<AtomicUsize>,
}

#[derive(Clone, Copy)]
struct Record {
    key: SessionKey,
    activity: Activity,
    keep_until: Timestamp,
}

impl Mutant {
    fn with(fault: Fault) -> Self {
        Self {
            fault,
            records: Arc::default(),
            in_flight: Arc::default(),
        }
    }

    fn has(&self, fault: Fault) -> bool {
        self.fault == fault
    }

    fn find(&self, key: SessionKey) -> Option<Activity> {
        let records = self.records.lock().unwrap();
        let record = records.iter().find(|record| self.same(record.key, key))?;
        Some(record.activity)
    }

    fn same(&self, a: SessionKey, b: SessionKey) -> bool {
        let bytes = if self.has(Fault::CutsKeys) { 8 } else { 16 };
        a.to_bytes()[..bytes] == b.to_bytes()[..bytes]
    }

    fn put(&self, key: SessionKey, mut activity: Activity, keep_until: Timestamp) {
        if self.has(Fault::ClampsLimits)
            && activity
                .limits()
                .idle()
                .is_some_and(|idle| idle.as_secs() > 1 << 40)
        {
            activity = activity.with_limits(Limits::default());
        }
        if self.has(Fault::NarrowTime)
            && activity.last_activity().as_unix_millis() / 1000 > u32::MAX.into()
        {
            activity = Activity::began(activity.created_at());
        }
        self.remove(key);
        let record = Record {
            key,
            activity,
            keep_until,
        };
        self.records.lock().unwrap().push(record);
    }

    fn remove(&self, key: SessionKey) {
        self.records
            .lock()
            .unwrap()
            .retain(|record| !self.same(record.key, key));
    }

    fn pass_time(&self, now: Timestamp) {
        let early = Duration::from_secs(if self.has(Fault::RemovesEarly) {
            600
        } else {
            0
        });
        let now = now.saturating_add(early);
        self.records
            .lock()
            .unwrap()
            .retain(|record| record.keep_until > now || record.keep_until == Timestamp::MAX);
    }

    fn judged(&self, touch: Touch, before: Activity) -> Activity {
        let unlimited = Policy::builder().with_idle(Duration::MAX);
        let (at, policy) = (touch.last_activity(), *touch.policy());
        match self.fault {
            Fault::TouchBackwards if at < before.last_activity() => {
                Activity::began(before.created_at()).active_at(at)
            }
            Fault::RevivesIdle => {
                let policy = unlimited.with_absolute(policy.absolute()).build().unwrap();
                policy
                    .touch(touch.now())
                    .for_activity_at(at)
                    .applied_to(before)
            }
            Fault::RevivesOld => {
                let policy = Policy::builder()
                    .with_idle(policy.idle())
                    .with_absolute(Duration::MAX);
                policy
                    .build()
                    .unwrap()
                    .touch(touch.now())
                    .for_activity_at(at)
                    .applied_to(before)
            }
            Fault::RevivesRevoked => Activity::began(before.created_at()).active_at(at),
            Fault::MovesRevoked if before.is_revoked() => before.active_at(at),
            Fault::WritesAlways => Policy::default().touch(at).applied_to(before),
            Fault::WritesNever => before,
            Fault::IgnoresLimits => touch
                .applied_to(before.with_limits(Limits::default()))
                .with_limits(before.limits()),
            Fault::JudgesThen => policy.touch(at).applied_to(before),
            Fault::WritesNow => policy.touch(touch.now()).applied_to(before),
            _ => touch.applied_to(before),
        }
    }

    /// Runs the operation in as many steps as the fault needs.
    fn run<T: Send + 'static>(
        &self,
        operation: impl FnOnce(Self) -> T + Send + 'static,
    ) -> Answer<T> {
        let this = self.clone();
        Box::pin(async move {
            if this.has(Fault::Leaks) {
                // An operation that is dropped never gives this back.
                this.in_flight.fetch_add(1, Ordering::SeqCst);
                tokio::task::yield_now().await;
                if this.in_flight.load(Ordering::SeqCst) > 32 {
                    return Err(Exhausted.into());
                }
                this.in_flight.fetch_sub(1, Ordering::SeqCst);
            }
            Ok(operation(this))
        })
    }
}

type Answer<T> = Pin<Box<dyn Future<Output = Result<T, BoxError>> + Send>>;

#[derive(Debug)]
struct Exhausted;

impl std::fmt::Display for Exhausted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the pool is exhausted")
    }
}

impl std::error::Error for Exhausted {}

impl ActivityStore for Mutant {
    type Error = BoxError;
    type Future<T: Send + 'static> = Answer<T>;

    fn create(&self, key: SessionKey, activity: Activity, keep_until: Timestamp) -> Answer<()> {
        let this = self.clone();
        if self.has(Fault::HalfWritten) {
            return Box::pin(async move {
                this.remove(key);
                tokio::task::yield_now().await;
                this.put(key, activity, keep_until);
                Ok(())
            });
        }
        self.run(move |this| {
            let before = this.find(key);
            let kept = match (this.fault, before) {
                (Fault::CreateKeepsLimits, Some(before)) => activity.with_limits(before.limits()),
                (Fault::CreateKeepsRevoked, Some(before)) if before.is_revoked() => {
                    activity.revoked()
                }
                (Fault::CreateMonotone, Some(before)) => activity.active_at(before.last_activity()),
                _ => activity,
            };
            this.pass_time(activity.last_activity());
            this.put(key, kept, keep_until);
        })
    }

    fn begin(
        &self,
        key: SessionKey,
        activity: Activity,
        keep_until: Timestamp,
    ) -> Answer<Activity> {
        if self.has(Fault::BeginRaces) {
            let this = self.clone();
            return Box::pin(async move {
                if let Some(found) = this.find(key) {
                    return Ok(found);
                }
                tokio::task::yield_now().await;
                this.put(key, activity, keep_until);
                Ok(activity)
            });
        }
        self.run(move |this| match this.find(key) {
            Some(found) if this.has(Fault::BeginUndoesRevoked) && found.is_revoked() => {
                this.put(key, activity, keep_until);
                activity
            }
            Some(_) if this.has(Fault::BeginAnswersOwn) => activity,
            Some(found) if !this.has(Fault::BeginReplaces) => found,
            _ => {
                this.put(key, activity, keep_until);
                activity
            }
        })
    }

    fn load(&self, key: SessionKey) -> Answer<Option<Activity>> {
        self.run(move |this| this.find(key))
    }

    fn touch(&self, key: SessionKey, touch: Touch) -> Answer<Option<Activity>> {
        if self.has(Fault::TouchRaces) {
            let this = self.clone();
            return Box::pin(async move {
                let before = this.find(key);
                tokio::task::yield_now().await;
                if let Some(before) = before {
                    this.put(key, touch.applied_to(before), touch.keep_until(&before));
                }
                Ok(before)
            });
        }
        self.run(move |this| {
            this.pass_time(touch.now());
            let Some(before) = this.find(key) else {
                if this.has(Fault::TouchCreates) {
                    this.put(key, Activity::began(touch.now()), Timestamp::MAX);
                }
                return None;
            };
            let after = this.judged(touch, before);
            this.put(key, after, touch.keep_until(&before));
            Some(if this.has(Fault::AnswersAfter) {
                after
            } else {
                before
            })
        })
    }

    fn revoke(&self, key: SessionKey, keep_until: Timestamp) -> Answer<bool> {
        self.run(move |this| {
            let Some(before) = this.find(key) else {
                if this.has(Fault::RevokeCreates) {
                    let revoked = Activity::began(Timestamp::UNIX_EPOCH).revoked();
                    this.put(key, revoked, keep_until);
                }
                return this.has(Fault::RevokeSaysYes);
            };
            match this.fault {
                Fault::RevokeRemoves => this.remove(key),
                _ => this.put(key, before.revoked(), keep_until),
            }
            !(this.has(Fault::RevokeOnce) && before.is_revoked())
        })
    }
}
