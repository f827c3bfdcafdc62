//! What does each part of a request cost?
//!
//! `cargo bench --bench layer`. Times are noisy: compare them within one run.

use std::convert::Infallible;
use std::future::{Future, Ready, ready};
use std::hint::black_box;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use http::{Request, Response};
use tower::{Layer, Service};
use tower_login_timeout::{
    Activity, ActivityStore, Clock, CookieId, IdentifySession, LoginTimeoutLayer, MemoryStore,
    Policy, RequestHead, SessionKey, SystemClock, Timestamp,
};

criterion_group!(benches, decide, identify, touch, layer);
criterion_main!(benches);

fn decide(criterion: &mut Criterion) {
    let policy = Policy::default();
    let now = SystemClock.now();
    let activity = Activity::began(now);
    criterion.bench_function("policy/decide", |bencher| {
        bencher.iter(|| black_box(policy).decide(black_box(Some(activity)), black_box(now)));
    });
}

fn identify(criterion: &mut Criterion) {
    let cookie = cookie();
    let request = request(&format!("theme=dark; lang=de; sid={}", id(7)));
    criterion.bench_function("identify/cookie", |bencher| {
        bencher.iter(|| cookie.identify(RequestHead::from(black_box(&request))));
    });
    let anonymous = self::request("theme=dark; lang=de");
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
                let now = start.saturating_add(Duration::from_millis(turn as u64 / 1_000));
                now_or_panic(store.touch(keys[turn % keys.len()], policy.touch(now)))
            });
        });
    }
}

fn layer(criterion: &mut Criterion) {
    for (name, sessions) in [("1k", 1_000), ("1M", 1_000_000)] {
        let (store, _) = filled(sessions);
        let mut service = LoginTimeoutLayer::new(Policy::default(), cookie(), store).layer(Answer);
        let mut group = criterion.benchmark_group(format!("request/{name}"));
        let mut ids = random_ids(sessions).cycle();
        let mut cookies = || {
            ids.next()
                .map(|id| format!("theme=dark; sid={id}"))
                .unwrap_or_default()
        };
        let live = |cookie: String| request(&cookie);
        group.bench_function("live, bare service", |bencher| {
            bencher.iter_batched(
                || live(cookies()),
                |request| now_or_panic(Answer.call(request)),
                BatchSize::SmallInput,
            );
        });
        group.bench_function("live", |bencher| {
            bencher.iter_batched(
                || live(cookies()),
                |request| now_or_panic(service.call(request)),
                BatchSize::SmallInput,
            );
        });
        group.bench_function("anonymous, bare service", |bencher| {
            bencher.iter_batched(
                || request("theme=dark"),
                |request| now_or_panic(Answer.call(request)),
                BatchSize::SmallInput,
            );
        });
        group.bench_function("anonymous", |bencher| {
            bencher.iter_batched(
                || request("theme=dark"),
                |request| now_or_panic(service.call(request)),
                BatchSize::SmallInput,
            );
        });
        group.bench_function("expired", |bencher| {
            bencher.iter_batched(
                || request("sid=unknown"),
                |request| now_or_panic(service.call(request)),
                BatchSize::SmallInput,
            );
        });
        group.finish();
    }
}

fn cookie() -> CookieId {
    CookieId::new("sid").unwrap_or_else(|error| panic!("{error}"))
}

/// An id as frameworks make them: 43 characters for 256 bits.
fn id(number: usize) -> String {
    format!("{number:043}")
}

fn random_ids(sessions: usize) -> impl Iterator<Item = String> + Clone {
    // A full cycle through all numbers in a scattered order.
    (0..sessions).map(move |turn| id((turn * 7_919 + 13) % sessions))
}

fn filled(sessions: usize) -> (MemoryStore, Timestamp) {
    let store = MemoryStore::with_capacity(sessions);
    let now = SystemClock.now();
    for number in 0..sessions {
        let key = SessionKey::of(id(number));
        let activity = Activity::began(now);
        let _ = now_or_panic(store.create(key, activity, Timestamp::MAX));
    }
    (store, now)
}

fn request(cookie: &str) -> Request<()> {
    let mut request = Request::get("/")
        .header("cookie", cookie)
        .body(())
        .unwrap_or_default();
    request.extensions_mut().insert("route");
    request
}

fn now_or_panic<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("had to wait"),
    }
}

#[derive(Clone)]
struct Answer;

impl Service<Request<()>> for Answer {
    type Response = Response<String>;
    type Error = Infallible;
    type Future = Ready<Result<Response<String>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<()>) -> Self::Future {
        ready(Ok(Response::new(String::new())))
    }
}
