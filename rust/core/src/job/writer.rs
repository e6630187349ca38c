//! A message file that is written piece by piece, as a file object is.

use std::io::IoSlice;
use std::sync::Arc;

use super::spare::Spare;
use super::vectored::write_all;
use super::{AtomicFile, Done, RUN_BYTES};
use crate::error::{Error, Result};
use crate::message::{Body, EncryptionMaterials, Run, Sealer, frames_per_run};
use crate::pipeline::{Control, parallel};
use crate::primitives::digest::Digester;
use crate::primitives::output::Output;

/// Collects plaintext and writes runs of frames. Until [`finish`](Self::finish) the target does not exist; dropped
/// before, it never will.
pub struct Writer {
    materials: Arc<EncryptionMaterials>,
    sealer: Sealer,
    target: AtomicFile,
    signed: Option<Digester>,
    pending: zeroize::Zeroizing<Vec<u8>>,
    capacity: usize,
    /// Frames written so far.
    written: u32,
    /// What its threads seal into.
    spare: Spare,
    /// Whether frames may have been sealed that `written` does not count: none is sealed twice.
    failed: bool,
}

impl Writer {
    /// Starts a message in `target`. About `workers` runs are held back, so that as many threads have work.
    pub fn new(materials: Arc<EncryptionMaterials>, target: AtomicFile, workers: usize) -> Result<Self> {
        let (sealer, header) = Sealer::new(&materials)?;
        let mut signed = materials.suite().signature.map(|signature| Digester::new(signature.hash));
        if let Some(signed) = &mut signed {
            signed.update(&header);
        }
        let frame_length = materials.frame_length();
        let capacity =
            workers.max(1) * frames_per_run(frame_length, RUN_BYTES) as usize * frame_length as usize;
        write_at(&target, &header, 0)?;
        let pending = zeroize::Zeroizing::new(Vec::with_capacity(capacity));
        Ok(Writer {
            materials,
            sealer,
            target,
            signed,
            pending,
            capacity,
            written: 0,
            spare: Spare::default(),
            failed: false,
        })
    }

    /// Takes in more plaintext. After an error it takes no more, and cannot be finished.
    pub fn write(&mut self, mut plaintext: &[u8], control: &Control<'_>) -> Result<()> {
        while !plaintext.is_empty() {
            // a full buffer is written only when more follows, so that the final frame is never empty for nothing
            if self.pending.len() == self.capacity {
                self.flush(false, control)?;
            }
            let (now, later) = plaintext.split_at(plaintext.len().min(self.capacity - self.pending.len()));
            self.pending.extend_from_slice(now);
            plaintext = later;
        }
        Ok(())
    }

    /// Plaintext bytes taken in so far.
    pub fn position(&self) -> u64 {
        u64::from(self.written) * u64::from(self.materials.frame_length()) + self.pending.len() as u64
    }

    /// Writes the rest and the final frame, and gives the file its name, durably.
    pub fn finish(mut self, control: &Control<'_>) -> Result<Done> {
        let body = self.body(true)?;
        self.flush(true, control)?;
        let mut message_bytes = self.materials.header_len() as u64 + body.len();
        if let Some(signed) = &self.signed {
            let footer = Sealer::footer(&self.materials, signed)?;
            write_at(&self.target, &footer, message_bytes)?;
            message_bytes += footer.len() as u64;
        }
        let done = Done {
            plaintext_bytes: body.plaintext_len(),
            message_bytes,
            frames: body.frames(),
            message_id: self.sealer.message_id().to_vec(),
        };
        self.target.commit()?;
        Ok(done)
    }

    fn flush(&mut self, is_last: bool, control: &Control<'_>) -> Result<()> {
        if std::mem::replace(&mut self.failed, true) {
            return Err(Error::Misuse("this writer failed before".into()));
        }
        let body = self.body(is_last)?;
        let runs = self.runs(&body, is_last);
        let longest = runs.iter().map(|run| run.body_len).max().unwrap_or(0);
        match &mut self.signed {
            None => parallel(
                control,
                runs.into_iter(),
                || Ok(self.spare.lend(longest)),
                |scratch, run| self.seal(&run, scratch.first(run.body_len)),
            )?,
            Some(signed) => {
                let mut hashed = signed.clone();
                let mut scratch = self.spare.lend(longest);
                for run in runs {
                    let sealed = scratch.first(run.body_len);
                    self.seal(&run, sealed)?;
                    hashed.update(sealed);
                }
                drop(scratch);
                self.signed = Some(hashed);
            }
        }
        self.written = if is_last { body.frames() } else { body.regular };
        // wipes all of it and leaves it empty
        zeroize::Zeroize::zeroize(&mut *self.pending);
        self.failed = false;
        Ok(())
    }

    /// The message so far, pending plaintext included. If more is to come, its final frame is none of these.
    fn body(&self, is_last: bool) -> Result<Body> {
        let mut body = Body::of_plaintext(self.position(), self.materials.frame_length())?;
        if !is_last {
            (body.regular, body.final_len) = (body.regular + 1, 0);
        }
        Ok(body)
    }

    fn runs(&self, body: &Body, is_last: bool) -> Vec<Run> {
        let per_run = frames_per_run(body.frame_length, RUN_BYTES);
        let end = if is_last { body.frames() } else { body.regular };
        (self.written..end)
            .step_by(per_run as usize)
            .map(|done| body.run(done + 1, per_run.min(end - done)))
            .collect()
    }

    fn seal(&self, run: &Run, scratch: &mut [u8]) -> Result<()> {
        // the pending plaintext starts after the frames that are written
        #[expect(clippy::cast_possible_truncation, reason = "it fits memory")]
        let start =
            (run.plaintext_at - u64::from(self.written) * u64::from(self.materials.frame_length())) as usize;
        let plaintext = &self.pending[start..start + run.plaintext_len];
        self.sealer.seal(run, plaintext, Output::from(&mut *scratch))?;
        write_at(&self.target, scratch, self.materials.header_len() as u64 + run.body_at)
    }
}

fn write_at(target: &AtomicFile, bytes: &[u8], at: u64) -> Result<()> {
    write_all(target.file(), &mut [IoSlice::new(bytes)], at).map_err(Error::io("write", target.path()))
}
