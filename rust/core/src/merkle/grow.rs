//! New entries behind those of a folder: which tiles to write.

use super::edge::Tile;
use super::folder::Folder;
use super::hash::{Digest, leaf};
use super::path::TileId;
use super::{TILE, bundle};
use crate::error::{Error, Result};

/// The tiles that make a tree grow, and the tree that it then is.
#[derive(Debug)]
pub struct Growth {
    /// Paths below the log's folder, and what is to stand there.
    pub files: Vec<(String, Vec<u8>)>,
    /// Entries in the tree.
    pub size: u64,
    /// Its root.
    pub root: Digest,
}

/// What to write so that the tree of `size` with this root has `entries` behind those that it has.
///
/// The edge of the tree is read from the folder and compared with the root, so what grows out of it is consistent with it.
pub fn grow(folder: &Folder, size: u64, root: Digest, entries: &[&[u8]]) -> Result<Growth> {
    let mut edge = folder.edge(size)?;
    if edge.root() != root {
        return Err(Error::Altered(format!("the tiles are not those of the log at {size} entries")));
    }
    let mut files = bundles(folder, size, entries)?;
    for entry in entries {
        edge.push(leaf(entry), |tile: Tile| {
            let id = TileId::hashes(tile.level, tile.index, TILE);
            files.push((id.path(), bytes(&tile.hashes)));
            Ok::<(), Error>(())
        })?;
    }
    for (level, hashes) in (0_u8..).zip(edge.levels()) {
        let index = (edge.size() >> (8 * u32::from(level))) / TILE as u64;
        let changed = edge.size() >> (8 * u32::from(level)) != size >> (8 * u32::from(level));
        if !hashes.is_empty() && changed {
            files.push((TileId::hashes(level, index, hashes.len()).path(), bytes(hashes)));
        }
    }
    Ok(Growth { files, size: edge.size(), root: edge.root() })
}

/// The bundles that hold `entries`; the first of them begins with what an unfinished one held.
fn bundles(folder: &Folder, size: u64, mut entries: &[&[u8]]) -> Result<Vec<(String, Vec<u8>)>> {
    let mut files = Vec::new();
    let mut index = size / TILE as u64;
    let mut held = usize::try_from(size % TILE as u64).unwrap_or(0);
    let mut content = if held > 0 { folder.bundle(index, held)? } else { Vec::new() };
    while !entries.is_empty() {
        let (here, rest) = entries.split_at(entries.len().min(TILE - held));
        bundle::pack(&mut content, here.iter().copied())?;
        files.push((TileId::entries(index, held + here.len()).path(), std::mem::take(&mut content)));
        (entries, index, held) = (rest, index + 1, 0);
    }
    Ok(files)
}

fn bytes(hashes: &[Digest]) -> Vec<u8> {
    hashes.iter().flat_map(|hash| hash.0).collect()
}
