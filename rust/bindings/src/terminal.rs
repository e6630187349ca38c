//! Asks for a secret on the terminal, straight into locked memory.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::path::Path;

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use strongroom_core::error::{Error, Result};
use strongroom_secmem::Secret;
use zeroize::Zeroizing;

/// Asks on the controlling terminal, without echo; whatever stdin and stdout are.
pub(crate) fn ask(prompt: &str) -> Result<Secret> {
    let path = Path::new("/dev/tty");
    let terminal = OpenOptions::new().read(true).write(true).open(path).map_err(Error::io("open", path))?;
    let failed = || Error::io("use", path);
    // before the prompt: whoever answers it at once is neither shown nor lost
    let quiet = Quiet::new(&terminal)?;
    (&terminal).write_all(prompt.as_bytes()).map_err(failed())?;
    let line = line(&mut &terminal);
    drop(quiet);
    (&terminal).write_all(b"\n").map_err(failed())?;
    line
}

fn line(terminal: &mut impl Read) -> Result<Secret> {
    let mut bytes = Zeroizing::new([0; LONGEST]);
    let mut len = 0;
    while len < LONGEST {
        match terminal.read(&mut bytes[len..=len]) {
            Ok(0) => break,
            Ok(_) if bytes[len] == b'\n' => break,
            Ok(_) => len += 1,
            Err(error) => return Err(Error::io_unnamed("read the terminal")(error)),
        }
    }
    match len {
        0 => Err(Error::Misuse("the passphrase is empty".into())),
        _ => Ok(Secret::copy_from(&bytes[..len])?),
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

const LONGEST: usize = 4096;
