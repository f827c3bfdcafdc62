//! A store that knows whose sessions are, with one fault.

use std::collections::{HashMap, HashSet};
use std::convert::Infallible;
use std::future::Ready;
use std::sync::{Arc, Mutex};

use tower_login_timeout::{
    Activity, ActivityStore, Change, Changed, Changes, Clock, LogPosition, MemoryStore, SessionKey,
    SharedStore, SystemClock, Timestamp, Touch, UserKey, UserLink, UserStore,
};

/// What is wrong with the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UserFault {
    LinkIsNotFoundBySession,
    LinksOfMissesSome,
    LinksOfHasOthers,
    LinkAddsAndReplacesNothing,
    LabelIsTrimmed,
    UnlinkRemovesAll,
    UnlinkRemovesNothing,
    UnlinkIgnoresTheUser,
    LinkBegins,
    UnlinkRevokes,
    LinkThatIsOverTakesTheListWithIt,
    LinkLeavesTheSessionsOwn,
    LinkKeepsTheFirstTime,
    ListEndsWithItsFirstLink,
    LinkWithoutAnEndIsOver,
    LoadManyMissesSome,
    LoadManyAnswersUnasked,
    LoadManyIsActivity,
    RevokeManyMissesSome,
    RevokeManyAnswersAfterwards,
    RevokeManyKeepsRemoval,
    RevokeManyShortensRemoval,
    RevokeManyIsInNoLog,
}

#[derive(Clone)]
pub struct UserStoreWith {
    fault: Option<UserFault>,
    memory: MemoryStore,
    /// Has what a right store would not have.
    shadow: MemoryStore,
    notes: Arc<Mutex<Notes>>,
}

/// What a wrong store goes by.
#[derive(Default)]
struct Notes {
    /// The first link of each session to a user, and until when it was to be kept.
    of_session: HashMap<(UserKey, SessionKey), (UserLink, Timestamp)>,
    /// Until when the first link of each user was to be kept.
    of_user: HashMap<UserKey, Timestamp>,
    ended_together: HashSet<SessionKey>,
}

impl UserStoreWith {
    pub fn new(fault: Option<UserFault>) -> Self {
        Self {
            fault,
            memory: MemoryStore::new(),
            shadow: MemoryStore::new(),
            notes: Arc::default(),
        }
    }

    fn is(&self, fault: UserFault) -> bool {
        self.fault == Some(fault)
    }
}

/// A session that nobody has asked for.
const EVERYBODYS: SessionKey = SessionKey::from_bytes([7; 16]);

/// One user to whom all links of the wrong store lead too.
const EVERYBODY: UserKey = UserKey::from_bytes([7; 16]);

type Answer<T> = Ready<Result<T, Infallible>>;

fn now<T>(answer: Answer<T>) -> T {
    let Ok(value) = answer.into_inner();
    value
}

impl UserStoreWith {
    /// Returns the first link of a session to this user, and until when that was to be kept.
    fn note_first(
        &self,
        user: UserKey,
        link: &UserLink,
        keep_until: Timestamp,
    ) -> (UserLink, Timestamp) {
        let mut notes = self.notes.lock().unwrap();
        notes.of_user.entry(user).or_insert(keep_until);
        let of_session = notes.of_session.entry((user, link.session()));
        of_session.or_insert((link.clone(), keep_until)).clone()
    }
}

impl UserStore for UserStoreWith {
    fn link(&self, user: UserKey, mut link: UserLink, mut keep_until: Timestamp) -> Answer<()> {
        let session = link.session();
        let (_, first) = self.note_first(user, &link, keep_until);
        if self.is(UserFault::LinkKeepsTheFirstTime) {
            keep_until = first;
        }
        if self.is(UserFault::LinkWithoutAnEndIsOver) && keep_until == Timestamp::MAX {
            keep_until = Timestamp::UNIX_EPOCH;
        }
        if self.is(UserFault::LabelIsTrimmed) {
            link = UserLink::new(session, link.linked_at(), link.label().trim());
        }
        if self.is(UserFault::LinkBegins) {
            let activity = Activity::began(link.linked_at());
            now(self.memory.begin(session, activity, Timestamp::MAX));
        }
        if self.is(UserFault::LinkThatIsOverTakesTheListWithIt) && keep_until < link.linked_at() {
            let sessions = now(self.memory.links_of(user))
                .iter()
                .map(UserLink::session)
                .collect();
            return self.memory.unlink(user, sessions);
        }
        if self.is(UserFault::LinkAddsAndReplacesNothing)
            && now(self.memory.link_of(session)).is_some()
        {
            return std::future::ready(Ok(()));
        }
        now(self.shadow.link(EVERYBODY, link.clone(), keep_until));
        self.memory.link(user, link, keep_until)
    }

    fn links_of(&self, user: UserKey) -> Answer<Vec<UserLink>> {
        if self.is(UserFault::LinksOfHasOthers) {
            return self.shadow.links_of(EVERYBODY);
        }
        if self.is(UserFault::ListEndsWithItsFirstLink) {
            let notes = self.notes.lock().unwrap();
            let ends = notes.of_user.get(&user);
            if ends.is_some_and(|ends| *ends <= SystemClock.now()) {
                return std::future::ready(Ok(Vec::new()));
            }
        }
        if self.is(UserFault::LinksOfMissesSome) {
            let mut links = now(self.memory.links_of(user));
            links.truncate(100);
            return std::future::ready(Ok(links));
        }
        self.memory.links_of(user)
    }

