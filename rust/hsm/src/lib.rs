//! Keys in and out of PKCS#11 tokens: wrapped and unwrapped by session and key handle, straight between a module's calls and
//! locked memory.
//!
//! ```text
//! Session ──► scheme (aes-gcm, aes-cbc-hmac-sha256, rsa-oaep-sha256) ──► calls (one C function each)
//!         └─► strand (one call at a time) ──► pool (threads that may be abandoned) ──► Module (loaded once, never unloaded)
//! ```
//!
//! Finding and making keys is left to the caller, as is throwing a session away after any fault. Randomness comes from the
//! caller too.
//!
//! **Why threads of our own.** A module that asks a machine over the network may never return. So a call runs on a thread of
//! its module, which owns everything that the module was given pointers to; who waits for it stops at a deadline and leaves
//! thread and memory to the module.

mod answer;
mod calls;
mod fault;
mod inside;
mod line;
mod lookout;
mod module;
mod pool;
mod scheme;
mod session;
mod strand;

pub use fault::Fault;
pub use module::Module;
pub use scheme::{Nonce, Scheme};
pub use session::Session;
