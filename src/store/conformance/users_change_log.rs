//! The checks of the log of changes, for sessions that end together.

use super::change_log::{Reader, named};
use super::report::Report;
use super::subject::{Outcome, Subject, answered};
use crate::store::shared_store::SharedStore;
use crate::store::user_store::UserStore;

/// Checks that the sessions that [`UserStore::revoke_many`] ends are in the log of changes, so that
/// no near cache takes them for live. Use it in addition to
/// [`check_change_log`](super::check_change_log), with the same handles.
///
/// # Panics
///
/// If the store breaks the contract. The message says what was expected and what was found.
pub async fn check_users_change_log<S: SharedStore + UserStore>(changing: &S, reading: &S) {
    let subject = &Subject::new(changing);
    let mut report = Report::of("UserStore");
    report
        .add(
            "the log names each session that revoke_many has ended",
            names_each(subject, reading),
        )
        .await;
    report.finish();
}

async fn names_each<S: SharedStore + UserStore>(subject: &Subject<'_, S>, reading: &S) -> Outcome {
    let mut sessions = Vec::new();
    for _ in 0..3 {
        sessions.push(subject.begun().await?.0);
    }
    for ended in [&sessions[..1], &sessions[1..]] {
        let mut readers = Vec::new();
        for _ in ended {
            readers.push(Reader::start(reading).await?);
        }
        let keep_until = subject.keep_for_a_day();
        let revoked = subject.store.revoke_many(ended.to_vec(), keep_until).await;
        answered("revoke_many", revoked)?;
        for (key, reader) in ended.iter().zip(&mut readers) {
            named(reader, "ended by revoke_many", *key).await?;
        }
    }
    Ok(())
}
