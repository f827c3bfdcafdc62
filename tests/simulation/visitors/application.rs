//! An application that gives every visitor a session, forgets none, and trusts every id that
//! reaches it.

use crate::simulation::action::Action;
use crate::simulation::facts::Facts;
use crate::simulation::handler::{Handler, expect_end};
use crate::simulation::settings::Cookies;
use crate::simulation::visit::{Effect, Kind, Replacing};

use super::facts::MayBegin;
use super::settings::{LogIn, LogOut, VisitorSettings};

impl Handler {
    /// Starts the session with the tracker, if the application logs in so.
    pub async fn start_visitor(&self, visitors: &VisitorSettings) {
        let world = &self.site.world;
        let is_log_in = matches!(self.call.action, Action::LogIn | Action::LogInAfter(_));
        let starts = is_log_in && visitors.log_in == LogIn::Starts && self.handle.is_none();
        let Some(id) = self.id.filter(|_| starts) else {
            return;
        };
        let name = {
            let mut facts = world.facts.lock().unwrap();
            if facts.session(id).is_some() {
                return;
            }
            let reading = self.site.clock.reading();
            facts.visits[self.call.number].responded = Some(world.agenda.now());
            facts.logs_in(self.call.number, id, MayBegin::Yes, reading);
            facts.ids[id].name.clone()
        };
        if self.site.tracker.start(&*name).await.is_ok() {
            let now = world.agenda.now();
            let mut facts = world.facts.lock().unwrap();
            facts.surely_began(id, now);
            facts.visitor_ended(self.call.number, id, now);
        }
    }

    /// Notes what the response does. Returns the value of the cookie that it sets.
    pub fn cookie_among_visitors(
        &self,
        visitors: &VisitorSettings,
        facts: &mut Facts,
    ) -> Option<String> {
        let number = self.call.number;
        let now = self.site.world.agenda.now();
        let reading = self.site.clock.reading();
        facts.visits[number].responded = Some(now);
        match (self.call.action, self.id) {
            (Action::LogIn | Action::LogInAfter(_), old) => match old {
                Some(old) if self.handle.is_some() && visitors.log_in == LogIn::Replaces => {
                    Some(self.replace(facts, old, reading))
                }
                Some(id) if self.handle.is_some() => self.page(facts, id),
                Some(id) if visitors.log_in != LogIn::Replaces => {
                    let may_begin = self.may_begin(facts, id, reading);
                    facts.logs_in(number, id, may_begin, reading);
                    self.page(facts, id)
                }
                old => {
                    let (name, new) = new_id(facts);
                    facts.logs_in_anew(number, new, old, reading);
                    Some(name)
                }
            },
            (Action::LogOut | Action::LogOutExempt, _) => self.log_out(visitors, facts, reading),
            (Action::Revoke(_), Some(_)) | (Action::Poll, None) => None,
            (Action::Replace(_) | Action::ReplacePassive, Some(old)) if self.handle.is_some() => {
                Some(self.replace(facts, old, reading))
            }
            (Action::Replace(_) | Action::ReplacePassive, _) | (_, None) => {
                Some(self.greet(facts, self.id, reading))
            }
            (_, Some(id)) => self.page(facts, id),
        }
    }

    fn log_out(
        &self,
        visitors: &VisitorSettings,
        facts: &mut Facts,
        reading: i64,
    ) -> Option<String> {
        let visit = &facts.visits[self.call.number];
        let now = self.site.world.agenda.now();
        let is_exempt = visit.kind == Kind::Exempt;
        let removes = visitors.log_out == LogOut::RemovesCookie;
        let is_end = !visit.taken_out && (removes || is_exempt || self.handle.is_some());
        for id in visit.presented.clone() {
            facts.log_out_asked(id, now);
            for id in [Some(id), facts.ids[id].visitor].into_iter().flatten() {
                if is_end {
                    expect_end(&self.site.world, self.site.instance, id, facts);
                }
            }
        }
        if is_end && !facts.visits[self.call.number].presented.is_empty() {
            facts.visits[self.call.number].effect = Effect::Ends;
        }
        match visitors.log_out {
            LogOut::RemovesCookie => Some(String::new()),
            LogOut::Replaces => {
                let old = self.id.filter(|_| !is_end);
                Some(self.greet(facts, old, reading))
            }
            LogOut::Keeps => self.id.and_then(|id| self.page(facts, id)),
        }
    }

    /// Gives the visitor an id, in place of this one.
    fn greet(&self, facts: &mut Facts, old: Option<usize>, reading: i64) -> String {
        let (name, new) = new_id(facts);
        facts.greets(self.call.number, new, old, reading);
        name
    }

    /// Gives the session another id.
    fn replace(&self, facts: &mut Facts, old: usize, reading: i64) -> String {
        let (name, new) = new_id(facts);
        facts.replaces(self.call.number, Replacing { old, new, reading });
        name
    }

    /// Answers with a page, and with the same id once more if the site does so.
    fn page(&self, facts: &mut Facts, id: usize) -> Option<String> {
        let world = &self.site.world;
        let now = world.agenda.now();
        if facts.visits[self.call.number].reached < Some(now) && self.handle.is_some() {
            facts.was_active_again(self.call.number, id, self.site.clock.reading(), now);
        }
        let is_rolling = world.settings.cookies == Cookies::Rolling;
        is_rolling.then(|| facts.ids[id].name.clone())
    }

    /// Returns whether a visitor who may live has the id.
    fn may_begin(&self, facts: &Facts, id: usize, reading: i64) -> MayBegin {
        let visit = &facts.visits[self.call.number];
        let visitor = facts.ids[id].visitor;
        let is_over = self.site.world.ask(facts, |judge| {
            visitor.is_none_or(|visitor| judge.passed(visit, visitor).is_err())
        });
        // A clock that was set back meanwhile may find it live.
        match is_over && reading >= visit.reading {
            true => MayBegin::No,
            false => MayBegin::Yes,
        }
    }
}

fn new_id(facts: &mut Facts) -> (String, usize) {
    let name = format!("s{}", facts.ids.len());
    let new = facts.id(&name);
    (name, new)
}
