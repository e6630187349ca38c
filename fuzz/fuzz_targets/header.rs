//! Any bytes give a header or a typed error; a header that parses says how long it is, and stands for the bytes it had.
//! Its outline is found in the same bytes, and nothing but looking into context and data keys can keep it from parsing.
#![no_main]

use libfuzzer_sys::fuzz_target;
use strongroom_core::message::{Caps, Header, Outline};

fuzz_target!(|bytes: &[u8]| {
    let outline = Outline::find(bytes, &Caps::default());
    if let Ok(header) = Header::parse(bytes, &Caps::default()) {
        assert_eq!(header.encoded(), &bytes[..header.len()]);
        assert_eq!(format!("{:?}", header.outline()), format!("{:?}", outline.unwrap()));
    } else if let Ok(outline) = outline {
        let _ = outline.context();
    }
});