    fn link_of(&self, session: SessionKey) -> Answer<Option<(UserKey, UserLink)>> {
        if self.is(UserFault::LinkIsNotFoundBySession) {
            return std::future::ready(Ok(None));
        }
        let found = now(self.memory.link_of(session));
        if self.is(UserFault::LinkLeavesTheSessionsOwn) {
            let notes = self.notes.lock().unwrap();
            let first = |user| Some((user, notes.of_session.get(&(user, session))?.0.clone()));
            return std::future::ready(Ok(found.and_then(|(user, _)| first(user))));
        }
        std::future::ready(Ok(found))
    }

    fn unlink(&self, user: UserKey, mut sessions: Vec<SessionKey>) -> Answer<()> {
        if self.is(UserFault::UnlinkRevokes) {
            for session in &sessions {
                now(self.memory.revoke(*session, Timestamp::MAX));
            }
        }
        if self.is(UserFault::UnlinkRemovesNothing) {
            sessions.clear();
        }
        if self.is(UserFault::UnlinkRemovesAll) {
            sessions = now(self.memory.links_of(user))
                .iter()
                .map(UserLink::session)
                .collect();
        }
        if self.is(UserFault::UnlinkIgnoresTheUser) {
            for session in &sessions {
                if let Some((owner, _)) = now(self.memory.link_of(*session)) {
                    now(self.memory.unlink(owner, vec![*session]));
                }
            }
        }
        self.memory.unlink(user, sessions)
    }

    fn load_many(&self, mut sessions: Vec<SessionKey>) -> Answer<Vec<(SessionKey, Activity)>> {
        if self.is(UserFault::LoadManyMissesSome) {
            sessions.truncate(100);
        }
        let mut found = now(self.memory.load_many(sessions));
        if self.is(UserFault::LoadManyAnswersUnasked) {
            found.push((EVERYBODYS, Activity::began(Timestamp::UNIX_EPOCH)));
        }
        if self.is(UserFault::LoadManyIsActivity) {
            for (_, found) in &mut found {
                *found = found.active_at(Timestamp::MAX);
            }
        }
        std::future::ready(Ok(found))
    }

    fn revoke_many(
        &self,
        mut sessions: Vec<SessionKey>,
        keep_until: Timestamp,
    ) -> Answer<Vec<(SessionKey, Activity)>> {
        if self.is(UserFault::RevokeManyMissesSome) {
            sessions.truncate(100);
        }
        let ended = sessions.iter().copied();
        self.notes.lock().unwrap().ended_together.extend(ended);
        let keep_until = match self.fault {
            Some(UserFault::RevokeManyKeepsRemoval) => Timestamp::UNIX_EPOCH,
            _ => keep_until,
        };
        if self.is(UserFault::RevokeManyShortensRemoval) {
            let before = now(self.memory.load_many(sessions));
            for (session, before) in &before {
                now(self.memory.create(*session, before.revoked(), keep_until));
            }
            return std::future::ready(Ok(before));
        }
        let mut revoked = now(self.memory.revoke_many(sessions, keep_until));
        if self.is(UserFault::RevokeManyAnswersAfterwards) {
            for (_, before) in &mut revoked {
                *before = before.revoked();
            }
        }
        std::future::ready(Ok(revoked))
    }
}

impl ActivityStore for UserStoreWith {
    type Error = Infallible;
    type Future<T: Send + 'static> = Answer<T>;

    fn create(&self, key: SessionKey, activity: Activity, keep_until: Timestamp) -> Answer<()> {
        self.memory.create(key, activity, keep_until)
    }

    fn begin(
        &self,
        key: SessionKey,
        activity: Activity,
        keep_until: Timestamp,
    ) -> Answer<Activity> {
        self.memory.begin(key, activity, keep_until)
    }

    fn load(&self, key: SessionKey) -> Answer<Option<Activity>> {
        self.memory.load(key)
    }

    fn touch(&self, key: SessionKey, touch: Touch) -> Answer<Option<Activity>> {
        self.memory.touch(key, touch)
    }

    fn change(&self, key: SessionKey, change: Change) -> Answer<Option<Activity>> {
        self.memory.change(key, change)
    }

    fn revoke(&self, key: SessionKey, keep_until: Timestamp) -> Answer<Option<Activity>> {
        self.memory.revoke(key, keep_until)
    }
}

impl SharedStore for UserStoreWith {
    fn touch_many(
        &self,
        touches: Vec<(SessionKey, Touch)>,
    ) -> Answer<Vec<(SessionKey, Result<Activity, Infallible>)>> {
        self.memory.touch_many(touches)
    }

    fn changes_since(&self, position: Option<LogPosition>) -> Answer<Changes> {
        let mut changes = now(self.memory.changes_since(position));
        if self.is(UserFault::RevokeManyIsInNoLog)
            && let Changed::These(these) = changes.changed()
        {
            let mut these = these.clone();
            let ended = &self.notes.lock().unwrap().ended_together;
            these.retain(|session| !ended.contains(session));
            changes = Changes::these(these, changes.position().clone());
        }
        std::future::ready(Ok(changes))
    }
}
