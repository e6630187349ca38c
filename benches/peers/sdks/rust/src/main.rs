//! The official AWS Encryption SDK for Rust under a raw AES keyring.
//!
//! `sdk-rust encrypt|decrypt BYTES FRAME_LENGTH COUNT WARM_SECONDS` prints the seconds of COUNT messages as JSON.

use std::env;
use std::error::Error;
use std::hint::black_box;
use std::time::Instant;

use aws_esdk::Client;
use aws_esdk::material_providers::client::Client as Providers;
use aws_esdk::material_providers::types::AesWrappingAlg;
use aws_esdk::material_providers::types::keyring::KeyringRef;
use aws_esdk::material_providers::types::material_providers_config::MaterialProvidersConfig;
use aws_esdk::types::aws_encryption_sdk_config::AwsEncryptionSdkConfig;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    tokio::runtime::Builder::new_current_thread().build()?.block_on(run())
}

async fn run() -> Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [side, bytes, frame_length, count, warm] = arguments.as_slice() else {
        return Err("encrypt|decrypt BYTES FRAME_LENGTH COUNT WARM_SECONDS".into());
    };
    let sdk = Sdk::new(frame_length.parse()?).await?;
    let plaintext = vec![7; bytes.parse()?];
    let message = sdk.encrypt(&plaintext).await?;
    if sdk.decrypt(&message).await? != plaintext {
        return Err("the SDK does not give back what it was given".into());
    }
    let count: usize = count.parse()?;
    let warm: f64 = warm.parse()?;
    let began = Instant::now();
    loop {
        let start = Instant::now();
        for _ in 0..count {
            match side.as_str() {
                "encrypt" => black_box(sdk.encrypt(&plaintext).await?),
                _ => black_box(sdk.decrypt(&message).await?),
            };
        }
        if began.elapsed().as_secs_f64() >= warm {
            println!("{{\"seconds\": {}}}", start.elapsed().as_secs_f64());
            return Ok(());
        }
    }
}

struct Sdk {
    client: Client,
    keyring: KeyringRef,
    frame_length: i64,
}

impl Sdk {
    async fn new(frame_length: i64) -> Result<Self> {
        let client = Client::from_conf(AwsEncryptionSdkConfig::builder().build()?)?;
        let keyring = Providers::from_conf(MaterialProvidersConfig::builder().build()?)?
            .create_raw_aes_keyring()
            .key_namespace("bench")
            .key_name("key")
            .wrapping_key(vec![0; 32])
            .wrapping_alg(AesWrappingAlg::AlgAes256GcmIv12Tag16)
            .send()
            .await?;
        Ok(Sdk { client, keyring, frame_length })
    }

    async fn encrypt(&self, plaintext: &[u8]) -> Result<Vec<u8>> {
        let call = self.client.encrypt().keyring(self.keyring.clone()).frame_length(self.frame_length);
        // the same suite as ours: the default one signs as well
        let suite = aws_esdk::material_providers::types::EsdkAlgorithmSuiteId::AlgAes256GcmHkdfSha512CommitKey;
        let done = call.algorithm_suite_id(suite).plaintext(plaintext).send().await?;
        Ok(done.ciphertext.ok_or("no message")?.into_inner())
    }

    async fn decrypt(&self, message: &[u8]) -> Result<Vec<u8>> {
        let done = self.client.decrypt().keyring(self.keyring.clone()).ciphertext(message).send().await?;
        Ok(done.plaintext.ok_or("no plaintext")?.into_inner())
    }
}
