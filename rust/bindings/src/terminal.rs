//! Asks for a secret on the terminal, straight into locked memory.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use strongroom_core::error::{Error, Result};
use strongroom_secmem::Secret;
use zeroize::Zeroizing;

use crate::control::read_or_signal;

/// Asks on the controlling terminal, without echo; whatever stdin and stdout are.
pub(crate) fn ask(prompt: &str) -> Result<Secret> {
    let path = Path::new("/dev/tty");
    let terminal = OpenOptions::new().read(true).write(true).open(path).map_err(Error::io("open", path))?;
    let failed = || Error::io("use", path);
    // before the prompt: whoever answers it at once is neither shown nor lost
    let quiet = Quiet::new(&terminal)?;
    (&terminal).write_all(prompt.as_bytes()).map_err(failed())?;
    let line = line(&terminal);
    drop(quiet);
    (&terminal).write_all(b"\n").map_err(failed())?;
    line
}

fn line(terminal: &File) -> Result<Secret> {
    let mut bytes = Zeroizing::new([0; LONGEST + 1]);
    let mut len = 0;
    while len <= LONGEST {
        let count = read_or_signal(terminal, &mut bytes[len..=len], Error::io_unnamed("read the terminal"))?;
        if count == 0 || bytes[len] == b'\n' {
            break;
        }
        len += 1;
    }
    match len {
        0 => Err(Error::Misuse("the passphrase is empty".into())),
        1..=LONGEST => Ok(Secret::copy_from(&bytes[..len])?),
        _ => Err(Error::Limit { what: "a passphrase", limit: LONGEST as u64, found: len as u64 }),
    }
}

/// Echo is off while this lives.
struct Quiet<'a> {
    terminal: &'a File,
    before: Termios,
}

impl<'a> Quiet<'a> {
    fn new(terminal: &'a File) -> Result<Self> {
        let failed = |error: rustix::io::Errno| Error::io_unnamed("turn off echo")(error.into());
        let before = tcgetattr(terminal).map_err(failed)?;
        let mut quiet = before.clone();
        quiet.local_modes.remove(LocalModes::ECHO);
        quiet.local_modes.insert(LocalModes::ICANON);
        tcsetattr(terminal, OptionalActions::Flush, &quiet).map_err(failed)?;
        Ok(Quiet { terminal, before })
    }
}

impl Drop for Quiet<'_> {
    fn drop(&mut self) {
        // a terminal that is gone needs no echo
        let _ = tcsetattr(self.terminal, OptionalActions::Flush, &self.before);
    }
}

/// Bytes of a passphrase at most.
const LONGEST: usize = 4096;
