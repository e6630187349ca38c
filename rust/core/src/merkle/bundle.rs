//! Bundles of entries.
//!
//! ```text
//! length 2 │ entry │ length 2 │ entry │ …
//! ```

use crate::error::{Error, Result};

/// Bytes of an entry at most.
pub const MAX_ENTRY: usize = 65_535;

/// Puts entries into a bundle, behind those that it holds.
pub fn pack<'a>(bundle: &mut Vec<u8>, entries: impl IntoIterator<Item = &'a [u8]>) -> Result<()> {
    for entry in entries {
        let length = u16::try_from(entry.len()).map_err(|_| Error::Limit {
            what: "an entry of the log",
            limit: MAX_ENTRY as u64,
            found: entry.len() as u64,
        })?;
        bundle.extend_from_slice(&length.to_be_bytes());
        bundle.extend_from_slice(entry);
    }
    Ok(())
}

/// The entries of a bundle, in order. One that ends within an entry is malformed.
pub fn entries(bundle: &[u8]) -> impl Iterator<Item = Result<&[u8]>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let rest = bundle.get(at..).filter(|rest| !rest.is_empty())?;
        let entry = rest.split_first_chunk::<2>().and_then(|(length, rest)| {
            let length = usize::from(u16::from_be_bytes(*length));
            rest.get(..length)
        });
        let offset = at as u64;
        at = entry.map_or(bundle.len(), |entry| at + 2 + entry.len());
        Some(entry.ok_or(Error::Malformed { offset, what: "a length, and so many bytes of an entry" }))
    })
}
