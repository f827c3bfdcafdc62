//! Who was revoked elsewhere?

use std::time::Duration;

use sqlx::postgres::{PgListener, PgPoolOptions};
use sqlx::{Executor, PgPool};
use tokio::runtime::Handle;
use tokio::sync::broadcast::{self, Sender};
use tokio::time::{sleep, timeout};

use crate::session::key::SessionKey;
use crate::store::shared_store::{Announced, Revocations};

/// How many announcements a listener may be behind before it is told that it missed some.
const BACKLOG: usize = 1024;

/// How long the connection may be silent before it is asked whether it is there.
const SILENCE: Duration = Duration::from_secs(2);

/// How long it may take to connect, or to answer that.
const PATIENCE: Duration = Duration::from_secs(1);

/// How long to wait before the next attempt to connect.
const PAUSE: Duration = Duration::from_millis(100);

/// The channel on which the revocations of a table are announced.
pub(super) fn channel(table: &str) -> String {
    format!("{table}_revoked")
}

/// Listens until nobody wants to know any more.
pub(super) fn listen(pool: &PgPool, channel: String) -> Revocations {
    let (sender, receiver) = broadcast::channel(BACKLOG);
    if let Ok(runtime) = Handle::try_current() {
        let pool = pool.clone();
        runtime.spawn(async move { announce(&pool, &channel, &sender).await });
    }
    Revocations::from(receiver)
}

async fn announce(pool: &PgPool, channel: &str, sender: &Sender<Announced>) {
    // A pool of its own for the one connection that it keeps.
    let options = pool.connect_options().as_ref().clone();
    while sender.receiver_count() > 0 {
        let own = PgPoolOptions::new()
            .max_connections(1)
            .acquire_timeout(PATIENCE)
            .connect_lazy_with(options.clone());
        if let Ok(mut listener) = PgListener::connect_with(&own).await
            && let Ok(Ok(())) = timeout(PATIENCE, listener.listen(channel)).await
        {
            // Whatever was announced before this moment.
            let _ = sender.send(Announced::Missed);
            forward(&mut listener, sender).await;
        }
        sleep(PAUSE).await;
    }
}

/// Passes on what is announced until the connection is lost.
async fn forward(listener: &mut PgListener, sender: &Sender<Announced>) {
    listener.eager_reconnect(false);
    loop {
        match timeout(SILENCE, listener.try_recv()).await {
            Ok(Ok(Some(notification))) => {
                let announced = key(notification.payload());
                let _ = sender.send(announced.map_or(Announced::Missed, Announced::Revoked));
            }
            Ok(_) => return,
            Err(_) if sender.receiver_count() == 0 => return,
            // A link that is cut without a word stays silent for ever.
            Err(_) => match timeout(PATIENCE, listener.execute("SELECT 1")).await {
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
    fn a_key_is_read_as_postgresql_writes_it() {
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
