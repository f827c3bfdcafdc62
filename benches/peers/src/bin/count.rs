//! The program that counts the allocations of a request and the heap of a session.
//!
//! `peers` runs `count allocations <contender> <sessions>` and `count heap <contender> <sessions>`.

use std::env;
use std::time::Duration;

use allocation_counter::measure;
use http::StatusCode;
use peers::Failure;
use peers::contenders::Contender;
use peers::harness::{Harness, logged_in};
use peers::request::{self, NOBODY, Request};
use peers::rng::Rng;

/// The number of requests that are counted. With so many, a single allocation makes no difference.
const REQUESTS: usize = 4_096;

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [what, contender, sessions] = arguments.as_slice() else {
        return Err("usage: count allocations|heap <contender> <sessions>".into());
    };
    let contender = Contender::of(contender)?;
    let sessions = sessions.parse()?;
    match what.as_str() {
        "allocations" => allocations(contender, sessions),
        _ => heap(contender, sessions),
    }
}

fn allocations(contender: Contender, sessions: usize) -> Result<(), Failure> {
    let harness = contender.harness(sessions)?;
    let jar = logged_in(&*harness, sessions)?;
    let mut rng = Rng::new(3);
    let live = || jar.pages(REQUESTS, &mut rng);
    let live = per_request(&*harness, StatusCode::OK, live)?;
    let anonymous = || (0..REQUESTS).map(|_| request::page(NOBODY)).collect();
    let anonymous = per_request(&*harness, contender.anonymous_status(), anonymous)?;
    println!("live {live:.2}\nanonymous {anonymous:.2}");
    Ok(())
}

fn per_request(
    harness: &dyn Harness,
    expected: StatusCode,
    mut requests: impl FnMut() -> Vec<Request>,
) -> Result<f64, Failure> {
    // The first answers make what is made only once.
    harness.answer(requests(), expected)?;
    let requests = requests();
    let mut answered = Ok(Duration::ZERO);
    let info = measure(|| answered = harness.answer(requests, expected));
    answered?;
    Ok(info.count_total as f64 / REQUESTS as f64)
}

fn heap(contender: Contender, sessions: usize) -> Result<(), Failure> {
    let harness = contender.harness(sessions)?;
    let mut filled = Ok(());
    let info = measure(|| filled = harness.log_in(sessions, &mut |_| Ok(())));
    filled?;
    println!("{:.1}", info.bytes_current as f64 / sessions as f64);
    Ok(())
}
