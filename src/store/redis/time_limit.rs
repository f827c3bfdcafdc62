//! A time limit for one answer of a server.

use std::io;
use std::time::Duration;

use redis::{RedisError, RedisResult};
use tokio::time::timeout;

/// Waits for an answer, and fails with a time-out where it takes longer than `limit`.
pub(super) async fn within<T>(
    limit: Duration,
    answer: impl Future<Output = RedisResult<T>>,
) -> RedisResult<T> {
    let late = |_| RedisError::from(io::Error::from(io::ErrorKind::TimedOut));
    timeout(limit, answer).await.map_err(late)?
}
