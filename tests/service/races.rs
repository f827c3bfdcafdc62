//! Tests of requests that overlap or are cancelled.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http::Response;
use tokio::sync::Notify;
use tower_login_timeout::{
    ActivityStore, Clock, Limits, ManualClock, MemoryStore, SessionHandle, SessionKey, Timestamp,
    rule,
};

use crate::common::scripted::{Fault, Operation, ScriptedStore};
use crate::common::site::{
    ABSOLUTE, IDLE, MILLISECOND, Site, anonymous, policy, poll_times, reason, request,
};

/// Sends a slow request, runs `event` while it waits, and returns the slow response.
async fn meanwhile<St: ActivityStore>(
    site: &Site<St>,
    path: &str,
    id: &str,
    cookie: Option<&'static str>,
    event: impl AsyncFnOnce(),
) -> Response<String> {
    let (begun, done) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (begin, finish) = (Arc::clone(&begun), Arc::clone(&done));
    let slow = site.send_to(request(path, id), move |_| {
        let (begin, finish) = (Arc::clone(&begin), Arc::clone(&finish));
        async move {
            begin.notify_one();
            finish.notified().await;
            let mut response = Response::new("slow".to_owned());
            if let Some(cookie) = cookie {
                response
                    .headers_mut()
                    .insert("set-cookie", cookie.parse().unwrap());
            }
            response
        }
    });
    let others = async {
        begun.notified().await;
        event().await;
        done.notify_one();
    };
    tokio::join!(slow, others).0
}

#[tokio::test]
async fn a_log_out_stays_final_though_a_slow_request_ends_after_it() {
    let site = Site::new(policy());
    site.start("a").await;
    let slow = meanwhile(&site, "/report", "a", None, async || {
        site.clock.advance(MILLISECOND);
        site.setting(request("/logout", "a"), &["sid=; Max-Age=0"])
            .await;
        site.clock.advance(MILLISECOND);
    })
    .await;
    assert_eq!(
        (slow.status().as_u16(), slow.body().as_str()),
        (200, "slow")
    );
    assert_eq!(reason(&site.ask("/", "a").await), "revoked");
}

#[tokio::test]
async fn a_slow_request_that_sends_its_cookie_again_does_not_revive() {
    let site = Site::new(policy());
    site.start("a").await;
    let slow = meanwhile(&site, "/report", "a", Some("sid=a"), async || {
        site.layer.tracker().revoke("a").await.unwrap();
        site.clock.advance(MILLISECOND);
    })
    .await;
    assert_eq!(slow.status(), 200);
    assert_eq!(reason(&site.ask("/", "a").await), "revoked");
}

#[tokio::test]
async fn a_slow_request_that_rotates_its_cookie_does_not_revive_under_another_name() {
    let site = Site::new(policy());
    site.start("a").await;
    let slow = meanwhile(&site, "/report", "a", Some("sid=b"), async || {
        site.layer.tracker().revoke("a").await.unwrap();
    })
    .await;
    assert_eq!(slow.status(), 200);
    assert_eq!(reason(&site.ask("/", "b").await), "revoked");

    let site = Site::new(policy());
    site.start("a").await;
    meanwhile(&site, "/report", "a", Some("sid=b"), async || {
        site.clock.advance(IDLE)
    })
    .await;
    assert_eq!(reason(&site.ask("/", "b").await), "revoked");
}

#[tokio::test]
async fn an_id_that_is_issued_in_place_of_an_ended_one_has_ended_on_every_clock() {
    let site = Site::new(policy());
    site.start("a").await;
    meanwhile(&site, "/report", "a", Some("sid=c"), async || {
        site.setting(request("/", "a"), &["sid=b"]).await;
        site.clock.advance(IDLE / 2);
    })
    .await;
    let refused = site.ask("/", "c").await;
    assert_eq!(reason(&refused), "revoked");
    // Otherwise its log-in page would be refused for ever.
    assert!(refused.headers().contains_key("set-cookie"));
    site.clock.set(site.clock.now().saturating_sub(IDLE / 4));
    assert_eq!(reason(&site.ask("/", "c").await), "revoked");
    assert_eq!(site.status("b").await, 200);
}

#[tokio::test]
async fn a_slow_rotation_does_not_revive_with_an_id_whose_rotation_failed_half_way() {
    let store = ScriptedStore::default();
    let site = Site::with_store(policy(), store.clone());
    site.start("a").await;
    meanwhile(&site, "/report", "a", Some("sid=b"), async || {
        store.set(Operation::Change, Fault::Fails);
        let failed = site.setting(request("/", "a"), &["sid=b"]).await;
        assert_eq!(failed.status(), 503);
        store.heal();
        site.layer.tracker().revoke("a").await.unwrap();
    })
    .await;
    assert_eq!(reason(&site.ask("/", "b").await), "revoked");
}

