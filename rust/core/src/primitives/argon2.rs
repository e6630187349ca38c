//! Argon2id (RFC 9106).

use argon2::{Algorithm, Argon2, Params, Version};
use strongroom_secmem::Secret;

use crate::error::{Error, Result};

/// What Argon2id costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    /// Memory in KiB.
    pub memory_kib: u32,
    /// Passes over it.
    pub passes: u32,
    /// Lanes.
    pub lanes: u32,
}

/// A key of 32 bytes from a passphrase.
pub fn derive(passphrase: &[u8], salt: &[u8], cost: Cost) -> Result<Secret> {
    if cost.memory_kib > MOST_MEMORY_KIB || cost.passes > MOST_PASSES {
        return Err(Error::Limit {
            what: "the cost of Argon2",
            limit: u64::from(MOST_MEMORY_KIB),
            found: u64::from(cost.memory_kib),
        });
    }
    let refused = |error: argon2::Error| Error::Misuse(format!("Argon2 refuses its parameters: {error}"));
    let params = Params::new(cost.memory_kib, cost.passes, cost.lanes, Some(KEY_LEN)).map_err(refused)?;
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    Secret::fill_with(KEY_LEN, |out| argon2.hash_password_into(passphrase, salt, out).map_err(refused))
}

const KEY_LEN: usize = 32;
/// The parameters stand in a file that anyone who can write it may change: 4 GiB, 64 passes.
const MOST_MEMORY_KIB: u32 = 4 << 20;
const MOST_PASSES: u32 = 64;
