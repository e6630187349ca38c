//! Moves work to threads and back. Knows no format.
//!
//! Threads are scoped to one call: nothing survives it, so there is nothing for a fork to break.

mod control;
mod parallel;
mod ring;

pub use control::{Control, Progress, available_workers};
pub use parallel::{Apart, parallel, parallel_made, parallel_then};
pub use ring::{Stage, ordered};
