//! How a token's keys wrap a key of 32 bytes.
//!
//! ```text
//! aes-gcm              iv 12 or 16 │ ciphertext 32 │ tag 16
//! aes-cbc-hmac-sha256  iv 16 │ ciphertext 32 │ mac 32
//! rsa-oaep-sha256      the ciphertext of: key 32 │ SHA-256 of the associated data 32
//! ```
//!
//! The MAC is over the length of the associated data in 8 bytes, big-endian, the associated data, iv and ciphertext. It is
//! checked before anything is decrypted. OAEP shows nobody's authorship: whoever has the public key can wrap a key of their own. What it
//! does show is for which associated data a key was wrapped.

use std::ffi::c_void;
use std::ptr;

use cryptoki_sys::{
    CK_GCM_PARAMS, CK_MECHANISM, CK_MECHANISM_TYPE, CK_OBJECT_HANDLE, CK_RSA_PKCS_OAEP_PARAMS,
    CK_SESSION_HANDLE, CK_ULONG, CKG_MGF1_SHA256, CKM_AES_CBC, CKM_AES_GCM, CKM_RSA_PKCS_OAEP, CKM_SHA256,
    CKM_SHA256_HMAC, CKZ_DATA_SPECIFIED,
};
use strongroom_secmem::{Secret, ct_eq};

use crate::Fault;
use crate::calls::{At, Calls};

/// Which of the three, and by which of the token's keys: handles of objects. What was wrapped by one is never tried with another.
#[derive(Debug, Clone, Copy)]
pub enum Scheme {
    /// CKM_AES_GCM.
    AesGcm {
        /// An AES key of 256 bits.
        key: u64,
    },
    /// CKM_AES_CBC, and CKM_SHA256_HMAC over what it gives.
    AesCbcHmacSha256 {
        /// An AES key of 256 bits.
        key: u64,
        /// A generic secret.
        mac_key: u64,
    },
    /// CKM_RSA_PKCS_OAEP with SHA-256, MGF1 of SHA-256 and no label, under keys of 2,048 bits or more.
    RsaOaepSha256 {
        /// The key that unwraps.
        private: u64,
        /// The key that wraps, which nothing else wants.
        public: Option<u64>,
    },
}

/// Where the nonce of a wrap comes from.
#[derive(Debug, Clone, Copy)]
pub enum Nonce {
    /// From the caller: random bytes, of which `aes-gcm` takes the first 12.
    Given([u8; 16]),
    /// From the token, which writes it over a field of zeros or appends it to the ciphertext. `aes-gcm` only.
    Token,
}

/// What one operation works with.
pub(crate) struct Operation<'a> {
    pub(crate) calls: &'a Calls,
    pub(crate) session: CK_SESSION_HANDLE,
    pub(crate) scheme: Scheme,
    pub(crate) aad: &'a [u8],
}

