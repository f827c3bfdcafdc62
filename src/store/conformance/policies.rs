//! Checks of `touch` under several policies, and of a session's own limits.

use std::time::Duration;

use super::subject::{HOUR, MINUTE, Outcome, SECOND, Subject};
use crate::session::activity::Activity;
use crate::session::limits::Limits;
use crate::session::policy::{Policy, PolicyBuilder};
use crate::session::touch::Touch;
use crate::store::activity_store::ActivityStore;

/// A record, a touch, and whether the touch moves last activity.
pub(super) struct Case {
    pub(super) when: &'static str,
    pub(super) before: Activity,
    pub(super) touch: Touch,
    pub(super) moves: bool,
}

impl Case {
    pub(super) fn after(&self) -> Activity {
        if self.moves {
            self.before.active_at(self.touch.last_activity())
        } else {
            self.before
        }
    }
}

/// Returns the cases of a clause.
pub(super) type Cases<S> = for<'a> fn(&Subject<'a, S>) -> Result<Vec<Case>, String>;

/// Touches a record of each case, and compares it afterwards.
pub(super) async fn touch<S: ActivityStore>(subject: &Subject<'_, S>, cases: Cases<S>) -> Outcome {
    for case in cases(subject)? {
        let (key, _) = subject.created(case.before).await?;
        subject.touch(key, case.touch).await?;
        let when = format!("after a touch {}", case.when);
        subject
            .expect_record(&when, key, Some(case.after()))
            .await?;
    }
    Ok(())
}

/// The policy of the touch decides, and not another one.
pub(super) fn its_policy<S: ActivityStore>(subject: &Subject<'_, S>) -> Result<Vec<Case>, String> {
    let short_idle = built(Policy::builder().with_idle(MINUTE))?;
    let long_idle = built(Policy::builder().with_idle(2 * HOUR))?;
    let short_absolute = built(Policy::builder().with_absolute(10 * MINUTE))?;
    let long_absolute = built(Policy::builder().with_absolute(20 * HOUR))?;
    let began = Activity::began(subject.start);
    let began_before =
        |age| Activity::began(subject.start.saturating_sub(age)).active_at(subject.start);
    Ok(vec![
        Case {
            when: "after a shorter idle timeout than the default",
            before: began,
            touch: short_idle.touch(subject.after(2 * MINUTE)),
            moves: false,
        },
        Case {
            when: "within a longer idle timeout than the default",
            before: began,
            touch: long_idle.touch(subject.after(HOUR)),
            moves: true,
        },
        Case {
            when: "after a shorter absolute timeout than the default",
            before: began_before(10 * MINUTE),
            touch: short_absolute.touch(subject.after(SECOND)),
            moves: false,
        },
        Case {
            when: "within a longer absolute timeout than the default",
            before: began_before(10 * HOUR),
            touch: long_absolute.touch(subject.after(SECOND)),
            moves: true,
        },
    ])
}

/// With `never_early`, a session lives up to `touch_every` longer than its idle timeout.
pub(super) fn never_early<S: ActivityStore>(subject: &Subject<'_, S>) -> Result<Vec<Case>, String> {
    let policy = built(Policy::builder().with_touch_every(MINUTE).never_early())?;
    let idle = policy.idle();
    let began = Activity::began(subject.start);
    let limited = began.with_limits(limits(Limits::default().with_idle(MINUTE))?);
    let millisecond = Duration::from_millis(1);
    Ok(vec![
        Case {
            when: "just before idle timeout and `touch_every` are over",
            before: began,
            touch: policy.touch(subject.after(idle + MINUTE - millisecond)),
            moves: true,
        },
        Case {
            when: "after idle timeout and `touch_every`",
            before: began,
            touch: policy.touch(subject.after(idle + MINUTE)),
            moves: false,
        },
        Case {
            // Half of its own idle timeout is sooner than `touch_every`.
            when: "just before its own idle timeout and half of it are over",
            before: limited,
            touch: policy.touch(subject.after(MINUTE * 3 / 2 - millisecond)),
            moves: true,
        },
        Case {
            when: "after its own idle timeout and half of it",
            before: limited,
            touch: policy.touch(subject.after(MINUTE * 3 / 2)),
            moves: false,
        },
    ])
}

/// A session's own idle timeout replaces the policy's.
pub(super) fn own_idle<S: ActivityStore>(subject: &Subject<'_, S>) -> Result<Vec<Case>, String> {
    let every = built(Policy::builder().with_touch_every(5 * MINUTE))?;
    let began = Activity::began(subject.start);
    let short = began.with_limits(limits(Limits::default().with_idle(MINUTE))?);
    let long = began.with_limits(limits(Limits::default().with_idle(HOUR))?);
    Ok(vec![
        Case {
            // This is sooner than `touch_every`.
            when: "after half of its own idle timeout",
            before: short,
            touch: every.touch(subject.after(MINUTE / 2)),
            moves: true,
        },
        Case {
            when: "after its own idle timeout",
            before: short,
            touch: every.touch(subject.after(MINUTE)),
            moves: false,
        },
        Case {
            when: "after the policy's idle timeout but within its own",
            before: long,
            touch: every.touch(subject.after(HOUR / 2)),
            moves: true,
        },
    ])
}

/// A session's own absolute timeout replaces the policy's.
pub(super) fn own_absolute<S: ActivityStore>(
    subject: &Subject<'_, S>,
) -> Result<Vec<Case>, String> {
    let old = |age, own| {
        let limits = limits(Limits::default().with_absolute(own))?;
        let began = Activity::began(subject.start.saturating_sub(age));
        Ok::<_, String>(began.active_at(subject.start).with_limits(limits))
    };
    Ok(vec![
        Case {
            when: "after its own absolute timeout",
            before: old(HOUR - SECOND, HOUR)?,
            touch: subject.touch_after(SECOND),
            moves: false,
        },
        Case {
            when: "after the policy's absolute timeout but within its own",
            before: old(20 * HOUR, 21 * HOUR)?,
            touch: subject.touch_after(SECOND),
            moves: true,
        },
    ])
}

/// A session that has no limits lives for ever.
pub(super) fn no_limits<S: ActivityStore>(subject: &Subject<'_, S>) -> Result<Vec<Case>, String> {
    let unlimited = Limits::default()
        .with_idle(Duration::MAX)
        .and_then(|limits| limits.with_absolute(Duration::MAX));
    let began = Activity::began(subject.start.saturating_sub(1_000 * HOUR));
    Ok(vec![Case {
        when: "after six weeks",
        before: began.with_limits(limits(unlimited)?),
        touch: subject.touch_after(SECOND),
        moves: true,
    }])
}

fn built(builder: PolicyBuilder) -> Result<Policy, String> {
    builder.build().map_err(|error| error.to_string())
}

fn limits<E: ToString>(limits: Result<Limits, E>) -> Result<Limits, String> {
    limits.map_err(|error| error.to_string())
}
