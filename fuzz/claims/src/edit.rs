//! Edits of bytes, as a stranger makes them.

use arbitrary::{Result, Unstructured};

/// One change. Positions and lengths are taken modulo what there is.
#[derive(Debug, Clone, Copy)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Edit {
    Flip { at: u16, bits: u8 },
    Set { at: u16, byte: u8 },
    Number { at: u16, value: u32 },
    Cut { at: u16, len: u8 },
    Insert { at: u16, len: u8, byte: u8 },
    Copy { from: u16, to: u16, len: u8 },
    Truncate { at: u16 },
}

/// Reads up to three edits. Bytes that are all zero are none.
pub fn read(bytes: &mut Unstructured<'_>) -> Result<Vec<Edit>> {
    (0..bytes.arbitrary::<u8>()? % 4).map(|_| one(bytes)).collect()
}

fn one(bytes: &mut Unstructured<'_>) -> Result<Edit> {
    let (kind, at): (u8, u16) = (bytes.arbitrary()?, bytes.arbitrary()?);
    Ok(match kind % 8 {
        0 => Edit::Flip { at, bits: bytes.arbitrary()? },
        1 => Edit::Set { at, byte: bytes.arbitrary()? },
        2 => Edit::Number { at, value: bytes.arbitrary()? },
        3 => Edit::Cut { at, len: bytes.arbitrary()? },
        4 => Edit::Insert { at, len: bytes.arbitrary()?, byte: bytes.arbitrary()? },
        5 => Edit::Copy { from: at, to: bytes.arbitrary()?, len: bytes.arbitrary()? },
        6 => Edit::Truncate { at },
        _ => Edit::Flip { at, bits: 1 << (bytes.arbitrary::<u8>()? % 8) },
    })
}

/// The bytes after these edits.
pub fn apply(edits: &[Edit], bytes: &mut Vec<u8>) {
    edits.iter().for_each(|edit| edit.apply(bytes));
}

impl Edit {
    fn apply(self, bytes: &mut Vec<u8>) {
        let place = |at: u16, count: usize| usize::from(at) % count.max(1);
        let count = bytes.len();
        match self {
            Edit::Insert { at, len, byte } => {
                let at = place(at, count + 1);
                bytes.splice(at..at, std::iter::repeat_n(byte, usize::from(len)));
            }
            _ if count == 0 => {}
            Edit::Flip { at, bits } => bytes[place(at, count)] ^= bits,
            Edit::Set { at, byte } => bytes[place(at, count)] = byte,
            Edit::Number { at, value } => {
                let at = place(at, count);
                let end = (at + 4).min(count);
                bytes[at..end].copy_from_slice(&value.to_be_bytes()[..end - at]);
            }
            Edit::Cut { at, len } => {
                let at = place(at, count);
                bytes.drain(at..(at + usize::from(len)).min(count));
            }
            Edit::Copy { from, to, len } => {
                let from = place(from, count);
                let copied = bytes[from..(from + usize::from(len)).min(count)].to_vec();
                let to = place(to, count + 1);
                bytes.splice(to..to, copied);
            }
            Edit::Truncate { at } => bytes.truncate(place(at, count)),
        }
    }
}
