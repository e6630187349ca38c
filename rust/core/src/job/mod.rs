//! Whole jobs: buffers, files, streams, ranges and trees. Joins messages and the pipeline.

mod atomic;
mod behind;
pub mod buffer;
mod descriptor;
mod end;
pub mod file;
pub mod limit;
pub mod many;
pub mod ranged;
pub mod reencrypt;
mod source;
mod spare;
pub mod stream;
pub mod tree;
mod trial;
mod vectored;
mod writer;

pub use atomic::{AtomicFile, Replace, is_temporary};
pub use descriptor::{DescriptorReader, DescriptorWriter};
pub use source::SourceFile;
pub use writer::Writer;

/// What a job did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Done {
    /// Plaintext bytes.
    pub plaintext_bytes: u64,
    /// Bytes of the message.
    pub message_bytes: u64,
    /// Frames; 0 for a non-framed body.
    pub frames: u32,
    /// The message id.
    pub message_id: Vec<u8>,
}

/// Bytes of a run of frames: large enough to hide a system call, small enough for a core's second-level cache.
const RUN_BYTES: usize = 1 << 20;
