//! What the application does with a request that has reached it.

use std::sync::Arc;
use std::time::Duration;

use http::header::{CONTENT_TYPE, SET_COOKIE};
use http::{HeaderValue, Response};
use tokio::time::sleep;
use tower_login_timeout::{Limits, SessionHandle, SessionKey};

use super::action::Action;
use super::bounds::Lifetime;
use super::facts::{Ended, Facts, Issued};
use super::settings::{Cookies, Settings};
use super::site::Site;
use super::visit::{Effect, Replacing};
use super::world::World;

/// A request, as the application is asked it.
pub struct Call {
    /// Its number among the facts.
    pub number: usize,
    pub action: Action,
    /// An id that the application may issue or start again.
    pub reissue: Option<String>,
}

/// A request that has reached the application.
pub struct Handler {
    pub site: Site,
    pub call: Call,
    /// The id that the application reads from the cookie.
    pub id: Option<usize>,
    /// The session's handle, if the layer has found it live.
    pub handle: Option<SessionHandle>,
}

impl Handler {
    pub async fn respond(self) -> Response<()> {
        let takes = match self.call.action {
            Action::Slow(takes)
            | Action::Replace(takes)
            | Action::Revoke(takes)
            | Action::LogInAfter(takes) => takes,
            _ => 0,
        };
        if takes > 0 {
            sleep(Duration::from_millis(takes)).await;
        }
        if let (Action::Revoke(_), Some(handle), Some(id)) =
            (self.call.action, &self.handle, self.id)
        {
            let (world, instance) = (&self.site.world, self.site.instance);
            revoke(world, instance, id, handle.revoke()).await;
        }
        let visitors = self.site.world.settings.visitors.as_ref();
        if let Some(visitors) = visitors {
            self.start_visitor(visitors).await;
        }
        let started = match &self.call.reissue {
            Some(name) if matches!(self.call.action, Action::Start) && visitors.is_none() => {
                self.start(name).await
            }
            _ => None,
        };
        let world = &self.site.world;
        let set = {
            let mut facts = world.facts.lock().unwrap();
            match visitors {
                Some(visitors) => self.cookie_among_visitors(visitors, &mut facts),
                None => started.or(self.set_cookie(&mut facts)),
            }
        };
        let number = self.call.number;
        world.trace(|| match &set {
            Some(set) => format!("  request {number} is answered, Set-Cookie: sid={set}"),
            None => format!("  request {number} is answered"),
        });
        self.response(set.as_deref())
    }

    /// Returns a response that sets the cookie, removes it if the value is empty, or does neither.
    fn response(&self, set: Option<&str>) -> Response<()> {
        let mut response = Response::new(());
        if matches!(self.call.action, Action::FailedLogIn) {
            let html = HeaderValue::from_static("text/html; charset=utf-8");
            response.headers_mut().insert(CONTENT_TYPE, html);
        }
        if let Some(value) = set {
            let line = match value {
                "" => "sid=; Path=/; Max-Age=0".to_owned(),
                value => format!("sid={value}; Path=/; HttpOnly"),
            };
            let line = HeaderValue::try_from(line).unwrap();
            response.headers_mut().insert(SET_COOKIE, line);
            if let Some(limits) = self.limits(value) {
                response.extensions_mut().insert(limits);
            }
        }
        response
    }

    /// Returns the limits that come with a cookie.
    fn limits(&self, name: &str) -> Option<Limits> {
        let Settings {
            cookies, policy, ..
        } = &self.site.world.settings;
        let facts = self.site.world.facts.lock().unwrap();
        let id = facts.with_key(SessionKey::of(name))?;
        facts.ids[id].limits.or_else(|| {
            let is_with_limits = *cookies == Cookies::RollingWithLimits;
            is_with_limits.then(|| Limits::default().with_idle(policy.idle()).unwrap())
        })
    }

    /// Begins a session with this id, whatever became of the one that had it. Returns the id.
    async fn start(&self, name: &str) -> Option<String> {
        let world = &self.site.world;
        let asked = world.agenda.now();
        let reading = self.site.clock.reading();
        let id = {
            let mut facts = world.facts.lock().unwrap();
            let id = facts.id(name);
            // A session that is started so has the limits of the policy.
            let has_limits = world.settings.own_limits.is_some();
            let is_derived = world.settings.cookies == Cookies::Derived;
            // The walk of a log-out ends at an id that was started anew. So of a session with
            // several ids, none is.
            let is_only_one = facts.session(id).is_some_and(|session| session.ids == 1);
            if has_limits || is_derived || !is_only_one || facts.ids[id].issued != Issued::Surely {
                return None;
            }
            facts.start_asked(id, reading, asked);
            id
        };
        self.site.tracker.start(name).await.ok()?;
        let now = world.agenda.now();
        world.facts.lock().unwrap().started(id, reading, asked, now);
        Some(name.to_owned())
    }

