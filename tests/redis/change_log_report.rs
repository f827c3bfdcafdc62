//! Tests of what an observer is told of the log of changes.

use std::error::Error;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tower_login_timeout::{BoxError, StoreEvent};

use super::change_log::{patient, revoke, sessions};
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
    let seen = Arc::new(Mutex::new(Vec::new()));
    let events = Arc::clone(&seen);
    let observer = move |event: &StoreEvent<'_>| {
        if let StoreEvent::ChangeNotLogged { log, error, .. } = event {
            let cause = error.source().map(ToString::to_string).unwrap_or_default();
            events.lock().unwrap().push(((*log).to_owned(), cause));
        }
    };
    let patient = patient().with_observer(observer);
    let store = patient.connect(&url(&server)).await?;
    let keys = sessions(&store, 2).await?;

    revoke(&store, keys[0]).await?;
    assert_eq!(*seen.lock().unwrap(), []);
    let log = "login-timeout:changes";
    cli(port, &["DEL", log]);
    cli(port, &["SET", log, "a value of somebody else"]);
    revoke(&store, keys[1]).await?;
    let [(named, cause)] = &seen.lock().unwrap()[..] else {
        return Err("it is not reported once".into());
    };
    assert_eq!(named, log);
    assert!(cause.contains("WRONGTYPE"), "{cause}");
    Ok(())
}
