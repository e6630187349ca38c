//! Memory for keys: locked, left out of core dumps, wiped when freed and in forked children.
//!
//! ```text
//! Secret ──► arena (slots, books) ──► mapping (mmap, madvise, mlock, magic)
//!        └─► Generation (which side of a fork are we on?) ◄─ objects that hold expanded keys
//! ```
//!
//! What is not protected: a secret while a caller copies it into registers, its own stack or a library's heap. Who did
//! so calls [`forget_calls`] afterwards.
//! An object that holds such a copy (a key schedule, say) keeps a [`Generation`] and checks it at each use.

mod arena;
mod generation;
mod mapping;
mod residue;
mod secret;

pub use arena::{Status, status};
pub use generation::Generation;
pub use residue::forget_calls;
pub use secret::{MAX_LEN, Secret};

use subtle::ConstantTimeEq;

/// The secret is not in this process: it was wiped, a fork left it behind, or no memory could be had for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unavailable;

impl std::fmt::Display for Unavailable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the secret is not in this process")
    }
}

impl std::error::Error for Unavailable {}

/// Whether `a` equals `b`, in a time that depends on their lengths only.
///
/// Lengths are public: unequal ones answer at once. This is the one comparison of secret bytes in the project.
#[must_use]
pub fn ct_eq(a: &[u8], b: &[u8]) -> bool {
    a.ct_eq(b).into()
}

#[cfg(test)]
mod tests {
    use super::ct_eq;

    #[test]
    fn ct_eq_sees_every_bit_and_the_length() {
        let a: [u8; 32] = *b"correct horse battery staple 32!";
        assert!(ct_eq(&a, &a.clone()));
        assert!(ct_eq(&[], &[]));
        assert!(!ct_eq(&a, &a[..31]));
        for bit in 0..256 {
            let mut b = a;
            b[bit / 8] ^= 1 << (bit % 8);
            assert!(!ct_eq(&a, &b), "bit {bit}");
        }
    }
}
