//! File descriptors as streams that a signal or a cancelled job can interrupt.

use std::fs::File;
use std::io::{self, Read, Write};
use std::sync::Arc;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{Errno, ReadWriteFlags, preadv2};
use rustix::pipe::{fcntl_getpipe_size, fcntl_setpipe_size};

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
        widen(&file);
        DescriptorReader { file, progress, poll }
    }
}

impl Read for DescriptorReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        // to ask whether there is something takes about as long as to read it
        if let Ok(count) = read_at_once(&self.file, buffer) {
            return Ok(count);
        }
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

/// Reads from the current position if that need not wait. Not every kind of file can; any error leaves it to the read
/// that may wait.
fn read_at_once(file: &File, buffer: &mut [u8]) -> rustix::io::Result<usize> {
    preadv2(file, &mut [io::IoSliceMut::new(buffer)], CURRENT_POSITION, ReadWriteFlags::NOWAIT)
}

/// Writes; between waits it polls, so that a reader who sleeps cannot hold a signal up.
pub struct DescriptorWriter<'a> {
    file: &'a File,
    poll: &'a dyn Fn() -> Result<()>,
}

impl<'a> DescriptorWriter<'a> {
    /// Writes to this file; `poll` is called whenever it has to wait.
    pub fn new(file: &'a File, poll: &'a dyn Fn() -> Result<()>) -> Self {
        widen(file);
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

/// Lets a pipe hold a run of frames: fewer calls, and fewer turns between its two sides. Not where it is none, is large
/// enough, or the user's pipes have all the memory that they may.
fn widen(file: &File) {
    if fcntl_getpipe_size(file).is_ok_and(|size| size < PIPE_BYTES) {
        let _ = fcntl_setpipe_size(file, PIPE_BYTES);
    }
}

/// Where preadv2 reads on, and moves the position as read does.
const CURRENT_POSITION: u64 = u64::MAX;
/// What Linux lets anyone ask for, unless it is told otherwise.
const PIPE_BYTES: usize = 1 << 20;
const LOOK_UP: Timespec = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };

#[cfg(test)]
mod tests {
    use super::*;

    fn reader(file: File) -> DescriptorReader {
        DescriptorReader::new(file, Arc::default(), || Ok(()))
    }

    #[test]
    fn files_and_pipes_are_read_on_from_where_they_stand() {
        let mut written = tempfile::tempfile().unwrap();
        written.write_all(b"from a file").unwrap();
        io::Seek::rewind(&mut written).unwrap();
        let mut bytes = [0; 5];
        let mut file = reader(written);
        file.read_exact(&mut bytes).unwrap();
        let mut rest = String::new();
        file.read_to_string(&mut rest).unwrap();
        assert_eq!((&bytes, rest.as_str()), (b"from ", "a file"));

        let (out, input) = rustix::pipe::pipe().unwrap();
        let late = std::thread::spawn(move || {
            let mut input = File::from(input);
            std::thread::sleep(std::time::Duration::from_millis(80));
            input.write_all(b"from a pipe").unwrap();
        });
        rest.clear();
        reader(File::from(out)).read_to_string(&mut rest).unwrap();
        late.join().unwrap();
        assert_eq!(rest, "from a pipe");
    }

    #[test]
    fn a_pipe_grows_and_nothing_else_is_touched() {
        let (out, input) = rustix::pipe::pipe().unwrap();
        let (out, input) = (File::from(out), File::from(input));
        assert!(fcntl_getpipe_size(&out).unwrap() < PIPE_BYTES);
        widen(&input);
        let grown = fcntl_getpipe_size(&out).unwrap();
        // a machine may allow less, or this user's other pipes may have used it up
        assert!(grown == PIPE_BYTES || fcntl_setpipe_size(&out, PIPE_BYTES).is_err());
        widen(&out);
        assert_eq!(fcntl_getpipe_size(&out).unwrap(), grown);
        widen(&File::open("/dev/null").unwrap());
    }
}
