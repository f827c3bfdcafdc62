//! The output of futures that have nothing to wait for.

use std::pin::pin;
use std::task::{Context, Poll, Waker};

pub fn now<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("a store in memory does not wait"),
    }
}
