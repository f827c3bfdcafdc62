//! What users do in a run, drawn at random.

use super::action::Action;
use super::plan::{Patience, Presents, Request, Step, What};
use super::random::Random;
use super::settings::Settings;

/// How long a day is. Most are longer than most absolute timeouts.
const LENGTHS: [u64; 3] = [5 * 60_000, 15 * 60_000, 25 * 60_000];

/// How a user behaves.
struct Habits {
    /// The mean time between two requests.
    pace: u64,
    /// How many actions in a hundred end the session, or change its id.
    ends: u64,
    replaces: u64,
    /// How many actions in a hundred are attacks: old ids, guesses, two ids.
    attacks: u64,
    /// How many requests in a hundred the client hangs up on.
    hangs_up: u64,
    home: usize,
}

/// Draws the days of as many users as it takes for so many requests.
pub fn draw(random: &mut Random, settings: &Settings, requests: usize) -> Vec<Step> {
    let length = random.pick(&LENGTHS);
    let pace = random.pick(&[500, 1_000, 2_000, 2_000, 4_000]);
    let mut steps = Vec::with_capacity(2 * requests);
    let mut user = 0;
    while steps.len() < requests {
        let habits = Habits {
            pace,
            ends: random.pick(&[0, 0, 1, 4]),
            replaces: random.pick(&[0, 1, 5]),
            attacks: random.pick(&[0, 2, 8]),
            hangs_up: random.pick(&[0, 1, 10]),
            home: random.below(settings.nodes.len() as u64) as usize,
        };
        let mut day = Day {
            user,
            habits,
            settings,
            random,
            steps: &mut steps,
        };
        day.spend(length);
        user += 1;
    }
    steps
}

struct Day<'a> {
    user: usize,
    habits: Habits,
    settings: &'a Settings,
    random: &'a mut Random,
    steps: &'a mut Vec<Step>,
}

impl Day<'_> {
    fn spend(&mut self, last: u64) {
        let mut at = self.random.below(10_000);
        while at < last {
            self.act(at);
            at += self.pause();
        }
    }

    /// Returns the time until the next action: a moment, or a lunch about as long as the idle
    /// timeout.
    fn pause(&mut self) -> u64 {
        let policy = &self.settings.policy;
        let idle = policy.idle().as_millis() as u64;
        let about = [idle, idle - policy.touch_every().as_millis() as u64];
        match self.random.below(200) {
            0 => self
                .random
                .pick(&about)
                .saturating_add_signed(self.random.around(2)),
            1 => self
                .random
                .pick(&about)
                .saturating_add_signed(self.random.around(3_000)),
            2 => self.random.between(idle / 2, 2 * idle),
            3..20 => self.random.below(50),
            _ => {
                // Two draws, so that some pauses are much longer than most.
                let pace = 2 * self.habits.pace;
                let most = self.random.between(1, 2 * pace);
                self.random.below(most) + 1
            }
        }
    }

    fn act(&mut self, at: u64) {
        let draw = self.random.below(100);
        let Habits {
            ends,
            replaces,
            attacks,
            ..
        } = self.habits;
        match draw {
            _ if draw < ends => self.end(at),
            _ if draw < ends + replaces => self.replace(at),
            _ if draw < ends + replaces + attacks => self.attack(at),
            _ if draw >= 98 => self.open_tabs(at),
            _ => {
                let slow = self.random.pick(&[5, 200, 3_000, 20_000, 150_000]);
                let action = match self.random.below(100) {
                    0..14 => Action::Poll,
                    14..18 => Action::Slow(slow),
                    18 => self.random.pick(&[Action::LogIn, Action::Start]),
                    _ => Action::Click,
                };
                self.request(at, Presents::Own, action);
            }
        }
    }

    /// Ends the session in one tab, while others may be at work.
    fn end(&mut self, at: u64) {
        for _ in 0..self.random.pick(&[0, 0, 1, 3]) {
            let slow = Action::Slow(self.random.between(1, 2_000));
            let replace = Action::Replace(self.random.between(1, 300));
            let other = self.random.pick(&[Action::Click, slow, replace]);
            let at = at + self.random.below(60);
            self.request(at, Presents::Own, other);
        }
        let at = at + self.random.below(60);
        let slow = self.random.pick(&[0, 0, 300]);
        match self.random.below(10) {
            0..5 => self.request(at, Presents::Own, Action::LogOut),
            5 | 6 => self.request(at, Presents::Own, Action::LogOutExempt),
            7 | 8 => self.request(at, Presents::Own, Action::Revoke(slow)),
            _ => {
                let (user, node) = (self.user, self.node());
                let what = What::Revoke { user, node };
                self.steps.push(Step { at, what });
            }
        }
        // Somebody has kept the cookie.
        for _ in 0..self.random.below(4) {
            let at = at + self.random.pick(&[50, 1_000, 7_000, 40_000, 100_000]);
            let at = at + self.random.below(at / 2 + 1).min(5_000);
            self.request(at, Presents::Old(0), Action::Click);
        }
    }

    /// Changes the id, in one tab or in several at once.
    fn replace(&mut self, at: u64) {
        for _ in 0..self.random.pick(&[1, 1, 1, 2, 3]) {
            let slow = self.random.pick(&[0, 0, 0, 10, 400, 70_000]);
            let at = at + self.random.below(30);
            match self.random.below(5) {
                0 => self.request(at, Presents::Own, Action::ReplacePassive),
                _ => self.request(at, Presents::Own, Action::Replace(slow)),
            }
        }
        if self.random.percent(50) {
            let overlap = self.settings.policy.rotation_overlap().as_millis() as u64;
            let at = (at + overlap).saturating_add_signed(self.random.around(2_000));
            self.request(at, Presents::Old(0), Action::Click);
        }
    }

    fn attack(&mut self, at: u64) {
        let old = self.random.below(4) as usize;
        let presents = match self.random.below(8) {
            0 => Presents::Guess(self.random.next()),
            1 => Presents::OwnAndOld(old),
            2 => Presents::Two {
                other: self.random.below(self.user as u64 + 1) as usize,
            },
            3 => return self.request(at, Presents::Own, Action::Reissue(old)),
            _ => Presents::Old(old),
        };
        let action = match self.random.below(12) {
            0 => Action::Replace(0),
            1 => Action::Poll,
            2 => Action::Slow(self.random.below(5_000)),
            _ => Action::Click,
        };
        self.request(at, presents, action);
    }

    fn open_tabs(&mut self, at: u64) {
        for _ in 0..self.random.between(2, 6) {
            let at = at + self.random.pick(&[0, 0, 5, 100]);
            self.request(at, Presents::Own, Action::Click);
        }
    }

    fn request(&mut self, at: u64, presents: Presents, action: Action) {
        let patience = match self.random.percent(self.habits.hangs_up) {
            false => Patience::Endless,
            true if self.random.percent(50) => Patience::Polls(self.random.between(1, 5)),
            true => Patience::Millis(self.random.between(0, 150)),
        };
        let what = What::Request(Request {
            user: self.user,
            node: self.node(),
            presents,
            action,
            patience,
        });
        self.steps.push(Step { at, what });
    }

    fn node(&mut self) -> usize {
        if self.random.percent(self.settings.sticky) {
            self.habits.home
        } else {
            self.random.below(self.settings.nodes.len() as u64) as usize
        }
    }
}
