//! The check of the contract of `ActivityStore`.

use super::report::Report;
use super::subject::Subject;
use super::{
    beginning, changing, concurrent, dropped, policies, removal, revoking, touching, values,
};
use crate::store::activity_store::ActivityStore;

/// Checks that a store keeps the contract of [`ActivityStore`].
///
/// Every check uses session keys of its own. The store may hold other records, may be in use, and
/// may be checked again and again. The checks leave a few hundred records behind, which are kept
/// for about a day. Their times are close to the system clock's, because a store may leave the
/// removal of records to a server that has a clock.
///
/// A check takes at least half a second: it waits until records that should stay would be removed.
/// The clock of the store's server may differ from this machine's by some seconds.
///
/// Call it on a Tokio runtime. A multi-threaded runtime finds more races. Time must not be paused
/// if the store is across a network.
///
/// The store's own tests have to cover two points that a caller cannot bring about: that records
/// are removed after their time, and that a failing store answers with an error.
///
/// ```
/// use tower_login_timeout::{MemoryStore, conformance};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// conformance::check(&MemoryStore::new()).await;
/// # }
/// ```
///
/// # Panics
///
/// If the store breaks the contract. The message lists every broken clause, what was expected and
/// what was found.
pub async fn check<S: ActivityStore>(store: &S) {
    let subject = &Subject::new(store);
    let mut report = Report::of("ActivityStore");
    touch(subject, &mut report).await;
    create_and_begin(subject, &mut report).await;
    revoke(subject, &mut report).await;
    changing::check(subject, &mut report).await;
    for (clause, outcome) in removal::of_each_operation(subject).await {
        report.note(clause, outcome);
    }
    stored_values(subject, &mut report).await;
    at_the_same_time(subject, &mut report).await;
    report
        .add(
            "an operation that is dropped half-way leaves the record whole",
            dropped::leaves_whole(subject),
        )
        .await;
    // This check brings the latest moment there is. A store that removes records as time passes may
    // remove those of other checks after it, so it is the last.
    report
        .add(
            "the earliest and the latest moment are kept",
            values::extremes(subject),
        )
        .await;
    report.finish();
}

async fn touch<S: ActivityStore>(subject: &Subject<'_, S>, report: &mut Report) {
    report
        .add(
            "touch never creates a record",
            touching::never_creates(subject),
        )
        .await;
    report
        .add(
            "touch never moves last activity backwards",
            touching::never_backwards(subject),
        )
        .await;
    report
        .add(
            "touch never revives a session that was idle for too long",
            touching::never_revives_idle(subject),
        )
        .await;
    report
        .add(
            "touch never revives a session past its absolute timeout",
            touching::never_revives_absolute(subject),
        )
        .await;
    report
        .add(
            "touch never changes a revoked session",
            touching::never_revives_revoked(subject),
        )
        .await;
    report
        .add(
            "touch answers the activity as it was before",
            touching::answers_before(subject),
        )
        .await;
    report
        .add(
            "touch writes only when it is due",
            touching::only_when_due(subject),
        )
        .await;
    report
        .add(
            "a late touch is judged as of now",
            touching::late_is_judged_now(subject),
        )
        .await;
    report
        .add(
            "a passive touch moves nothing",
            touching::passive_never_moves(subject),
        )
        .await;
    report
        .add(
            "touch goes by the policy that it brings",
            policies::touch(subject, policies::its_policy),
        )
        .await;
    report
        .add(
            "touch obeys a policy that is never early",
            policies::touch(subject, policies::never_early),
        )
        .await;
    report
        .add(
            "touch obeys the session's own limits",
            policies::touch(subject, policies::own_idle),
        )
        .await;
    report
        .add(
            "touch obeys the session's own absolute timeout",
            policies::touch(subject, policies::own_absolute),
        )
        .await;
    report
        .add(
            "touch keeps a session without limits alive",
            policies::touch(subject, policies::no_limits),
        )
        .await;
}

async fn create_and_begin<S: ActivityStore>(subject: &Subject<'_, S>, report: &mut Report) {
    report
        .add(
            "create replaces the whole record",
            beginning::create_replaces(subject),
        )
        .await;
    report
        .add(
            "begin writes only where nothing was, and answers what is there",
            beginning::begin_where_absent(subject),
        )
        .await;
}

async fn revoke<S: ActivityStore>(subject: &Subject<'_, S>, report: &mut Report) {
    report
        .add(
            "revoke never creates a record",
            revoking::never_creates(subject),
        )
        .await;
    report
        .add(
            "revoke marks the record and answers whether there was one",
            revoking::marks(subject),
        )
        .await;
    report
        .add("a revocation is final", revoking::is_final(subject))
        .await;
}

async fn stored_values<S: ActivityStore>(subject: &Subject<'_, S>, report: &mut Report) {
    report
        .add(
            "limits are kept as they were given",
            values::limits(subject),
        )
        .await;
    report
        .add(
            "moments are kept to the millisecond",
            values::milliseconds(subject),
        )
        .await;
    report
        .add(
            "load changes nothing",
            values::load_changes_nothing(subject),
        )
        .await;
    report
        .add(
            "a clone is another handle to the same store",
            values::clones(subject),
        )
        .await;
    report
        .add(
            "sessions do not affect each other",
            values::neighbours(subject),
        )
        .await;
    report
        .add(
            "a record is kept until its time",
            values::kept_until(subject),
        )
        .await;
}

async fn at_the_same_time<S: ActivityStore>(subject: &Subject<'_, S>, report: &mut Report) {
    report
        .add("concurrent begins agree", concurrent::begins_agree(subject))
        .await;
    report
        .add(
            "concurrent touches never move last activity backwards",
            concurrent::touches_are_monotone(subject),
        )
        .await;
    report
        .add(
            "a touch never undoes a concurrent revocation",
            concurrent::touch_and_revoke(subject),
        )
        .await;
    report
        .add(
            "a touch never overwrites a concurrent create",
            concurrent::touch_and_create(subject),
        )
        .await;
    report
        .add(
            "a begin never overwrites a concurrent create",
            concurrent::begin_and_create(subject),
        )
        .await;
    report
        .add(
            "a revoke never overwrites a concurrent create",
            concurrent::revoke_and_create(subject),
        )
        .await;
}
