//! Tests of the conformance suite: it passes a right store, and catches one wrong store for each
//! clause.
//!
//! The wrong stores are one small store with one fault each.

#![allow(unreachable_pub, reason = "a program exports nothing")]

mod conformance {
    pub mod faulty;
    pub mod faulty_log;
    pub mod faulty_users;
}

use std::collections::BTreeSet;

use tokio::task::JoinSet;

use self::conformance::faulty::{Fault, Store};
use self::conformance::faulty_users::{UserFault, UserStoreWith};
use tower_login_timeout::{MemoryStore, conformance as suite};

#[tokio::test(flavor = "multi_thread")]
async fn the_memory_store_passes_again_and_again() {
    let store = MemoryStore::new();
    for _ in 0..2 {
        suite::check(&store).await;
        suite::check_shared(&store).await;
        suite::check_change_log(&store, &store.clone()).await;
        suite::check_users(&store).await;
        suite::check_users_change_log(&store, &store.clone()).await;
    }
}

#[tokio::test(start_paused = true)]
async fn the_store_without_a_fault_passes() {
    let store = Store::new(None);
    suite::check(&store).await;
    suite::check_shared(&store).await;
    suite::check_change_log(&store, &store.clone()).await;
}

#[tokio::test(start_paused = true)]
async fn every_clause_has_a_wrong_store() {
    // A store that fails every operation breaks every clause.
    let broken = broken_clauses(Fault::EverythingFails).await;
    let tested: BTreeSet<_> = CLAUSES.iter().map(|clause| (*clause).to_owned()).collect();
    assert!(broken.len() > 40, "{broken:#?}");
    assert_eq!(broken, tested);
}

/// Defines one test for each fault: the report names the clause that the fault breaks.
macro_rules! caught {
    ($($test:ident: $fault:ident breaks $clause:literal;)*) => {
        const CLAUSES: &[&str] = &[$($clause),*];
        $(
            #[tokio::test(start_paused = true)]
            async fn $test() {
                let broken = broken_clauses(Fault::$fault).await;
                assert!(broken.contains($clause), "{broken:#?}");
            }
        )*
    };
}

