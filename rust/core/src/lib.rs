//! The hot path of Strongroom: messages, frames and keys. No Python, no clock, no network.
//!
//! ```text
//! job ──► message, record, pipeline, cache
//! message, wrap, merkle ──► primitives ──► suite, key, context ──► error
//! ```
// one file of `primitives` lifts this for uninitialised output
#![deny(unsafe_code)]

pub mod cache;
pub mod context;
pub mod error;
pub mod job;
pub mod key;
pub mod merkle;
pub mod message;
pub mod pipeline;
pub mod primitives;
pub mod suite;
pub mod wrap;