    /// Notes what the response does. Returns the value of the cookie that it sets.
    fn set_cookie(&self, facts: &mut Facts) -> Option<String> {
        let number = self.call.number;
        let now = self.site.world.agenda.now();
        let reading = self.site.clock.reading();
        facts.visits[number].responded = Some(now);
        match (self.call.action, self.id) {
            (Action::LogIn | Action::LogInAfter(_), _) => {
                let name = format!("s{}", facts.ids.len());
                let new = facts.id(&name);
                facts.begins(number, new, reading);
                if let Some(limits) = self.site.world.settings.own_limits
                    && new.is_multiple_of(2)
                {
                    facts.ids[new].limits = Some(limits);
                    facts.ids[new].lifetime = Lifetime::of(&self.site.world.settings, limits);
                }
                Some(name)
            }
            (Action::LogOut | Action::LogOutExempt, _) => {
                facts.visits[number].effect = Effect::Ends;
                for id in facts.visits[number].presented.clone() {
                    facts.log_out_asked(id, now);
                    expect_end(&self.site.world, self.site.instance, id, facts);
                }
                Some(String::new())
            }
            (Action::Replace(_) | Action::ReplacePassive, Some(old)) => {
                let name = match self.site.world.settings.cookies {
                    Cookies::Derived => format!("{}.", facts.ids[old].name),
                    _ => format!("s{}", facts.ids.len()),
                };
                let new = facts.id(&name);
                if self.handle.is_some() {
                    facts.replaces(number, Replacing { old, new, reading });
                } else {
                    facts.issued_unchecked(new);
                }
                Some(name)
            }
            (Action::Reissue(_), _) => self.reissue(facts, reading),
            (_, Some(id)) => {
                if facts.visits[number].reached < Some(now) && self.handle.is_some() {
                    facts.was_active_again(number, id, reading, now);
                }
                let cookies = self.site.world.settings.cookies;
                let is_rolling = matches!(cookies, Cookies::Rolling | Cookies::RollingWithLimits);
                is_rolling.then(|| facts.ids[id].name.clone())
            }
            (_, None) => None,
        }
    }

    /// Issues an id that the browser held before. That begins nothing where the store has a record.
    fn reissue(&self, facts: &mut Facts, reading: i64) -> Option<String> {
        let name = self.call.reissue.clone()?;
        let again = facts.id(&name);
        let is_remembered = self.site.world.settings.policy.remember_expired_for()
            > Duration::from_secs(3_600)
            && facts.ids[again].issued == Issued::Surely
            && !facts.ids[again].lost;
        if !is_remembered {
            return None;
        }
        if self.id != Some(again) {
            facts.reissued(
                self.call.number,
                again,
                self.id.filter(|_| self.handle.is_some()),
                reading,
            );
        }
        Some(name)
    }
}

/// Ends a session through a tracker, and notes the end.
pub async fn revoke<E>(
    world: &Arc<World>,
    instance: usize,
    id: usize,
    revoke: impl Future<Output = Result<bool, E>>,
) {
    let asked = world.agenda.now();
    {
        let mut facts = world.facts.lock().unwrap();
        facts.log_out_asked(id, asked);
        expect_end(world, instance, id, &facts);
    }
    if let Ok(true) = revoke.await {
        let at = world.agenda.now();
        let ended = Ended { at, instance };
        world.facts.lock().unwrap().ended(id, asked, ended);
    }
}

/// Notes the end of a session when it has had its time, also if nobody waits for it any more.
pub fn expect_end(world: &Arc<World>, instance: usize, id: usize, facts: &Facts) {
    let Some(session) = facts.session(id) else {
        return;
    };
    let asked = world.agenda.now();
    let at = asked + 1_000 + 500 * session.ids as u64;
    let noting = Arc::clone(world);
    world.agenda.at(at, move || {
        let mut facts = noting.facts.lock().unwrap();
        let by = &facts.instances[instance];
        if by.gone.is_none() && noting.troubles.is_calm(by.node, asked, at) {
            facts.ended(id, asked, Ended { at, instance });
        }
    });
}
