//! The Merkle tree of an audit log: hashing, tiles and proofs.

use std::path::PathBuf;

use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::PyBytes;
use strongroom_core::error::{Error, Result};
use strongroom_core::merkle::{self, Digest, Folder};
use strongroom_core::primitives::ed25519;

use crate::control::Control;
use crate::error::to_py;
use crate::file::detached;

/// Files by their paths below the log's folder, the size of the tree and its root.
type Growth<'py> = (Vec<(String, Bound<'py, PyBytes>)>, u64, Bound<'py, PyBytes>);

/// What to write so that the log in `folder` has `entries` behind those that it has.
#[pyfunction]
pub(crate) fn merkle_grow<'py>(
    py: Python<'py>,
    folder: PathBuf,
    size: u64,
    root: &[u8],
    entries: Vec<PyBackedBytes>,
) -> PyResult<Growth<'py>> {
    let root = digest(root)?;
    let grow = || {
        let entries: Vec<&[u8]> = entries.iter().map(|entry| &entry[..]).collect();
        merkle::grow(&Folder::new(&folder), size, root, &entries)
    };
    let growth = py.detach(grow).map_err(to_py)?;
    let files = growth.files.into_iter().map(|(path, content)| (path, PyBytes::new(py, &content)));
    Ok((files.collect(), growth.size, hash(py, growth.root)))
}

/// Reads every entry from number `start` to `size`, compares all tiles above them, and gives the root, and those at `sizes`.
#[pyfunction]
#[pyo3(signature = (folder, start, size, sizes, *, control = None))]
pub(crate) fn merkle_check<'py>(
    py: Python<'py>,
    folder: PathBuf,
    start: u64,
    size: u64,
    sizes: Vec<u64>,
    control: Option<&Control>,
) -> PyResult<(Bound<'py, PyBytes>, Vec<Bound<'py, PyBytes>>)> {
    let checked = detached(py, control, |control| {
        merkle::check(&Folder::new(&folder), start, size, &sizes, || control.check())
    })?;
    Ok((hash(py, checked.root), hashes(py, &checked.roots)))
}

/// The hashes from an entry to the root of the tree of `size`.
#[pyfunction]
pub(crate) fn merkle_inclusion(
    py: Python<'_>,
    folder: PathBuf,
    index: u64,
    size: u64,
) -> PyResult<Vec<Bound<'_, PyBytes>>> {
    let path = py.detach(|| merkle::inclusion(&Folder::new(&folder), index, size)).map_err(to_py)?;
    Ok(hashes(py, &path))
}

/// The hashes that show the tree of `old` entries to be the beginning of the tree of `size`.
#[pyfunction]
pub(crate) fn merkle_consistency(
    py: Python<'_>,
    folder: PathBuf,
    old: u64,
    size: u64,
) -> PyResult<Vec<Bound<'_, PyBytes>>> {
    let path = py.detach(|| merkle::consistency(&Folder::new(&folder), old, size)).map_err(to_py)?;
    Ok(hashes(py, &path))
}

/// Whether the path leads from this entry to this root.
#[pyfunction]
pub(crate) fn merkle_includes(
    entry: &[u8],
    index: u64,
    size: u64,
    path: Vec<PyBackedBytes>,
    root: &[u8],
) -> PyResult<bool> {
    Ok(merkle::verify_inclusion(merkle::leaf(entry), index, size, &digests(&path)?, digest(root)?))
}

/// Whether the path shows the tree of `old` entries to be the beginning of the tree of `size`.
#[pyfunction]
pub(crate) fn merkle_continues(
    old: u64,
    old_root: &[u8],
    size: u64,
    root: &[u8],
    path: Vec<PyBackedBytes>,
) -> PyResult<bool> {
    Ok(merkle::verify_consistency((old, digest(old_root)?), (size, digest(root)?), &digests(&path)?))
}

/// The entries of a bundle.
#[pyfunction]
pub(crate) fn merkle_entries<'py>(py: Python<'py>, bundle: &[u8]) -> PyResult<Vec<Bound<'py, PyBytes>>> {
    let entries: Result<Vec<_>> = merkle::entries(bundle).map(|entry| Ok(PyBytes::new(py, entry?))).collect();
    entries.map_err(to_py)
}

/// Raises unless this is the Ed25519 signature of the message.
#[pyfunction]
pub(crate) fn ed25519_verify(public_key: &[u8], message: &[u8], signature: &[u8]) -> PyResult<()> {
    ed25519::verify(public_key, message, signature).map_err(to_py)
}

fn digest(bytes: &[u8]) -> PyResult<Digest> {
    let refused = |_| to_py(Error::Misuse("a hash has 32 bytes".into()));
    bytes.try_into().map(Digest).map_err(refused)
}

fn digests(path: &[PyBackedBytes]) -> PyResult<Vec<Digest>> {
    path.iter().map(|bytes| digest(bytes)).collect()
}

fn hash(py: Python<'_>, digest: Digest) -> Bound<'_, PyBytes> {
    PyBytes::new(py, &digest.0)
}

fn hashes<'py>(py: Python<'py>, digests: &[Digest]) -> Vec<Bound<'py, PyBytes>> {
    digests.iter().map(|digest| hash(py, *digest)).collect()
}
