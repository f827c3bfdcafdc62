//! A small store that keeps the contract, but for one fault.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::task::yield_now;
use tower_login_timeout::{
    Activity, ActivityStore, BoxError, Change, Changes, Limits, LogPosition, Policy, SessionKey,
    SharedStore, Timestamp, Touch, TouchAnswer,
};

use super::faulty_log::Log;

/// What is wrong with a store.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fault {
    EverythingFails,
    TouchCreates,
    TouchMovesBackwards,
    TouchRevivesIdle,
    TouchRevivesOld,
    TouchRevivesRevoked,
    TouchMovesRevoked,
    TouchAnswersAfter,
    TouchAlwaysWrites,
    TouchNeverWrites,
    TouchJudgesThen,
    TouchWritesNow,
    TouchFixesPolicy,
    TouchIgnoresNeverEarly,
    TouchIgnoresLimits,
    TouchIgnoresAbsoluteLimit,
    TouchOverflows,
    TouchKeepsRemoval,
    TouchShortensRemoval,
    TouchInTwoSteps,
    TouchOverwritesCreate,
    CreateKeepsLimits,
    CreateKeepsRevocation,
    CreateIsMonotone,
    CreateKeepsRemoval,
    CreateInTwoSteps,
    BeginReplaces,
    BeginAnswersItsOwn,
    BeginUndoesRevocation,
    BeginIgnoresRemoval,
    BeginShortensRemoval,
    BeginInTwoSteps,
    ChangeCreates,
    ChangeIgnoresTheExpected,
    ChangeDropsTheLink,
    ChangeDropsLimits,
    ChangeTouchesEnded,
    ChangeInTwoSteps,
    DropsIds,
    RevokeCreates,
    RevokeAnswersYes,
    RevokeAnswersYesOnce,
    RevokeRemoves,
    RevokeTouches,
    RevokeKeepsRemoval,
    RevokeShortensRemoval,
    RevokeInTwoSteps,
    ClampsLimits,
    RoundsToSeconds,
    LoadTouches,
    ClonesDeeply,
    CutsKeys,
    RemovesEarly,
    Leaks,
    NarrowTime,
    ManyAlwaysWrites,
    ManyCreates,
    ManyCutsBatches,
    ManyTakesFirstPolicy,
    ManyIgnoresNeverEarly,
    ManyIgnoresLimits,
    ManyKeepsRemoval,
    ManyShortensRemoval,
    ManyInTwoSteps,
    ManyOverwritesCreate,
    ManyAnswersAfter,
    ManyMakesUpAnswers,
    ManyLeavesOutEnded,
    LogLacksRevocations,
    LogLacksChanges,
    LogLacksReplacements,
    LogIsAlwaysAny,
    LogNamesTouches,
    LogNamesBatches,
    LogNamesNewSessions,
    LogTakesAnyPosition,
    LogIsAQueue,
    LogRunsAhead,
    LogComesFirst,
}

/// A store of records, right but for one fault.
pub struct Store {
    fault: Option<Fault>,
    records: Arc<Mutex<BTreeMap<Vec<u8>, Record>>>,
    in_flight: Arc<AtomicUsize>,
    log: Log,
}

#[derive(Clone, Copy)]
struct Record {
    activity: Activity,
    keep_until: Timestamp,
}

/// What a fault does to the removal of a record.
#[derive(Clone, Copy)]
enum Removal {
    MovesLater,
    Stays,
    MovesAnyWay,
}

type Answer<T> = Pin<Box<dyn Future<Output = Result<T, BoxError>> + Send>>;

#[derive(Debug)]
struct Failed;

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the store fails")
    }
}

impl Error for Failed {}

impl Store {
    pub fn new(fault: Option<Fault>) -> Self {
        Self {
            fault,
            records: Arc::default(),
            in_flight: Arc::default(),
            log: Log::default(),
        }
    }

    fn has(&self, fault: Fault) -> bool {
        self.fault == Some(fault)
    }

    fn id(&self, key: SessionKey) -> Vec<u8> {
        let length = if self.has(Fault::CutsKeys) { 8 } else { 16 };
        key.to_bytes()[..length].to_vec()
    }

    fn find(&self, key: SessionKey) -> Option<Record> {
        self.records.lock().unwrap().get(&self.id(key)).copied()
    }

