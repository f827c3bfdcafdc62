//! Tests of the policy that hold for all times and limits.

use std::time::Duration;

use proptest::prelude::*;
use tower_login_timeout::{Activity, Limits, Policy, Reason, Timestamp, Verdict};

/// Durations from a millisecond to for ever. Short ones are more frequent.
fn durations() -> impl Strategy<Value = Duration> {
    prop_oneof![
        8 => (1..100_000_u64).prop_map(Duration::from_millis),
        1 => any::<u64>().prop_map(|millis| Duration::from_millis(millis.max(1))),
        1 => Just(Duration::MAX),
    ]
}

fn timestamps() -> impl Strategy<Value = Timestamp> {
    prop_oneof![
        8 => (1_700_000_000_000..1_700_000_100_000_u64).prop_map(Timestamp::from_unix_millis),
        1 => any::<u64>().prop_map(Timestamp::from_unix_millis),
        1 => Just(Timestamp::UNIX_EPOCH),
        1 => Just(Timestamp::MAX),
    ]
}

prop_compose! {
    fn limits()(idle in proptest::option::of(durations()), absolute in proptest::option::of(durations())) -> Limits {
        let mut limits = Limits::default();
        if let Some(idle) = idle {
            limits = limits.with_idle(idle).unwrap();
        }
        if let Some(absolute) = absolute {
            limits = limits.with_absolute(absolute).unwrap();
        }
        limits
    }
}

prop_compose! {
    fn policies()(idle in durations(), absolute in durations(), part in 0..100_u32, rounding in any::<bool>()) -> Policy {
        let touch_every = (idle / 100).saturating_mul(part).min(idle.saturating_sub(Duration::from_millis(1)));
        let builder = Policy::builder()
            .with_idle(idle)
            .with_absolute(absolute)
            .with_touch_every(touch_every);
        if rounding { builder.never_early() } else { builder }.build().unwrap_or_default()
    }
}

prop_compose! {
    fn activities()(began in timestamps(), active in timestamps(), limits in limits(), revoked in proptest::bool::weighted(0.1)) -> Activity {
        let activity = Activity::began(began).active_at(active).with_limits(limits);
        if revoked { activity.revoked() } else { activity }
    }
}

fn remaining(policy: &Policy, activity: Activity, now: Timestamp) -> Option<Duration> {
    match policy.decide(Some(activity), now) {
        Verdict::Active { remaining, .. } => Some(remaining),
        _ => None,
    }
}

fn reason(policy: &Policy, activity: Activity, now: Timestamp) -> Option<Reason> {
    match policy.decide(Some(activity), now) {
        Verdict::Expired(expired) => Some(expired.reason()),
        _ => None,
    }
}

