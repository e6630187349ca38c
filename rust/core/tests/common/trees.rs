//! Trees on disk: built, looked at, compared.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, File, Permissions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use strongroom_core::cache::Usage;
use strongroom_core::error::{Error, Result};
use strongroom_core::job::tree::{self, DecryptOptions, EncryptOptions, Existing, KeySource, Report};
use strongroom_core::message::{DecryptionMaterials, EncryptionMaterials, Header};

use super::{materials, opening, with_control};

/// The test's own key, which gives out at a message of one's choosing.
pub(crate) struct Keys {
    materials: Arc<EncryptionMaterials>,
    left: AtomicU64,
}

impl Keys {
    pub(crate) fn new() -> Self {
        Self::for_calls(u64::MAX)
    }

    pub(crate) fn for_calls(left: u64) -> Self {
        Keys { materials: Arc::new(materials(0x0478, 4096)), left: AtomicU64::new(left) }
    }

    fn take(&self, Usage { messages, .. }: Usage) -> Result<()> {
        let less = |left: u64| left.checked_sub(messages);
        match self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less) {
            Ok(_) => Ok(()),
            Err(limit) if messages > 1 => Err(Error::Limit { what: "messages", limit, found: messages }),
            Err(_) => Err(Error::Caller("the keys have given out".into())),
        }
    }
}

impl KeySource for Keys {
    fn encryption(&self, usage: Usage) -> Result<Arc<EncryptionMaterials>> {
        self.take(usage)?;
        Ok(Arc::clone(&self.materials))
    }

    fn decryption(&self, header: &Header, usage: Usage) -> Result<Arc<DecryptionMaterials>> {
        self.take(usage)?;
        opening(header).map(Arc::new)
    }
}

pub(crate) fn encrypt(source: &Path, target: &Path, existing: Existing) -> Result<Report> {
    let options = EncryptOptions { existing, ..EncryptOptions::default() };
    with_control(|control| tree::encrypt(source, target, &Keys::new(), &options, control))
}

pub(crate) fn decrypt(source: &Path, target: &Path, existing: Existing) -> Result<Report> {
    let options = DecryptOptions { existing, ..DecryptOptions::default() };
    with_control(|control| tree::decrypt(source, target, &Keys::new(), &options, control))
}

pub(crate) fn verify(tree: &Path) -> Result<Report> {
    with_control(|control| tree::verify(tree, &Keys::new(), control))
}

/// Paths that failed, and how, as text.
pub(crate) fn failures(report: &Report) -> Vec<(String, String)> {
    report.failures.iter().map(|failure| (failure.path.to_string(), failure.error.to_string())).collect()
}

pub(crate) fn write(path: &Path, content: &[u8], seconds: u64, nanoseconds: u32) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
    set_mtime(path, seconds, nanoseconds);
}

pub(crate) fn set_mtime(path: &Path, seconds: u64, nanoseconds: u32) {
    let time = UNIX_EPOCH + Duration::new(seconds, nanoseconds);
    File::open(path).unwrap().set_modified(time).unwrap();
}

/// A tree with everything that has gone wrong somewhere before.
pub(crate) fn odd_tree(root: &Path) {
    fs::create_dir(root).unwrap();
    let name = |bytes: &[u8]| root.join(OsStr::from_bytes(bytes));
    write(&name(b"plain.txt"), b"plain", 1_000_000_000, 123_456_789);
    write(&name(b"empty"), b"", 1, 1);
    write(&name(b"not \xff\xfe utf-8"), b"bytes", 1_600_000_000, 0);
    write(&name(b"new\nline \"quoted\" \\ \xe2\x82\xac"), b"odd", 1_600_000_001, 999_999_999);
    write(&name(b"deep/er/and/deeper/file"), &vec![7; 300_000], 1_600_000_002, 1);
    write(&name(b"collide.sr/a"), b"in a directory", 1_600_000_003, 1);
    write(&name(b"collide"), b"a file", 1_600_000_004, 1);
    write(&name(b"collide.sr~/b"), b"in another", 1_600_000_004, 1);
    write(&name(b".strongroom/manifest.sr"), b"not ours", 1_600_000_005, 1);
    write(&name(b"a-b"), b"sorts between a and a/", 1_600_000_006, 1);
    write(&name(b"a/b"), b"in a", 1_600_000_007, 1);
    write(&name(b"large"), &vec![3; (9 << 20) + 17], 1_600_000_008, 1);
    for i in 0..60 {
        write(
            &name(format!("many/{i:03}").as_bytes()),
            &vec![i; 20 + usize::from(i)],
            1_600_000_100 + u64::from(i),
            5,
        );
    }
    let sparse = File::create(name(b"sparse")).unwrap();
    sparse.set_len(20 << 20).unwrap();
    sparse.write_all_at(b"end", (20 << 20) - 3).unwrap();
    fs::create_dir_all(name(b"empty directory/and another")).unwrap();
    symlink("plain.txt", name(b"link")).unwrap();
    symlink("/nowhere/absolute", name(b"deep/absolute")).unwrap();
    symlink("../../../../etc/passwd", name(b"deep/up")).unwrap();
    symlink(OsStr::from_bytes(b"dangling \xff"), name(b"deep/dangling")).unwrap();
    fs::hard_link(name(b"plain.txt"), name(b"hard")).unwrap();
    fs::set_permissions(name(b"plain.txt"), Permissions::from_mode(0o640)).unwrap();
    fs::set_permissions(name(b"a/b"), Permissions::from_mode(0o400)).unwrap();
    fs::set_permissions(name(b"a"), Permissions::from_mode(0o2550)).unwrap();
    for directory in [&b"empty directory"[..], b"deep", b"a", b"many", b"collide.sr"] {
        set_mtime(&name(directory), 1_500_000_000, 42);
    }
    set_mtime(root, 1_400_000_000, 7);
}

/// Type, mode, time and content of everything beneath a directory, and of itself.
pub(crate) fn snapshot(root: &Path) -> BTreeMap<PathBuf, (u32, i64, i64, Vec<u8>)> {
    let mut all = BTreeMap::new();
    look(root, root, &mut all);
    all
}

fn look(root: &Path, path: &Path, all: &mut BTreeMap<PathBuf, (u32, i64, i64, Vec<u8>)>) {
    let metadata = fs::symlink_metadata(path).unwrap();
    let content = match metadata.file_type() {
        kind if kind.is_dir() => Vec::new(),
        kind if kind.is_symlink() => fs::read_link(path).unwrap().as_os_str().as_bytes().to_vec(),
        _ => fs::read(path).unwrap(),
    };
    let relative = path.strip_prefix(root).unwrap().to_path_buf();
    all.insert(relative, (metadata.mode(), metadata.mtime(), metadata.mtime_nsec(), content));
    if metadata.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            look(root, &entry.unwrap().path(), all);
        }
    }
}

pub(crate) fn assert_same(a: &Path, b: &Path) {
    let (a, b) = (snapshot(a), snapshot(b));
    let names = |all: &BTreeMap<PathBuf, _>| all.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&a), names(&b));
    for (path, left) in &a {
        let right = &b[path];
        assert_eq!((left.0, left.1, left.2), (right.0, right.1, right.2), "{path:?}");
        assert!(left.3 == right.3, "content of {path:?}");
    }
}