    fn remove(&self, key: SessionKey) {
        self.records.lock().unwrap().remove(&self.id(key));
    }

    fn put(&self, key: SessionKey, activity: Activity, keep_until: Timestamp) {
        let activity = self.stored(activity);
        let record = Record {
            activity,
            keep_until,
        };
        self.records.lock().unwrap().insert(self.id(key), record);
    }

    /// Replaces the activity of a record, and moves its removal.
    fn update(&self, key: SessionKey, after: Activity, keep_until: Timestamp, removal: Removal) {
        let Some(before) = self.find(key) else { return };
        let keep_until = match removal {
            Removal::MovesLater => before.keep_until.max(keep_until),
            Removal::Stays => before.keep_until,
            Removal::MovesAnyWay => keep_until,
        };
        self.put(key, after, keep_until);
    }

    /// The activity as the store's columns hold it.
    fn stored(&self, activity: Activity) -> Activity {
        let is_huge = |limit: Duration| limit.as_secs() > 1 << 40;
        let last = activity.last_activity().as_unix_millis();
        match self.fault {
            Some(Fault::ClampsLimits) if activity.limits().idle().is_some_and(is_huge) => {
                activity.with_limits(Limits::default())
            }
            Some(Fault::DropsIds) => activity.with_next_id(None),
            Some(Fault::NarrowTime) if last / 1_000 > u32::MAX.into() => {
                Activity::began(activity.created_at())
            }
            Some(Fault::RoundsToSeconds) => {
                let seconds = Timestamp::from_unix_millis(last / 1_000 * 1_000);
                let created = activity.created_at().min(seconds);
                let rounded = Activity::began(created).active_at(seconds);
                let rounded = rounded
                    .with_limits(activity.limits())
                    .with_next_id(activity.next_id());
                if activity.is_revoked() {
                    rounded.revoked()
                } else {
                    rounded
                }
            }
            _ => activity,
        }
    }

