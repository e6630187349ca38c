//! Wrapping and unwrapping keys: data keys for messages, and the keys of a room under its root.

mod raw_aes;
mod raw_ecdh;
mod raw_rsa;
mod room;

pub use raw_aes::RawAes;
pub use raw_ecdh::RawEcdh;
pub use raw_rsa::RawRsa;
pub use room::{Kdf, MacKey, RootKey};