#[tokio::test]
async fn a_slow_request_is_activity_at_its_end_also_where_its_response_sets_limits() {
    let site = Site::new(policy());
    site.start("a").await;
    site.send_to(request("/", "a"), |_| {
        let clock = site.clock.clone();
        async move {
            tokio::task::yield_now().await;
            clock.advance(IDLE / 2);
            let limits = Limits::default().with_idle(IDLE).unwrap();
            let response = Response::builder()
                .header("set-cookie", "sid=a")
                .extension(limits);
            response.body(String::new()).unwrap()
        }
    })
    .await;
    site.clock.advance(IDLE - MILLISECOND);
    assert_eq!(site.status("a").await, 200);
}

#[tokio::test]
async fn a_slow_rotation_does_not_revive_the_id_that_a_quick_one_began() {
    let site = Site::new(policy());
    site.start("a").await;
    meanwhile(&site, "/report", "a", Some("sid=b"), async || {
        site.setting(request("/", "a"), &["sid=b"]).await;
        site.setting(request("/logout", "b"), &["sid=; Max-Age=0"])
            .await;
    })
    .await;
    assert_eq!(reason(&site.ask("/", "b").await), "revoked");
}

#[tokio::test]
async fn a_request_that_outlasts_its_session_is_answered_and_does_not_revive() {
    let site = Site::new(policy());
    site.start("a").await;
    let slow = meanwhile(&site, "/report", "a", None, async || {
        site.clock.advance(IDLE)
    })
    .await;
    assert_eq!(slow.status(), 200);
    assert_eq!(reason(&site.ask("/", "a").await), "idle");
}

#[tokio::test]
async fn a_slow_answer_counts_as_activity_again() {
    let touch_every = Duration::from_secs(10);
    let site = Site::new(policy().with_touch_every(touch_every))
        .configured(|layer| layer.with_passive(rule::path("/poll")));
    for (path, took, lives) in [
        ("/report", touch_every + MILLISECOND, true),
        ("/report", touch_every, false),
        ("/poll", touch_every + MILLISECOND, false),
    ] {
        site.start("a").await;
        meanwhile(&site, path, "a", None, async || site.clock.advance(took)).await;
        site.clock.advance(IDLE - touch_every);
        let status = site.status("a").await;
        assert_eq!(status == 200, lives, "{path} took {took:?}");
    }
}

#[tokio::test]
async fn a_quick_answer_is_written_once_however_exact_the_policy() {
    let store = ScriptedStore::default();
    let site = Site::with_store(policy(), store.clone());
    site.start("a").await;
    for (took, touches) in [
        (Duration::from_secs(1), 1),
        (Duration::from_millis(1_001), 2),
    ] {
        store.calls();
        meanwhile(&site, "/", "a", None, async || site.clock.advance(took)).await;
        assert_eq!(store.calls(), vec![Operation::Touch; touches], "{took:?}");
    }
}

#[tokio::test]
async fn the_clock_is_read_once_and_again_only_where_the_answer_had_to_wait() {
    let clock = CountedClock::default();
    let site = Site::new(policy()).configured(|layer| layer.with_clock(clock.clone()));
    site.start("a").await;
    for waits in [0, 1, 2] {
        clock.readings.store(0, Ordering::SeqCst);
        let answer = move |_| async move {
            for _ in 0..waits {
                tokio::task::yield_now().await;
            }
            Response::new(String::new())
        };
        site.send_to(request("/", "a"), answer).await;
        let readings = clock.readings.load(Ordering::SeqCst);
        assert_eq!(readings, 1 + waits.min(1), "it waited {waits} times");
    }
}

#[derive(Clone, Default)]
struct CountedClock {
    clock: ManualClock,
    readings: Arc<AtomicUsize>,
}

impl Clock for CountedClock {
    fn now(&self) -> Timestamp {
        self.readings.fetch_add(1, Ordering::SeqCst);
        self.clock.now()
    }
}

#[tokio::test]
async fn a_slow_request_never_writes_an_older_activity_over_a_newer_one() {
    let site = Site::new(policy());
    site.start("a").await;
    meanwhile(&site, "/report", "a", None, async || {
        site.clock.advance(IDLE / 2);
        assert_eq!(site.status("a").await, 200);
    })
    .await;
    site.clock.advance(IDLE - MILLISECOND);
    assert_eq!(site.status("a").await, 200);
}

#[tokio::test]
async fn the_absolute_limit_holds_for_a_slow_request_too() {
    let site = Site::new(policy().with_idle(ABSOLUTE));
    site.start("a").await;
    site.clock.advance(ABSOLUTE - MILLISECOND);
    meanwhile(&site, "/report", "a", Some("sid=b"), async || {
        site.clock.advance(MILLISECOND)
    })
    .await;
    assert_eq!(reason(&site.ask("/", "a").await), "absolute");
    assert_eq!(reason(&site.ask("/", "b").await), "revoked");
}

