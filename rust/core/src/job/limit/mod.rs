//! What "the limit" means: the same work with nothing but the bare parts of it, to be measured in the same run.

mod buffers;
mod copy;
mod messages;
mod ranged;

pub use buffers::{Side, measure as measure_buffers, measure_opening, measure_sealing, sealed_len};
pub use copy::measure as measure_copy;
pub use messages::measure as measure_messages;
pub use ranged::measure as measure_ranged;
