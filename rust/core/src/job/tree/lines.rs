//! Lines through the message format: encrypted without holding them all, handed out as they are authenticated.

use std::io::{self, Read, Write};

use super::entry::malformed;
use crate::error::{Error, Result};

/// Gives lines as a stream of bytes.
pub(super) struct LineReader<I> {
    lines: I,
    line: Vec<u8>,
    taken: usize,
}

impl<I: Iterator<Item = Result<Vec<u8>>>> LineReader<I> {
    pub(super) fn new(lines: I) -> Self {
        LineReader { lines, line: Vec::new(), taken: 0 }
    }
}

impl<I: Iterator<Item = Result<Vec<u8>>>> Read for LineReader<I> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while filled < buffer.len() {
            if self.taken == self.line.len() {
                let Some(line) = self.lines.next() else { break };
                self.line = line.map_err(io::Error::other)?;
                self.taken = 0;
            }
            let count = (self.line.len() - self.taken).min(buffer.len() - filled);
            buffer[filled..filled + count].copy_from_slice(&self.line[self.taken..self.taken + count]);
            self.taken += count;
            filled += count;
        }
        Ok(filled)
    }
}

/// Whether more lines are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum More {
    Wanted,
    Enough,
}

/// Cuts a stream of bytes into lines, and hands each to `take` without its newline.
pub(super) struct LineWriter<F> {
    take: F,
    partial: Vec<u8>,
    /// Why it takes no more: an error of `take`, or nothing wrong.
    ended: Option<Result<()>>,
}

impl<F: FnMut(&[u8]) -> Result<More>> LineWriter<F> {
    pub(super) fn new(take: F) -> Self {
        LineWriter { take, partial: Vec::new(), ended: None }
    }

    /// What came of it all; `written` is how the writing ended. The last line must have its newline.
    pub(super) fn finish<T>(self, written: Result<T>) -> Result<()> {
        match self.ended {
            Some(ended) => ended,
            None => written.and_then(|_| match self.partial.is_empty() {
                true => Ok(()),
                false => Err(malformed("a last line without an end")),
            }),
        }
    }

    fn cut(&mut self, mut bytes: &[u8]) -> Result<More> {
        while let Some(end) = bytes.iter().position(|&byte| byte == b'\n') {
            self.partial.extend_from_slice(&bytes[..end]);
            bytes = &bytes[end + 1..];
            if (self.take)(&self.partial)? == More::Enough {
                return Ok(More::Enough);
            }
            self.partial.clear();
        }
        self.partial.extend_from_slice(bytes);
        match self.partial.len() {
            found if found > MAX_LINE => Err(Error::Limit {
                what: "a line of a tree's manifest",
                limit: MAX_LINE as u64,
                found: found as u64,
            }),
            _ => Ok(More::Wanted),
        }
    }
}

impl<F: FnMut(&[u8]) -> Result<More>> Write for LineWriter<F> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.ended = match self.cut(bytes) {
            Ok(More::Wanted) => return Ok(bytes.len()),
            Ok(More::Enough) => Some(Ok(())),
            Err(error) => Some(Err(error)),
        };
        Err(io::Error::other("no more lines are wanted"))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

const MAX_LINE: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn lines_survive_any_cut(
            lines in prop::collection::vec(prop::collection::vec(11..200u8, 0..30), 0..20),
            cut in 1..50usize,
        ) {
            let with_ends = lines.iter().map(|line| Ok([line.as_slice(), b"\n"].concat()));
            let mut bytes = Vec::new();
            LineReader::new(with_ends).read_to_end(&mut bytes).unwrap();
            let mut got = Vec::new();
            let mut writer = LineWriter::new(|line: &[u8]| { got.push(line.to_vec()); Ok(More::Wanted) });
            let written = bytes.chunks(cut).try_for_each(|chunk| writer.write_all(chunk));
            writer.finish(written.map_err(Error::io_unnamed("write"))).unwrap();
            prop_assert_eq!(got, lines);
        }
    }

    #[test]
    fn ends_are_told() {
        let mut stopped = LineWriter::new(|_: &[u8]| Ok(More::Enough));
        let written = stopped.write_all(b"a\nb").map_err(Error::io_unnamed("write"));
        assert!(written.is_err());
        assert!(stopped.finish(written).is_ok());
        let mut torn = LineWriter::new(|_: &[u8]| Ok(More::Wanted));
        torn.write_all(b"a\nb").unwrap();
        assert!(torn.finish(Ok(())).is_err());
    }
}
