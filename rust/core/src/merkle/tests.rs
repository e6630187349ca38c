use std::fs;
use std::path::Path;

use proptest::prelude::*;

use super::*;
use crate::error::Error;

/// The tree of RFC 6962, section 2.1, word for word.
fn by_the_book(entries: &[Vec<u8>]) -> Digest {
    match entries {
        [] => empty(),
        [entry] => leaf(entry),
        _ => {
            let mut k = 1;
            while 2 * k < entries.len() {
                k *= 2;
            }
            node(by_the_book(&entries[..k]), by_the_book(&entries[k..]))
        }
    }
}

fn numbered(count: u64) -> Vec<Vec<u8>> {
    (0..count).map(|number| format!("entry {number}").into_bytes()).collect()
}

fn written(folder: &Path, growth: &Growth) {
    for (path, content) in &growth.files {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
}

/// A folder that has grown in steps, with the size and root after each.
fn grown(folder: &Path, steps: &[u64]) -> Vec<(u64, Digest)> {
    let (mut size, mut root, mut seen) = (0, empty(), Vec::new());
    for step in steps {
        let all = numbered(size + step);
        let fresh: Vec<&[u8]> = all[usize::try_from(size).unwrap()..].iter().map(Vec::as_slice).collect();
        let growth = grow(&Folder::new(folder), size, root, &fresh).unwrap();
        written(folder, &growth);
        (size, root) = (growth.size, growth.root);
        seen.push((size, root));
    }
    seen
}

fn go() -> crate::error::Result<()> {
    Ok(())
}

fn hex(digest: Digest) -> String {
    digest.0.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn hashes_are_told_apart_by_their_first_byte() {
    assert_eq!(hex(empty()), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    // SHA-256 of one zero byte: the leaf of an empty entry
    assert_eq!(hex(leaf(b"")), "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d");
    let (a, b) = (leaf(b"a"), leaf(b"b"));
    assert_ne!(node(a, b), leaf(&[a.0, b.0].concat()));
    assert_ne!(node(a, b), node(b, a));
}

#[test]
fn names_of_tiles() {
    let names = [
        (TileId::hashes(0, 0, 256), "tile/0/000"),
        (TileId::hashes(3, 999, 1), "tile/3/999.p/1"),
        (TileId::entries(1000, 256), "tile/entries/x001/000"),
        (TileId::entries(1_234_067, 70), "tile/entries/x001/x234/067.p/70"),
    ];
    for (id, name) in names {
        assert_eq!(id.path(), name);
    }
    assert_eq!((width(70_000, 0, 273), width(70_000, 1, 1), width(70_000, 2, 0)), (112, 17, 1));
    assert_eq!((width(512, 0, 1), width(512, 0, 2), width(512, 1, 0), width(1, 9, 0)), (256, 0, 2, 0));
}

#[test]
fn bundles_come_apart_as_they_were_put_together() {
    let mut bundle = Vec::new();
    pack(&mut bundle, [&b"one"[..], b"", &[7; MAX_ENTRY]]).unwrap();
    let found: Vec<usize> = entries(&bundle).map(|entry| entry.unwrap().len()).collect();
    assert_eq!(found, [3, 0, MAX_ENTRY]);
    assert!(matches!(pack(&mut bundle, [&[7; MAX_ENTRY + 1][..]]), Err(Error::Limit { .. })));
    let cut = &bundle[..bundle.len() - MAX_ENTRY - 4];
    assert!(matches!(
        entries(&[cut, &[0]].concat()).last(),
        Some(Err(Error::Malformed { offset: 5 | 7, .. }))
    ));
}

#[test]
fn an_edge_has_the_root_of_its_tree() {
    let all = numbered(1_200);
    let (mut edge, mut tiles) = (Edge::default(), 0);
    assert_eq!(edge.root(), empty());
    for (at, entry) in all.iter().enumerate() {
        edge.push(leaf(entry), |_| {
            tiles += 1;
            Ok::<(), Error>(())
        })
        .unwrap();
        if at < 20 || at % 37 == 0 || at > 1_190 {
            assert_eq!(edge.root(), by_the_book(&all[..=at]), "at {at}");
        }
    }
    assert_eq!((edge.size(), tiles), (1_200, 4));
}

#[test]
fn a_folder_that_grew_in_steps_is_the_tree() {
    let folder = tempfile::tempdir().unwrap();
    let seen = grown(folder.path(), &[1, 1, 253, 1, 1, 255, 300]);
    let sizes: Vec<u64> = seen.iter().map(|(size, _)| *size).collect();
    let checked = check(&Folder::new(folder.path()), 0, 812, &sizes, go).unwrap();
    for ((size, root), found) in seen.iter().zip(checked.roots) {
        assert_eq!(*root, by_the_book(&numbered(*size)), "at {size}");
        assert_eq!(*root, found, "at {size}");
    }
    assert_eq!(checked.root, seen[6].1);
    let part = check(&Folder::new(folder.path()), 257, 812, &[], go).unwrap();
    assert_eq!(part.root, checked.root);
}

#[test]
fn three_levels_of_tiles() {
    let folder = tempfile::tempdir().unwrap();
    let seen = grown(folder.path(), &[65_535, 1, 1]);
    let checked = check(&Folder::new(folder.path()), 0, 65_537, &[65_535, 65_536], go).unwrap();
    assert_eq!(checked.roots, [seen[0].1, seen[1].1]);
    assert_eq!(checked.root, by_the_book(&numbered(65_537)));
    assert!(folder.path().join("tile/2/000.p/1").exists());
    let path = inclusion(&Folder::new(folder.path()), 4_711, 65_537).unwrap();
    assert!(verify_inclusion(leaf(b"entry 4711"), 4_711, 65_537, &path, checked.root));
}

#[test]
fn a_folder_without_its_beginning_is_checked_from_there() {
    let place = tempfile::tempdir().unwrap();
    let seen = grown(place.path(), &[300, 400]);
    for name in ["tile/entries/000", "tile/entries/001", "tile/0/000", "tile/0/001"] {
        fs::remove_file(place.path().join(name)).unwrap();
    }
    let folder = Folder::new(place.path());
    let checked = check(&folder, 512, 700, &[512, 700], go).unwrap();
    assert_eq!(checked.roots[0], by_the_book(&numbered(512)));
    assert_eq!((checked.root, checked.roots[1]), (seen[1].1, seen[1].1));
    assert!(matches!(check(&folder, 256, 700, &[], go), Err(Error::Altered(_))));
    let path = inclusion(&folder, 600, 700).unwrap();
    assert!(verify_inclusion(leaf(b"entry 600"), 600, 700, &path, checked.root));
    let path = consistency(&folder, 512, 700).unwrap();
    assert!(verify_consistency((512, checked.roots[0]), (700, checked.root), &path));
}

#[test]
fn every_edit_of_a_folder_is_found() {
    let folder = tempfile::tempdir().unwrap();
    grown(folder.path(), &[600]);
    let check = || check(&Folder::new(folder.path()), 0, 600, &[], go).map(|checked| checked.root);
    let root = check().unwrap();
    for name in
        ["tile/entries/000", "tile/entries/002.p/88", "tile/0/001", "tile/0/002.p/88", "tile/1/000.p/2"]
    {
        let path = folder.path().join(name);
        let content = fs::read(&path).unwrap();
        for at in (0..content.len()).step_by(211).chain([content.len() - 1]) {
            let mut changed = content.clone();
            changed[at] ^= 1;
            fs::write(&path, changed).unwrap();
            assert!(matches!(check(), Err(Error::Altered(_))), "{name} byte {at}");
        }
        fs::write(&path, &content[..content.len() - 1]).unwrap();
        assert!(matches!(check(), Err(Error::Altered(_))), "{name} cut");
        fs::remove_file(&path).unwrap();
        assert!(matches!(check(), Err(Error::Altered(_))), "{name} removed");
        fs::write(&path, [&content[..], &content[..32]].concat()).unwrap();
        assert!(matches!(check(), Err(Error::Altered(_))), "{name} longer");
        fs::write(&path, content).unwrap();
    }
    assert_eq!(check().unwrap(), root);
}

#[test]
fn a_tree_does_not_grow_out_of_another() {
    let folder = tempfile::tempdir().unwrap();
    let (size, root) = grown(folder.path(), &[300])[0];
    let refused = grow(&Folder::new(folder.path()), size, empty(), &[b"next"]);
    assert!(matches!(refused, Err(Error::Altered(_))));
    assert!(matches!(grow(&Folder::new(folder.path()), size + 1, root, &[b"next"]), Err(Error::Altered(_))));
}

#[test]
fn there_is_no_proof_of_what_is_not_there() {
    let folder = tempfile::tempdir().unwrap();
    grown(folder.path(), &[5]);
    let folder = Folder::new(folder.path());
    assert!(matches!(inclusion(&folder, 5, 5), Err(Error::Misuse(_))));
    assert!(matches!(consistency(&folder, 6, 5), Err(Error::Misuse(_))));
    assert_eq!(consistency(&folder, 0, 5).unwrap(), []);
    assert!(matches!(check(&folder, 0, 5, &[6], go), Err(Error::Misuse(_))));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn proofs_prove_what_they_say_and_nothing_else(size in 1_u64..700, index in any::<u64>(), old in any::<u64>(), bit in 0_usize..256) {
        let (index, old) = (index % size, old % (size + 1));
        let place = tempfile::tempdir().unwrap();
        let root = grown(place.path(), &[size])[0].1;
        let folder = Folder::new(place.path());
        let entry = leaf(format!("entry {index}").as_bytes());

        let path = inclusion(&folder, index, size).unwrap();
        prop_assert!(verify_inclusion(entry, index, size, &path, root));
        prop_assert!(!verify_inclusion(leaf(b"another"), index, size, &path, root));
        prop_assert!(size == 1 || !verify_inclusion(entry, (index + 1) % size, size, &path, root));
        prop_assert!(!verify_inclusion(entry, index, size, &[&path[..], &[entry]].concat(), root));

        let before = by_the_book(&numbered(old));
        let path = consistency(&folder, old, size).unwrap();
        prop_assert!(verify_consistency((old, before), (size, root), &path));
        if 0 < old && old < size {
            let mut other = before;
            other.0[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(!verify_consistency((old, other), (size, root), &path));
            prop_assert!(!verify_consistency((old, before), (size, other), &path));
            prop_assert!(!verify_consistency((old, before), (size, root), &path[..path.len() - 1]));
        }
    }
}