caught! {
    touch_that_creates: TouchCreates breaks "touch never creates a record";
    touch_that_moves_backwards: TouchMovesBackwards breaks "touch never moves last activity backwards";
    touch_that_revives_an_idle_session: TouchRevivesIdle breaks "touch never revives a session that was idle for too long";
    touch_that_revives_an_old_session: TouchRevivesOld breaks "touch never revives a session past its absolute timeout";
    touch_that_revives_a_revoked_session: TouchRevivesRevoked breaks "touch never changes a revoked session";
    touch_that_moves_a_revoked_session: TouchMovesRevoked breaks "touch never changes a revoked session";
    touch_that_answers_the_activity_afterwards: TouchAnswersAfter breaks "touch answers the activity as it was before";
    touch_that_always_writes: TouchAlwaysWrites breaks "touch writes only when it is due";
    touch_that_never_writes: TouchNeverWrites breaks "touch writes only when it is due";
    late_touch_that_is_judged_as_of_then: TouchJudgesThen breaks "a late touch is judged as of now";
    late_touch_that_writes_now: TouchWritesNow breaks "a late touch is judged as of now";
    passive_touch_that_moves: TouchWritesNow breaks "a passive touch moves nothing";
    touch_with_a_fixed_policy: TouchFixesPolicy breaks "touch goes by the policy that it brings";
    touch_that_ignores_never_early: TouchIgnoresNeverEarly breaks "touch obeys a policy that is never early";
    touch_that_ignores_limits: TouchIgnoresLimits breaks "touch obeys the session's own limits";
    touch_that_ignores_absolute_limits: TouchIgnoresAbsoluteLimit breaks "touch obeys the session's own absolute timeout";
    touch_whose_arithmetic_overflows: TouchOverflows breaks "touch keeps a session without limits alive";
    create_that_keeps_limits: CreateKeepsLimits breaks "create replaces the whole record";
    create_that_keeps_the_revocation: CreateKeepsRevocation breaks "create replaces the whole record";
    create_that_never_moves_backwards: CreateIsMonotone breaks "create replaces the whole record";
    begin_that_replaces: BeginReplaces breaks "begin writes only where nothing was, and answers what is there";
    begin_that_answers_its_own_record: BeginAnswersItsOwn breaks "begin writes only where nothing was, and answers what is there";
    begin_that_undoes_a_revocation: BeginUndoesRevocation breaks "a revocation is final";
    revoke_that_creates: RevokeCreates breaks "revoke never creates a record";
    revoke_that_always_answers_yes: RevokeAnswersYes breaks "revoke never creates a record";
    revoke_that_removes: RevokeRemoves breaks "revoke marks the record and answers whether there was one";
    revoke_that_answers_yes_once: RevokeAnswersYesOnce breaks "revoke marks the record and answers whether there was one";
    revoke_that_moves_last_activity: RevokeTouches breaks "revoke marks the record and answers whether there was one";
    create_that_keeps_the_removal: CreateKeepsRemoval breaks "create moves the removal of a record";
    begin_that_ignores_the_removal: BeginIgnoresRemoval breaks "begin keeps its record until its time";
    begin_that_shortens_the_removal: BeginShortensRemoval breaks "begin keeps the removal of a record that is there";
    touch_that_never_moves_the_removal: TouchKeepsRemoval breaks "touch moves the removal of a record";
    touch_that_shortens_the_removal: TouchShortensRemoval breaks "touch never moves the removal to an earlier moment";
    revoke_that_never_moves_the_removal: RevokeKeepsRemoval breaks "revoke moves the removal of a record";
    revoke_that_shortens_the_removal: RevokeShortensRemoval breaks "revoke never moves the removal to an earlier moment";
    change_that_creates: ChangeCreates breaks "change never creates a record";
    change_that_ignores_the_expected_id: ChangeIgnoresTheExpected breaks "change puts a new id behind the expected one only";
    change_that_drops_a_link: ChangeDropsTheLink breaks "change links an id and leaves it valid";
    change_that_drops_limits: ChangeDropsLimits breaks "change sets the limits and nothing else";
    change_of_a_session_that_has_ended: ChangeTouchesEnded breaks "change never changes a session that has ended";
    change_in_two_steps_against_a_revocation: ChangeInTwoSteps breaks "of a change and a revocation at the same time, one sees the other";
    change_in_two_steps_against_another: ChangeInTwoSteps breaks "of changes at the same time, one applies";
    ids_that_are_dropped: DropsIds breaks "a record keeps its next id and when it was replaced";
    limits_that_are_clamped: ClampsLimits breaks "limits are kept as they were given";
    moments_in_seconds: RoundsToSeconds breaks "moments are kept to the millisecond";
    load_that_touches: LoadTouches breaks "load changes nothing";
    clone_with_records_of_its_own: ClonesDeeply breaks "a clone is another handle to the same store";
    keys_that_are_cut: CutsKeys breaks "sessions do not affect each other";
    removal_before_its_time: RemovesEarly breaks "a record is kept until its time";
    begin_in_two_steps: BeginInTwoSteps breaks "concurrent begins agree";
    touch_in_two_steps: TouchInTwoSteps breaks "concurrent touches never move last activity backwards";
    touch_in_two_steps_against_a_revocation: TouchInTwoSteps breaks "a touch never undoes a concurrent revocation";
    touch_that_overwrites_a_create: TouchOverwritesCreate breaks "a touch never overwrites a concurrent create";
    begin_that_overwrites_a_create: BeginInTwoSteps breaks "a begin never overwrites a concurrent create";
    revoke_that_overwrites_a_create: RevokeInTwoSteps breaks "a revoke never overwrites a concurrent create";
    create_in_two_halves: CreateInTwoSteps breaks "an operation that is dropped half-way leaves the record whole";
    pool_that_leaks: Leaks breaks "an operation that is dropped half-way leaves the record whole";
    seconds_in_32_bits: NarrowTime breaks "the earliest and the latest moment are kept";
    touch_many_that_always_writes: ManyAlwaysWrites breaks "touch_many treats each touch as touch does";
    touch_many_that_creates: ManyCreates breaks "touch_many treats each touch as touch does";
    touch_many_that_cuts_large_batches: ManyCutsBatches breaks "touch_many takes no touches, and thousands";
    touch_many_with_one_policy: ManyTakesFirstPolicy breaks "touch_many goes by the policy that each touch brings";
    touch_many_that_ignores_never_early: ManyIgnoresNeverEarly breaks "touch_many obeys a policy that is never early";
    touch_many_that_ignores_limits: ManyIgnoresLimits breaks "touch_many obeys a session's own limits";
    touch_many_that_never_moves_the_removal: ManyKeepsRemoval breaks "touch_many moves the removal of a record";
    touch_many_that_shortens_the_removal: ManyShortensRemoval breaks "touch_many never moves the removal to an earlier moment";
    touch_many_in_two_steps: ManyInTwoSteps breaks "touch_many never undoes a concurrent revocation";
    touch_many_that_overwrites_a_create: ManyOverwritesCreate breaks "touch_many never overwrites a concurrent create";
    touch_many_that_answers_the_activity_afterwards: ManyAnswersAfter breaks "touch_many answers each record as it was, with its key";
    touch_many_that_makes_up_records: ManyMakesUpAnswers breaks "touch_many answers each record as it was, with its key";
    touch_many_that_leaves_out_ended_sessions: ManyLeavesOutEnded breaks "touch_many answers each record as it was, with its key";
    log_without_revocations: LogLacksRevocations breaks "the log names what was revoked, changed or replaced";
    log_without_changes: LogLacksChanges breaks "the log names what was revoked, changed or replaced";
    log_without_replacements: LogLacksReplacements breaks "the log names what was revoked, changed or replaced";
    log_that_always_doubts_every_session: LogIsAlwaysAny breaks "the log names what was revoked, changed or replaced";
    log_of_activity: LogNamesTouches breaks "the log names no activity and no new session";
    log_of_batches: LogNamesBatches breaks "the log names no activity and no new session";
    log_of_new_sessions: LogNamesNewSessions breaks "the log names no activity and no new session";
    log_that_takes_any_position: LogTakesAnyPosition breaks "without a position of this log, any session may have changed";
    log_that_is_a_queue: LogIsAQueue breaks "each reader of the log gets every change";
    log_whose_position_runs_ahead: LogRunsAhead breaks "of many changes at the same time, the log names each";
    log_that_comes_before_the_change: LogComesFirst breaks "the log names a change only when it can be read";
}

