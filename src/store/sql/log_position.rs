//! A position in the log of changes: when and where the log was read last.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use super::log_row::LogRow;
use super::settings::{CLOCK_TOLERANCE, Settings};
use crate::session::time::whole_millis;
use crate::store::change_log::LogPosition;

/// For how long a position can be read from.
///
/// A near cache reads each second, and asks the store itself when it could not read for a few. A
/// longer gap is one in which a database can be restored from a backup. It is also longer than a
/// statement takes, see [`Continuity::ClockWasSet`].
const HOLDS_FOR: Duration = Duration::from_secs(10);

/// A read of the log: when it was, by two clocks, and which server answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Position {
    server: i64,
    /// The time of the database in milliseconds.
    database: i64,
    /// The time of this process in milliseconds. It never goes back, and nobody sets it.
    process: i64,
}

/// What happened between two reads of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Continuity {
    /// The second read begins where the first one ended.
    Unbroken,
    /// The clock of the database was set, forward or back.
    ///
    /// A statement that is under way may have taken the time before that. So the new time is no
    /// position yet: the reads go on from the old one, and say that any session may have changed,
    /// until the old one is too old.
    ClockWasSet,
    /// The first read was too long ago, or of another server. That server may lack what the first
    /// one had.
    Broken,
}

impl Position {
    /// Creates the position of a read. `process` is the [`process_time`] when it began.
    pub(super) const fn of(answer: &LogRow, process: i64) -> Self {
        Self {
            server: answer.server,
            database: answer.now,
            process,
        }
    }

    /// Reads the bytes of a position. Returns nothing if they are not those of a position.
    pub(super) fn from_log(position: &LogPosition) -> Option<Self> {
        let bytes: &[u8; 24] = position.as_bytes().try_into().ok()?;
        let number = |at: usize| {
            let bytes = bytes[at..].first_chunk()?;
            Some(i64::from_be_bytes(*bytes))
        };
        Some(Self {
            server: number(0)?,
            database: number(8)?,
            process: number(16)?,
        })
    }

    pub(super) fn to_log(self) -> LogPosition {
        let numbers = [self.server, self.database, self.process];
        LogPosition::from_bytes(numbers.map(i64::to_be_bytes).concat())
    }

    /// Returns the times between which a change is logged that the read of this position did not
    /// see.
    ///
    /// No change is logged for longer than the second one, unless the clock of the database was
    /// ahead when it was made. Without that bound, a clock that was ahead by an hour and is set
    /// right would repeat all changes of that time for an hour.
    pub(super) fn window(self) -> (i64, i64) {
        let longest = HOLDS_FOR + CLOCK_TOLERANCE + Settings::longest_logged_for();
        (self.database, self.database.saturating_add(millis(longest)))
    }

    /// Returns what happened between this read and a later one.
    pub(super) fn until(self, later: Self) -> Continuity {
        let (process, database) = (
            later.process.saturating_sub(self.process),
            later.database.saturating_sub(self.database),
        );
        if self.server != later.server || !(0..=millis(HOLDS_FOR)).contains(&process) {
            Continuity::Broken
        } else if database.abs_diff(process) > whole_millis(CLOCK_TOLERANCE) {
            Continuity::ClockWasSet
        } else {
            Continuity::Unbroken
        }
    }
}

/// Returns the time of this process in milliseconds.
pub(super) fn process_time() -> i64 {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    millis(START.elapsed())
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(whole_millis(duration)).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Position = Position {
        server: 7,
        database: 1_700_000_000_000,
        process: 5_000,
    };

    /// A read after the first, by the clock of the database and by that of this process.
    fn after(database: i64, process: i64) -> Position {
        Position {
            database: FIRST.database.saturating_add(database),
            process: FIRST.process.saturating_add(process),
            ..FIRST
        }
    }

    #[test]
    fn a_position_is_read_as_it_was_written() {
        for position in [FIRST, after(i64::MAX, i64::MIN)] {
            assert_eq!(Position::from_log(&position.to_log()), Some(position));
        }
        for length in [0, 23, 25, 48] {
            let odd = LogPosition::from_bytes(vec![0; length]);
            assert_eq!(Position::from_log(&odd), None);
        }
    }

    #[test]
    fn reads_follow_each_other_while_the_clocks_agree() {
        for (database, process) in [
            (0, 0),
            (1000, 1000),
            (0, 1000),
            (1000, 0),
            (-1000, 0),
            (10_900, 10_000),
        ] {
            let continuity = FIRST.until(after(database, process));
            assert_eq!(continuity, Continuity::Unbroken, "{database} {process}");
        }
    }

    #[test]
    fn a_clock_that_was_set_forward_or_back_is_noticed() {
        for (database, process) in [
            (-1001, 0),
            (1001, 0),
            (0, 1001),
            (3_600_000, 1000),
            (-3_600_000, 1000),
            (i64::MAX, 10_000),
            (i64::MIN, 10_000),
        ] {
            let continuity = FIRST.until(after(database, process));
            assert_eq!(continuity, Continuity::ClockWasSet, "{database} {process}");
        }
    }

    #[test]
    fn a_long_gap_and_another_server_break_the_log() {
        for (database, process) in [(10_001, 10_001), (-1, -1), (0, i64::MAX), (0, i64::MIN)] {
            let continuity = FIRST.until(after(database, process));
            assert_eq!(continuity, Continuity::Broken, "{database} {process}");
        }
        let elsewhere = Position {
            server: 8,
            ..after(1000, 1000)
        };
        assert_eq!(FIRST.until(elsewhere), Continuity::Broken);
    }

    #[test]
    fn the_window_holds_whatever_a_change_writes() {
        let longest = millis(Settings::longest_logged_for());
        let (after, before) = FIRST.window();
        assert_eq!(after, FIRST.database);
        // Made at the last moment at which the position can be read from.
        assert!(before >= after + 11_000 + longest);
        // Bytes that are no position of this store do not overflow.
        let odd = Position {
            database: i64::MAX,
            ..FIRST
        };
        assert_eq!(odd.window(), (i64::MAX, i64::MAX));
    }
}
