//! Tests of the events for `tracing`: what they report, and that they show no session id.
#![cfg(feature = "tracing")]

mod common;

use std::fmt::Debug;
use std::sync::{Arc, Mutex};

use common::scripted::{Fault, Operation, ScriptedStore};
use common::site::{IDLE, Site, anonymous, policy};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::DefaultGuard;
use tracing::{Event, Level, Metadata, Subscriber};

/// Collects every event as one line.
#[derive(Clone, Default)]
struct Collector(Arc<Mutex<Vec<(Level, String)>>>);

impl Collector {
    fn listen(&self) -> DefaultGuard {
        tracing::subscriber::set_default(self.clone())
    }

    fn take(&self) -> Vec<(Level, String)> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.push_str(&format!("{field}={value:?} "));
    }
}

impl Subscriber for Collector {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = Line(String::new());
        event.record(&mut line);
        self.0
            .lock()
            .unwrap()
            .push((*event.metadata().level(), line.0));
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

const ID: &str = "an-id-that-nobody-should-see";

#[tokio::test]
async fn an_expiry_is_one_event_that_names_neither_the_id_nor_the_whole_key() {
    let collector = Collector::default();
    let _listening = collector.listen();
    let site = Site::new(policy());
    site.start(ID).await;
    site.clock.advance(IDLE);
    site.ask("/members?secret=1", ID).await;
    let events = collector.take();
    let [(level, line)] = events.as_slice() else {
        panic!("{events:?}");
    };
    assert_eq!(*level, Level::INFO);
    for expected in ["reason=\"idle\"", "idle_for=Some(60s)", "path=\"/members\""] {
        assert!(line.contains(expected), "{line}");
    }
    let key = blake3::hash(ID.as_bytes()).to_hex();
    assert!(line.contains(&key[..8]), "{line}");
    for secret in [ID, "secret", &key[..9], &key[8..16]] {
        assert!(!line.contains(secret), "{line}");
    }
}

#[tokio::test]
async fn a_live_session_emits_only_debug_events() {
    let collector = Collector::default();
    let _listening = collector.listen();
    let site = Site::new(policy());
    site.start(ID).await;
    assert_eq!(site.status(ID).await, 200);
    assert_eq!(site.send(anonymous("/")).await.status(), 200);
    let loud: Vec<_> = collector
        .take()
        .into_iter()
        .filter(|(level, _)| *level < Level::DEBUG)
        .collect();
    assert_eq!(loud, []);
}

#[tokio::test]
async fn a_store_failure_is_one_event_with_the_stores_own_words() {
    let collector = Collector::default();
    let _listening = collector.listen();
    let store = ScriptedStore::default();
    let site = Site::with_store(policy(), store.clone());
    store.set(Operation::Touch, Fault::Fails);
    site.ask("/", ID).await;
    let events = collector.take();
    let [(level, line)] = events.as_slice() else {
        panic!("{events:?}");
    };
    assert_eq!(*level, Level::ERROR);
    assert!(line.contains("the server is down"), "{line}");
    assert!(!line.contains(ID), "{line}");
}
