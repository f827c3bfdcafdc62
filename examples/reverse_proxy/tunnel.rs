//! The two ends of a WebSocket, joined until the session ends.

use std::time::Duration;

use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::copy_bidirectional;
use tokio::time::sleep;
use tower_login_timeout::{SessionHandle, Verdict};

/// A log-out closes a WebSocket within this time.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Passes bytes both ways until one side closes or the session ends. They do not count as activity.
pub async fn join(client: OnUpgrade, upstream: OnUpgrade, session: Option<SessionHandle>) {
    let (Ok(client), Ok(upstream)) = tokio::join!(client, upstream) else {
        return;
    };
    let (mut client, mut upstream) = (TokioIo::new(client), TokioIo::new(upstream));
    tokio::select! {
        _ = copy_bidirectional(&mut client, &mut upstream) => {}
        () = end_of(session) => {}
    }
}

async fn end_of(session: Option<SessionHandle>) {
    let Some(session) = session else {
        return std::future::pending().await;
    };
    loop {
        let look_again_in = match session.check().await {
            Ok(Verdict::Active { remaining, .. }) => remaining.min(LOOK_EVERY),
            Ok(_) => return,
            // A store that fails for a moment ends no session.
            Err(_) => LOOK_EVERY,
        };
        sleep(look_again_in).await;
    }
}
