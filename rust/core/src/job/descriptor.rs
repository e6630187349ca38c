//! File descriptors as streams that a signal or a cancelled job can interrupt.

use std::fs::File;
use std::io::{self, Read, Write};
use std::sync::Arc;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use crate::error::{Error, Result};
use crate::pipeline::Progress;

/// Reads until the end, or until the job is cancelled.
#[derive(Debug)]
pub struct DescriptorReader {
    file: File,
    progress: Arc<Progress>,
    poll: fn() -> Result<()>,
}

impl DescriptorReader {
    /// Reads from this file; gives up when `progress` is cancelled. `poll` is called now and then while it has to wait,
    /// on whichever thread reads.
    pub fn new(file: File, progress: Arc<Progress>, poll: fn() -> Result<()>) -> Self {
        DescriptorReader { file, progress, poll }
    }
}

impl Read for DescriptorReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let mut waiting = [PollFd::new(&self.file, PollFlags::IN)];
            match poll(&mut waiting, Some(&LOOK_UP)) {
                Ok(0) | Err(Errno::INTR) if self.progress.is_cancelled() => {
                    return Err(io::Error::other(Error::Cancelled));
                }
                Ok(0) | Err(Errno::INTR) => (self.poll)().map_err(io::Error::other)?,
                Ok(_) => return self.file.read(buffer),
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// Writes; between waits it polls, so that a reader who sleeps cannot hold a signal up.
pub struct DescriptorWriter<'a> {
    file: &'a File,
    poll: &'a dyn Fn() -> Result<()>,
}

impl<'a> DescriptorWriter<'a> {
    /// Writes to this file; `poll` is called whenever it has to wait.
    pub fn new(file: &'a File, poll: &'a dyn Fn() -> Result<()>) -> Self {
        DescriptorWriter { file, poll }
    }
}

impl Write for DescriptorWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            match rustix::io::write(self.file, bytes) {
                Ok(count) => return Ok(count),
                Err(Errno::INTR) => (self.poll)().map_err(io::Error::other)?,
                Err(Errno::AGAIN) => self.wait()?,
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl DescriptorWriter<'_> {
    fn wait(&self) -> io::Result<()> {
        match poll(&mut [PollFd::new(self.file, PollFlags::OUT)], Some(&LOOK_UP)) {
            Ok(_) | Err(Errno::INTR) => (self.poll)().map_err(io::Error::other),
            Err(error) => Err(error.into()),
        }
    }
}

const LOOK_UP: Timespec = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };
