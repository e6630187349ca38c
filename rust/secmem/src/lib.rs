//! Memory for keys: locked, left out of core dumps, wiped when freed and in forked children.

/// The secret is not in this process: it was wiped, or a fork left it behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unavailable;