    /// Removes the records whose time is over. Time comes with the operations.
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
            .retain(|_, record| record.keep_until > now || record.keep_until == Timestamp::MAX);
    }

    /// Runs an operation in one step.
    fn run<T: Send + 'static>(
        &self,
        operation: impl FnOnce(&Self) -> T + Send + 'static,
    ) -> Answer<T> {
        self.run_with_steps(async move |store: Self| operation(&store))
    }

    /// Runs an operation that may have several steps.
    fn run_with_steps<T, F>(&self, operation: impl FnOnce(Self) -> F + Send + 'static) -> Answer<T>
    where
        T: Send + 'static,
        F: Future<Output = T> + Send,
    {
        let store = self.handle();
        Box::pin(async move {
            if store.has(Fault::EverythingFails) {
                return Err(Failed.into());
            }
            if store.has(Fault::Leaks) {
                // An operation that is dropped here never gives its connection back.
                store.in_flight.fetch_add(1, Ordering::SeqCst);
                yield_now().await;
                if store.in_flight.load(Ordering::SeqCst) > 32 {
                    return Err(Failed.into());
                }
                store.in_flight.fetch_sub(1, Ordering::SeqCst);
            }
            Ok(operation(store).await)
        })
    }

    /// Another handle to the same records.
    pub fn handle(&self) -> Self {
        Self {
            fault: self.fault,
            records: Arc::clone(&self.records),
            in_flight: Arc::clone(&self.in_flight),
            log: self.log.clone(),
        }
    }

    /// The activity after a touch.
    fn touched(&self, touch: Touch, before: Activity) -> Activity {
        let (at, policy) = (touch.last_activity(), *touch.policy());
        let by = |policy: Policy| policy.touch(touch.now()).for_activity_at(at);
        match self.fault {
            Some(Fault::TouchMovesBackwards) if at < before.last_activity() => {
                Activity::began(before.created_at().min(at)).active_at(at)
            }
            Some(Fault::TouchRevivesIdle) => {
                let policy = Policy::builder()
                    .with_idle(Duration::MAX)
                    .with_absolute(policy.absolute());
                by(policy.build().unwrap()).applied_to(before)
            }
            Some(Fault::TouchRevivesOld) => {
                let policy = Policy::builder()
                    .with_idle(policy.idle())
                    .with_absolute(Duration::MAX);
                by(policy.build().unwrap()).applied_to(before)
            }
            Some(Fault::TouchRevivesRevoked) => Activity::began(before.created_at()).active_at(at),
            Some(Fault::TouchMovesRevoked) if before.is_revoked() => before.active_at(at),
            Some(Fault::TouchAlwaysWrites) => Policy::default().touch(at).applied_to(before),
            Some(Fault::TouchNeverWrites) => before,
            Some(Fault::TouchJudgesThen) => policy.touch(at).applied_to(before),
            Some(Fault::TouchWritesNow) => policy.touch(touch.now()).applied_to(before),
            Some(Fault::TouchFixesPolicy) => by(Policy::default()).applied_to(before),
            Some(Fault::TouchIgnoresNeverEarly) => by(never_late(policy)).applied_to(before),
            Some(Fault::TouchIgnoresLimits) => without_limits(touch, before),
            Some(Fault::TouchIgnoresAbsoluteLimit) => {
                let idle = before.limits().idle().unwrap_or(policy.idle());
                let limits = Limits::default().with_idle(idle).unwrap();
                touch
                    .applied_to(before.with_limits(limits))
                    .with_limits(before.limits())
            }
            Some(Fault::TouchOverflows) if before.limits().idle().is_some_and(overflows) => before,
            _ => touch.applied_to(before),
        }
    }

    /// The activity after a touch in a batch.
    fn touched_by_batch(&self, touch: Touch, before: Activity) -> Activity {
        let by = |policy: Policy| {
            policy
                .touch(touch.now())
                .for_activity_at(touch.last_activity())
        };
        match self.fault {
            Some(Fault::ManyAlwaysWrites) => before.active_at(touch.last_activity()),
            Some(Fault::ManyIgnoresNeverEarly) => {
                by(never_late(*touch.policy())).applied_to(before)
            }
            Some(Fault::ManyIgnoresLimits) => without_limits(touch, before),
            _ => touch.applied_to(before),
        }
    }

    /// Writes what a touch in two steps has read. `stale` is the record as it was then.
    fn write_late(&self, key: SessionKey, touch: Touch, stale: Record, fault: Fault) {
        let after = touch.applied_to(stale.activity);
        let overwrites_all = matches!(fault, Fault::TouchInTwoSteps | Fault::ManyInTwoSteps);
        let now = self.find(key).map(|record| record.activity);
        // These see a revocation and a later touch, and write the whole record all the same.
        let is_overtaken = now.is_none_or(|now| {
            now.is_revoked()
                || now.created_at() == stale.activity.created_at()
                    && now.last_activity() > after.last_activity()
        });
        if overwrites_all || !is_overtaken {
            self.put(key, after, stale.keep_until.max(touch.keep_until(&after)));
        }
    }
}

impl Clone for Store {
    fn clone(&self) -> Self {
        let mut clone = self.handle();
        if self.has(Fault::ClonesDeeply) {
            clone.records = Arc::new(Mutex::new(self.records.lock().unwrap().clone()));
        }
        clone
    }
}

impl ActivityStore for Store {
    type Error = BoxError;
    type Future<T: Send + 'static> = Answer<T>;

    fn create(&self, key: SessionKey, activity: Activity, keep_until: Timestamp) -> Answer<()> {
        self.run_with_steps(async move |store| {
            store.pass_time(activity.last_activity());
            let before = store.find(key);
            if store.has(Fault::CreateInTwoSteps) {
                store.remove(key);
                yield_now().await;
            }
            let (activity, keep_until) = match (store.fault, before) {
                (Some(Fault::CreateKeepsLimits), Some(before)) => {
                    (activity.with_limits(before.activity.limits()), keep_until)
                }
                (Some(Fault::CreateKeepsRevocation), Some(before))
                    if before.activity.is_revoked() =>
                {
                    (activity.revoked(), keep_until)
                }
                (Some(Fault::CreateIsMonotone), Some(before)) => (
                    activity.active_at(before.activity.last_activity()),
                    keep_until,
                ),
                (Some(Fault::CreateKeepsRemoval), Some(before)) => (activity, before.keep_until),
                _ => (activity, keep_until),
            };
            store.put(key, activity, keep_until);
            let is_logged = match before {
                Some(_) => !store.has(Fault::LogLacksReplacements),
                None => store.has(Fault::LogNamesNewSessions),
            };
            if is_logged {
                store.log.note(key);
            }
        })
    }

