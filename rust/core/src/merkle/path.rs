//! Names of tiles, as C2SP tlog-tiles writes them.

use super::TILE;

/// Which tile: of a level of hashes, or of entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TileId {
    /// The level of hashes; None for a bundle of entries.
    pub level: Option<u8>,
    /// Its number from the left.
    pub index: u64,
    /// Its hashes or entries, 1 … 256.
    pub width: usize,
}

impl TileId {
    /// A tile of hashes.
    pub fn hashes(level: u8, index: u64, width: usize) -> Self {
        TileId { level: Some(level), index, width }
    }

    /// A bundle of entries.
    pub fn entries(index: u64, width: usize) -> Self {
        TileId { level: None, index, width }
    }

    /// The same tile once it is full.
    pub fn full(self) -> Self {
        TileId { width: TILE, ..self }
    }

    /// Its path below the log's folder: 1234067 is `x001/x234/067`, and an unfinished one ends in `.p/<width>`.
    pub fn path(self) -> String {
        let level = self.level.map_or_else(|| "entries".to_owned(), |level| level.to_string());
        let mut number = format!("{:03}", self.index % 1000);
        let mut left = self.index / 1000;
        while left > 0 {
            number = format!("x{:03}/{number}", left % 1000);
            left /= 1000;
        }
        match self.width {
            TILE => format!("tile/{level}/{number}"),
            width => format!("tile/{level}/{number}.p/{width}"),
        }
    }
}

/// How many hashes tile `index` of a level has in a tree of `size`, 0 for one that is not in it.
pub fn width(size: u64, level: u8, index: u64) -> usize {
    let hashes = size.checked_shr(8 * u32::from(level)).unwrap_or(0);
    let left = hashes.saturating_sub(index.saturating_mul(TILE as u64));
    usize::try_from(left).unwrap_or(TILE).min(TILE)
}
