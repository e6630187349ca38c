//! The Merkle tree of a log (RFC 6962, section 2) in tiles (C2SP tlog-tiles).
//!
//! ```text
//!              root
//!            ┌──┴──────────┐
//! tile/1/…   h0            h1 …        roots of the full tiles below
//!        ┌───┴───┐
//! tile/0/…  256 hashes     …           leaf hashes of the bundle with the same number
//! tile/entries/…           …           256 entries, each with its length before it
//! ```
//! `Edge` is what a tree needs in order to grow, `grow` and `check` carry it along a folder of tiles, `proof` says that an
//! entry, or an older tree, is in a tree. Hashing and the format are here; who writes files, durably, is the caller.

mod bundle;
mod check;
mod edge;
mod folder;
mod grow;
mod hash;
mod path;
mod proof;
#[cfg(test)]
mod tests;

pub use bundle::{MAX_ENTRY, entries, pack};
pub use check::{Checked, check};
pub use edge::{Edge, Tile};
pub use folder::Folder;
pub use grow::{Growth, grow};
pub use hash::{Digest, empty, leaf, node, tree_hash};
pub use path::{TileId, width};
pub use proof::{consistency, inclusion, verify_consistency, verify_inclusion};

/// Hashes of a full tile, and entries of a full bundle.
pub const TILE: usize = 256;
