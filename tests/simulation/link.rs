//! The network between a node and the shared store.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tower_login_timeout::{
    Activity, ActivityStore, Change, Changes, LogPosition, SessionKey, SharedStore, Timestamp,
    Touch, TouchAnswer,
};

use super::clock::{EPOCH, reading_of};
use super::message::{Answer, Message, Unreachable};
use super::server::{Operation, Reply};
use super::settings::{ClockSettings, LogKind};
use super::world::World;

/// How wrong a clock that follows the store may be: half a round trip.
const CLOCK_ERROR: i64 = 2_500;

/// The connection of one node, from its start to its stop. It is the store as the node sees it.
///
/// A message that was sent arrives, or does not, whatever becomes of its sender.
#[derive(Clone)]
pub struct Link(Arc<Connection>);

struct Connection {
    world: Arc<World>,
    node: usize,
    is_up: AtomicBool,
}

impl Link {
    pub fn new(world: Arc<World>, node: usize) -> Self {
        Self(Arc::new(Connection {
            world,
            node,
            is_up: AtomicBool::new(true),
        }))
    }

    /// Cuts the connection for good: the node is dead.
    pub fn cut(&self) {
        self.0.is_up.store(false, Ordering::Relaxed);
    }

    /// Asks the store for its time.
    pub async fn time(&self) -> Result<Timestamp, Unreachable> {
        match self.ask(Operation::Time).await? {
            Reply::Time(time) => Ok(time),
            other => unreachable!("{other:?}"),
        }
    }

    async fn record(&self, operation: Operation) -> Result<Option<Activity>, Unreachable> {
        match self.ask(operation).await? {
            Reply::Record(found) => Ok(found),
            other => unreachable!("{other:?}"),
        }
    }

    /// Asks for a change, and announces it in a second step where the store wants it so.
    async fn change_and_announce(
        &self,
        key: SessionKey,
        operation: Operation,
    ) -> Result<Reply, Unreachable> {
        let reply = self.ask(operation).await?;
        let settings = &self.0.world.settings.store;
        if matches!(settings.log, LogKind::SecondStep { .. }) {
            self.ask(Operation::Announce(key)).await?;
        }
        Ok(reply)
    }

    /// Has the judge say whether gathered activity is written as the documentation says.
    fn judge_flush(&self, touches: &[(SessionKey, Touch)]) {
        let Connection { world, node, .. } = &*self.0;
        if world.settings.nodes[*node].clock != ClockSettings::FollowsStore {
            return;
        }
        let now = world.agenda.now() as i64;
        let is_late = |touch: &Touch| {
            let is_passive = reading_of(touch.last_activity()) < -(EPOCH as i64) / 2;
            !is_passive && reading_of(touch.now()) + CLOCK_ERROR < now
        };
        let is_any_late = touches.iter().any(|(_, touch)| is_late(touch));
        let facts = world.facts.lock().unwrap();
        world.judge(&facts, |_| match is_any_late {
            true => Err("a late flush is judged by the time of its write"),
            false => Ok(()),
        });
    }

    async fn ask(&self, operation: Operation) -> Result<Reply, Unreachable> {
        let answer = Arc::new(Answer::default());
        if self.0.is_up.load(Ordering::Relaxed) {
            let Connection { world, node, .. } = &*self.0;
            Message::send(world, *node, operation, &answer);
        }
        std::future::poll_fn(|context| answer.poll(context)).await
    }
}

type Asking<T> = Pin<Box<dyn Future<Output = Result<T, Unreachable>> + Send>>;

impl ActivityStore for Link {
    type Error = Unreachable;
    type Future<T: Send + 'static> = Asking<T>;

    fn create(&self, key: SessionKey, activity: Activity, keep_until: Timestamp) -> Asking<()> {
        let link = self.clone();
        Box::pin(async move {
            let create = Operation::Create(key, activity, keep_until);
            link.change_and_announce(key, create).await.map(|_| ())
        })
    }

    fn begin(
        &self,
        key: SessionKey,
        activity: Activity,
        keep_until: Timestamp,
    ) -> Asking<Activity> {
        let link = self.clone();
        Box::pin(async move {
            let begin = Operation::Begin(key, activity, keep_until);
            link.record(begin).await?.ok_or(Unreachable)
        })
    }

    fn load(&self, key: SessionKey) -> Asking<Option<Activity>> {
        let link = self.clone();
        Box::pin(async move { link.record(Operation::Load(key)).await })
    }

    fn touch(&self, key: SessionKey, touch: Touch) -> Asking<Option<Activity>> {
        let link = self.clone();
        Box::pin(async move { link.record(Operation::Touch(key, touch)).await })
    }

    fn change(&self, key: SessionKey, change: Change) -> Asking<Option<Activity>> {
        let link = self.clone();
        Box::pin(async move {
            let change = Operation::Change(key, change);
            match link.change_and_announce(key, change).await? {
                Reply::Record(found) => Ok(found),
                other => unreachable!("{other:?}"),
            }
        })
    }

    fn revoke(&self, key: SessionKey, keep_until: Timestamp) -> Asking<Option<Activity>> {
        let link = self.clone();
        Box::pin(async move {
            let revoke = Operation::Revoke(key, keep_until);
            match link.change_and_announce(key, revoke).await? {
                Reply::Record(found) => Ok(found),
                other => unreachable!("{other:?}"),
            }
        })
    }
}

impl SharedStore for Link {
    fn touch_many(
        &self,
        touches: Vec<(SessionKey, Touch)>,
    ) -> Asking<Vec<TouchAnswer<Unreachable>>> {
        let link = self.clone();
        self.judge_flush(&touches);
        Box::pin(async move {
            match link.ask(Operation::TouchMany(touches)).await? {
                Reply::Records { found, lost } => {
                    let found = found.into_iter().map(|(key, found)| (key, Ok(found)));
                    let lost = lost.into_iter().map(|key| (key, Err(Unreachable)));
                    Ok(found.chain(lost).collect())
                }
                other => unreachable!("{other:?}"),
            }
        })
    }

    fn changes_since(&self, position: Option<LogPosition>) -> Asking<Changes> {
        let link = self.clone();
        Box::pin(async move {
            match link.ask(Operation::ChangesSince(position)).await? {
                Reply::Changes(changes) => Ok(changes),
                other => unreachable!("{other:?}"),
            }
        })
    }
}
