//! Wrapping and unwrapping data keys (specification, `framework/raw-*-keyring.md`).

mod raw_aes;

pub use raw_aes::RawAes;
