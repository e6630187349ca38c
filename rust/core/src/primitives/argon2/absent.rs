//! What a FIPS build has instead.

use strongroom_secmem::Secret;

use super::Cost;
use crate::error::{Error, Result};

/// Refuses: no passphrase opens a room here.
pub fn derive(_passphrase: &[u8], _salt: &[u8], _cost: Cost) -> Result<Secret> {
    Err(Error::Unsupported(
        "a passphrase needs Argon2id, which this FIPS build leaves out: use a key file or the recovery kit"
            .into(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_to_use_instead() {
        let cost = Cost { memory_kib: 65_536, passes: 3, lanes: 4 };
        assert!(
            matches!(derive(b"password", b"somesalt", cost), Err(Error::Unsupported(why)) if why.contains("key file"))
        );
    }
}
