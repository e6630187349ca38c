//! Random bytes.

use crate::error::{Error, Result};

/// Fills `out` from the library's generator, which reseeds after a fork.
pub fn fill(out: &mut [u8]) -> Result<()> {
    aws_lc_rs::rand::fill(out).map_err(|_| Error::KeyUnavailable)
}
