//! Counts the allocations of a request and the heap of a session.
//!
//! `count allocations <contender> <sessions>` and `count heap <contender> <sessions>`, which `peers` asks.

use std::env;

use allocation_counter::measure;
use http::StatusCode;
use peers::Failure;
use peers::contenders::Contender;
use peers::harness::{Harness, logged_in};
use peers::request::{self, NOBODY, Request};
use peers::rng::Rng;

/// Enough that what happens once for all of them does not count.
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
    let mut live = || {
        (0..REQUESTS)
            .map(|_| request::page(jar.draw(&mut rng)))
            .collect()
    };
    println!(
        "live {:.2}",
        per_request(&*harness, StatusCode::OK, &mut live)?
    );
    let nobody = match contender {
        Contender::Bare | Contender::Least | Contender::Ours => StatusCode::OK,
        _ => StatusCode::NO_CONTENT,
    };
    let mut anonymous = || (0..REQUESTS).map(|_| request::page(NOBODY)).collect();
    println!(
        "anonymous {:.2}",
        per_request(&*harness, nobody, &mut anonymous)?
    );
    Ok(())
}

fn per_request(
    harness: &dyn Harness,
    expected: StatusCode,
    requests: &mut dyn FnMut() -> Vec<Request>,
) -> Result<f64, Failure> {
    // What is done once is done now.
    harness.answer(requests(), expected)?;
    let mut some = Some(requests());
    let mut answered = Ok(());
    let info = measure(|| {
        if let Some(requests) = some.take() {
            answered = harness.answer(requests, expected).map(|_| ());
        }
    });
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
