//! The hashes of RFC 6962, section 2.1.

use crate::primitives::digest::{Digester, sha256};
use crate::suite::Hash;

/// The hash of a leaf, a node or a whole tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Digest(pub [u8; 32]);

/// The hash of an entry.
pub fn leaf(entry: &[u8]) -> Digest {
    let mut digester = Digester::new(Hash::Sha256);
    digester.update(&[LEAF]);
    digester.update(entry);
    finished(digester)
}

/// The hash over two subtrees.
pub fn node(left: Digest, right: Digest) -> Digest {
    let mut said = [NODE; 1 + 2 * 32];
    said[1..33].copy_from_slice(&left.0);
    said[33..].copy_from_slice(&right.0);
    Digest(sha256(&said))
}

/// The root of a tree without entries.
pub fn empty() -> Digest {
    Digest(sha256(b""))
}

/// The root over hashes that are all of one level, but for the last, which may stand for less.
pub fn tree_hash(hashes: &[Digest]) -> Digest {
    match hashes {
        [] => empty(),
        [only] => *only,
        _ => {
            let (left, right) = hashes.split_at(split(hashes.len()));
            node(tree_hash(left), tree_hash(right))
        }
    }
}

/// The largest power of two below `count`, which is 2 or more.
fn split(count: usize) -> usize {
    count.next_power_of_two() / 2
}

fn finished(digester: Digester) -> Digest {
    let mut digest = [0; 32];
    digest.copy_from_slice(digester.finish().as_ref());
    Digest(digest)
}

const LEAF: u8 = 0;
const NODE: u8 = 1;
