//! The Tower part: the layer, its service, the response future, and the response body.

mod ambiguity;
pub(crate) mod body;
mod config;
mod first_look;
pub(crate) mod future;
pub(crate) mod layer;
mod log_in;
mod new_visitor;
mod question;
mod recorded;
mod recording;
mod redirect;
mod response;
pub(crate) mod rules;
mod selection;
pub(crate) mod service;
mod state;
mod step;
mod stream_end;
mod stream_format;
mod visitor_recording;
pub(crate) mod visitors;
#[cfg(feature = "browser")]
mod with_browser;
