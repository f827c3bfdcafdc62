//! Runs a target without libFuzzer: `drive TARGET SECONDS [SEED]`.
//!
//! It has no coverage to go by. It joins, cuts and changes the seeds of `seeds/TARGET`, which hold
//! what matters to the target, one piece a line.

use std::env;
use std::fs;
use std::panic;
use std::time::{Duration, Instant};

use tower_login_timeout_fuzz::{accept, identify, return_url, set_cookie};

fn main() {
    let arguments: Vec<String> = env::args().collect();
    let (Some(target), Some(seconds)) = (arguments.get(1), arguments.get(2)) else {
        panic!("usage: drive TARGET SECONDS [SEED]");
    };
    let run = match &**target {
        "identify" => identify::run,
        "set_cookie" => set_cookie::run,
        "accept" => accept::run,
        "return_url" => return_url::run,
        _ => panic!("no target is called {target}"),
    };
    let seconds = Duration::from_secs(seconds.parse().expect("a number of seconds"));
    let seed = arguments
        .get(3)
        .map_or(1, |seed| seed.parse().expect("a number"));
    let pieces = fs::read(format!("{}/seeds/{target}", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let pieces: Vec<_> = pieces.split(|&byte| byte == b'\n').map(unescaped).collect();
    let mut random = Random(seed);
    let (began, mut runs) = (Instant::now(), 0_u64);
    while began.elapsed() < seconds {
        let data = random.data(&pieces);
        if panic::catch_unwind(|| run(&data)).is_err() {
            panic!("the input is {:?}", data.escape_ascii().to_string());
        }
        runs += 1;
    }
    println!("{target}: {runs} runs");
}

/// A linear congruential generator (Knuth's MMIX).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        let next = self.0.wrapping_mul(6_364_136_223_846_793_005);
        self.0 = next.wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap_or_default() % limit.max(1)
    }

    fn data(&mut self, pieces: &[Vec<u8>]) -> Vec<u8> {
        let mut data = vec![u8::try_from(self.below(256)).unwrap_or_default()];
        for _ in 0..=self.below(12) {
            let piece = &pieces[self.below(pieces.len())];
            data.extend_from_slice(piece);
        }
        for _ in 0..self.below(4) {
            let at = self.below(data.len());
            match self.below(3) {
                0 => data.truncate(at.max(1)),
                1 => data.insert(at, u8::try_from(self.below(256)).unwrap_or_default()),
                _ => drop(data.remove(at)),
            }
            if data.is_empty() {
                data.push(0);
            }
        }
        // The targets that have no choice to make begin with a piece.
        if self.below(2) == 0 {
            data.split_off(1)
        } else {
            data
        }
    }
}

/// Undoes `\xhh` and `\n` in a line of the seeds.
fn unescaped(line: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    let mut rest = line;
    while let [byte, behind @ ..] = rest {
        rest = behind;
        plain.push(match (byte, behind) {
            (b'\\', [b'x', high, low, behind @ ..]) => {
                let digit = |digit: &u8| char::from(*digit).to_digit(16).unwrap_or_default();
                rest = behind;
                u8::try_from(digit(high) << 4 | digit(low)).unwrap_or_default()
            }
            (b'\\', [b'n', behind @ ..]) => {
                rest = behind;
                b'\n'
            }
            _ => *byte,
        });
    }
    plain
}
