//! Argon2id (RFC 9106). It is not an approved algorithm, so a FIPS build does without and says so.

#[cfg(feature = "fips")]
mod absent;
#[cfg(not(feature = "fips"))]
mod work;

#[cfg(feature = "fips")]
pub use absent::derive;
#[cfg(not(feature = "fips"))]
pub use work::derive;

/// What Argon2id costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    /// Memory in KiB.
    pub memory_kib: u32,
    /// Passes over it.
    pub passes: u32,
    /// Lanes.
    pub lanes: u32,
}
