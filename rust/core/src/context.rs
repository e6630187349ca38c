//! The encryption context: a str→str map, authenticated, stored in the clear.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use crate::error::{Error, Result};

/// The context key under which a signed message carries its public key.
pub const PUBLIC_KEY: &str = "aws-crypto-public-key";

/// An encryption context. Its order is that of the keys' UTF-8 bytes, which is the order on the wire.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Context(BTreeMap<String, String>);

impl Context {
    /// A context of these pairs. Refuses what the format cannot hold.
    pub fn new(pairs: impl IntoIterator<Item = (String, String)>) -> Result<Self> {
        let mut map = BTreeMap::new();
        for (key, value) in pairs {
            if map.insert(key, value).is_some() {
                return Err(Error::Misuse("the encryption context has a key twice".into()));
            }
        }
        let context = Context(map);
        match context.serialized_len() {
            found if found > MAX_LEN => Err(Error::Limit {
                what: "the encryption context",
                limit: MAX_LEN as u64,
                found: found as u64,
            }),
            _ => Ok(context),
        }
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    /// The pairs in the order of the wire.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(k, v)| (k.as_str(), v.as_str()))
    }

    /// Whether there is no pair.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many pairs there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The pairs whose keys are named, and the rest.
    pub fn partition(&self, named: &[String]) -> (Context, Context) {
        let (named, rest) = self.0.clone().into_iter().partition(|(key, _)| named.contains(key));
        (Context(named), Context(rest))
    }

    /// Both contexts as one. The same pair may stand in both; another value for the same key may not.
    pub fn union(&self, other: &Context) -> Option<Context> {
        let mut all = self.0.clone();
        for (key, value) in &other.0 {
            match all.entry(key.clone()) {
                Entry::Occupied(entry) if entry.get() != value => return None,
                Entry::Occupied(_) => {}
                Entry::Vacant(entry) => {
                    entry.insert(value.clone());
                }
            }
        }
        Some(Context(all))
    }

    /// Serialised as in the header and in associated data: nothing at all for the empty context.
    pub fn serialize(&self) -> Vec<u8> {
        if self.0.is_empty() {
            return Vec::new();
        }
        let mut out = Vec::with_capacity(self.serialized_len());
        put_u16(&mut out, self.0.len());
        for (key, value) in &self.0 {
            put_u16(&mut out, key.len());
            out.extend_from_slice(key.as_bytes());
            put_u16(&mut out, value.len());
            out.extend_from_slice(value.as_bytes());
        }
        out
    }

    /// Reads what [`serialize`](Self::serialize) wrote. `offset` is where `bytes` stand in the whole input, for the error.
    pub fn parse(bytes: &[u8], offset: u64) -> Result<Context> {
        if bytes.is_empty() {
            return Ok(Context::default());
        }
        let mut reader = Pairs { bytes, at: 0, offset };
        let count = reader.u16()?;
        if count == 0 {
            return Err(reader.malformed("an empty encryption context has no count"));
        }
        let mut map = BTreeMap::new();
        for _ in 0..count {
            let key = reader.string()?;
            let value = reader.string()?;
            if map.insert(key, value).is_some() {
                return Err(reader.malformed("a key of the encryption context stands twice"));
            }
        }
        match reader.at == bytes.len() {
            true => Ok(Context(map)),
            false => Err(reader.malformed("bytes after the last pair of the encryption context")),
        }
    }

    fn serialized_len(&self) -> usize {
        let pairs: usize = self.0.iter().map(|(k, v)| 4 + k.len() + v.len()).sum();
        if self.0.is_empty() { 0 } else { 2 + pairs }
    }
}

/// The value of a key in a serialised context, as far as it is one; only [`Context::parse`] says whether.
pub fn find<'a>(serialized: &'a [u8], key: &str) -> Option<&'a [u8]> {
    let mut reader = Pairs { bytes: serialized, at: 2, offset: 0 };
    while reader.at < serialized.len() {
        let (found, value) = (reader.field().ok()?, reader.field().ok()?);
        if found == key.as_bytes() {
            return Some(value);
        }
    }
    None
}

struct Pairs<'a> {
    bytes: &'a [u8],
    at: usize,
    offset: u64,
}

impl<'a> Pairs<'a> {
    fn malformed(&self, what: &'static str) -> Error {
        Error::Malformed { offset: self.offset + self.at as u64, what }
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8]> {
        let end = self.at + len;
        let taken = self.bytes.get(self.at..end).ok_or(Error::Malformed {
            offset: self.offset + self.at as u64,
            what: "the encryption context is longer than its length says",
        })?;
        self.at = end;
        Ok(taken)
    }