    fn begin(
        &self,
        key: SessionKey,
        activity: Activity,
        keep_until: Timestamp,
    ) -> Answer<Activity> {
        self.run_with_steps(async move |store| {
            let before = store.find(key);
            if store.has(Fault::BeginInTwoSteps) {
                yield_now().await;
            }
            let keep_until = if store.has(Fault::BeginIgnoresRemoval) {
                activity.created_at()
            } else {
                keep_until
            };
            match before {
                Some(found)
                    if store.has(Fault::BeginUndoesRevocation) && found.activity.is_revoked() =>
                {
                    store.put(key, activity, keep_until);
                    activity
                }
                Some(_) if store.has(Fault::BeginAnswersItsOwn) => activity,
                Some(found) if store.has(Fault::BeginShortensRemoval) => {
                    store.update(key, found.activity, keep_until, Removal::MovesAnyWay);
                    found.activity
                }
                Some(found) if !store.has(Fault::BeginReplaces) => found.activity,
                _ => {
                    store.put(key, activity, keep_until);
                    store.find(key).map_or(activity, |record| record.activity)
                }
            }
        })
    }

    fn load(&self, key: SessionKey) -> Answer<Option<Activity>> {
        self.run(move |store| {
            let found = store.find(key)?.activity;
            if store.has(Fault::LoadTouches) {
                let later = found.last_activity().saturating_add(Duration::from_secs(1));
                store.update(key, found.active_at(later), later, Removal::MovesLater);
            }
            Some(found)
        })
    }

    fn touch(&self, key: SessionKey, touch: Touch) -> Answer<Option<Activity>> {
        self.run_with_steps(async move |store| {
            store.pass_time(touch.now());
            let Some(before) = store.find(key) else {
                if store.has(Fault::TouchCreates) {
                    store.put(key, Activity::began(touch.now()), Timestamp::MAX);
                }
                return None;
            };
            if let Some(fault @ (Fault::TouchInTwoSteps | Fault::TouchOverwritesCreate)) =
                store.fault
            {
                yield_now().await;
                store.write_late(key, touch, before, fault);
                return Some(before.activity);
            }
            let after = store.touched(touch, before.activity);
            if after != before.activity {
                let removal = match store.fault {
                    Some(Fault::TouchKeepsRemoval) => Removal::Stays,
                    Some(Fault::TouchShortensRemoval) => Removal::MovesAnyWay,
                    _ => Removal::MovesLater,
                };
                store.update(key, after, touch.keep_until(&after), removal);
                if store.has(Fault::LogNamesTouches) {
                    store.log.note(key);
                }
            }
            Some(if store.has(Fault::TouchAnswersAfter) {
                after
            } else {
                before.activity
            })
        })
    }

    fn change(&self, key: SessionKey, change: Change) -> Answer<Option<Activity>> {
        self.run_with_steps(async move |store| {
            let Some(before) = store.find(key) else {
                if store.has(Fault::ChangeCreates) {
                    store.put(key, Activity::began(change.now()), Timestamp::MAX);
                }
                return None;
            };
            if store.has(Fault::ChangeInTwoSteps) {
                yield_now().await;
            }
            let before = before.activity;
            let expected = change.applied_to(before);
            let after = match store.fault {
                Some(Fault::ChangeIgnoresTheExpected) if expected == before => {
                    change.applied_to(before.with_next_id(None))
                }
                Some(Fault::ChangeDropsTheLink) if expected.replaced_at().is_none() => before,
                Some(Fault::ChangeDropsLimits) => expected.with_limits(Limits::default()),
                Some(Fault::ChangeTouchesEnded) if expected == before => {
                    before.with_next_id(Some(SessionKey::of("wrong")))
                }
                _ => expected,
            };
            store.update(key, after, change.keep_until(&before), Removal::MovesLater);
            if !store.has(Fault::LogLacksChanges) {
                store.log.note(key);
            }
            Some(before)
        })
    }

