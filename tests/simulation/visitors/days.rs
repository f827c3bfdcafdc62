//! What visitors do beside what users do: they log in, often while something else is under way.

use crate::simulation::action::Action;
use crate::simulation::plan::{Presents, Request, Step, What};
use crate::simulation::random::Random;
use crate::simulation::settings::Settings;

/// Adds log-ins to the clicks of the users.
pub fn draw(seed: u64, settings: &Settings, steps: &mut Vec<Step>) {
    let Some(visitors) = &settings.visitors else {
        return;
    };
    let mut random = Random::of(&[seed, 0x6c6f_6769_6e73]);
    let mut added = Vec::new();
    for step in &*steps {
        let What::Request(request) = step.what else {
            continue;
        };
        let is_click = matches!(request.action, Action::Click);
        if is_click && matches!(request.presents, Presents::Own) && random.percent(visitors.log_ins)
        {
            let mut adding = Adding {
                random: &mut random,
                settings,
                request,
                steps: &mut added,
            };
            adding.log_in(step.at);
        }
    }
    steps.append(&mut added);
}

struct Adding<'a> {
    random: &'a mut Random,
    settings: &'a Settings,
    /// The click that the log-in comes with.
    request: Request,
    steps: &'a mut Vec<Step>,
}

impl Adding<'_> {
    fn log_in(&mut self, at: u64) {
        let slow = Action::LogInAfter(self.random.pick(&[3, 60, 700, 2_000]));
        let slow_page = Action::Slow(self.random.between(1, 900));
        let replace = Action::Replace(self.random.pick(&[0, 0, 40]));
        let log_out = self.random.pick(&[Action::LogOut, Action::LogOutExempt]);
        match self.random.below(20) {
            0..7 => self.together(at, &[Action::LogIn]),
            7 | 8 => self.together(at, &[Action::FailedLogIn]),
            9 | 10 => self.together(at, &[Action::LogIn, Action::LogIn]),
            11..14 => {
                let all = [Action::LogIn, Action::Click, Action::Poll, Action::Click];
                self.together(at, &all);
            }
            14 | 15 => self.together(at, &[slow, Action::Click, slow_page]),
            16 | 17 => self.together(at, &[Action::LogIn, replace, Action::Click]),
            18 => self.together(at, &[Action::LogIn, log_out]),
            _ => self.together(at, &[slow, log_out, replace]),
        }
        if self.random.percent(20) {
            // Somebody has kept the cookie from before the log-in.
            let overlap = self.settings.policy.rotation_overlap().as_millis() as u64;
            let later = self
                .random
                .pick(&[overlap, overlap + 10_000, 60_000, 400_000]);
            let at = (at + later).saturating_add_signed(self.random.around(2_000));
            let request = Request {
                presents: Presents::Old(self.random.below(2) as usize),
                ..self.request
            };
            let what = What::Request(request);
            self.steps.push(Step { at, what });
        }
    }

    /// Has all of this done at nearly the same time.
    fn together(&mut self, at: u64, actions: &[Action]) {
        let within = self.random.pick(&[1, 12, 60, 600]);
        for action in actions {
            let request = Request {
                action: *action,
                node: self.node(),
                ..self.request
            };
            let at = at + self.random.below(within);
            let what = What::Request(request);
            self.steps.push(Step { at, what });
        }
    }

    fn node(&mut self) -> usize {
        if self.random.percent(self.settings.sticky) {
            self.request.node
        } else {
            self.random.below(self.settings.nodes.len() as u64) as usize
        }
    }
}
