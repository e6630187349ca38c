//! From the caller's memory into the caller's memory.

use super::RUN_BYTES;
use super::end::{HEAD, body_to_end, walk};
use super::trial::Trial;
use crate::error::{Error, Result};
use crate::key::TAG_LEN;
use crate::message::{
    Body, Content, DecryptionMaterials, EncryptionMaterials, MessageId, Opener, Outline, Run,
    SIGNED_FOOTER_LEN, Sealer, UNFRAMED_HEAD, body_len,
};
use crate::pipeline::{Control, parallel};
use crate::primitives::digest::Digester;
use crate::primitives::output::Output;
use crate::suite::Signature;

/// Bytes of the message that these materials make of a plaintext of this length, exactly.
pub fn encrypted_len(materials: &EncryptionMaterials, plaintext_len: u64) -> Result<u64> {
    let footer = if materials.suite().signature.is_some() { SIGNED_FOOTER_LEN as u64 } else { 0 };
    Ok(materials.header_len() as u64 + body_len(plaintext_len, materials.frame_length())? + footer)
}

/// Encrypts into `out`, which has exactly [`encrypted_len`] bytes. Returns the message id.
pub fn encrypt(
    materials: &EncryptionMaterials,
    plaintext: &[u8],
    out: Output<'_>,
    control: &Control<'_>,
) -> Result<[u8; 32]> {
    let id = MessageId::generate()?;
    let bytes = *id.bytes();
    encrypt_as(materials, id, plaintext, out, control)?;
    Ok(bytes)
}

/// Encrypts as the message of this id.
pub(super) fn encrypt_as(
    materials: &EncryptionMaterials,
    id: MessageId,
    plaintext: &[u8],
    out: Output<'_>,
    control: &Control<'_>,
) -> Result<()> {
    let message_bytes = encrypted_len(materials, plaintext.len() as u64)?;
    if out.len() as u64 != message_bytes {
        return Err(Error::Misuse(format!("the output has {} bytes, not {message_bytes}", out.len())));
    }
    let body = Body::of_plaintext(plaintext.len() as u64, materials.frame_length())?;
    if let Some(signature) = materials.suite().signature {
        return seal_signed(materials, signature, id, &body, plaintext, out, control);
    }
    let (header_out, body_out) = out.split_at(materials.header_len());
    let sealer = Sealer::start(materials, id, header_out)?;
    in_runs(&body, plaintext, body_out, Side::Encrypt, control, |run, plaintext, out| {
        sealer.seal(run, plaintext, out)
    })
}

/// The hash bounds a signed message at a fraction of one core's cipher, so one thread does both.
fn seal_signed(
    materials: &EncryptionMaterials,
    signature: Signature,
    id: MessageId,
    body: &Body,
    plaintext: &[u8],
    out: Output<'_>,
    control: &Control<'_>,
) -> Result<()> {
    let mut header = vec![0; materials.header_len()];
    let sealer = Sealer::start(materials, id, Output::from(&mut header[..]))?;
    let mut signed = Digester::new(signature.hash);
    signed.update(&header);
    let (header_out, out) = out.split_at(header.len());
    header_out.write(&header)?;
    let (body_out, footer_out) = out.split_at(body_out_len(body)?);
    let mut scratch = vec![0; body.grid(RUN_BYTES).run_len()];
    for (run, plaintext, out) in Runs::new(body, plaintext, body_out, Side::Encrypt, RUN_BYTES) {
        control.check()?;
        (control.poll)()?;
        let scratch = &mut scratch[..run.body_len];
        sealer.seal(&run, plaintext, Output::from(&mut *scratch))?;
        signed.update(scratch);
        out.write(scratch)?;
        control.advance(run.plaintext_len);
    }
    footer_out.write(&Sealer::footer(materials, &signed)?).map(drop)
}

fn body_out_len(body: &Body) -> Result<usize> {
    usize::try_from(body.len()).map_err(|_| Error::Misuse("a message beyond the address space".into()))
}

/// Where things stand in a message that lies in memory, whole. Nothing of it is authentic yet.
#[derive(Debug, Clone, Copy)]
pub struct Located {
    body: Option<Body>,
    plaintext_len: usize,
    footer_at: usize,
}

impl Located {
    /// Looks through `message`, which starts with this header and must end where it says.
    pub fn find(header: &Outline<'_>, message: &[u8]) -> Result<Located> {
        match header.content {
            Content::Framed(frame_length) => Self::framed(header, frame_length, message),
            Content::Unframed => Self::unframed(header, message),
        }
    }

    /// Bytes of the plaintext.
    pub fn plaintext_len(&self) -> usize {
        self.plaintext_len
    }

    /// Frames; 0 for a non-framed body.
    pub fn frames(&self) -> u32 {
        self.body.map_or(0, |body| body.frames())
    }

