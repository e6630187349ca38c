//! Argon2id by the crate argon2.

use argon2::{Algorithm, Argon2, Block, Params, Version};
use strongroom_secmem::{Secret, forget_calls};
use zeroize::Zeroizing;

use super::Cost;
use crate::error::{Error, Result};

/// A key of 32 bytes from a passphrase.
pub fn derive(passphrase: &[u8], salt: &[u8], cost: Cost) -> Result<Secret> {
    within("the memory of Argon2 in KiB", cost.memory_kib, MOST_MEMORY_KIB)?;
    within("the number of passes of Argon2", cost.passes, MOST_PASSES)?;
    let params = Params::new(cost.memory_kib, cost.passes, cost.lanes, Some(KEY_LEN)).map_err(refused)?;
    let mut memory = memory(params.block_count())?;
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let derived = Secret::fill_with(KEY_LEN, |out| {
        argon2.hash_password_into_with_memory(passphrase, salt, out, &mut memory[..]).map_err(refused)
    });
    // its first hash takes in the passphrase, and is not wiped
    forget_calls();
    derived
}

fn within(what: &'static str, found: u32, limit: u32) -> Result<()> {
    match found <= limit {
        true => Ok(()),
        false => Err(Error::Limit { what, limit: limit.into(), found: found.into() }),
    }
}

/// Ours rather than the crate's, which does not wipe it: its last blocks give the key.
fn memory(blocks: usize) -> Result<Zeroizing<Vec<Block>>> {
    let mut memory = Zeroizing::new(Vec::new());
    memory.try_reserve_exact(blocks).map_err(|_| refused(argon2::Error::OutOfMemory))?;
    memory.resize(blocks, Block::default());
    Ok(memory)
}

fn refused(error: argon2::Error) -> Error {
    Error::Misuse(format!("Argon2 refuses its parameters: {error}"))
}

const KEY_LEN: usize = 32;
/// The parameters stand in a file that anyone who can write it may change: 4 GiB, 64 passes.
const MOST_MEMORY_KIB: u32 = 4 << 20;
const MOST_PASSES: u32 = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn derive_at(memory_kib: u32, passes: u32, lanes: u32) -> Result<Secret> {
        derive(b"password", b"somesalt", Cost { memory_kib, passes, lanes })
    }

    /// By OpenSSL (PyPI `cryptography`); the first stands in the reference implementation's tests as well.
    #[test]
    fn gives_what_others_give() {
        assert_eq!(derive_at(65_536, 2, 1).unwrap().expose().unwrap(), KNOWN[0]);
        assert_eq!(derive_at(65_536, 3, 4).unwrap().expose().unwrap(), KNOWN[1]);
    }

    #[test]
    fn does_no_boundless_work() {
        assert!(matches!(derive_at(u32::MAX, 1, 1), Err(Error::Limit { limit: 4_194_304, .. })));
        assert!(matches!(derive_at(64, 65, 1), Err(Error::Limit { limit: 64, found: 65, .. })));
        for (memory_kib, passes, lanes) in [(0, 1, 1), (64, 0, 1), (64, 1, 0), (64, 1, 9)] {
            assert!(matches!(derive_at(memory_kib, passes, lanes), Err(Error::Misuse(_))));
        }
        let cost = Cost { memory_kib: 64, passes: 1, lanes: 1 };
        assert!(matches!(derive(b"password", b"salt", cost), Err(Error::Misuse(_))));
    }

    const KNOWN: [&[u8; 32]; 2] = [
        b"\x09\x31\x61\x15\xd5\xcf\x24\xed\x5a\x15\xa3\x1a\x3b\xa3\x26\xe5\xcf\x32\xed\xc2\x47\x02\x98\x7c\x02\xb6\x56\x6f\x61\x91\x3c\xf7",
        b"\x66\x1f\xef\xbd\x6f\x29\xbc\xbc\x8f\x46\x46\xab\xc3\x2a\x9d\x7a\x46\x45\xbb\x5c\x05\x95\x37\xf8\xa5\x58\x7f\x31\xad\xbe\xcc\xcd",
    ];
}
