//! A session: its calls in order, its handle, and what is done in it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use strongroom_secmem::Secret;

use crate::calls::Calls;
use crate::scheme::Operation;
use crate::strand::Strand;
use crate::{Fault, Module, Nonce, Scheme};

/// A session with a token, for one thing at a time. Not to be used after a fault, nor in a forked child.
#[derive(Debug)]
pub struct Session {
    strand: Strand,
    calls: Calls,
    handle: u64,
    closed: AtomicBool,
}

impl Session {
    /// Opens a session with the token in a slot.
    ///
    /// # Errors
    /// [`Fault`], by the deadline, as for all that follows.
    pub fn open(module: &Module, slot: u64, read_write: bool, deadline: Duration) -> Result<Self, Fault> {
        let strand = Strand::new(&module.pool);
        let calls = module.calls.clone();
        let handle = strand.run("C_OpenSession", deadline, move || calls.open_session(slot, read_write))?;
        Ok(Session { strand, calls: module.calls.clone(), handle, closed: AtomicBool::new(false) })
    }

    /// Logs the process in to the token, as its user. Tried once, whatever the token says.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn login(&self, pin: &Secret, deadline: Duration) -> Result<(), Fault> {
        let pin = Secret::copy_from(pin.expose()?)?;
        let (calls, handle) = (self.calls.clone(), self.handle);
        self.strand.run("C_Login", deadline, move || calls.login(handle, pin.expose()?))
    }

    /// Wraps a key of 32 bytes and binds it to `aad`, which must not be empty: some modules abort on that.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn wrap(
        &self,
        scheme: Scheme,
        key: &Secret,
        nonce: Nonce,
        aad: &[u8],
        deadline: Duration,
    ) -> Result<Vec<u8>, Fault> {
        let (key, aad) = (Secret::copy_from(key.expose()?)?, aad.to_vec());
        let (calls, session) = (self.calls.clone(), self.handle);
        self.strand.run("C_Encrypt", deadline, move || {
            Operation { calls: &calls, session, scheme, aad: &aad }.wrap(&key, nonce)
        })
    }

    /// Unwraps what [`wrap`](Self::wrap) made, into locked memory.
    ///
    /// # Errors
    /// [`Fault::Corrupt`] where that can be told; a module may return anything else for it.
    pub fn unwrap(
        &self,
        scheme: Scheme,
        wrapped: &[u8],
        aad: &[u8],
        deadline: Duration,
    ) -> Result<Secret, Fault> {
        let (wrapped, aad) = (wrapped.to_vec(), aad.to_vec());
        let (calls, session) = (self.calls.clone(), self.handle);
        self.strand.run("C_Decrypt", deadline, move || {
            Operation { calls: &calls, session, scheme, aad: &aad }.unwrap(&wrapped)
        })
    }

    /// Has the session closed without waiting for it: the module may be hung.
    pub fn abandon(&self) {
        if self.closed.swap(true, Ordering::AcqRel) {
            return;
        }
        let (calls, handle) = (self.calls.clone(), self.handle);
        self.strand.leave(move || {
            let _ = calls.close_session(handle);
        });
    }

    /// Closes the session. The login of the process ends with its last one.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn close(&self, deadline: Duration) -> Result<(), Fault> {
        if self.closed.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
        let (calls, handle) = (self.calls.clone(), self.handle);
        self.strand.run("C_CloseSession", deadline, move || calls.close_session(handle))
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.abandon();
    }
}