    fn framed(header: &Outline<'_>, frame_length: u32, message: &[u8]) -> Result<Located> {
        let len = message.len() as u64;
        let head_at = |at: u64| {
            let at = usize::try_from(at).unwrap_or(usize::MAX);
            let head = message.get(at..).and_then(|rest| rest.first_chunk::<HEAD>());
            head.copied().ok_or_else(|| Error::Truncated { offset: len })
        };
        let body = match header.suite.signature {
            None => body_to_end(header.len() as u64, frame_length, len, head_at)?,
            Some(_) => walk(header.len() as u64, frame_length, len, head_at)?,
        };
        let footer_at = header.len() + body_out_len(&body)?;
        #[expect(
            clippy::cast_possible_truncation,
            reason = "a body lies within the message, so its plaintext fits memory as well"
        )]
        let plaintext_len = body.plaintext_len() as usize;
        Ok(Located { body: Some(body), plaintext_len, footer_at })
    }

    fn unframed(header: &Outline<'_>, message: &[u8]) -> Result<Located> {
        let truncated = || Error::Truncated { offset: message.len() as u64 };
        let body = message.get(header.len()..).unwrap_or_default();
        let Some(len) = body.get(12..).and_then(|rest| rest.first_chunk::<8>()) else {
            return Err(truncated());
        };
        let plaintext_len = usize::try_from(u64::from_be_bytes(*len)).unwrap_or(usize::MAX);
        let end = plaintext_len.checked_add(header.len() + UNFRAMED_HEAD + TAG_LEN);
        let Some(footer_at) = end.filter(|&end| end <= message.len()) else { return Err(truncated()) };
        if header.suite.signature.is_none() && footer_at < message.len() {
            return Err(Error::Malformed {
                offset: footer_at as u64,
                what: "bytes after the end of the message",
            });
        }
        Ok(Located { body: None, plaintext_len, footer_at })
    }
}

/// Decrypts into `out`, which has exactly [`Located::plaintext_len`] bytes. On failure `out` is zero.
pub fn decrypt(
    header: &Outline<'_>,
    located: &Located,
    materials: &DecryptionMaterials,
    message: &[u8],
    mut out: Output<'_>,
    control: &Control<'_>,
) -> Result<()> {
    if out.len() != located.plaintext_len {
        return Err(Error::Misuse(format!(
            "the output has {} bytes, not {}",
            out.len(),
            located.plaintext_len
        )));
    }
    let opened = open(header, located, materials, message, out.reborrow(), control);
    if opened.is_err() {
        out.zero();
    }
    opened
}

fn open(
    header: &Outline<'_>,
    located: &Located,
    materials: &DecryptionMaterials,
    message: &[u8],
    out: Output<'_>,
    control: &Control<'_>,
) -> Result<()> {
    let opener = Opener::new(header, materials)?;
    let body_bytes = &message[header.len()..located.footer_at];
    match &located.body {
        None => opener.open_unframed(body_bytes, out)?,
        Some(body) => {
            let trial = Trial::new(body);
            in_runs(body, body_bytes, out, Side::Decrypt, control, |run, body, out| {
                trial.run(|reading| opener.open(run, body, out, reading))
            })?;
        }
    }
    if let Some(signature) = header.suite.signature {
        let mut signed = Digester::new(signature.hash);
        signed.update(&message[..located.footer_at]);
        Opener::verify(materials, signed, &message[located.footer_at..], located.footer_at as u64)?;
    }
    Ok(())
}

/// Does `each` for every run of a body, on as many threads as pay.
fn in_runs(
    body: &Body,
    input: &[u8],
    output: Output<'_>,
    side: Side,
    control: &Control<'_>,
    each: impl Fn(&Run, &[u8], Output<'_>) -> Result<()> + Sync,
) -> Result<()> {
    let work = |run: Run, input: &[u8], mut output: Output<'_>| {
        output.populate();
        each(&run, input, output)?;
        control.advance(run.plaintext_len);
        Ok(())
    };
    if body.frames() == 1 {
        // a small message, where handing out runs would cost more than our part of it does
        control.check()?;
        (control.poll)()?;
        return work(body.run(1, 1), input, output);
    }
    let plaintext_len = match side {
        Side::Encrypt => input.len(),
        Side::Decrypt => output.len(),
    };
    let runs = Runs::new(body, input, output, side, run_bytes(plaintext_len, control.workers));
    parallel(control, runs, || Ok(()), |(), (run, input, output)| work(run, input, output))
}

/// Several runs for each worker, so that all end together, but one run where another thread would hardly have begun
/// before the first was done.
fn run_bytes(total: usize, workers: usize) -> usize {
    match total < WORTH_A_THREAD {
        true => WORTH_A_THREAD,
        false => (total / (RUNS_PER_WORKER * workers)).clamp(RUN_BYTES / 4, RUN_BYTES),
    }
}

const WORTH_A_THREAD: usize = 4 << 20;
const RUNS_PER_WORKER: usize = 16;

#[derive(Clone, Copy)]
enum Side {
    Encrypt,
    Decrypt,
}

/// The runs of a body with the parts of input and output that belong to each.
struct Runs<'a> {
    grid: crate::message::Grid,
    next: u32,
    input: &'a [u8],
    output: Option<Output<'a>>,
    side: Side,
}

impl<'a> Runs<'a> {
    fn new(body: &Body, input: &'a [u8], output: Output<'a>, side: Side, run_bytes: usize) -> Self {
        Runs { grid: body.grid(run_bytes), next: 0, input, output: Some(output), side }
    }
}

impl<'a> Iterator for Runs<'a> {
    type Item = (Run, &'a [u8], Output<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        if self.next == self.grid.runs() {
            return None;
        }
        let run = self.grid.run(self.next);
        self.next += 1;
        let (input_len, output_len) = match self.side {
            Side::Encrypt => (run.plaintext_len, run.body_len),
            Side::Decrypt => (run.body_len, run.plaintext_len),
        };
        let (input, input_rest) = self.input.split_at(input_len);
        let (output, output_rest) = self.output.take()?.split_at(output_len);
        self.input = input_rest;
        self.output = Some(output_rest);
        Some((run, input, output))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = (self.grid.runs() - self.next) as usize;
        (left, Some(left))
    }
}

impl ExactSizeIterator for Runs<'_> {}
