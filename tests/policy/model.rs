//! Test that the layer agrees with a simple model, for random sequences of requests.

use std::collections::HashMap;
use std::time::Duration;

use proptest::prelude::*;
use tower_login_timeout::rule;

use crate::common::site::{ABSOLUTE, IDLE, Site, policy, reason, request};

#[derive(Clone, Debug)]
enum Step {
    Wait(u64),
    Request(usize),
    Poll(usize),
    LogIn(usize),
    LogOut(usize),
    Rotate(usize, usize),
    Revoke(usize),
}

const IDS: [&str; 4] = ["a", "b", "c", "d"];

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let id = || 0..IDS.len();
    let step = prop_oneof![
        3 => prop_oneof![0..90_u64, Just(59), Just(60)].prop_map(Step::Wait),
        4 => id().prop_map(Step::Request),
        1 => id().prop_map(Step::Poll),
        2 => id().prop_map(Step::LogIn),
        1 => id().prop_map(Step::LogOut),
        1 => (id(), id()).prop_map(|(from, to)| Step::Rotate(from, to)),
        1 => id().prop_map(Step::Revoke),
    ];
    proptest::collection::vec(step, 1..120)
}

/// The model: a clock in seconds, a map of sessions, and the rules of the design.
#[derive(Default)]
struct Model {
    now: u64,
    sessions: HashMap<usize, Session>,
}

#[derive(Clone, Copy)]
struct Session {
    created: u64,
    last: u64,
    revoked: bool,
    replaced: Option<u64>,
    /// The first id of the session. All its ids end together.
    first_id: usize,
}

/// How long a replaced id stays valid, in seconds.
const OVERLAP: u64 = 30;

impl Model {
    fn judge(&self, id: usize) -> &'static str {
        match self.sessions.get(&id) {
            None => "unknown",
            Some(session) if session.revoked => "revoked",
            Some(session) => {
                let (idle, absolute) = (
                    session.last + IDLE.as_secs(),
                    session.created + ABSOLUTE.as_secs(),
                );
                match self.now >= idle.min(absolute) {
                    false if session.replaced.is_some_and(|at| self.now >= at + OVERLAP) => {
                        "replaced"
                    }
                    false => "",
                    true if absolute < idle => "absolute",
                    true => "idle",
                }
            }
        }
    }

    fn touch(&mut self, id: usize) -> &'static str {
        let verdict = self.judge(id);
        if verdict.is_empty() {
            self.sessions.get_mut(&id).unwrap().last = self.now;
        }
        verdict
    }

    /// A `Set-Cookie` begins what is unknown, and changes nothing else.
    fn log_in(&mut self, id: usize) {
        let session = Session {
            created: self.now,
            last: self.now,
            revoked: false,
            replaced: None,
            first_id: id,
        };
        self.sessions.entry(id).or_insert(session);
    }

    fn rotate(&mut self, from: usize, to: usize) {
        if self.sessions.contains_key(&to) {
            return;
        }
        let old = self.sessions.get_mut(&from).unwrap();
        let new = Session {
            last: self.now,
            replaced: None,
            ..*old
        };
        old.replaced.get_or_insert(self.now);
        self.sessions.insert(to, new);
    }

    fn revoke(&mut self, id: usize) {
        let Some(Session { first_id, .. }) = self.sessions.get(&id).copied() else {
            return;
        };
        for session in self.sessions.values_mut() {
            session.revoked |= session.first_id == first_id;
        }
    }

    /// Compares an answer with the model's. An id that was replaced long ago has ended. Whether it
    /// is also remembered as revoked is open.
    fn assert_agrees(&self, id: usize, answer: &str, verdict: &str, step: &Step) {
        let is_long_replaced = |session: &Session| {
            session
                .replaced
                .is_some_and(|at| self.now >= at + 2 * OVERLAP)
        };
        if self.sessions.get(&id).is_some_and(is_long_replaced) {
            assert_ne!(answer, "", "{step:?}");
        } else {
            assert_eq!(answer, verdict, "{step:?}");
        }
    }
}

async fn replay(steps: Vec<Step>) {
    let site = Site::new(policy().with_remember_expired_for(Duration::MAX))
        .configured(|layer| layer.with_passive(rule::path("/poll")));
    let mut model = Model::default();
    for step in steps {
        match step {
            Step::Wait(seconds) => {
                site.clock.advance(Duration::from_secs(seconds));
                model.now += seconds;
            }
            Step::Request(id) => {
                let answer = site.ask("/", IDS[id]).await;
                let verdict = model.touch(id);
                model.assert_agrees(id, reason(&answer), verdict, &step);
            }
            Step::Poll(id) => {
                let answer = site.ask("/poll", IDS[id]).await;
                model.assert_agrees(id, reason(&answer), model.judge(id), &step);
            }
            Step::LogIn(id) => {
                site.setting(
                    crate::common::site::anonymous("/"),
                    &[&format!("sid={}", IDS[id])],
                )
                .await;
                model.log_in(id);
            }
            Step::LogOut(id) => {
                let response = site
                    .setting(request("/", IDS[id]), &["sid=; Max-Age=0"])
                    .await;
                let verdict = model.touch(id);
                model.assert_agrees(id, reason(&response), verdict, &step);
                if verdict.is_empty() {
                    model.revoke(id);
                }
            }
            Step::Rotate(from, to) => {
                let response = site
                    .setting(request("/", IDS[from]), &[&format!("sid={}", IDS[to])])
                    .await;
                let verdict = model.touch(from);
                model.assert_agrees(from, reason(&response), verdict, &step);
                if verdict.is_empty() {
                    model.rotate(from, to);
                }
            }
            Step::Revoke(id) => {
                site.layer.tracker().revoke(IDS[id]).await.unwrap();
                model.revoke(id);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(500) })]

    #[test]
    fn the_layer_and_the_reference_agree(steps in steps()) {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(replay(steps));
    }
}
