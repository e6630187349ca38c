//! Messages in the AWS Encryption SDK format, versions 1 and 2 (docs/spec/message.md).
//!
//! ```text
//! header body ‖ header tag ‖ frame 1 … frame n ‖ [footer]
//! ```
//! [`Sealer`] writes one message, [`Opener`] reads one. Both work on runs of whole frames that any number of
//! threads may take in any order; which thread takes which run is the business of `job`.

mod aad;
mod derive;
mod footer;
mod header;
mod id;
mod layout;
mod materials;
mod open;
mod policy;
mod seal;
#[cfg(test)]
mod tests;

pub(crate) use footer::MAX_FOOTER_LEN;
pub use footer::SIGNED_FOOTER_LEN;
pub use header::{Caps, Content, Header, Outline};
pub use id::{MessageId, MessageIds};
pub use layout::{Body, FINAL_OVERHEAD, FRAME_OVERHEAD, Grid, Run, body_len, frame_count};
pub(crate) use layout::{FRAME_HEAD, MAX_FRAMES, frames_per_run};
pub use materials::{DecryptionMaterials, EncryptionMaterials, public_key_value};
pub(crate) use open::UNFRAMED_HEAD;
pub use open::{Opener, Reading};
pub use policy::CommitmentPolicy;
pub use seal::Sealer;
