//! What is noted when a response was recorded.

use tower_login_timeout::StoreFailure;

use super::facts::{Ended, Facts};
use super::visit::Effect;
use super::world::World;

/// Notes that what a response does is recorded for certain.
///
/// Where the policy lets requests pass while the store fails, the answer does not say so.
pub fn recorded(world: &World, facts: &mut Facts, number: usize, now: u64) {
    let visit = &facts.visits[number];
    let Some(responded) = visit.responded else {
        return;
    };
    let is_told = world.settings.policy.store_failure() == StoreFailure::Reject;
    // What a visitor asks is recorded in another way if it could not be checked.
    let since = match world.settings.visitors {
        None => responded,
        Some(_) => visit.sent,
    };
    let is_calm = world
        .troubles
        .is_calm(visit.node, since.saturating_sub(1_000), now);
    if !is_told && !is_calm {
        // The client may hold an id that the session's other ids do not lead to.
        if let Effect::Replaces(replacing) | Effect::Shares(replacing) = visit.effect {
            facts.torn(replacing.old);
        }
        return;
    }
    let instance = visit.instance;
    match visit.effect {
        Effect::None | Effect::Shares(_) => {}
        Effect::Begins { id } => facts.surely_began(id, now),
        Effect::LogsIn(logging_in) => facts.logged_in(number, logging_in, now),
        Effect::Replaces(replacing) => facts.surely_replaced(replacing, now),
        Effect::Ends => {
            for id in visit.presented.clone() {
                let ended = Ended { at: now, instance };
                facts.ended(id, responded, ended);
                facts.visitor_ended(number, id, now);
            }
        }
    }
    if let Some(greeting) = facts.visits[number].greeting
        && is_calm
    {
        facts.greeted(number, greeting, now);
    }
}
