//! Data keys that a token has wrapped, as they stand in a header.
//!
//! ```text
//! aes-gcm, nonce 12   provider id NAMESPACE          provider info name │ lengths 8 │ nonce   as raw AES
//! whatever else       provider id NAMESPACE-SCHEME   provider info name
//! ```
//! So every official SDK that holds the same AES key reads the first.

use crate::error::{Error, Result};
use crate::key::{Edk, NONCE_LEN, RAW_AES_LENGTHS, TAG_LEN};

/// An EDK of what a token gave for a data key: `nonce │ ciphertext │ tag` by `aes-gcm`, else as the scheme has it.
pub fn to_edk(wrapped: &[u8], scheme: &str, namespace: &str, name: &str) -> Edk {
    match wrapped.split_first_chunk::<NONCE_LEN>() {
        Some((nonce, sealed)) if scheme == AES_GCM && sealed.len() == SEALED_LEN => Edk {
            provider_id: namespace.to_owned(),
            provider_info: [name.as_bytes(), &RAW_AES_LENGTHS, nonce].concat(),
            ciphertext: sealed.to_vec(),
        },
        _ => Edk {
            provider_id: format!("{namespace}-{scheme}"),
            provider_info: name.as_bytes().to_vec(),
            ciphertext: wrapped.to_vec(),
        },
    }
}

/// What the token is to unwrap. An EDK of another key or scheme is an authentication failure like any other.
pub fn from_edk(edk: &Edk, scheme: &str, namespace: &str, name: &str) -> Result<Vec<u8>> {
    let wrapped = match edk.provider_info.strip_prefix(name.as_bytes()) {
        Some([]) => edk.ciphertext.clone(),
        Some(rest) => {
            [rest.strip_prefix(&RAW_AES_LENGTHS).ok_or(Error::Authentication)?, &edk.ciphertext].concat()
        }
        None => return Err(Error::Authentication),
    };
    // there is one form for each: what another would have written is none of ours
    if to_edk(&wrapped, scheme, namespace, name) == *edk { Ok(wrapped) } else { Err(Error::Authentication) }
}

const AES_GCM: &str = "aes-gcm";
/// A wrapped data key and its tag.
const SEALED_LEN: usize = 32 + TAG_LEN;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wrap::altered::refused;

    const CASES: [(&str, usize, &str); 4] = [
        ("aes-gcm", 60, "ns"),
        ("aes-gcm", 64, "ns-aes-gcm"),
        ("aes-cbc-hmac-sha256", 80, "ns-aes-cbc-hmac-sha256"),
        ("rsa-oaep-sha256", 256, "ns-rsa-oaep-sha256"),
    ];

    #[test]
    fn each_scheme_has_its_form_and_comes_back() {
        for (scheme, len, provider) in CASES {
            let wrapped: Vec<u8> = (0..=u8::MAX).cycle().take(len).collect();
            let edk = to_edk(&wrapped, scheme, "ns", "name");
            assert_eq!(edk.provider_id, provider);
            assert_eq!(
                (edk.key_name("ns"), edk.key_name("n"), edk.key_name("ms")),
                (Some("name"), None, None)
            );
            assert_eq!(from_edk(&edk, scheme, "ns", "name").unwrap(), wrapped);
        }
    }

    #[test]
    fn the_first_is_the_form_of_raw_aes() {
        let wrapped: Vec<u8> = (0..60).collect();
        let edk = to_edk(&wrapped, "aes-gcm", "ns", "name");
        assert_eq!(edk.provider_info[..12], *b"name\0\0\0\x80\0\0\0\x0c");
        assert_eq!((&edk.provider_info[12..], &edk.ciphertext[..]), (&wrapped[..12], &wrapped[12..]));
    }

    #[test]
    fn no_other_form_is_taken() {
        for (scheme, len, _) in CASES {
            let edk = to_edk(&vec![7; len], scheme, "ns", "name");
            for (other, ..) in CASES.iter().filter(|(other, ..)| *other != scheme) {
                refused(&from_edk(&edk, other, "ns", "name"));
            }
            refused(&from_edk(&edk, scheme, "ms", "name"));
            refused(&from_edk(&edk, scheme, "ns", "nam"));
            refused(&from_edk(&edk, scheme, "ns", "names"));
            let spread = Edk { provider_info: b"name".to_vec(), ..edk.clone() };
            if spread != edk {
                refused(&from_edk(&spread, scheme, "ns", "name"));
            }
        }
        let long = Edk { provider_id: "ns-aes-gcm".into(), ..to_edk(&[7; 60], "aes-gcm", "ns", "name") };
        refused(&from_edk(&long, "aes-gcm", "ns", "name"));
    }
}
