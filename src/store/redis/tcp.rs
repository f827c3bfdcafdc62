//! The settings of TCP connections.

use std::time::Duration;

use redis::io::tcp::TcpSettings;
use redis::io::tcp::socket2::TcpKeepalive;

/// Returns settings with which the system notices a vanished server, on busy and on idle
/// connections.
pub(super) fn settings(deadline: Duration) -> TcpSettings {
    let keepalive = TcpKeepalive::new().with_time(Duration::from_secs(5));
    let settings = TcpSettings::default()
        .set_nodelay(true)
        .set_keepalive(keepalive);
    unacknowledged(settings, deadline)
}

/// Closes a connection on which sent bytes are not acknowledged for two deadlines.
#[cfg(any(target_os = "linux", target_os = "android", target_os = "fuchsia"))]
fn unacknowledged(settings: TcpSettings, deadline: Duration) -> TcpSettings {
    settings.set_user_timeout(2 * deadline)
}

/// Leaves the time to the system, which has no such setting.
#[cfg(not(any(target_os = "linux", target_os = "android", target_os = "fuchsia")))]
fn unacknowledged(settings: TcpSettings, _: Duration) -> TcpSettings {
    settings
}
