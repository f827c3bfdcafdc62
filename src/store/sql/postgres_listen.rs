//! The listener that receives the revocations which PostgreSQL announces.

use std::time::Duration;

use sqlx::postgres::{PgListener, PgPoolOptions};
use sqlx::{Executor, PgPool};
use tokio::runtime::Handle;
use tokio::sync::broadcast::{self, Sender};
use tokio::time::{sleep, timeout};

use super::reconnect::{Reason, backoff, jittered};
use crate::session::key::SessionKey;
use crate::store::shared_store::{Announced, Revocations};

/// How many announcements a receiver may be behind before it gets [`Announced::Missed`].
const BACKLOG: usize = 1024;

/// The time without a notification after which the connection is tested.
const TEST_AFTER: Duration = Duration::from_secs(2);

/// The time limit to connect, and to answer the test.
const ANSWER_LIMIT: Duration = Duration::from_secs(1);

/// Returns the channel on which the revocations of a table are announced.
pub(super) fn channel(table: &str) -> String {
    format!("{table}_revoked")
}

/// Listens in the background until the last receiver is dropped.
pub(super) fn listen(pool: &PgPool, channel: String) -> Revocations {
    let (sender, receiver) = broadcast::channel(BACKLOG);
    if let Ok(runtime) = Handle::try_current() {
        let pool = pool.clone();
        runtime.spawn(async move { announce(&pool, &channel, &sender).await });
    }
    Revocations::from(receiver)
}

async fn announce(pool: &PgPool, channel: &str, sender: &Sender<Announced>) {
    // A pool of one connection.
    let options = pool.connect_options().as_ref().clone();
    let mut failures = 0;
    while sender.receiver_count() > 0 {
        let own = PgPoolOptions::new()
            .max_connections(1)
            .acquire_timeout(ANSWER_LIMIT)
            .connect_lazy_with(options.clone());
        if let Ok(mut listener) = PgListener::connect_with(&own).await
            && let Ok(Ok(())) = timeout(ANSWER_LIMIT, listener.listen(channel)).await
        {
            failures = 0;
            // Revocations before this moment were not received.
            let _ = sender.send(Announced::Missed);
            forward(&mut listener, sender).await;
        }
        sleep(jittered(backoff(Reason::Unreachable, failures))).await;
        failures = failures.saturating_add(1);
    }
}

/// Forwards announcements until the connection is lost.
async fn forward(listener: &mut PgListener, sender: &Sender<Announced>) {
    listener.eager_reconnect(false);
    loop {
        match timeout(TEST_AFTER, listener.try_recv()).await {
            Ok(Ok(Some(notification))) => {
                let announced = key(notification.payload());
                let announced = announced.map_or(Announced::Missed, Announced::Revoked);
                // Without a receiver, notifications that come often must not keep the listener.
                if sender.send(announced).is_err() {
                    return;
                }
            }
            Ok(_) => return,
            Err(_) if sender.receiver_count() == 0 => return,
            // Without a test, a connection that is cut silently would never fail.
            Err(_) => match timeout(ANSWER_LIMIT, listener.execute("SELECT 1")).await {
                Ok(Ok(_)) => {}
                _ => return,
            },
        }
    }
}

fn key(payload: &str) -> Option<SessionKey> {
    let digits = payload.len() == 32 && payload.bytes().all(|byte| byte.is_ascii_hexdigit());
    let key = u128::from_str_radix(payload, 16).ok()?;
    digits.then(|| SessionKey::from_bytes(key.to_be_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_parsed_as_postgresql_writes_it() {
        let bytes = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 255];
        assert_eq!(
            key("000102030405060708090a0b0c0d0eff"),
            Some(SessionKey::from_bytes(bytes))
        );
        for odd in [
            "",
            "00",
            "+00102030405060708090a0b0c0d0eff",
            "000102030405060708090a0b0c0d0eff0",
            "ä",
        ] {
            assert_eq!(key(odd), None, "{odd}");
        }
    }
}