impl Operation<'_> {
    pub(crate) fn wrap(&self, secret: &Secret, nonce: Nonce) -> Result<Vec<u8>, Fault> {
        match (self.scheme, nonce) {
            (Scheme::AesGcm { key }, nonce) => self.gcm_wrap(self.at(key), secret, nonce),
            (Scheme::AesCbcHmacSha256 { key, mac_key }, Nonce::Given(iv)) => {
                self.cbc_wrap(self.at(key), self.at(mac_key), secret, iv)
            }
            (Scheme::RsaOaepSha256 { public: Some(public), .. }, Nonce::Given(_)) => {
                self.rsa_wrap(self.at(public), secret)
            }
            _ => Err(Fault::Nonsense { call: "C_EncryptInit" }),
        }
    }

    pub(crate) fn unwrap(&self, wrapped: &[u8]) -> Result<Secret, Fault> {
        match self.scheme {
            Scheme::AesGcm { key } => self.gcm_unwrap(self.at(key), wrapped),
            Scheme::AesCbcHmacSha256 { key, mac_key } => {
                self.cbc_unwrap(self.at(key), self.at(mac_key), wrapped)
            }
            Scheme::RsaOaepSha256 { private, .. } => self.rsa_unwrap(self.at(private), wrapped),
        }
    }

    fn gcm_wrap(&self, key: At, secret: &Secret, nonce: Nonce) -> Result<Vec<u8>, Fault> {
        let mut iv = match nonce {
            Nonce::Given(bytes) => std::array::from_fn(|at| bytes[at]),
            Nonce::Token => [0; GCM_IV],
        };
        let mut out = [0; KEY_LEN + TAG_LEN + LONGEST_IV];
        let mut params = gcm_params(&mut iv, self.aad);
        self.calls.encrypt_init(&key, &mut mechanism(CKM_AES_GCM, &mut params))?;
        let written = self.calls.encrypt(&key, secret.expose()?, &mut out)?;
        let (sealed, appended) = out[..written]
            .split_at_checked(KEY_LEN + TAG_LEN)
            .ok_or(Fault::Nonsense { call: "C_Encrypt" })?;
        let iv = match (appended.len(), nonce) {
            (0, Nonce::Given(_)) => &iv[..],
            // a field that is still zero was no nonce: the second wrap under it would give the key away
            (0, Nonce::Token) if iv != [0; GCM_IV] => &iv[..],
            (GCM_IV | LONGEST_IV, _) => appended,
            _ => return Err(Fault::Nonsense { call: "C_Encrypt" }),
        };
        Ok([iv, sealed].concat())
    }

    fn gcm_unwrap(&self, key: At, wrapped: &[u8]) -> Result<Secret, Fault> {
        let iv_len = wrapped.len().checked_sub(KEY_LEN + TAG_LEN);
        let (iv, sealed) = match iv_len {
            Some(len @ (GCM_IV | LONGEST_IV)) => wrapped.split_at(len),
            _ => return Err(Fault::Corrupt),
        };
        let mut iv = iv.to_vec();
        let mut params = gcm_params(&mut iv, self.aad);
        self.calls.decrypt_init(&key, &mut mechanism(CKM_AES_GCM, &mut params))?;
        self.opened(&key, sealed)
    }

    fn cbc_wrap(
        &self,
        key: At,
        mac_key: At,
        secret: &Secret,
        mut iv: [u8; CBC_IV],
    ) -> Result<Vec<u8>, Fault> {
        let mut blob = iv.to_vec();
        blob.resize(CBC_IV + KEY_LEN, 0);
        self.calls.encrypt_init(&key, &mut mechanism(CKM_AES_CBC, &mut iv))?;
        let written = self.calls.encrypt(&key, secret.expose()?, &mut blob[CBC_IV..])?;
        if written != KEY_LEN {
            return Err(Fault::Nonsense { call: "C_Encrypt" });
        }
        let mac = self.mac(&mac_key, &blob)?;
        blob.extend_from_slice(&mac);
        Ok(blob)
    }

    fn cbc_unwrap(&self, key: At, mac_key: At, wrapped: &[u8]) -> Result<Secret, Fault> {
        if wrapped.len() != CBC_IV + KEY_LEN + MAC_LEN {
            return Err(Fault::Corrupt);
        }
        let (body, mac) = wrapped.split_at(CBC_IV + KEY_LEN);
        if !ct_eq(&self.mac(&mac_key, body)?, mac) {
            return Err(Fault::Corrupt);
        }
        let (iv, sealed) = body.split_at(CBC_IV);
        let mut iv: [u8; CBC_IV] = std::array::from_fn(|at| iv[at]);
        self.calls.decrypt_init(&key, &mut mechanism(CKM_AES_CBC, &mut iv))?;
        self.opened(&key, sealed)
    }

    fn rsa_wrap(&self, public: At, secret: &Secret) -> Result<Vec<u8>, Fault> {
        let digest = self.digest()?;
        let whole = Secret::fill_with(KEY_LEN + DIGEST_LEN, |bytes| {
            bytes[..KEY_LEN].copy_from_slice(secret.expose()?);
            bytes[KEY_LEN..].copy_from_slice(&digest);
            Ok::<_, Fault>(())
        })?;
        let mut out = vec![0; LONGEST_MODULUS];
        self.calls.encrypt_init(&public, &mut mechanism(CKM_RSA_PKCS_OAEP, &mut oaep_params()))?;
        let written = self.calls.encrypt(&public, whole.expose()?, &mut out)?;
        if written < SHORTEST_MODULUS {
            return Err(Fault::Nonsense { call: "C_Encrypt" });
        }
        out.truncate(written);
        Ok(out)
    }

    fn rsa_unwrap(&self, private: At, wrapped: &[u8]) -> Result<Secret, Fault> {
        if !(SHORTEST_MODULUS..=LONGEST_MODULUS).contains(&wrapped.len()) {
            return Err(Fault::Corrupt);
        }
        let digest = self.digest()?;
        self.calls.decrypt_init(&private, &mut mechanism(CKM_RSA_PKCS_OAEP, &mut oaep_params()))?;
        let mut written = 0;
        let room = Secret::fill_with(LONGEST_MODULUS, |out| {
            written = self.calls.decrypt(&private, wrapped, out)?;
            Ok::<_, Fault>(())
        })?;
        let whole = &room.expose()?[..written];
        if written != KEY_LEN + DIGEST_LEN || !ct_eq(&whole[KEY_LEN..], &digest) {
            return Err(Fault::Corrupt);
        }
        Ok(Secret::copy_from(&whole[..KEY_LEN])?)
    }

    /// The digest of the associated data, which the token computes: it is trusted with the keys.
    fn digest(&self) -> Result<[u8; DIGEST_LEN], Fault> {
        let mut digest = [0; DIGEST_LEN];
        self.calls.digest_init(self.session, &mut bare(CKM_SHA256))?;
        let written = self.calls.digest(self.session, self.aad, &mut digest)?;
        if written == DIGEST_LEN { Ok(digest) } else { Err(Fault::Nonsense { call: "C_Digest" }) }
    }

    /// The end of a decryption. Modules may want as much room as the ciphertext has, so the key comes out of a longer secret.
    fn opened(&self, key: &At, sealed: &[u8]) -> Result<Secret, Fault> {
        let mut written = 0;
        let room = Secret::fill_with(KEY_LEN + TAG_LEN + LONGEST_IV, |out| {
            written = self.calls.decrypt(key, sealed, out)?;
            Ok::<_, Fault>(())
        })?;
        if written != KEY_LEN {
            return Err(Fault::Nonsense { call: "C_Decrypt" });
        }
        Ok(Secret::copy_from(&room.expose()?[..KEY_LEN])?)
    }

    fn mac(&self, key: &At, body: &[u8]) -> Result<[u8; MAC_LEN], Fault> {
        let message = [&(self.aad.len() as u64).to_be_bytes()[..], self.aad, body].concat();
        let mut mac = [0; MAC_LEN];
        self.calls.sign_init(key, &mut bare(CKM_SHA256_HMAC))?;
        let written = self.calls.sign(key, &message, &mut mac)?;
        if written == MAC_LEN { Ok(mac) } else { Err(Fault::Nonsense { call: "C_Sign" }) }
    }

    fn at(&self, key: CK_OBJECT_HANDLE) -> At {
        At { session: self.session, key }
    }
}

