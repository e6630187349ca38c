//! The cryptographic module below: which one it is, and whether it works.

#[cfg(feature = "fips")]
use aws_lc_fips_sys::AWSLC_VERSION_NUMBER_STRING;
use aws_lc_rs as lc;
#[cfg(not(feature = "fips"))]
use aws_lc_sys::AWSLC_VERSION_NUMBER_STRING;

use crate::error::{Error, Result};

/// What this build calls the module.
pub const NAME: &str = if cfg!(feature = "fips") { "AWS-LC FIPS" } else { "AWS-LC" };

/// The module's own version, as in "5.12.0".
pub fn version() -> &'static str {
    let text = AWSLC_VERSION_NUMBER_STRING.strip_suffix(b"\0");
    text.and_then(|text| std::str::from_utf8(text).ok()).unwrap_or("unknown")
}

/// Whether the module runs in its FIPS mode: it checked its own integrity and its known answers when it was loaded, and
/// would have ended the process otherwise.
pub fn is_fips() -> bool {
    lc::try_fips_mode().is_ok()
}

/// Has the module try its known answers again. In a FIPS build it fails as well if the module is not in FIPS mode.
pub fn self_test() -> Result<()> {
    if cfg!(feature = "fips") != is_fips() {
        return Err(Error::Unsupported(
            "the cryptographic module is not the one that this build was made for".into(),
        ));
    }
    lc::try_fips_self_test()
        .map_err(|_| Error::Unsupported("the cryptographic module fails its self-test".into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_itself() {
        assert_eq!(version().split('.').count(), 3, "{}", version());
        assert_eq!(is_fips(), cfg!(feature = "fips"));
        self_test().unwrap();
    }
}
