//! Sends requests through the layer, for `scripts/instructions` to count the instructions.
//!
//! The arguments say which requests and how many: `live 2000`. A first argument of `bare-…` leaves
//! the layer out.

use std::error::Error;
use std::time::Duration;

use bare::{Bare, id, now, routed};
use tower::{Layer, Service};
use tower_login_timeout::{CookieId, LoginTimeoutLayer, ManualClock, MemoryStore, Policy};

mod bare;

/// As many as a small site has. The table is then not empty, and fits in the caches, whose misses
/// are not counted.
const SESSIONS: usize = 1_000;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args()
        .skip(1)
        .filter(|argument| argument != "--bench");
    let path = arguments.next().unwrap_or_else(|| "live".to_owned());
    let requests: usize = arguments.next().map_or(Ok(1), |count| count.parse())?;

    let layer =
        LoginTimeoutLayer::new(Policy::default(), CookieId::new("sid")?, MemoryStore::new());
    let clock = ManualClock::new();
    let layer = layer.with_clock(clock.clone());
    let tracker = layer.tracker();
    for number in 0..SESSIONS {
        now(tracker.start(id(number)))?;
    }
    let mut wrapped = layer.layer(Bare);
    for number in 0..requests {
        let request = match path.trim_start_matches("bare-") {
            "anonymous" => routed("theme=dark; lang=de"),
            "expired" => routed("theme=dark; sid=unknown"),
            _ => routed(&format!("theme=dark; sid={}", id(number % SESSIONS))),
        };
        // Time passes, so that the activity of a live session is written each time.
        clock.advance(Duration::from_millis(1));
        if path.starts_with("bare-") {
            let _ = now(Bare.call(request));
        } else {
            let _ = now(wrapped.call(request));
        }
    }
    Ok(())
}
