//! The right edge of a tree: for each level, the hashes that have not filled a tile yet.

use super::TILE;
use super::hash::{Digest, node, tree_hash};

/// All that is needed of a tree in order to add to it: at most 255 hashes for each level of tiles.
#[derive(Debug, Clone, Default)]
pub struct Edge {
    size: u64,
    levels: Vec<Vec<Digest>>,
}

/// A tile that has just been filled.
#[derive(Debug)]
pub struct Tile {
    /// Its level: 0 holds the hashes of leaves.
    pub level: u8,
    /// Its number on that level.
    pub index: u64,
    /// Its 256 hashes.
    pub hashes: Vec<Digest>,
}

impl Edge {
    /// The edge of a tree of `size`, from the hashes of its unfinished tiles, level 0 first.
    pub(super) fn new(size: u64, levels: Vec<Vec<Digest>>) -> Self {
        Edge { size, levels }
    }

    /// Entries in the tree.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The hashes at the end of each level, level 0 first.
    pub fn levels(&self) -> &[Vec<Digest>] {
        &self.levels
    }

    /// Adds the hash of a leaf. `filled` gets the tiles that this completes, from below.
    pub fn push<E>(&mut self, leaf: Digest, mut filled: impl FnMut(Tile) -> Result<(), E>) -> Result<(), E> {
        self.size += 1;
        let (mut hash, mut covered) = (leaf, self.size);
        for level in 0_u8.. {
            if self.levels.len() <= usize::from(level) {
                self.levels.push(Vec::with_capacity(TILE));
            }
            let hashes = &mut self.levels[usize::from(level)];
            hashes.push(hash);
            if hashes.len() < TILE {
                break;
            }
            let hashes = std::mem::replace(hashes, Vec::with_capacity(TILE));
            covered /= TILE as u64;
            hash = full_hash(&hashes);
            filled(Tile { level, index: covered - 1, hashes })?;
        }
        Ok(())
    }

    /// The root of the tree.
    pub fn root(&self) -> Digest {
        let mut root = None;
        for hashes in &self.levels {
            let hashes: Vec<Digest> = hashes.iter().copied().chain(root).collect();
            if !hashes.is_empty() {
                root = Some(tree_hash(&hashes));
            }
        }
        root.unwrap_or_else(super::empty)
    }
}

/// The root of a full tile, which is halved until one hash is left.
fn full_hash(hashes: &[Digest]) -> Digest {
    let mut hashes = hashes.to_vec();
    while hashes.len() > 1 {
        hashes = hashes.chunks_exact(2).map(|pair| node(pair[0], pair[1])).collect();
    }
    hashes[0]
}
