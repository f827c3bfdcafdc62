//! Several rules as one.

use std::sync::Arc;

use crate::request::head::RequestHead;
use crate::request::rule::Rule;

/// Requests that any of these rules matches.
#[derive(Clone, Default)]
pub(super) struct Rules(Vec<Arc<dyn Rule>>);

impl Rules {
    pub(super) fn push(&mut self, rule: impl Rule) {
        self.0.push(Arc::new(rule));
    }

    pub(super) fn any(&self, request: RequestHead<'_>) -> bool {
        self.0.iter().any(|rule| rule(request))
    }
}