#[tokio::test]
async fn two_requests_that_begin_an_unknown_session_agree_and_a_log_out_between_them_is_final() {
    let store = ScriptedStore::default();
    let site = Site::with_store(policy().begin_unknown(), store.clone());
    let go = Arc::new(Notify::new());
    store.set(Operation::Begin, Fault::Waits(Arc::clone(&go)));
    let late = site.ask("/", "token");
    let others = async {
        tokio::task::yield_now().await;
        store.heal();
        assert_eq!(site.status("token").await, 200);
        assert!(site.layer.tracker().revoke("token").await.unwrap());
        go.notify_one();
    };
    let (late, ()) = tokio::join!(late, others);
    assert_eq!(reason(&late), "revoked");
    assert_eq!(reason(&site.ask("/", "token").await), "revoked");
}

#[tokio::test]
async fn a_request_can_be_cancelled_at_every_await_point() {
    // Every operation takes one more poll, so the future can be dropped in each step.
    let scenarios: [(&str, &str, Option<&str>); 6] = [
        ("live", "a", None),
        ("begins", "new", None),
        ("rotates", "a", Some("sid=b")),
        ("logs out", "a", Some("sid=; Max-Age=0")),
        ("logs in", "", Some("sid=c")),
        ("revoked", "ended", None),
    ];
    for (scenario, id, cookie) in scenarios {
        for polls in 0..40 {
            let store = ScriptedStore::default();
            let site = Site::with_store(policy().begin_unknown(), store.clone());
            site.start("a").await;
            site.start("ended").await;
            site.layer.tracker().revoke("ended").await.unwrap();
            for operation in [
                Operation::Create,
                Operation::Begin,
                Operation::Load,
                Operation::Touch,
                Operation::Change,
                Operation::Revoke,
            ] {
                store.set(operation, Fault::Yields);
            }
            let clock = site.clock.clone();
            let sent = site.send_to(request("/", id), move |_| {
                let clock = clock.clone();
                async move {
                    tokio::task::yield_now().await;
                    clock.advance(IDLE / 2);
                    let mut response = Response::new(String::new());
                    if let Some(cookie) = cookie {
                        response
                            .headers_mut()
                            .insert("set-cookie", cookie.parse().unwrap());
                    }
                    response
                }
            });
            let finished = poll_times(sent, polls).await.is_some();
            assert!(
                finished || polls < 39,
                "{scenario} takes more polls than are tried"
            );

            let after = format!("{scenario}, dropped after {polls} polls");
            store.heal();
            assert_eq!(site.status("ended").await, 440, "{after}");
            match site.status("a").await {
                200 => {}
                440 if scenario == "logs out" => {}
                other => panic!("{after}: {other}"),
            }
            // A session whose beginning was cancelled is complete or missing.
            for id in ["new", "b", "c"] {
                let tracked = site.layer.tracker().activity(id).await.unwrap();
                assert!(
                    tracked.is_none_or(|activity| !activity.is_revoked()),
                    "{after}"
                );
            }
            assert_eq!(site.send(anonymous("/")).await.status(), 200, "{after}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_live_session_is_never_refused_and_its_activity_stays_monotone_under_concurrency() {
    let store = MemoryStore::new();
    let site = Arc::new(Site::with_store(
        policy().with_idle(Duration::from_secs(5)),
        store.clone(),
    ));
    site.start("a").await;
    let key = SessionKey::of("a");
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let (site, store) = (Arc::clone(&site), store.clone());
        tasks.spawn(async move {
            let mut last = site.clock.now();
            for _ in 0..500 {
                // All tasks together move the clock by less than the idle timeout.
                site.clock.advance(MILLISECOND);
                let status = site.layer.tracker().touch("a").await.unwrap();
                assert!(
                    matches!(status, tower_login_timeout::Verdict::Active { .. }),
                    "{status:?}"
                );
                let now = store.load(key).await.unwrap().unwrap().last_activity();
                assert!(now >= last);
                last = now;
            }
        });
    }
    while let Some(task) = tasks.join_next().await {
        task.unwrap();
    }
}

#[tokio::test]
async fn a_handle_asks_the_store_what_others_did_meanwhile() {
    let site = Site::new(policy());
    site.start("a").await;
    let tracker = site.layer.tracker();
    let response = site
        .send_to(request("/stream", "a"), move |request| {
            let tracker = tracker.clone();
            async move {
                let session: SessionHandle = request.extensions().get().cloned().unwrap();
                assert_eq!(session.remaining(), IDLE);
                tracker.revoke("a").await.unwrap();
                let verdict = session.touch().await.unwrap();
                Response::new(format!("{verdict:?}"))
            }
        })
        .await;
    assert!(response.body().contains("Revoked"), "{}", response.body());
}
