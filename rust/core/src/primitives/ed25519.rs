//! Ed25519 (RFC 8032).

use aws_lc_rs::signature::{self as lc, Ed25519KeyPair, KeyPair};
use strongroom_secmem::forget_calls;

use crate::error::{Error, Result};

/// Bytes of a private key, a public key, and a signature.
pub const SEED_LEN: usize = 32;
/// Bytes of a public key.
pub const PUBLIC_LEN: usize = 32;
/// Bytes of a signature.
pub const SIGNATURE_LEN: usize = 64;

/// The public key of the private key `seed`.
pub fn public_key(seed: &[u8]) -> Result<[u8; PUBLIC_LEN]> {
    let mut public = [0; PUBLIC_LEN];
    public.copy_from_slice(pair(seed)?.public_key().as_ref());
    forget_calls();
    Ok(public)
}

/// Signs a message with the private key `seed`.
pub fn sign(seed: &[u8], message: &[u8]) -> Result<[u8; SIGNATURE_LEN]> {
    let mut signature = [0; SIGNATURE_LEN];
    signature.copy_from_slice(pair(seed)?.sign(message).as_ref());
    forget_calls();
    Ok(signature)
}

/// Verifies a signature of a message.
pub fn verify(public: &[u8], message: &[u8], signature: &[u8]) -> Result<()> {
    lc::UnparsedPublicKey::new(&lc::ED25519, public)
        .verify(message, signature)
        .map_err(|_| Error::Authentication)
}

/// AWS-LC wipes its copy of the key when the pair goes.
fn pair(seed: &[u8]) -> Result<Ed25519KeyPair> {
    Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| Error::KeyUnavailable)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(hex: &str) -> Vec<u8> {
        (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
    }

    // RFC 8032, section 7.1, test 2
    #[test]
    fn the_vector_of_the_rfc() {
        let seed = bytes("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb");
        let public = bytes("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c");
        let signed = bytes(
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
        );
        assert_eq!(public_key(&seed).unwrap(), public[..]);
        assert_eq!(sign(&seed, &[0x72]).unwrap(), signed[..]);
        verify(&public, &[0x72], &signed).unwrap();
        assert!(matches!(verify(&public, &[0x73], &signed), Err(Error::Authentication)));
        assert!(matches!(verify(&public, &[0x72], &signed[..63]), Err(Error::Authentication)));
        assert!(matches!(sign(&seed[..31], b""), Err(Error::KeyUnavailable)));
    }
}