/// Each fault of a store that knows users, and the clause that it breaks.
const USER_FAULTS: &[(UserFault, &str)] = &[
    (
        UserFault::LinkIsNotFoundBySession,
        "a link is found from both ends",
    ),
    (
        UserFault::LinksOfMissesSome,
        "a user has all links and no others",
    ),
    (
        UserFault::LinksOfHasOthers,
        "a user has all links and no others",
    ),
    (
        UserFault::LinkAddsAndReplacesNothing,
        "a new link replaces the session's old one",
    ),
    (
        UserFault::LabelIsTrimmed,
        "a label is returned as it was given",
    ),
    (
        UserFault::UnlinkRemovesAll,
        "unlink removes the links that are named",
    ),
    (
        UserFault::UnlinkRemovesNothing,
        "unlink removes the links that are named",
    ),
    (
        UserFault::UnlinkIgnoresTheUser,
        "unlink keeps a link that leads to another user by now",
    ),
    (
        UserFault::LinkBegins,
        "a link needs no session, and makes none",
    ),
    (
        UserFault::UnlinkRevokes,
        "a link needs no session, and makes none",
    ),
    (
        UserFault::LinkThatIsOverTakesTheListWithIt,
        "a link stays until its time",
    ),
    (
        UserFault::LinkLeavesTheSessionsOwn,
        "a new link replaces the session's old one",
    ),
    (
        UserFault::LinkKeepsTheFirstTime,
        "a link stays until the time of the last one of its session",
    ),
    (
        UserFault::ListEndsWithItsFirstLink,
        "a user has a link for as long as it stays, whichever came first",
    ),
    (
        UserFault::LinkWithoutAnEndIsOver,
        "a link without an end stays",
    ),
    (
        UserFault::LoadManyMissesSome,
        "load_many answers each record as load does",
    ),
    (
        UserFault::LoadManyAnswersUnasked,
        "load_many answers each record as load does",
    ),
    (
        UserFault::LoadManyIsActivity,
        "load_many answers each record as load does",
    ),
    (
        UserFault::RevokeManyMissesSome,
        "revoke_many ends each session as revoke does",
    ),
    (
        UserFault::RevokeManyAnswersAfterwards,
        "revoke_many ends each session as revoke does",
    ),
    (
        UserFault::RevokeManyKeepsRemoval,
        "revoke_many moves the removal of a record",
    ),
    (
        UserFault::RevokeManyShortensRemoval,
        "revoke_many never moves the removal to an earlier moment",
    ),
    (
        UserFault::RevokeManyIsInNoLog,
        "the log names each session that revoke_many has ended",
    ),
];

