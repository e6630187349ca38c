//! The hot path of Strongroom: messages, frames and keys. No Python, no clock, no network.
//!
//! ```text
//! job ──► message, record, pipeline, cache
//! message ──► primitives ──► suite, key, context ──► error
//! ```
#![forbid(unsafe_code)]

pub mod error;
