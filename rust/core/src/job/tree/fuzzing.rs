//! What a tree's own files hold once they are decrypted: for the fuzz targets, which hand these parsers bytes that no key
//! has authenticated.

use std::io::{Read, Write};

use super::entry::{Entry, Line};
use super::journal::{self, Run};
use super::lines::{LineReader, LineWriter, More};
use super::manifest::{Counts, Head, Reading};
use crate::error::{Error, Result};

/// The entries of a manifest whose plaintext comes in pieces of so many bytes, but at least one.
pub fn read_manifest(plaintext: &[u8], piece: usize) -> Result<Vec<Entry>> {
    let mut reading = Reading::default();
    let mut entries = Vec::new();
    let mut keep = |entry| {
        entries.push(entry);
        Ok(More::Wanted)
    };
    let mut writer = LineWriter::new(|line: &[u8]| reading.take(line, &mut keep));
    let written = plaintext.chunks(piece.max(1)).try_for_each(|piece| writer.write_all(piece));
    writer.finish(written.map_err(Error::io_unnamed("read the manifest")))?;
    reading.finish()?;
    Ok(entries)
}

/// The plaintext of a manifest of these entries.
pub fn write_manifest(entries: &[Entry]) -> Result<Vec<u8>> {
    let head = Head { counts: Counts::of(entries.iter()), ..Head::empty([7; 16]) };
    written(std::iter::once(head.line()).chain(entries.iter().map(Line::entry)))
}

/// What a record of a journal says of files: entries that stand, and how many are gone.
pub fn read_record(plaintext: &[u8]) -> Result<(Vec<Entry>, usize)> {
    let (_, _, lines) = journal::parse(plaintext)?;
    let count = lines.len();
    let stands = |line| if let Line::Entry(entry) = line { Some(entry) } else { None };
    let entries: Vec<Entry> = lines.into_iter().filter_map(stands).collect();
    let gone = count - entries.len();
    Ok((entries, gone))
}

/// The plaintext of a record of these entries, the first of which is gone as well.
pub fn write_record(entries: &[Entry]) -> Result<Vec<u8>> {
    let run = Run { tree: [7; 16], base: Some([9; 32]), generation: 4 };
    let gone = entries.iter().take(1).map(|entry| Line::gone(&entry.path));
    written(std::iter::once(run.line(1)).chain(gone).chain(entries.iter().map(Line::entry)))
}

fn written(lines: impl Iterator<Item = Result<Vec<u8>>>) -> Result<Vec<u8>> {
    let mut plaintext = Vec::new();
    let read = LineReader::new(lines).read_to_end(&mut plaintext);
    read.map(|_| plaintext).map_err(Error::io_unnamed("write the manifest"))
}
