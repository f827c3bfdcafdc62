//! The code of `docs/beside-leptos.md`, which compiles.

#[cfg(doctest)]
#[doc = include_str!("../../../docs/beside-leptos.md")]
struct BesideLeptos;