#[tokio::test]
async fn every_clause_about_users_has_a_wrong_store() {
    let right = UserStoreWith::new(None);
    suite::check(&right).await;
    suite::check_users(&right).await;
    suite::check_users_change_log(&right, &right.clone()).await;
    // The checks wait for time to pass, so they wait together.
    let mut checks = JoinSet::new();
    for (fault, clause) in USER_FAULTS {
        checks.spawn(async move {
            let broken = broken_clauses_about_users(*fault).await;
            assert!(broken.contains(*clause), "{fault:?}: {broken:#?}");
        });
    }
    while let Some(checked) = checks.join_next().await {
        checked.unwrap();
    }
}

/// Runs the suite over a store with this fault. Returns the clauses that the suite names.
async fn broken_clauses_about_users(fault: UserFault) -> BTreeSet<String> {
    let store = UserStoreWith::new(Some(fault));
    let checked = store.clone();
    let user_store = async move { suite::check_users(&checked).await };
    let change_log = async move { suite::check_users_change_log(&store, &store).await };
    let mut clauses = BTreeSet::new();
    clauses.extend(broken(user_store).await);
    clauses.extend(broken(change_log).await);
    clauses
}

/// Runs the suite over a store with this fault. Returns the clauses that the suite names.
async fn broken_clauses(fault: Fault) -> BTreeSet<String> {
    let store = Store::new(Some(fault));
    let checked = store.handle();
    let activity_store = async move { suite::check(&checked).await };
    let checked = store.handle();
    let shared_store = async move { suite::check_shared(&checked).await };
    let change_log = async move { suite::check_change_log(&store, &store).await };
    let mut clauses = BTreeSet::new();
    clauses.extend(broken(activity_store).await);
    clauses.extend(broken(shared_store).await);
    clauses.extend(broken(change_log).await);
    clauses
}

/// Returns the clauses in the message of a panic.
async fn broken(check: impl Future<Output = ()> + Send + 'static) -> Vec<String> {
    let Err(failed) = tokio::spawn(check).await else {
        return Vec::new();
    };
    let report = failed.into_panic().downcast::<String>();
    let report = report.expect("the panic has a message");
    assert!(
        report.starts_with("the store breaks the contract"),
        "{report}"
    );
    let lines = report.lines().filter_map(|line| line.strip_prefix("- "));
    let clauses = lines.filter_map(|line| line.split_once(": "));
    clauses.map(|(clause, _)| clause.to_owned()).collect()
}
