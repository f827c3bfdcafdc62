//! What the store is asked and answers, in words for a trace.

use tower_login_timeout::{Activity, Changed, Changes, SessionKey, Touch};

use super::clock::{EPOCH, reading_of};
use super::facts::Facts;
use super::server::{Operation, Reply};

/// Returns one line about an operation of a node and its reply.
pub fn described(operation: &Operation, reply: &Reply, node: usize, facts: &Facts) -> String {
    let words = Words(facts);
    let asked = words.asked(operation);
    let answered = words.answered(reply);
    format!("    store, for node {node}: {asked}: {answered}")
}

struct Words<'a>(&'a Facts);

impl Words<'_> {
    fn asked(&self, operation: &Operation) -> String {
        match operation {
            Operation::Create(key, activity, _) => {
                format!("create {} as {}", self.name(key), self.record(activity))
            }
            Operation::Begin(key, activity, _) => {
                format!("begin {} as {}", self.name(key), self.record(activity))
            }
            Operation::Load(key) => format!("load {}", self.name(key)),
            Operation::Touch(key, touch) => self.touch(key, touch),
            Operation::TouchMany(touches) => {
                let touches = touches.iter().map(|(key, touch)| self.touch(key, touch));
                touches.collect::<Vec<_>>().join(", ")
            }
            Operation::Change(key, change) => {
                let change = format!("{change:?}");
                let kind = change.split_once("kind: ").map_or("", |(_, kind)| kind);
                format!("change {} by {kind}", self.name(key))
            }
            Operation::Revoke(key, _) => format!("revoke {}", self.name(key)),
            Operation::Announce(key) => format!("announce {}", self.name(key)),
            Operation::ChangesSince(_) => "changes".to_owned(),
            Operation::Time => "time".to_owned(),
        }
    }

    fn answered(&self, reply: &Reply) -> String {
        match reply {
            Reply::Done => "done".to_owned(),
            Reply::Record(None) => "no record".to_owned(),
            Reply::Record(Some(found)) => self.record(found),
            Reply::Records { found, lost } => {
                let records = found
                    .iter()
                    .map(|(key, found)| format!("{} {}", self.name(key), self.record(found)));
                let lost = lost.iter().map(|key| format!("{} lost", self.name(key)));
                records.chain(lost).collect::<Vec<_>>().join(", ")
            }
            Reply::Changes(changes) => self.changes(changes),
            Reply::Time(time) => reading_of(*time).to_string(),
        }
    }

    fn touch(&self, key: &SessionKey, touch: &Touch) -> String {
        let (active, now) = (reading_of(touch.last_activity()), reading_of(touch.now()));
        match active {
            active if active < -(EPOCH as i64) / 2 => {
                format!("touch {} passively at {now}", self.name(key))
            }
            active if active == now => format!("touch {} at {now}", self.name(key)),
            active => format!("touch {} for {active} at {now}", self.name(key)),
        }
    }

    fn record(&self, activity: &Activity) -> String {
        let (created, last) = (activity.created_at(), activity.last_activity());
        let mut text = format!(
            "[began {}, active {}",
            reading_of(created),
            reading_of(last)
        );
        if let Some(at) = activity.replaced_at() {
            text += &format!(", replaced {}", reading_of(at));
        }
        if let Some(next) = activity.next_id() {
            text += &format!(", next {}", self.name(&next));
        }
        if activity.is_revoked() {
            text += ", revoked";
        }
        text + "]"
    }

    fn changes(&self, changes: &Changes) -> String {
        match changes.changed() {
            Changed::These(keys) => {
                let names = keys.iter().map(|key| self.name(key));
                format!("[{}]", names.collect::<Vec<_>>().join(", "))
            }
            _ => "any".to_owned(),
        }
    }

    fn name(&self, key: &SessionKey) -> &str {
        self.0.name(*key)
    }
}