const MILLISECOND: Duration = Duration::from_millis(1);

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2_000) })]

    #[test]
    fn what_is_expired_stays_expired(policy in policies(), activity in activities(), now in timestamps(), later in durations()) {
        if remaining(&policy, activity, now).is_none() {
            prop_assert_eq!(remaining(&policy, activity, now.saturating_add(later)), None);
        }
    }

    #[test]
    fn what_is_expired_is_not_touched(policy in policies(), activity in activities(), now in timestamps()) {
        let touch = policy.touch(now);
        if remaining(&policy, activity, now).is_none() {
            prop_assert!(!touch.applies_to(&activity));
            prop_assert_eq!(touch.applied_to(activity), activity);
        }
    }

    #[test]
    fn active_until_the_remaining_time_is_over_and_not_at_it(policy in policies(), activity in activities(), now in timestamps()) {
        if let Some(left) = remaining(&policy, activity, now) {
            prop_assert!(!left.is_zero());
            let end = now.saturating_add(left);
            // This needs a clock that is not behind the record, and an end that can be reached.
            if now >= activity.last_activity() && now >= activity.created_at() && end < Timestamp::MAX {
                prop_assert!(remaining(&policy, activity, end.saturating_sub(MILLISECOND)).is_some());
                prop_assert_eq!(remaining(&policy, activity, end), None);
            }
        }
    }

    #[test]
    fn the_earlier_of_the_two_timeouts_decides(policy in policies(), activity in activities(), now in timestamps()) {
        let without_idle = activity.with_limits(
            Limits::default().with_idle(Duration::MAX).unwrap()
                .with_absolute(activity.limits().absolute().unwrap_or(policy.absolute())).unwrap());
        let without_absolute = activity.with_limits(match activity.limits().idle() {
            Some(idle) => Limits::default().with_idle(idle).unwrap(),
            None => Limits::default(),
        }.with_absolute(Duration::MAX).unwrap());
        let both = remaining(&policy, activity, now);
        let either = remaining(&policy, without_idle, now).zip(remaining(&policy, without_absolute, now));
        prop_assert_eq!(both, either.map(|(absolute, idle)| absolute.min(idle)));
    }

    #[test]
    fn touching_never_moves_back_and_never_extends_the_absolute_limit(
        policy in policies(), activity in activities(), now in timestamps(), at in timestamps(), later in durations(),
    ) {
        let touch = policy.touch(now).for_activity_at(at);
        let touched = touch.applied_to(activity);
        prop_assert!(touched.last_activity() >= activity.last_activity());
        prop_assert_eq!(touched.created_at(), activity.created_at());
        let end = activity.created_at().saturating_add(activity.limits().absolute().unwrap_or(policy.absolute()));
        let after = end.saturating_add(later);
        if end < Timestamp::MAX {
            prop_assert_eq!(remaining(&policy, touched, after), None);
        }
    }

    #[test]
    fn an_active_session_that_is_touched_stays_active(policy in policies(), activity in activities(), now in timestamps()) {
        if remaining(&policy, activity, now).is_some() {
            let touched = policy.touch(now).applied_to(activity);
            prop_assert!(remaining(&policy, touched, now) >= remaining(&policy, activity, now));
        }
    }

    #[test]
    fn a_revoked_session_says_so_whatever_else_has_ended_it(policy in policies(), activity in activities(), now in timestamps()) {
        prop_assert_eq!(reason(&policy, activity.revoked(), now), Some(Reason::Revoked));
    }

    #[test]
    fn a_record_is_kept_for_longer_than_its_session_lives(policy in policies(), activity in activities(), now in timestamps()) {
        let kept = policy.keep_until(&activity);
        if remaining(&policy, activity, now).is_some() && kept < Timestamp::MAX && now >= activity.created_at() {
            prop_assert!(kept > now);
        }
    }

    #[test]
    fn use_at_intervals_shorter_than_idle_less_touch_every_never_ends_a_session(
        idle in 10..100_000_u64, own_idle in proptest::option::of(10..100_000_u64), part in 0..99_u64, requests in 1..200_u32,
    ) {
        let policy = Policy::builder()
            .with_idle(Duration::from_millis(idle))
            .with_absolute(Duration::MAX)
            .with_touch_every(Duration::from_millis(idle * part / 100))
            .build()
            .unwrap();
        let mut now = Timestamp::from_unix_millis(1_700_000_000_000);
        let mut activity = Activity::began(now);
        if let Some(own_idle) = own_idle {
            activity = activity.with_limits(Limits::default().with_idle(Duration::from_millis(own_idle)).unwrap());
        }
        let idle = Duration::from_millis(own_idle.unwrap_or(idle));
        let touch_every = if own_idle.is_some() { policy.touch_every().min(idle / 2) } else { policy.touch_every() };
        for _ in 0..requests {
            now = now.saturating_add(idle.saturating_sub(touch_every).saturating_sub(MILLISECOND));
            prop_assert!(remaining(&policy, activity, now).is_some());
            activity = policy.touch(now).applied_to(activity);
        }
    }
}

#[test]
fn a_session_expires_exactly_at_its_timeout() {
    let policy = Policy::builder()
        .with_idle(Duration::from_secs(60))
        .build()
        .unwrap();
    let began = Timestamp::from_unix_millis(1_700_000_000_000);
    let end = began.saturating_add(Duration::from_secs(60));
    let activity = Activity::began(began);
    assert_eq!(
        remaining(&policy, activity, end.saturating_sub(MILLISECOND)),
        Some(MILLISECOND)
    );
    assert_eq!(reason(&policy, activity, end), Some(Reason::Idle));
}

#[test]
fn whichever_timeout_came_first_is_the_reason() {
    let policy = Policy::builder()
        .with_idle(Duration::from_secs(60))
        .with_absolute(Duration::from_secs(90))
        .build()
        .unwrap();
    let began = Timestamp::from_unix_millis(1_700_000_000_000);
    let much_later = began.saturating_add(Duration::from_secs(1_000));
    let idle_first = Activity::began(began);
    assert_eq!(reason(&policy, idle_first, much_later), Some(Reason::Idle));
    let absolute_first = idle_first.active_at(began.saturating_add(Duration::from_secs(50)));
    assert_eq!(
        reason(&policy, absolute_first, much_later),
        Some(Reason::Absolute)
    );
}

#[test]
fn invalid_settings_are_refused_with_a_reason() {
    let second = Duration::from_secs(1);
    for (refused, expected) in [
        (
            Policy::builder().with_idle(Duration::ZERO),
            "`idle` is zero",
        ),
        (
            Policy::builder().with_absolute(Duration::ZERO),
            "`absolute` is zero",
        ),
        (
            Policy::builder().with_store_timeout(Duration::ZERO),
            "`store_timeout` is zero",
        ),
        (
            Policy::builder().with_idle(second).with_touch_every(second),
            "not shorter than `idle`",
        ),
        (
            Policy::builder().with_touch_every(Duration::MAX),
            "not shorter than `idle`",
        ),
    ] {
        let error = refused.build().unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    assert!(Limits::default().with_idle(Duration::ZERO).is_err());
    assert!(Limits::default().with_absolute(Duration::ZERO).is_err());
}
