//! Readers of NIST's `.rsp` files and of RSA Laboratories' vectors.

use std::collections::BTreeMap;

/// One case: its parameters from the headers in brackets before it, and its fields.
#[derive(Debug, Clone, Default)]
pub(crate) struct Record {
    headers: Vec<String>,
    fields: BTreeMap<String, String>,
}

impl Record {
    /// The last header before it: `P-256,SHA-256`.
    pub(crate) fn header(&self) -> &str {
        self.headers.last().map_or("", String::as_str)
    }

    /// A parameter: of `[IVlen = 96]` its `96`.
    pub(crate) fn parameter(&self, name: &str) -> &str {
        let found = self.headers.iter().rev().find_map(|header| {
            let (key, value) = header.split_once('=')?;
            (key.trim() == name).then_some(value.trim())
        });
        found.unwrap_or_else(|| panic!("no parameter {name}"))
    }

    /// Whether it has a field of this name, as in the bare `FAIL`.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.fields.contains_key(name)
    }

    /// A field as it stands.
    pub(crate) fn text(&self, name: &str) -> &str {
        self.fields.get(name).unwrap_or_else(|| panic!("no field {name}: {self:?}"))
    }

    /// A field of bytes in hexadecimal.
    pub(crate) fn bytes(&self, name: &str) -> Vec<u8> {
        hex(self.text(name))
    }
}

/// The cases of a `.rsp` file. A case begins where a field comes a second time, or after a header: blank lines
/// stand within cases too.
pub(crate) fn records(text: &str) -> Vec<Record> {
    let mut records = Vec::new();
    let mut record = Record::default();
    // an indented line explains how the value above it came about
    for line in text.lines().filter(|line| !line.starts_with([' ', '\t', '#'])) {
        let line = line.trim();
        if let Some(header) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            if !record.fields.is_empty() {
                records.push(std::mem::take(&mut record));
            }
            record.headers.push(header.trim().to_owned());
        } else if !line.is_empty() {
            let (key, value) = line.split_once('=').unwrap_or((line, ""));
            let (key, value) = (key.trim().to_owned(), value.trim().to_owned());
            if record.fields.contains_key(&key) {
                let next = Record { headers: record.headers.clone(), fields: BTreeMap::new() };
                records.push(std::mem::replace(&mut record, next));
            }
            record.fields.insert(key, value);
        }
    }
    records.extend((!record.fields.is_empty()).then_some(record));
    records
}

/// One encryption of RSA Laboratories' files: what was last said under each label, the key's numbers among them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Labelled(BTreeMap<String, String>);

impl Labelled {
    /// The bytes under a label.
    pub(crate) fn bytes(&self, label: &str) -> Vec<u8> {
        hex(self.0.get(label).unwrap_or_else(|| panic!("no {label}")))
    }
}

/// The encryptions of such a file: `# Label:` before lines of hexadecimal.
pub(crate) fn encryptions(text: &str) -> Vec<Labelled> {
    let mut cases = Vec::new();
    let mut state = Labelled::default();
    let mut label = None;
    for line in text.lines().map(str::trim) {
        if let Some(comment) = line.strip_prefix('#') {
            if label.take().is_some_and(|label| label == "Encryption") {
                cases.push(state.clone());
            }
            label = comment.trim().strip_suffix(':').map(str::to_owned);
            if let Some(label) = &label {
                state.0.insert(label.clone(), String::new());
            }
        } else if let Some(label) = &label {
            state.0.entry(label.clone()).or_default().push_str(&line.replace(' ', ""));
        }
    }
    cases.extend((label.as_deref() == Some("Encryption")).then_some(state));
    cases
}

/// Bytes from hexadecimal; half a byte counts as its lower half.
fn hex(text: &str) -> Vec<u8> {
    let text = if text.len().is_multiple_of(2) { text.to_owned() } else { format!("0{text}") };
    let pairs = text.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap());
    pairs.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect()
}
