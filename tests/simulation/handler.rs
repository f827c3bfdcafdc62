//! What the application does with a request that has reached it.

use std::sync::Arc;
use std::time::Duration;

use http::header::SET_COOKIE;
use http::{HeaderValue, Response};
use tokio::time::sleep;
use tower_login_timeout::SessionHandle;

use super::facts::{Effect, Ended, Facts, Issued, Replacing};
use super::plan::Action;
use super::settings::Cookies;
use super::site::Site;
use super::world::World;

/// A request, as the application is asked it.
pub struct Call {
    /// Its number among the facts.
    pub number: usize,
    pub action: Action,
    /// An id that the application may issue again.
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
            Action::Slow(takes) | Action::Replace(takes) | Action::Revoke(takes) => takes,
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
        let world = &self.site.world;
        let set = self.set_cookie(&mut world.facts.lock().unwrap());
        let number = self.call.number;
        world.trace(|| match &set {
            Some(set) => format!("  request {number} is answered, Set-Cookie: sid={set}"),
            None => format!("  request {number} is answered"),
        });
        response(set.as_deref())
    }

    /// Notes what the response does. Returns the value of the cookie that it sets.
    fn set_cookie(&self, facts: &mut Facts) -> Option<String> {
        let number = self.call.number;
        let now = self.site.world.agenda.now();
        let reading = self.site.clock.reading();
        facts.visits[number].responded = Some(now);
        match (self.call.action, self.id) {
            (Action::LogIn, _) => {
                let name = format!("s{}", facts.ids.len());
                let new = facts.id(&name);
                facts.begins(number, new, reading);
                Some(name)
            }
            (Action::LogOut | Action::LogOutExempt, _) => {
                facts.visits[number].effect = Effect::Ends;
                for id in facts.visits[number].presented.clone() {
                    facts.log_out_asked(id);
                    expect_end(&self.site.world, self.site.instance, id, facts);
                }
                Some(String::new())
            }
            (Action::Replace(_) | Action::ReplacePassive, Some(old)) => {
                let name = match self.site.world.settings.cookies {
                    Cookies::Derived => format!("{}.", facts.ids[old].name),
                    Cookies::Plain | Cookies::Rolling => format!("s{}", facts.ids.len()),
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
                let is_rolling = self.site.world.settings.cookies == Cookies::Rolling;
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
    {
        let mut facts = world.facts.lock().unwrap();
        facts.log_out_asked(id);
        expect_end(world, instance, id, &facts);
    }
    if let Ok(true) = revoke.await {
        let at = world.agenda.now();
        let ended = Ended { at, instance };
        world.facts.lock().unwrap().ended(id, ended);
    }
}

/// Notes the end of a session when it has had its time, also if nobody waits for it any more.
fn expect_end(world: &Arc<World>, instance: usize, id: usize, facts: &Facts) {
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
            facts.ended(id, Ended { at, instance });
        }
    });
}

/// Returns a response that sets the cookie, removes it if the value is empty, or does neither.
fn response(set: Option<&str>) -> Response<()> {
    let mut response = Response::new(());
    if let Some(value) = set {
        let line = match value {
            "" => "sid=; Path=/; Max-Age=0".to_owned(),
            value => format!("sid={value}; Path=/; HttpOnly"),
        };
        let line = HeaderValue::try_from(line).unwrap();
        response.headers_mut().insert(SET_COOKIE, line);
    }
    response
}
