//! The links of sessions to their users, in memory.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::session::key::SessionKey;
use crate::session::time::Timestamp;
use crate::session::user::{UserKey, UserLink};

/// How many links that are over one new link removes at most. Two would be enough for the number
/// of links to stay bounded.
const MOST_REMOVED: usize = 8;

/// The links. Only log-ins and lists of sessions use them, so one lock is enough.
#[derive(Debug, Default)]
pub(super) struct Links(Mutex<Tables>);

#[derive(Debug, Default)]
struct Tables {
    sessions: HashMap<SessionKey, Linked>,
    users: HashMap<UserKey, HashSet<SessionKey>>,
    /// The sessions in the order in which their links may be removed.
    removals: BTreeSet<(Timestamp, SessionKey)>,
}

#[derive(Debug)]
struct Linked {
    user: UserKey,
    link: UserLink,
    keep_until: Timestamp,
}

impl Links {
    /// Adds a link. Of more links than this, the one that may be removed first makes room.
    pub(super) fn insert(
        &self,
        user: UserKey,
        link: UserLink,
        keep_until: Timestamp,
        capacity: usize,
    ) {
        let mut tables = self.lock();
        tables.sweep(link.linked_at());
        // Its own earlier link makes room first.
        tables.remove(link.session());
        if tables.sessions.len() >= capacity
            && let Some(&(_, session)) = tables.removals.first()
        {
            tables.remove(session);
        }
        tables.insert(user, link, keep_until);
    }

    pub(super) fn of_user(&self, user: UserKey) -> Vec<UserLink> {
        let tables = self.lock();
        let sessions = tables.users.get(&user).into_iter().flatten();
        let links = sessions.filter_map(|session| tables.sessions.get(session));
        links.map(|linked| linked.link.clone()).collect()
    }

    pub(super) fn of_session(&self, session: SessionKey) -> Option<(UserKey, UserLink)> {
        let tables = self.lock();
        let linked = tables.sessions.get(&session)?;
        Some((linked.user, linked.link.clone()))
    }

    pub(super) fn remove(&self, user: UserKey, sessions: &[SessionKey]) {
        let mut tables = self.lock();
        for session in sessions {
            let linked = tables.sessions.get(session);
            if linked.is_some_and(|linked| linked.user == user) {
                tables.remove(*session);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Tables> {
        // Nothing panics while it holds the lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tables {
    fn insert(&mut self, user: UserKey, link: UserLink, keep_until: Timestamp) {
        let session = link.session();
        self.users.entry(user).or_default().insert(session);
        self.removals.insert((keep_until, session));
        let linked = Linked {
            user,
            link,
            keep_until,
        };
        self.sessions.insert(session, linked);
    }

    fn remove(&mut self, session: SessionKey) {
        let Some(linked) = self.sessions.remove(&session) else {
            return;
        };
        self.removals.remove(&(linked.keep_until, session));
        if let Some(sessions) = self.users.get_mut(&linked.user) {
            sessions.remove(&session);
            if sessions.is_empty() {
                self.users.remove(&linked.user);
            }
        }
    }

    /// Removes links whose time has come.
    fn sweep(&mut self, now: Timestamp) {
        for _ in 0..MOST_REMOVED {
            match self.removals.first() {
                Some(&(keep_until, session)) if keep_until <= now => self.remove(session),
                _ => return,
            }
        }
    }
}
