//! See `claims/src/room.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| strongroom_fuzz_claims::room(bytes));