    fn u16(&mut self) -> Result<usize> {
        let bytes = self.take(2)?;
        Ok(usize::from(u16::from_be_bytes([bytes[0], bytes[1]])))
    }

    fn field(&mut self) -> Result<&'a [u8]> {
        let len = self.u16()?;
        self.take(len)
    }

    fn string(&mut self) -> Result<String> {
        let bytes = self.field()?.to_vec();
        String::from_utf8(bytes).map_err(|_| self.malformed("the encryption context is not UTF-8"))
    }
}

fn put_u16(out: &mut Vec<u8>, value: usize) {
    // `new` and `parse` keep the whole below 65,536 bytes, so every part is
    out.extend_from_slice(&u16::try_from(value).unwrap_or(u16::MAX).to_be_bytes());
}

const MAX_LEN: usize = 65_535;

#[cfg(test)]
mod tests {
    use super::*;

    fn context(pairs: &[(&str, &str)]) -> Context {
        Context::new(pairs.iter().map(|(key, value)| (key.to_string(), value.to_string()))).unwrap()
    }

    fn field(text: &[u8]) -> Vec<u8> {
        [&u16::try_from(text.len()).unwrap().to_be_bytes()[..], text].concat()
    }

    fn serialized(count: u16, fields: &[&[u8]]) -> Vec<u8> {
        let fields: Vec<u8> = fields.iter().flat_map(|text| field(text)).collect();
        [&count.to_be_bytes()[..], &fields].concat()
    }

    #[test]
    fn what_is_written_is_sorted_and_read_back() {
        let written = context(&[("b", "2"), ("", "empty"), ("\u{e4}", ""), ("a", "1")]);
        let bytes = written.serialize();
        assert_eq!(bytes, serialized(4, &[b"", b"empty", b"a", b"1", b"b", b"2", "\u{e4}".as_bytes(), b""]));
        assert_eq!(Context::parse(&bytes, 0).unwrap(), written);
        assert_eq!(Context::default().serialize(), b"");
        assert!(Context::parse(b"", 0).unwrap().is_empty());
    }

    #[test]
    fn a_key_stands_once() {
        let twice = [("a", "1"), ("a", "1")].map(|(key, value)| (key.to_owned(), value.to_owned()));
        assert!(matches!(Context::new(twice), Err(Error::Misuse(_))));
        for value in [b"1", b"2"] {
            let twice = Context::parse(&serialized(2, &[b"a", b"1", b"a", value]), 0);
            assert!(matches!(twice, Err(Error::Malformed { .. })), "{twice:?}");
        }
    }

    #[test]
    fn what_no_writer_writes_is_refused() {
        let whole = serialized(2, &[b"a", b"1", b"b", b"2"]);
        for len in 1..whole.len() {
            assert!(Context::parse(&whole[..len], 0).is_err(), "{len}");
        }
        for malformed in [
            serialized(0, &[]),
            serialized(1, &[b"a", b"1", b"b", b"2"]),
            serialized(3, &[b"a", b"1", b"b", b"2"]),
            serialized(1, &[b"\xff", b"1"]),
            serialized(1, &[b"a", b"\xff"]),
            [&whole[..], &[0]].concat(),
        ] {
            assert!(matches!(Context::parse(&malformed, 0), Err(Error::Malformed { .. })), "{malformed:?}");
        }
    }

    #[test]
    fn the_longest_context_fits_its_length() {
        let pairs = |len: usize| [("key".to_owned(), "v".repeat(len))];
        let longest = Context::new(pairs(MAX_LEN - 9)).unwrap().serialize();
        assert_eq!(longest.len(), MAX_LEN);
        assert!(matches!(Context::new(pairs(MAX_LEN - 8)), Err(Error::Limit { .. })));
    }

    #[test]
    fn a_union_has_one_value_for_each_key() {
        let (a, b) = (context(&[("a", "1"), ("b", "2")]), context(&[("b", "2"), ("c", "3")]));
        assert_eq!(a.union(&b).unwrap(), context(&[("a", "1"), ("b", "2"), ("c", "3")]));
        assert_eq!(a.union(&context(&[("b", "3")])), None);
        let (named, rest) = a.partition(&["b".to_owned(), "d".to_owned()]);
        assert_eq!((named, rest), (context(&[("b", "2")]), context(&[("a", "1")])));
    }
}