    fn revoke(&self, key: SessionKey, keep_until: Timestamp) -> Answer<Option<Activity>> {
        self.run_with_steps(async move |store| {
            let Some(before) = store.find(key) else {
                if store.has(Fault::RevokeCreates) {
                    let revoked = Activity::began(Timestamp::UNIX_EPOCH).revoked();
                    store.put(key, revoked, keep_until);
                }
                let made_up = Activity::began(Timestamp::UNIX_EPOCH);
                return store.has(Fault::RevokeAnswersYes).then_some(made_up);
            };
            if store.has(Fault::RevokeInTwoSteps) {
                yield_now().await;
            }
            if store.has(Fault::LogComesFirst) {
                store.log.note(key);
                yield_now().await;
            }
            let removal = match store.fault {
                Some(Fault::RevokeKeepsRemoval) => Removal::Stays,
                Some(Fault::RevokeShortensRemoval) => Removal::MovesAnyWay,
                _ => Removal::MovesLater,
            };
            let revoked = before.activity.revoked();
            match store.fault {
                Some(Fault::RevokeRemoves) => store.remove(key),
                Some(Fault::RevokeTouches) => {
                    let later = revoked
                        .last_activity()
                        .saturating_add(Duration::from_secs(1));
                    store.update(key, revoked.active_at(later), keep_until, removal);
                }
                _ => store.update(key, revoked, keep_until, removal),
            }
            if !store.has(Fault::LogLacksRevocations) {
                store.log.note(key);
            }
            let denies = store.has(Fault::RevokeAnswersYesOnce) && before.activity.is_revoked();
            (!denies).then_some(before.activity)
        })
    }
}

impl SharedStore for Store {
    fn touch_many(
        &self,
        mut touches: Vec<(SessionKey, Touch)>,
    ) -> Answer<Vec<TouchAnswer<BoxError>>> {
        if self.has(Fault::ManyCutsBatches) {
            touches.truncate(1_000);
        }
        let first = touches.first().map(|(_, touch)| *touch.policy());
        self.run_with_steps(async move |store| {
            let mut found = Vec::new();
            for (key, touch) in touches {
                let Some(before) = store.find(key) else {
                    if store.has(Fault::ManyCreates) {
                        store.put(key, Activity::began(touch.now()), Timestamp::MAX);
                    }
                    if store.has(Fault::ManyMakesUpAnswers) {
                        found.push((key, Ok(Activity::began(touch.now()))));
                    }
                    continue;
                };
                if !(store.has(Fault::ManyLeavesOutEnded) && before.activity.is_revoked()) {
                    found.push((key, Ok(before.activity)));
                }
                if let Some(fault @ (Fault::ManyInTwoSteps | Fault::ManyOverwritesCreate)) =
                    store.fault
                {
                    yield_now().await;
                    store.write_late(key, touch, before, fault);
                    continue;
                }
                let touch = match (store.fault, first) {
                    (Some(Fault::ManyTakesFirstPolicy), Some(policy)) => policy
                        .touch(touch.now())
                        .for_activity_at(touch.last_activity()),
                    _ => touch,
                };
                let after = store.touched_by_batch(touch, before.activity);
                if after != before.activity {
                    let removal = match store.fault {
                        Some(Fault::ManyKeepsRemoval) => Removal::Stays,
                        Some(Fault::ManyShortensRemoval) => Removal::MovesAnyWay,
                        _ => Removal::MovesLater,
                    };
                    store.update(key, after, touch.keep_until(&after), removal);
                    if store.has(Fault::LogNamesBatches) {
                        store.log.note(key);
                    }
                }
                if store.has(Fault::ManyAnswersAfter) {
                    found.pop();
                    found.push((key, Ok(after)));
                }
            }
            found
        })
    }

    fn changes_since(&self, position: Option<LogPosition>) -> Answer<Changes> {
        self.run_with_steps(async move |store| store.log.since(position, store.fault).await)
    }
}

/// The policy without `never_early`.
fn never_late(policy: Policy) -> Policy {
    Policy::builder()
        .with_idle(policy.idle())
        .with_absolute(policy.absolute())
        .with_touch_every(policy.touch_every())
        .with_remember_expired_for(policy.remember_expired_for())
        .build()
        .unwrap()
}

/// The activity after a touch that does not look at the session's own limits.
fn without_limits(touch: Touch, before: Activity) -> Activity {
    touch
        .applied_to(before.with_limits(Limits::default()))
        .with_limits(before.limits())
}

/// Whether a limit has too many milliseconds for a signed number.
fn overflows(limit: Duration) -> bool {
    i64::try_from(limit.as_millis()).is_err()
}
