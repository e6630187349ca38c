//! The hot path of Strongroom: messages, frames and keys. No Python, no clock, no network.
//!
//! ```text
//! job ──► message, record, pipeline, cache
//! message, wrap ──► primitives ──► suite, key, context ──► error
//! ```
// one file of `primitives` lifts this for uninitialised output
#![deny(unsafe_code)]

pub mod cache;
pub mod context;
pub mod error;
pub mod key;
pub mod suite;
