//! Rotations and log-outs of one session that cross in every order that a random schedule comes
//! upon.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::Response;
use tokio::task::{JoinSet, yield_now};
use tower_login_timeout::{
    Activity, ActivityStore, Change, MemoryStore, SessionKey, Timestamp, Touch, UserKey, UserLink,
    UserStore, Users,
};

use crate::common::scripted::{Fault, ScriptedStore};
use crate::common::site::{Site, policy, request};

const SCHEDULES: u64 = 2_000;

#[tokio::test]
async fn a_log_out_that_crosses_rotations_leaves_no_id_live() {
    let mut log_outs = 0;
    for seed in 0..SCHEDULES {
        let random = Random::of(seed);
        let store = SlowStore {
            memory: MemoryStore::new(),
            random: random.clone(),
        };
        let site = Site::with_store(policy(), store);
        let issued = Mutex::new(vec!["first".to_owned()]);
        site.start("first").await;
        for _ in 0..random.below(3) {
            rotate(&site, &issued, &random).await;
        }
        // Some requests rotate, and one logs out at some moment.
        let one = rotate(&site, &issued, &random);
        let two = rotate(&site, &issued, &random);
        let three = rotate(&site, &issued, &random);
        let log_out = log_out(&site, &issued, &random);
        let ((), (), (), has_ended) = tokio::join!(one, two, three, log_out);
        assert!(has_ended, "seed {seed}");
        log_outs += 1;
        let issued = issued.lock().unwrap().clone();
        for id in &issued {
            let status = site.status(id).await;
            assert_eq!(status, 440, "seed {seed}: {id} of {issued:?} lives");
        }
    }
    assert_eq!(log_outs, SCHEDULES);
}

#[tokio::test]
async fn rotations_that_cross_leave_every_id_of_the_session_live_and_in_reach() {
    for seed in 0..SCHEDULES {
        let random = Random::of(seed);
        let store = SlowStore {
            memory: MemoryStore::new(),
            random: random.clone(),
        };
        let site = Site::with_store(policy(), store);
        let issued = Mutex::new(vec!["first".to_owned()]);
        site.start("first").await;
        let one = rotate(&site, &issued, &random);
        let two = rotate(&site, &issued, &random);
        let three = rotate(&site, &issued, &random);
        let four = rotate(&site, &issued, &random);
        tokio::join!(one, two, three, four);
        let issued = issued.lock().unwrap().clone();
        for id in &issued {
            assert_eq!(
                site.status(id).await,
                200,
                "seed {seed}: {id} of {issued:?}"
            );
        }
        let any = &issued[random.below(issued.len())];
        assert!(site.layer.tracker().revoke(any).await.unwrap());
        for id in &issued {
            assert_eq!(site.status(id).await, 440, "seed {seed}: {id} by {any}");
        }
    }
}

#[tokio::test]
async fn a_crowd_of_rotations_leaves_every_id_live_and_in_reach() {
    let store = ScriptedStore::default();
    let site = Arc::new(Site::with_store(policy(), store.clone()));
    site.start("old").await;
    // Each operation takes one turn, so the requests take their steps side by side.
    store.set_all(Fault::Yields);
    let ids: Vec<String> = (0..40).map(|number| format!("new{number}")).collect();
    let mut rotations = JoinSet::new();
    for id in &ids {
        let (site, set) = (Arc::clone(&site), format!("sid={id}"));
        rotations.spawn(async move { site.setting(request("/", "old"), &[&set]).await });
    }
    for response in rotations.join_all().await {
        assert_eq!(response.status(), 200);
    }
    for id in &ids {
        assert_eq!(site.status(id).await, 200, "{id}");
    }
    assert!(site.layer.tracker().revoke("new0").await.unwrap());
    for id in &ids {
        assert_eq!(site.status(id).await, 440, "{id}");
    }
}

