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
}

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

    fn begin(&mut self, id: usize, created: u64) {
        if !self.judge(id).is_empty() {
            self.sessions.insert(
                id,
                Session {
                    created,
                    last: self.now,
                    revoked: false,
                },
            );
        }
    }

    fn revoke(&mut self, id: usize) {
        if let Some(session) = self.sessions.get_mut(&id) {
            session.revoked = true;
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
                assert_eq!(
                    reason(&site.ask("/", IDS[id]).await),
                    model.touch(id),
                    "{step:?}"
                );
            }
            Step::Poll(id) => {
                assert_eq!(
                    reason(&site.ask("/poll", IDS[id]).await),
                    model.judge(id),
                    "{step:?}"
                );
            }
            Step::LogIn(id) => {
                site.setting(
                    crate::common::site::anonymous("/"),
                    &[&format!("sid={}", IDS[id])],
                )
                .await;
                model.begin(id, model.now);
            }
            Step::LogOut(id) => {
                let response = site
                    .setting(request("/", IDS[id]), &["sid=; Max-Age=0"])
                    .await;
                let verdict = model.touch(id);
                assert_eq!(reason(&response), verdict, "{step:?}");
                if verdict.is_empty() {
                    model.revoke(id);
                }
            }
            Step::Rotate(from, to) => {
                let response = site
                    .setting(request("/", IDS[from]), &[&format!("sid={}", IDS[to])])
                    .await;
                let verdict = model.touch(from);
                assert_eq!(reason(&response), verdict, "{step:?}");
                // A session that has ended is not continued under the id of another session.
                if verdict.is_empty() && !model.sessions.contains_key(&to) {
                    model.begin(to, model.sessions[&from].created);
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
