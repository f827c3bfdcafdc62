//! The settings of an ASP.NET application, read from its `web.config`.
//!
//! The parser is `roxmltree`. It checks that the whole file is well formed, refuses a document type
//! unless it is told otherwise, so that there are no entities to expand, does not recurse, and has
//! no unsafe code. `quick-xml` hands on the document type and what is not well formed for its
//! caller to judge, which is right for long streams and not for a file of 250 KB.

mod attributes;
pub(crate) mod error;
mod forms;
pub(crate) mod left_out;
mod login_url;
mod section;
mod session_state;
mod text;
pub(crate) mod web_config_file;
