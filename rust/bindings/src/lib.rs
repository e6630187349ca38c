//! `strongroom._rust`: parse arguments, release the GIL, call the core, wrap the result.

mod buffer;
mod cache;
mod cache_key;
mod census;
mod control;
mod error;
mod file;
mod header;
mod hierarchy;
mod hsm;
mod keys;
mod machine;
mod materials;
mod merkle;
mod message;
mod messages;
mod pace;
mod pages;
mod reencrypt;
mod stream;
mod suite;
mod terminal;
mod tree;

/// The extension module.
#[pyo3::pymodule]
mod _rust {
    #[pymodule_export]
    use crate::cache::MaterialsCache;
    #[pymodule_export]
    use crate::cache_key::{reader_key, writer_key};
    #[pymodule_export]
    use crate::census::{Census, census};
    #[pymodule_export]
    use crate::control::Control;
    #[pymodule_export]
    use crate::file::{Done, MessageFile, MessageWriter, RangedReader, encrypt_file};
    #[pymodule_export]
    use crate::header::{Caps, Header};
    #[pymodule_export]
    use crate::hierarchy::{Kdf, LogKey, MacKey, RootKey, Secret};
    #[pymodule_export]
    use crate::hsm::{HsmModule, HsmSession};
    #[pymodule_export]
    use crate::keys::{AesWrappingKey, DataKey, EcdhWrappingKey, Edk, RsaWrappingKey, same_bytes};
    #[pymodule_export]
    use crate::machine::{
        bench_copy, bench_limit, bench_limit_in, bench_messages, bench_ranged, build_info,
        disable_core_dumps, memory_status,
    };
    #[pymodule_export]
    use crate::materials::{DecryptionMaterials, EncryptionMaterials, SigningKey};
    #[pymodule_export]
    use crate::merkle::{
        ed25519_verify, merkle_check, merkle_consistency, merkle_continues, merkle_entries, merkle_grow,
        merkle_includes, merkle_inclusion,
    };
    #[pymodule_export]
    use crate::message::{decrypt, decrypt_into, decrypted_size, encrypt, encrypt_into, encrypted_size};
    #[pymodule_export]
    use crate::messages::{decrypt_many, encrypt_many};
    #[pymodule_export]
    use crate::pages::huge_pages_pay;
    #[pymodule_export]
    use crate::reencrypt::{reencrypt_file, reencrypt_tree};
    #[pymodule_export]
    use crate::stream::{IncomingMessage, encrypt_stream};
    #[pymodule_export]
    use crate::suite::{Suite, suites};
    #[pymodule_export]
    use crate::tree::{TreeReport, decrypt_tree, encrypt_tree, verify_tree};
}
