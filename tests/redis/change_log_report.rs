//! Tests of what `tracing` is told of the log of changes.

use std::fmt::Debug;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tower_login_timeout::BoxError;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

use super::change_log::{connect, revoke, sessions};
use crate::common::redis::{cli, one_with, url};
use crate::common::servers::poll;

const PATIENCE: Duration = Duration::from_secs(20);

/// In a Cluster the log is written in a second step. The change counts although it fails.
#[tokio::test]
async fn a_change_that_is_missing_in_the_log_is_reported() -> Result<(), BoxError> {
    let server = one_with(&["--cluster-enabled", "yes"]);
    let port = server.port();
    cli(port, &["CLUSTER", "ADDSLOTSRANGE", "0", "16383"]);
    let is_up = || cli(port, &["CLUSTER", "INFO"]).contains("cluster_state:ok");
    assert!(poll(PATIENCE, is_up));
    let store = connect(&url(&server)).await?;
    let keys = sessions(&store, 2).await?;

    let warnings = Warnings::default();
    let _listening = tracing::subscriber::set_default(warnings.clone());
    revoke(&store, keys[0]).await?;
    assert_eq!(warnings.take(), Vec::<String>::new());
    cli(port, &["DEL", "login-timeout:changes"]);
    cli(
        port,
        &["SET", "login-timeout:changes", "a value of somebody else"],
    );
    revoke(&store, keys[1]).await?;
    let [line] = &warnings.take()[..] else {
        return Err("it is not reported once".into());
    };
    assert!(
        line.contains("the log of changes could not be written"),
        "{line}"
    );
    assert!(line.contains("login-timeout:changes"), "{line}");
    Ok(())
}

/// Collects warnings, one line each.
#[derive(Clone, Default)]
struct Warnings(Arc<Mutex<Vec<String>>>);

impl Warnings {
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.push_str(&format!("{field}={value:?} "));
    }
}

impl Subscriber for Warnings {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() == Level::WARN
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = Line(String::new());
        event.record(&mut line);
        self.0.lock().unwrap().push(line.0);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}
