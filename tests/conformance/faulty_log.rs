//! The log of changes of the small store, right but for one fault.

use std::sync::{Arc, Mutex};

use tokio::task::yield_now;
use tower_login_timeout::{Changes, LogPosition, SessionKey};

use super::faulty::Fault;

/// A log that is never cut. Clones share it.
#[derive(Clone, Default)]
pub struct Log(Arc<Mutex<Vec<SessionKey>>>);

impl Log {
    pub fn note(&self, key: SessionKey) {
        self.0.lock().unwrap().push(key);
    }

    pub async fn since(&self, position: Option<LogPosition>, fault: Option<Fault>) -> Changes {
        let start = position.and_then(|position| self.index(&position));
        let Some(start) = start else {
            return match fault {
                Some(Fault::LogTakesAnyPosition) => Changes::these(Vec::new(), self.end()),
                _ => Changes::any(self.end()),
            };
        };
        let keys = self.0.lock().unwrap()[start..].to_vec();
        let end = self.end();
        match fault {
            Some(Fault::LogIsAlwaysAny) => Changes::any(end),
            Some(Fault::LogRunsAhead) => {
                yield_now().await;
                Changes::these(keys, self.end())
            }
            Some(Fault::LogIsAQueue) => {
                self.0.lock().unwrap().clear();
                Changes::these(keys, self.end())
            }
            _ => Changes::these(keys, end),
        }
    }

    fn end(&self) -> LogPosition {
        LogPosition::from_bytes(self.0.lock().unwrap().len().to_be_bytes())
    }

    fn index(&self, position: &LogPosition) -> Option<usize> {
        let index = usize::from_be_bytes(position.as_bytes().try_into().ok()?);
        (index <= self.0.lock().unwrap().len()).then_some(index)
    }
}
