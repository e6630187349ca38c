//! A folder of tiles, read.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::edge::Edge;
use super::hash::{Digest, tree_hash};
use super::path::{TileId, width};
use super::{TILE, bundle};
use crate::error::{Error, Result};

/// The folder that `tile` is in. Nothing in it is believed before `check`.
#[derive(Debug, Clone)]
pub struct Folder(PathBuf);

impl Folder {
    /// The folder at `path`.
    pub fn new(path: &Path) -> Self {
        Folder(path.to_path_buf())
    }

    /// The hashes of a tile.
    pub fn hashes(&self, level: u8, index: u64, width: usize) -> Result<Vec<Digest>> {
        let id = TileId::hashes(level, index, width);
        let (content, whole) = self.read(id)?;
        let (hashes, rest) = content.as_chunks::<32>();
        if !rest.is_empty() || hashes.len() < width || (whole && hashes.len() > width) {
            return Err(altered(id, "does not hold as many hashes as it should"));
        }
        Ok(hashes[..width].iter().map(|hash| Digest(*hash)).collect())
    }

    /// The entries of a bundle, as they stand in it.
    pub fn bundle(&self, index: u64, width: usize) -> Result<Vec<u8>> {
        let id = TileId::entries(index, width);
        let (mut content, whole) = self.read(id)?;
        let mut length = 0;
        let mut count = 0;
        for entry in bundle::entries(&content).take(width) {
            length += 2 + entry.map_err(|_| altered(id, "ends within an entry"))?.len();
            count += 1;
        }
        if count < width || (whole && length < content.len()) {
            return Err(altered(id, "does not hold as many entries as it should"));
        }
        content.truncate(length);
        Ok(content)
    }

    /// The right edge of the tree of `size`.
    pub fn edge(&self, size: u64) -> Result<Edge> {
        self.edge_within(size, size)
    }

    /// The right edge that the tree of `size` had, from the tiles of the tree of `within` that it has become.
    pub(super) fn edge_within(&self, size: u64, within: u64) -> Result<Edge> {
        let mut levels = Vec::new();
        for level in 0..LEVELS {
            let hashes = size >> (8 * u32::from(level));
            if hashes == 0 {
                break;
            }
            let index = hashes / TILE as u64;
            let had = width(size, level, index);
            let mut hashes = Vec::new();
            if had > 0 {
                hashes = self.hashes(level, index, width(within, level, index))?;
                hashes.truncate(had);
            }
            levels.push(hashes);
        }
        Ok(Edge::new(size, levels))
    }

    /// The hash over 2^`level` leaves, of which it is number `index` in the tree of `size`.
    pub(super) fn node(&self, size: u64, level: u8, index: u64) -> Result<Digest> {
        let (tile_level, height) = (level / 8, level % 8);
        let first = index << height;
        let tile = first / TILE as u64;
        let hashes = self.hashes(tile_level, tile, width(size, tile_level, tile))?;
        let start = usize::try_from(first % TILE as u64).unwrap_or(TILE);
        let beneath = hashes.get(start..start + (1 << height));
        beneath.map(tree_hash).ok_or_else(|| Error::Misuse("the tree has no such node".into()))
    }

    /// A tile, and whether it is to hold nothing else: the full one that has taken the place of an unfinished one holds more.
    fn read(&self, id: TileId) -> Result<(Vec<u8>, bool)> {
        for named in [id, id.full()] {
            let path = self.0.join(named.path());
            match fs::read(&path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                read => return read.map(|content| (content, named == id)).map_err(Error::io("read", &path)),
            }
        }
        Err(altered(id, "is missing"))
    }
}

/// What is wrong with a tile.
pub(super) fn altered(id: TileId, what: &str) -> Error {
    Error::Altered(format!("{} {what}", id.path()))
}

/// Levels of tiles that 2^64 entries need.
const LEVELS: u8 = 8;
