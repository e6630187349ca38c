//! The sole door to the crypto crates: aws-lc-rs, and argon2 which it lacks.

pub mod aead;
pub mod digest;
pub mod ecdsa;
pub mod hkdf;
pub mod output;
pub mod rng;
