//! Any bytes give a header or a typed error; a header that parses says how long it is, and stands for the bytes it had.
#![no_main]

use libfuzzer_sys::fuzz_target;
use strongroom_core::message::{Caps, Header};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(header) = Header::parse(bytes, &Caps::default()) {
        assert_eq!(header.encoded(), &bytes[..header.len()]);
    }
});
