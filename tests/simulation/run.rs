//! A run of a plan.

use std::sync::Arc;

use tokio::runtime::Builder;
use tower_login_timeout::StoreFailure;

use super::browser;
use super::handler;
use super::node;
use super::plan::{Mishap, Plan, Step, What};
use super::settings::{Cache, ClockSettings, Cookies, LogKind};
use super::visit::VisitState;
use super::witness::{Tracing, Witness};
use super::world::World;

/// How long a run goes on after its last step, so that everything that is under way ends.
const AFTERWARDS: u64 = 200_000;

/// Runs the plan in virtual time, on this thread.
pub fn run(plan: &Plan, tracing: Tracing) -> Witness {
    let runtime = Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    let world = runtime.block_on(async {
        let users = plan.steps.iter().map(|step| step.what.users()).max();
        let world = World::new(plan, users.unwrap_or(0), tracing);
        count_settings(&world);
        for node in 0..world.settings.nodes.len() {
            node::start(&world, node);
        }
        for step in &plan.steps {
            let (doing, step) = (Arc::clone(&world), *step);
            world.agenda.at(step.at, move || take(&doing, step));
        }
        let last = plan.steps.last().map_or(0, |step| step.at);
        world.agenda.run(last + AFTERWARDS).await;
        if !world.agenda.is_stopped() {
            expect_answers(&world);
        }
        world
    });
    // Tasks, nodes and events refer to the world, which refers to them.
    drop(runtime);
    world.end();
    world.take_witness()
}

fn take(world: &Arc<World>, step: Step) {
    match step.what {
        What::Request(request) => browser::send(world, request),
        What::Revoke { user, node } => revoke(world, user, node),
        What::Mishap(mishap) => befall(world, mishap),
    }
}

/// An administrator ends the session of this user's browser.
fn revoke(world: &Arc<World>, user: usize, node: usize) {
    let cookie = world.browsers.lock().unwrap()[user]
        .cookie()
        .map(str::to_owned);
    let (Some(name), Some(running)) = (cookie, browser::running(world, node)) else {
        return;
    };
    world.count("requests", "log out by an administrator");
    world.trace(|| {
        format!(
            "an administrator ends {name} at instance {}",
            running.instance
        )
    });
    let id = world.facts.lock().unwrap().id(&name);
    let world = Arc::clone(world);
    tokio::spawn(async move {
        let revoke = running.tracker.revoke(name);
        handler::revoke(&world, running.instance, id, revoke).await;
    });
}

fn befall(world: &Arc<World>, mishap: Mishap) {
    world.count("mishaps", mishap.name());
    world.trace(|| format!("{mishap:?}"));
    match mishap {
        Mishap::Trouble(_) => {}
        Mishap::Crash { loses, .. } => {
            let now = world.agenda.now();
            let mut facts = world.facts.lock().unwrap();
            world.server.lock().unwrap().crash(loses, now, &mut facts);
            facts.crashed(now);
        }
        Mishap::Kill { node, down } => node::kill(world, node, down),
        Mishap::Stop { node, down } => node::stop(world, node, down),
        Mishap::Step { node, ahead } => {
            world.clocks[node].set(ahead);
            let now = world.agenda.now();
            world.facts.lock().unwrap().clock_set(node, now);
        }
    }
}

/// Has the judge say whether a request may still be without an answer.
fn expect_answers(world: &World) {
    let facts = world.facts.lock().unwrap();
    let is_open = |number: &usize| {
        let visit = &facts.visits[*number];
        let is_gone = facts.instances[visit.instance].gone.is_some();
        visit.state == VisitState::Open && !is_gone
    };
    if let Some(number) = (0..facts.visits.len()).find(is_open) {
        world.trace(|| format!("request {number} has no answer"));
        world.judge(&facts, |_| Err("every request is answered"));
    }
}

fn count_settings(world: &World) {
    let settings = &world.settings;
    world.count("sites", settings.kind.name());
    let near = settings
        .nodes
        .iter()
        .filter(|node| node.cache == Cache::Near)
        .count();
    world.count(
        "sites",
        match near {
            0 => "no near cache",
            near if near < settings.nodes.len() => "a near cache on some nodes",
            _ => "a near cache on every node",
        },
    );
    world.count(
        "sites",
        match settings.store.log {
            LogKind::Stream { .. } => "a log that is a stream",
            LogKind::SecondStep { .. } => "a log that is written in a second step",
            LogKind::ByTime => "a log that is read by time",
        },
    );
    let policy = &settings.policy;
    world.count(
        "policies",
        match (policy.touch_every().is_zero(), policy.is_never_early()) {
            (true, _) => "every request is recorded",
            (false, true) => "activity is recorded late, and sessions end late",
            (false, false) => "activity is recorded late, and sessions end early",
        },
    );
    if policy.store_failure() == StoreFailure::Allow {
        world.count("policies", "a failing store lets requests pass");
    }
    if policy.rotation_overlap().is_zero() {
        world.count("policies", "a replaced id ends at once");
    }
    if settings.cookies == Cookies::RollingWithLimits {
        world.count("policies", "sessions have limits of their own");
    }
    world.count(
        "sites",
        match settings.nodes[0].clock {
            ClockSettings::FollowsStore => "clocks that follow the store",
            ClockSettings::Own { .. } => "clocks of their own",
        },
    );
}

impl What {
    /// Returns how many users there are at least.
    fn users(self) -> usize {
        match self {
            Self::Request(request) => request.user + 1,
            Self::Revoke { user, .. } => user + 1,
            Self::Mishap(_) => 0,
        }
    }
}
