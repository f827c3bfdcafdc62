//! Several rules as one.

use std::sync::Arc;

use crate::request::head::RequestHead;
use crate::request::rule::Rule;

/// Requests that any of these rules matches.
#[derive(Clone, Default)]
pub(crate) struct Rules(Vec<Arc<dyn Rule>>);

impl Rules {
    pub(crate) fn push(&mut self, rule: impl Rule) {
        self.0.push(Arc::new(rule));
    }

    pub(crate) fn any(&self, request: RequestHead<'_>) -> bool {
        self.0.iter().any(|rule| rule(request))
    }
}
