//! A parser with a planted fault, which a run that means anything must find: it believes a length before the bytes are
//! there.

use crate::memory::within;

/// What the fuzzer must break: a context as long as the header says, in a message that begins with a 2.
pub fn control(bytes: &[u8]) {
    if let [2, _, _, rest @ ..] = bytes
        && let Some(&[high, low]) = rest.get(32..).and_then(|rest| rest.first_chunk::<2>())
    {
        let claimed = usize::from(u16::from_be_bytes([high, low]));
        let context = within(64 * bytes.len(), || vec![0_u8; claimed]);
        assert_eq!(context.len(), claimed);
    }
}