/// A node whose clock is ahead takes an id out of the ring that is still valid for another node.
#[tokio::test]
async fn a_log_out_that_misses_an_id_leaves_no_new_one_live() {
    let store = MemoryStore::new();
    let policy = policy().with_rotation_overlap(Duration::from_secs(5));
    let site = Site::with_store(policy, store.clone());
    let ahead = Site::with_store(policy, store);
    ahead.clock.advance(Duration::from_secs(27));
    ahead.start("first").await;
    let (site, ahead) = (&site, &ahead);
    site.send_to(request("/slow", "first"), async |_| {
        site.setting(request("/", "first"), &["sid=second"]).await;
        ahead.setting(request("/", "second"), &["sid=third"]).await;
        ahead
            .setting(request("/log-out", "third"), &["sid=; Max-Age=0"])
            .await;
        let response = Response::builder().header("set-cookie", "sid=late");
        response.body(String::new()).unwrap()
    })
    .await;
    for id in ["second", "third", "late"] {
        assert_eq!(ahead.status(id).await, 440, "{id}");
    }
}

/// What becomes of a user's sessions while they get new ids.
#[derive(Clone, Copy, PartialEq, Debug)]
enum What {
    AreListed,
    AllEnd,
    OthersEnd,
}

#[tokio::test]
async fn the_sessions_of_a_user_are_found_whatever_rotations_cross() {
    for seed in 0..SCHEDULES {
        let what = [What::AreListed, What::AllEnd, What::OthersEnd][(seed % 3) as usize];
        let random = Random::of(seed);
        let store = SlowStore {
            memory: MemoryStore::new(),
            random: random.clone(),
        };
        let users = Users::new("a secret of 16 bytes or more").unwrap();
        let site = Site::with_store(policy(), store).configured(|layer| layer.with_users(users));
        let tracker = site.layer.tracker();
        let [this, other] = ["this", "other"].map(|id| Mutex::new(vec![id.to_owned()]));
        for id in ["this", "other"] {
            let _ = tracker.start_for("ada", id).await.unwrap();
        }
        for _ in 0..random.below(3) {
            rotate(&site, &this, &random).await;
            rotate(&site, &other, &random).await;
        }
        let meanwhile = async {
            for _ in 0..random.below(20) {
                yield_now().await;
            }
            let id = {
                let issued = this.lock().unwrap();
                issued[random.below(issued.len())].clone()
            };
            let count = match what {
                What::AreListed => tracker.sessions_of("ada").await.unwrap().len(),
                What::AllEnd => tracker.end_all_of("ada").await.unwrap(),
                What::OthersEnd => tracker.end_others(&id).await.unwrap() + 1,
            };
            assert_eq!(count, 2, "seed {seed}: {what:?}");
        };
        tokio::join!(
            rotate(&site, &this, &random),
            rotate(&site, &this, &random),
            rotate(&site, &other, &random),
            rotate(&site, &other, &random),
            meanwhile
        );
        for (issued, lives) in [
            (this, what != What::AllEnd),
            (other, what == What::AreListed),
        ] {
            for id in &issued.into_inner().unwrap() {
                let status = site.status(id).await;
                assert_eq!(
                    status == 200,
                    lives,
                    "seed {seed}: {what:?}: {id} has {status}"
                );
            }
        }
    }
}

/// Sends a request with an id that was issued before, whose response issues another one.
async fn rotate(site: &Site<SlowStore>, issued: &Mutex<Vec<String>>, random: &Random) {
    random.wait().await;
    let old = {
        let issued = issued.lock().unwrap();
        issued[random.below(issued.len())].clone()
    };
    // Two requests may be given one id, as by an application that rotates each id once.
    let new = match random.below(4) {
        0 => format!("behind-{old}"),
        _ => format!("{old}-{}", random.below(1000)),
    };
    let set = format!("sid={new}");
    let response = site.setting(request("/", &old), &[&set]).await;
    // A client has the id once it has the response.
    if response.status() == 200 {
        issued.lock().unwrap().push(new);
    }
}

