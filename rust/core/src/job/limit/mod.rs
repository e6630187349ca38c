//! What "the limit" means: the same work with nothing but the bare parts of it, to be measured in the same run.

mod buffers;
mod copy;

pub use buffers::{Side, measure as measure_buffers};
pub use copy::measure as measure_copy;
