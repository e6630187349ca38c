//! The commitment policy: which suites may be written and read.

use crate::error::{Error, Result};
use crate::suite::Suite;

/// Under AWS's three names (specification, `client-apis/client.md`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CommitmentPolicy {
    /// Write without commitment, read anything. We never write such messages, so this only reads.
    ForbidEncryptAllowDecrypt,
    /// Write with commitment, read anything.
    RequireEncryptAllowDecrypt,
    /// Write and read only with commitment.
    #[default]
    RequireEncryptRequireDecrypt,
}

impl CommitmentPolicy {
    /// The policy of this name.
    pub fn by_name(name: &str) -> Result<Self> {
        match name {
            "forbid-encrypt-allow-decrypt" => Ok(Self::ForbidEncryptAllowDecrypt),
            "require-encrypt-allow-decrypt" => Ok(Self::RequireEncryptAllowDecrypt),
            "require-encrypt-require-decrypt" => Ok(Self::RequireEncryptRequireDecrypt),
            _ => Err(Error::Misuse(format!("there is no commitment policy '{name}'"))),
        }
    }

    /// Whether a message of this suite may be read.
    pub fn allows_decrypt(self, suite: &Suite) -> Result<()> {
        match self {
            Self::RequireEncryptRequireDecrypt if !suite.commits => Err(Error::Unsupported(format!(
                "suite 0x{:04x} does not commit to its key, and the commitment policy \
                 require-encrypt-require-decrypt refuses such messages",
                suite.id
            ))),
            _ => Ok(()),
        }
    }
}
