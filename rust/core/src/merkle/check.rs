//! A folder of tiles, verified from its entries up in one pass, in memory that does not grow with it.

use super::edge::{Edge, Tile};
use super::folder::{Folder, altered};
use super::hash::{Digest, leaf};
use super::path::TileId;
use super::{TILE, bundle};
use crate::error::{Error, Result};

/// What was verified.
#[derive(Debug)]
pub struct Checked {
    /// The root of the tree.
    pub root: Digest,
    /// The roots that it had at the sizes that were asked for, in their order.
    pub roots: Vec<Digest>,
}

/// Reads every entry from number `from` to `size`, and compares every tile above them. `sizes` ascend; their roots are told.
///
/// What lies before `from` is taken from the tiles as it is. `turn` is asked after each bundle and may end the work.
pub fn check(
    folder: &Folder,
    from: u64,
    size: u64,
    sizes: &[u64],
    mut turn: impl FnMut() -> Result<()>,
) -> Result<Checked> {
    let mut edge = if from == 0 { Edge::default() } else { folder.edge_within(from, size)? };
    let mut wanted = sizes.iter().copied().peekable();
    let mut roots = Vec::with_capacity(sizes.len());
    loop {
        while wanted.next_if_eq(&edge.size()).is_some() {
            roots.push(edge.root());
        }
        if edge.size() >= size {
            break;
        }
        turn()?;
        let index = edge.size() / TILE as u64;
        let end = size.min((index + 1) * TILE as u64);
        let skip = usize::try_from(edge.size() % TILE as u64).unwrap_or(0);
        let width = usize::try_from(end - index * TILE as u64).unwrap_or(TILE);
        let content = folder.bundle(index, width)?;
        for entry in bundle::entries(&content).skip(skip) {
            edge.push(leaf(entry?), |tile| same(folder, &tile))?;
            if wanted.peek() == Some(&edge.size()) && edge.size() < end {
                while wanted.next_if_eq(&edge.size()).is_some() {
                    roots.push(edge.root());
                }
            }
        }
    }
    if roots.len() < sizes.len() {
        return Err(Error::Misuse("sizes to look at must ascend, and lie within the tree".into()));
    }
    for (level, hashes) in (0_u8..).zip(edge.levels()) {
        if !hashes.is_empty() {
            let index = (edge.size() >> (8 * u32::from(level))) / TILE as u64;
            same(folder, &Tile { level, index, hashes: hashes.clone() })?;
        }
    }
    Ok(Checked { root: edge.root(), roots })
}

/// Refuses a tile that does not hold what the entries below it come to.
fn same(folder: &Folder, tile: &Tile) -> Result<()> {
    let found = folder.hashes(tile.level, tile.index, tile.hashes.len())?;
    match found.iter().zip(&tile.hashes).position(|(found, wanted)| found != wanted) {
        None => Ok(()),
        Some(at) if tile.level == 0 => {
            let entry = tile.index * TILE as u64 + at as u64;
            Err(Error::Altered(format!("entry {entry} is not the one that was written")))
        }
        Some(_) => Err(altered(
            TileId::hashes(tile.level, tile.index, tile.hashes.len()),
            "does not hold the hashes of what is below it",
        )),
    }
}
