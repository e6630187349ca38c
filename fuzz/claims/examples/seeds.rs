//! Writes the first seeds of every target: `cargo run -p strongroom-fuzz-claims --example seeds -- fuzz/seeds`.
//!
//! They come from our own writers alone. `make fuzz-seeds` minimises what a run has found on top of them.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a tool that stops at the first error")]

use std::path::{Path, PathBuf};

use strongroom_fuzz_claims::{forged, journal_of, manifest_of};

fn main() {
    let folder = PathBuf::from(std::env::args().nth(1).expect("the folder of the seeds"));
    for (number, draft) in drafts().enumerate() {
        let message = forged(&draft);
        save(&folder, "message", number, &draft);
        save(&folder, "stream", number, &draft);
        save(&folder, "header", number, &message);
        save(&folder, "frames", number, &[&[1, 15][..], &message[message.len() / 2..]].concat());
    }
    for signed in [0, 1] {
        let mut body = vec![signed, 3];
        body.extend([0, 0, 0, 1].into_iter().chain([0; 12 + 4 + 16]));
        body.extend(
            [0xFF; 4].into_iter().chain([0, 0, 0, 2]).chain([0; 12]).chain([0, 0, 0, 2]).chain([0; 2 + 16]),
        );
        save(&folder, "frames", 100 + usize::from(signed), &body);
    }
    for entries in [0, 1, 2, 5, 12] {
        save(&folder, "manifest", entries.into(), &manifest_of(entries));
        save(&folder, "manifest", 100 + usize::from(entries), &journal_of(entries));
    }
    for kind in 0..6 {
        save(&folder, "room", kind.into(), &[kind, 0]);
        save(&folder, "room", 10 + usize::from(kind), &[kind, 1, 0, 0, 20, 1]);
    }
}

/// Each suite; each shape; each quirk of a frame; and an edit before and after sealing.
fn drafts() -> impl Iterator<Item = Vec<u8>> {
    let suites = (0..11).map(|suite| vec![suite, 40, 15, 1, 3, 0, 2, 0, 0, 0, 0, 9, 0, 0]);
    let shapes = [7, 39, 0, 8, 31, 255].map(|shape| vec![0, shape, 7, 1, 3, 3, 3, 0, 1, 4, 0, 5, 0, 0]);
    let quirks = (1..7).map(|quirk| vec![0, 0, 15, 1, 0, 2, 0, 0, 8, quirk, 0, 0, 0, 3, 9, 0, 0]);
    let edits = [
        vec![0, 8, 15, 1, 3, 1, 0, 0, 40, 1, 1, 3, 0, 4, 0, 0],
        vec![0, 0, 15, 1, 0, 1, 3, 0, 4, 0, 1, 3, 0, 60, 2],
    ];
    suites.chain(shapes).chain(quirks).chain(edits)
}

fn save(folder: &Path, target: &str, number: usize, bytes: &[u8]) {
    let folder = folder.join(target);
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join(format!("{number:03}")), bytes).unwrap();
}
