//! Proofs: that an entry is in a tree, and that a tree is the beginning of another (RFC 9162, sections 2.1.3 and 2.1.4).

use super::folder::Folder;
use super::hash::{Digest, node};
use crate::error::{Error, Result};

/// The hashes from entry `index` to the root of the tree of `size`, from below.
pub fn inclusion(folder: &Folder, index: u64, size: u64) -> Result<Vec<Digest>> {
    if index >= size {
        return Err(Error::Misuse(format!("a log of {size} entries has no entry {index}")));
    }
    let (mut low, mut high, mut path) = (0, size, Vec::new());
    while high - low > 1 {
        let middle = low + split(high - low);
        if index < middle {
            path.push(subtree(folder, size, middle, high)?);
            high = middle;
        } else {
            path.push(subtree(folder, size, low, middle)?);
            low = middle;
        }
    }
    path.reverse();
    Ok(path)
}

/// The hashes that show the tree of `old` entries to be the beginning of the tree of `size`. Empty where nothing is to show.
pub fn consistency(folder: &Folder, old: u64, size: u64) -> Result<Vec<Digest>> {
    if old > size {
        return Err(Error::Misuse(format!("a log of {size} entries was never one of {old}")));
    }
    if old == 0 || old == size {
        return Ok(Vec::new());
    }
    let (mut low, mut high, mut path, mut whole) = (0, size, Vec::new(), true);
    while high != old {
        let middle = low + split(high - low);
        if old <= middle {
            path.push(subtree(folder, size, middle, high)?);
            high = middle;
        } else {
            path.push(subtree(folder, size, low, middle)?);
            low = middle;
            whole = false;
        }
    }
    if !whole {
        path.push(subtree(folder, size, low, high)?);
    }
    path.reverse();
    Ok(path)
}

/// Whether the path leads from this leaf to this root (RFC 9162, section 2.1.3.2).
pub fn verify_inclusion(leaf: Digest, index: u64, size: u64, path: &[Digest], root: Digest) -> bool {
    if index >= size {
        return false;
    }
    let (mut at, mut last, mut hash) = (index, size - 1, leaf);
    for step in path {
        if last == 0 {
            return false;
        }
        if at & 1 == 1 || at == last {
            hash = node(*step, hash);
            while at & 1 == 0 && at != 0 {
                (at, last) = (at >> 1, last >> 1);
            }
        } else {
            hash = node(hash, *step);
        }
        (at, last) = (at >> 1, last >> 1);
    }
    last == 0 && hash == root
}

/// Whether the path shows one tree to be the beginning of the other (RFC 9162, section 2.1.4.2).
pub fn verify_consistency(old: (u64, Digest), new: (u64, Digest), path: &[Digest]) -> bool {
    let ((old_size, old_root), (size, root)) = (old, new);
    if old_size == size {
        return path.is_empty() && old_root == root;
    }
    if old_size == 0 {
        return path.is_empty();
    }
    // a tree that is one full subtree is its own first hash
    let whole = old_size.is_power_of_two().then_some(old_root);
    let mut steps = whole.into_iter().chain(path.iter().copied());
    let (Some(first), true) = (steps.next(), old_size < size) else { return false };
    let (mut at, mut last) = (old_size - 1, size - 1);
    while at & 1 == 1 {
        (at, last) = (at >> 1, last >> 1);
    }
    let (mut older, mut newer) = (first, first);
    for step in steps {
        if last == 0 {
            return false;
        }
        if at & 1 == 1 || at == last {
            (older, newer) = (node(step, older), node(step, newer));
            while at & 1 == 0 && at != 0 {
                (at, last) = (at >> 1, last >> 1);
            }
        } else {
            newer = node(newer, step);
        }
        (at, last) = (at >> 1, last >> 1);
    }
    last == 0 && older == old_root && newer == root
}

/// The hash over the leaves from `low` to `high`, which is a subtree of the tree of `size`.
fn subtree(folder: &Folder, size: u64, low: u64, high: u64) -> Result<Digest> {
    let count = high - low;
    if count.is_power_of_two() {
        let level = count.trailing_zeros();
        return folder.node(size, u8::try_from(level).unwrap_or(u8::MAX), low >> level);
    }
    let middle = low + split(count);
    Ok(node(subtree(folder, size, low, middle)?, subtree(folder, size, middle, high)?))
}

/// The largest power of two below `count`, which is 2 or more.
fn split(count: u64) -> u64 {
    1 << (u64::BITS - 1 - (count - 1).leading_zeros())
}