/// Logs out with an id that was issued before. Returns whether the store knew it.
async fn log_out(site: &Site<SlowStore>, issued: &Mutex<Vec<String>>, random: &Random) -> bool {
    for _ in 0..random.below(20) {
        yield_now().await;
    }
    let id = {
        let issued = issued.lock().unwrap();
        issued[random.below(issued.len())].clone()
    };
    site.layer.tracker().revoke(&id).await.unwrap()
}

/// A store in memory that takes a random time before and after each operation.
#[derive(Clone)]
struct SlowStore {
    memory: MemoryStore,
    random: Random,
}

type Answer<T> = Pin<Box<dyn Future<Output = Result<T, std::convert::Infallible>> + Send>>;

impl SlowStore {
    fn run<T, F>(&self, operation: impl FnOnce(&MemoryStore) -> F + Send + 'static) -> Answer<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, std::convert::Infallible>> + Send,
    {
        let Self { memory, random } = self.clone();
        Box::pin(async move {
            random.wait().await;
            let answer = operation(&memory).await;
            random.wait().await;
            answer
        })
    }
}

impl ActivityStore for SlowStore {
    type Error = std::convert::Infallible;
    type Future<T: Send + 'static> = Answer<T>;

    fn create(&self, key: SessionKey, activity: Activity, keep_until: Timestamp) -> Answer<()> {
        self.run(move |memory| memory.create(key, activity, keep_until))
    }

    fn begin(
        &self,
        key: SessionKey,
        activity: Activity,
        keep_until: Timestamp,
    ) -> Answer<Activity> {
        self.run(move |memory| memory.begin(key, activity, keep_until))
    }

    fn load(&self, key: SessionKey) -> Answer<Option<Activity>> {
        self.run(move |memory| memory.load(key))
    }

    fn touch(&self, key: SessionKey, touch: Touch) -> Answer<Option<Activity>> {
        self.run(move |memory| memory.touch(key, touch))
    }

    fn change(&self, key: SessionKey, change: Change) -> Answer<Option<Activity>> {
        self.run(move |memory| memory.change(key, change))
    }

    fn revoke(&self, key: SessionKey, keep_until: Timestamp) -> Answer<Option<Activity>> {
        self.run(move |memory| memory.revoke(key, keep_until))
    }
}

impl UserStore for SlowStore {
    fn link(&self, user: UserKey, link: UserLink, keep_until: Timestamp) -> Answer<()> {
        self.run(move |memory| memory.link(user, link, keep_until))
    }

    fn links_of(&self, user: UserKey) -> Answer<Vec<UserLink>> {
        self.run(move |memory| memory.links_of(user))
    }

    fn link_of(&self, session: SessionKey) -> Answer<Option<(UserKey, UserLink)>> {
        self.run(move |memory| memory.link_of(session))
    }

    fn unlink(&self, user: UserKey, sessions: Vec<SessionKey>) -> Answer<()> {
        self.run(move |memory| memory.unlink(user, sessions))
    }

    fn load_many(&self, sessions: Vec<SessionKey>) -> Answer<Vec<(SessionKey, Activity)>> {
        self.run(move |memory| memory.load_many(sessions))
    }

    fn revoke_many(
        &self,
        sessions: Vec<SessionKey>,
        keep_until: Timestamp,
    ) -> Answer<Vec<(SessionKey, Activity)>> {
        self.run(move |memory| memory.revoke_many(sessions, keep_until))
    }
}

/// A linear congruential generator (Knuth's MMIX). Clones go on with the same numbers.
#[derive(Clone)]
struct Random(Arc<Mutex<u64>>);

impl Random {
    fn of(seed: u64) -> Self {
        let random = Self(Arc::new(Mutex::new(seed)));
        random.below(1);
        random
    }

    fn below(&self, limit: usize) -> usize {
        let mut state = self.0.lock().unwrap();
        *state = state.wrapping_mul(6_364_136_223_846_793_005);
        *state = state.wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(*state >> 33).unwrap() % limit
    }

    async fn wait(&self) {
        for _ in 0..self.below(4) {
            yield_now().await;
        }
    }
}
