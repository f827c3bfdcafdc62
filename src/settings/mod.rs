//! What an operator sets, read from a file.

mod answer;
mod cookie;
pub(crate) mod document;
pub(crate) mod error;
mod from_settings;
mod login_page;
#[cfg(feature = "cached")]
mod near_cache;
mod paths;
mod policy;
mod store_url;
mod text;
mod times;
mod visitors;
#[cfg(feature = "web-config")]
pub(crate) mod web_config;
#[cfg(feature = "browser")]
mod with_browser;
#[cfg(feature = "cached")]
mod with_cached;
#[cfg(not(feature = "browser"))]
mod without_browser;
#[cfg(not(feature = "cached"))]
mod without_cached;
