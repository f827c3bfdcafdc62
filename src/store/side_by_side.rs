//! Runs many futures side by side, some at a time.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;

/// Runs the futures side by side, at most so many at a time. Returns what they return, in their
/// order, or the first error.
pub(crate) async fn side_by_side<F, T, E>(futures: Vec<F>, most: usize) -> Result<Vec<T>, E>
where
    F: Future<Output = Result<T, E>> + Unpin,
{
    let mut waiting = futures.into_iter().enumerate();
    let mut under_way: Vec<(usize, F)> = Vec::new();
    let mut done: Vec<(usize, T)> = Vec::new();
    poll_fn(|cx| {
        loop {
            under_way.extend(waiting.by_ref().take(most - under_way.len()));
            if under_way.is_empty() {
                return Poll::Ready(Ok(()));
            }
            let before = under_way.len();
            let mut failed = None;
            under_way.retain_mut(|(index, future)| match Pin::new(future).poll(cx) {
                Poll::Ready(Ok(value)) => {
                    done.push((*index, value));
                    false
                }
                Poll::Ready(Err(error)) => {
                    failed.get_or_insert(error);
                    false
                }
                Poll::Pending => true,
            });
            if let Some(error) = failed {
                return Poll::Ready(Err(error));
            }
            if under_way.len() == before {
                return Poll::Pending;
            }
        }
    })
    .await?;
    done.sort_unstable_by_key(|(index, _)| *index);
    Ok(done.into_iter().map(|(_, value)| value).collect())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::task::yield_now;

    use super::*;
    use crate::store::error::StoreError;

    #[tokio::test]
    async fn all_run_some_at_a_time_and_answer_in_order() {
        let (now, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let run = |number: usize| -> Pin<Box<dyn Future<Output = Result<usize, StoreError>> + '_>> {
            let (now, most) = (&now, &most);
            Box::pin(async move {
                most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                for _ in 0..=number % 7 {
                    yield_now().await;
                }
                now.fetch_sub(1, Ordering::SeqCst);
                Ok(number)
            })
        };
        let answers = side_by_side((0..1000).map(run).collect(), 7);
        let answers = answers.await.unwrap();
        assert_eq!(answers, (0..1000).collect::<Vec<_>>());
        assert_eq!(most.into_inner(), 7);
    }

    #[tokio::test]
    async fn the_first_error_ends_it() {
        let run = |number: usize| -> Pin<Box<dyn Future<Output = Result<usize, StoreError>> + '_>> {
            Box::pin(async move {
                match number {
                    100 => Err(StoreError::failed("down")),
                    other => Ok(other),
                }
            })
        };
        assert!(
            side_by_side((0..1000).map(run).collect(), 64)
                .await
                .is_err()
        );
        assert_eq!(
            side_by_side((0..3).map(run).collect(), 64).await.unwrap(),
            [0, 1, 2]
        );
        assert!(
            side_by_side((0..0).map(run).collect(), 64)
                .await
                .unwrap()
                .is_empty()
        );
    }
}
