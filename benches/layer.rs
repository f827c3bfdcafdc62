//! Measures how long each part of a request takes.
//!
//! `cargo bench --bench layer`. Times are noisy: compare them within one run.

use std::hint::black_box;
use std::time::Duration;

use bare::{Bare, id, now, routed};
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use tower::{Layer, Service};
use tower_login_timeout::{
    Activity, ActivityStore, Clock, CookieId, IdentifySession, LoginTimeoutLayer, MemoryStore,
    Policy, RequestHead, SessionKey, SystemClock, Timestamp,
};

mod bare;

criterion_group!(benches, decide, identify, touch, layer);
criterion_main!(benches);

fn decide(criterion: &mut Criterion) {
    let policy = Policy::default();
    let moment = SystemClock.now();
    let activity = Activity::began(moment);
    criterion.bench_function("policy/decide", |bencher| {
        bencher.iter(|| black_box(policy).decide(black_box(Some(activity)), black_box(moment)));
    });
}

fn identify(criterion: &mut Criterion) {
    let cookie = cookie();
    let request = routed(&format!("theme=dark; lang=de; sid={}", id(7)));
    criterion.bench_function("identify/cookie", |bencher| {
        bencher.iter(|| cookie.identify(RequestHead::from(black_box(&request))));
    });
    let anonymous = routed("theme=dark; lang=de");
    criterion.bench_function("identify/anonymous", |bencher| {
        bencher.iter(|| cookie.identify(RequestHead::from(black_box(&anonymous))));
    });
}

fn touch(criterion: &mut Criterion) {
    for (name, sessions) in [("1k", 1_000), ("1M", 1_000_000)] {
        let (store, start) = filled(sessions);
        let policy = Policy::default();
        let keys: Vec<_> = random_ids(sessions)
            .map(SessionKey::of)
            .take(100_000)
            .collect();
        let mut turn = 0;
        criterion.bench_function(&format!("store/touch/{name}"), |bencher| {
            bencher.iter(|| {
                turn += 1;
                let at = start.saturating_add(Duration::from_millis(turn as u64 / 1_000));
                now(store.touch(keys[turn % keys.len()], policy.touch(at)))
            });
        });
    }
}

fn layer(criterion: &mut Criterion) {
    for (name, sessions) in [("1k", 1_000), ("1M", 1_000_000)] {
        let (store, _) = filled(sessions);
        let mut service = LoginTimeoutLayer::new(Policy::default(), cookie(), store).layer(Bare);
        let mut group = criterion.benchmark_group(format!("request/{name}"));
        let mut ids = random_ids(sessions).cycle();
        let mut cookies = || {
            ids.next()
                .map(|id| format!("theme=dark; sid={id}"))
                .unwrap_or_default()
        };
        let live = |cookie: String| routed(&cookie);
        group.bench_function("live, bare service", |bencher| {
            bencher.iter_batched(
                || live(cookies()),
                |request| now(Bare.call(request)),
                BatchSize::SmallInput,
            );
        });
        group.bench_function("live", |bencher| {
            bencher.iter_batched(
                || live(cookies()),
                |request| now(service.call(request)),
                BatchSize::SmallInput,
            );
        });
        group.bench_function("anonymous, bare service", |bencher| {
            bencher.iter_batched(
                || routed("theme=dark"),
                |request| now(Bare.call(request)),
                BatchSize::SmallInput,
            );
        });
        group.bench_function("anonymous", |bencher| {
            bencher.iter_batched(
                || routed("theme=dark"),
                |request| now(service.call(request)),
                BatchSize::SmallInput,
            );
        });
        group.bench_function("expired", |bencher| {
            bencher.iter_batched(
                || routed("sid=unknown"),
                |request| now(service.call(request)),
                BatchSize::SmallInput,
            );
        });
        group.finish();
    }
}

fn cookie() -> CookieId {
    CookieId::new("sid").unwrap_or_else(|error| panic!("{error}"))
}

fn random_ids(sessions: usize) -> impl Iterator<Item = String> + Clone {
    // Goes through all numbers once, in a scattered order.
    (0..sessions).map(move |turn| id((turn * 7_919 + 13) % sessions))
}

fn filled(sessions: usize) -> (MemoryStore, Timestamp) {
    let store = MemoryStore::with_capacity(sessions);
    let moment = SystemClock.now();
    for number in 0..sessions {
        let key = SessionKey::of(id(number));
        let activity = Activity::began(moment);
        let _ = now(store.create(key, activity, Timestamp::MAX));
    }
    (store, moment)
}
