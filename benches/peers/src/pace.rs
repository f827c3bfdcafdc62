//! The store operations that a request costs behind a near cache, at the pace of people.

use std::process::Command;

use crate::Failure;
use crate::effort::Effort;
use crate::figures::Figures;
use crate::processes::output;

/// The library, whose tests play the people in virtual time.
const LIBRARY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// People who click at one pace.
pub struct Pace {
    /// The name of the test that plays them.
    test: &'static str,
    pub words: &'static str,
    /// How many operations a request may cost.
    pub most: f64,
}

/// Every pace. Without a near cache, each request costs one operation.
pub const PACES: [Pace; 6] = [
    Pace {
        test: "two_requests_a_second_with_an_exact_policy",
        words: "every 0.5 s, 1 node, touch_every 0",
        most: 0.6,
    },
    Pace {
        test: "a_request_each_two_seconds_with_an_exact_policy",
        words: "every 2 s, 1 node, touch_every 0",
        most: 1.0,
    },
    Pace {
        test: "a_request_each_two_seconds",
        words: "every 2 s, 1 node, touch_every 30 s",
        most: 0.1,
    },
    Pace {
        test: "a_request_each_four_seconds",
        words: "every 4 s, 1 node, touch_every 30 s",
        most: 0.17,
    },
    Pace {
        test: "a_request_each_two_seconds_on_four_nodes",
        words: "every 2 s, 4 nodes, touch_every 30 s",
        most: 0.35,
    },
    Pace {
        test: "a_request_each_two_seconds_on_twenty_nodes",
        words: "every 2 s, 20 nodes, touch_every 30 s",
        most: 1.0,
    },
];

impl Pace {
    /// Returns the name of the figure. `*` stands for the contender.
    pub fn figure(&self) -> String {
        format!("pace.{}.*", self.test)
    }
}

/// Runs the tests of the library, and reads what they print.
pub fn measure(figures: &mut Figures, _: Effort) -> Result<(), Failure> {
    let printed = output(
        Command::new("cargo")
            .current_dir(LIBRARY)
            .args(["test", "--quiet", "--locked", "--features", "cached"])
            .args(["--test", "cached", "cached::pace", "--", "--nocapture"]),
    )?;
    for pace in PACES {
        // Other text may stand before it on the line.
        let start = format!("pace {} ", pace.test);
        let rest = printed.split_once(&start).map(|(_, rest)| rest);
        let operations = rest.and_then(|rest| rest.split_whitespace().next());
        let operations = operations.ok_or(format!("the test {} printed nothing", pace.test))?;
        let name = pace.figure().replace('*', "ours-cached");
        figures.add(name, "per request", &[operations.parse()?]);
    }
    Ok(())
}
