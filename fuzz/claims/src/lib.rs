//! What is claimed of any bytes that a stranger hands to a parser.
//!
//! Each claim is a function that panics where it does not hold. libFuzzer runs them by the million (`fuzz_targets`), the
//! smoke test runs them on the committed seeds and some thousand edits of those.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a claim that does not hold is a panic")]

mod control;
mod draft;
mod edit;
mod forge;
mod frames;
mod header;
mod manifest;
mod memory;
mod message;
mod reading;
mod room;
mod stream;

pub use control::control;
pub use edit::{Edit, apply, read as edits};
pub use frames::frames;
pub use header::header;
pub use manifest::{journal_of, manifest, manifest_of};
pub use message::{forged, message};
pub use room::room;
pub use stream::stream;

/// A claim about any bytes.
pub type Claim = fn(&[u8]);

/// Every claim by the name of its target. What a parser claims is cheap, what a whole message claims is not.
pub const CLAIMS: [(&str, Claim); 6] = [
    ("header", header),
    ("frames", frames),
    ("message", message),
    ("stream", stream),
    ("manifest", manifest),
    ("room", room),
];
