//! The two ends of a WebSocket, joined until the session ends.

use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::copy_bidirectional;
use tower_login_timeout::SessionHandle;

/// Passes bytes both ways until one side closes or the session ends. They do not count as activity.
/// A log-out anywhere closes a WebSocket within five seconds.
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
    let _ = session.ended().await;
}
