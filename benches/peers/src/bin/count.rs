//! The program that counts the allocations of a request and the heap of a session.
//!
//! `peers` runs `count allocations <contender> <sessions>`, `count heap <contender> <sessions>` and
//! `count axum <application> <sessions>`.

use std::env;
use std::time::Duration;

use allocation_counter::measure;
use http::StatusCode;
use peers::Failure;
use peers::contenders::Contender;
use peers::harness::{Harness, logged_in};
use peers::in_axum::Application;
use peers::request::{self, NOBODY, Request};
use peers::rng::Rng;

/// The number of requests that are counted. With so many, a single allocation makes no difference.
const REQUESTS: usize = 4_096;

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [what, contender, sessions] = arguments.as_slice() else {
        return Err("usage: count allocations|heap|axum <contender> <sessions>".into());
    };
    let sessions = sessions.parse()?;
    match what.as_str() {
        "allocations" => allocations(Contender::of(contender)?, sessions),
        "axum" => axum(contender, sessions),
        _ => heap(Contender::of(contender)?, sessions),
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

fn axum(application: &str, sessions: usize) -> Result<(), Failure> {
    let found = Application::ALL
        .into_iter()
        .find(|one| one.id() == application);
    let harness = found.ok_or("there is no such application")?.harness()?;
    let jar = logged_in(&harness, sessions)?;
    let mut rng = Rng::new(4);
    let live = per_request(&harness, StatusCode::OK, || jar.pages(REQUESTS, &mut rng))?;
    println!("{live:.2}");
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
