//! What can go wrong between a module and us.

use std::fmt;

use strongroom_secmem::Unavailable;

/// Why a call came to nothing. The session that it was made in is not to be used again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// The module returned a code other than CKR_OK.
    Returned {
        /// The function.
        call: &'static str,
        /// The code.
        code: u64,
    },
    /// The module had not returned by the deadline.
    Late {
        /// What was asked of it.
        call: &'static str,
    },
    /// The module was not asked: calls that were given up are still inside it.
    Stuck,
    /// The file cannot be loaded as a module.
    Unloadable(String),
    /// What was to be unwrapped is not what the key has wrapped.
    Corrupt,
    /// The module returned something that no key can be.
    Nonsense {
        /// The function.
        call: &'static str,
    },
    /// A secret, a session or a thread is not in this process.
    Unavailable,
}

impl From<Unavailable> for Fault {
    fn from(_: Unavailable) -> Self {
        Fault::Unavailable
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Returned { call, code } => write!(f, "{call} returned {code:#x}"),
            Fault::Late { call } => write!(f, "{call} did not return in time"),
            Fault::Stuck => f.write_str("earlier calls have not returned yet"),
            Fault::Unloadable(why) => write!(f, "the module cannot be loaded: {why}"),
            Fault::Corrupt => f.write_str("the wrapped key is not one that this key has wrapped"),
            Fault::Nonsense { call } => write!(f, "{call} returned what cannot be"),
            Fault::Unavailable => f.write_str("this session is not of this process"),
        }
    }
}

impl std::error::Error for Fault {}