fn oaep_params() -> CK_RSA_PKCS_OAEP_PARAMS {
    CK_RSA_PKCS_OAEP_PARAMS {
        hashAlg: CKM_SHA256,
        mgf: CKG_MGF1_SHA256,
        source: CKZ_DATA_SPECIFIED,
        pSourceData: ptr::null_mut(),
        ulSourceDataLen: 0,
    }
}

fn gcm_params(iv: &mut [u8], aad: &[u8]) -> CK_GCM_PARAMS {
    CK_GCM_PARAMS {
        pIv: iv.as_mut_ptr(),
        ulIvLen: iv.len() as CK_ULONG,
        // some modules believe this one
        ulIvBits: 8 * iv.len() as CK_ULONG,
        pAAD: aad.as_ptr().cast_mut(),
        ulAADLen: aad.len() as CK_ULONG,
        ulTagBits: 8 * TAG_LEN as CK_ULONG,
    }
}

/// A mechanism with its parameter, which it points to: it must not outlive it.
fn mechanism<P>(kind: CK_MECHANISM_TYPE, parameter: &mut P) -> CK_MECHANISM {
    CK_MECHANISM {
        mechanism: kind,
        pParameter: ptr::from_mut(parameter).cast::<c_void>(),
        ulParameterLen: size_of::<P>() as CK_ULONG,
    }
}

fn bare(kind: CK_MECHANISM_TYPE) -> CK_MECHANISM {
    CK_MECHANISM { mechanism: kind, pParameter: ptr::null_mut(), ulParameterLen: 0 }
}

const KEY_LEN: usize = 32;
const TAG_LEN: usize = 16;
const MAC_LEN: usize = 32;
const DIGEST_LEN: usize = 32;
/// Moduli of 2,048 to 8,192 bits, in bytes.
const SHORTEST_MODULUS: usize = 256;
const LONGEST_MODULUS: usize = 1024;
const GCM_IV: usize = 12;
const CBC_IV: usize = 16;
/// The longest that a token appends.
const LONGEST_IV: usize = 16;
