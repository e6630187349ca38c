//! The sole door to the crypto crates: aws-lc-rs, and argon2 which it lacks (left out of FIPS builds).

pub mod aead;
pub mod argon2;
pub mod digest;
pub mod ecdh;
pub mod ecdsa;
pub mod ed25519;
pub mod hkdf;
pub mod hmac;
pub mod module;
pub mod output;
pub mod pem;
pub mod rng;
pub mod rsa;
