//! Which branches of the policy the records that a store returned lead to.

use tower_login_timeout::{Activity, Touch, Verdict};

use super::clock::reading_of;
use super::server::{Operation, Reply};
use super::world::World;

/// Counts the branches that follow from the store's answer.
pub fn count(world: &World, operation: &Operation, reply: &Reply) {
    match (operation, reply) {
        (Operation::Touch(_, touch), Reply::Record(found)) => {
            world.count("verdicts of the policy", verdict(world, *found, touch));
            if let Some(found) = found {
                world.count("touches", touched(found, touch));
            }
        }
        (Operation::TouchMany(touches), Reply::Records { found, .. }) => {
            for (key, found) in found {
                let touch = touches.iter().find(|(touched, _)| touched == key);
                if let Some((_, touch)) = touch {
                    world.count("touches", touched(found, touch));
                }
            }
        }
        (Operation::Begin(_, activity, _), Reply::Record(Some(found))) => {
            let begins = match found == activity {
                true => "begins",
                false => "does not begin, since there is a record",
            };
            world.count("beginnings", begins);
        }
        _ => {}
    }
}

fn verdict(world: &World, found: Option<Activity>, touch: &Touch) -> &'static str {
    let policy = &world.settings.policy;
    match (policy.decide(found, touch.now()), found) {
        (Verdict::Active { .. }, Some(found)) => {
            let idle = found.limits().idle().unwrap_or(policy.idle());
            let left = touch
                .now()
                .saturating_duration_since(found.last_activity())
                .checked_sub(idle);
            match (found.replaced_at(), left) {
                (Some(_), _) => "active, within the overlap of a replaced id",
                (None, Some(_)) => "active beyond the idle timeout, since never early",
                (None, None) if found.last_activity() > touch.now() => "active, ahead of the clock",
                (None, None) => "active",
            }
        }
        (Verdict::Expired(expired), _) => expired.reason().as_str(),
        (Verdict::Begins, _) => "begins",
        _ => "active, without a record",
    }
}

fn touched(found: &Activity, touch: &Touch) -> &'static str {
    let is_passive = reading_of(touch.last_activity()) < 0 && touch.last_activity() < touch.now();
    match () {
        () if touch.applies_to(found) => "written",
        () if is_passive => "not written, since the request is passive",
        () if touch.last_activity() <= found.last_activity() => "not written, since it is no later",
        () => "not written, since it is spared or too late",
    }
}
