//! One method for each C function that is called, and the argument why the call is sound.
//!
//! For all of them: the list belongs to a module that is never unloaded, pointers and lengths come from one slice each, and
//! the standard forbids a module to keep a pointer or to write beyond a length.

use cryptoki_sys::{
    CK_BYTE, CK_C_INITIALIZE_ARGS, CK_FUNCTION_LIST, CK_MECHANISM, CK_OBJECT_HANDLE, CK_RV,
    CK_SESSION_HANDLE, CK_SLOT_ID, CK_ULONG, CKF_RW_SESSION, CKF_SERIAL_SESSION, CKR_OK, CKU_USER,
};
use std::ptr;

use crate::Fault;

/// The functions of a module.
#[derive(Debug, Clone)]
pub(crate) struct Calls(pub(crate) &'static CK_FUNCTION_LIST);

impl Calls {
    pub(crate) fn initialize(&self, arguments: &mut CK_C_INITIALIZE_ARGS) -> Result<(), Fault> {
        let call = self.0.C_Initialize.ok_or(MISSING)?;
        // SAFETY: as above; the arguments outlive the call.
        ok("C_Initialize", unsafe { call(ptr::from_mut(arguments).cast()) })
    }

    pub(crate) fn finalize(&self) -> Result<(), Fault> {
        let call = self.0.C_Finalize.ok_or(MISSING)?;
        // SAFETY: as above, and no other call is inside, which `Module::finalize` has checked.
        ok("C_Finalize", unsafe { call(ptr::null_mut()) })
    }

    pub(crate) fn open_session(
        &self,
        slot: CK_SLOT_ID,
        read_write: bool,
    ) -> Result<CK_SESSION_HANDLE, Fault> {
        let call = self.0.C_OpenSession.ok_or(MISSING)?;
        let flags = CKF_SERIAL_SESSION | if read_write { CKF_RW_SESSION } else { 0 };
        let mut handle = 0;
        // SAFETY: as above; without a callback there is nothing for the module to call.
        let code = unsafe { call(slot, flags, ptr::null_mut(), None, &raw mut handle) };
        ok("C_OpenSession", code).map(|()| handle)
    }

    pub(crate) fn close_session(&self, session: CK_SESSION_HANDLE) -> Result<(), Fault> {
        let call = self.0.C_CloseSession.ok_or(MISSING)?;
        // SAFETY: as above.
        ok("C_CloseSession", unsafe { call(session) })
    }

    pub(crate) fn login(&self, session: CK_SESSION_HANDLE, pin: &[u8]) -> Result<(), Fault> {
        let call = self.0.C_Login.ok_or(MISSING)?;
        // SAFETY: as above; a module only reads the PIN.
        ok("C_Login", unsafe { call(session, CKU_USER, pin.as_ptr().cast_mut(), len(pin)) })
    }

    pub(crate) fn encrypt_init(&self, at: &At, mechanism: &mut CK_MECHANISM) -> Result<(), Fault> {
        let call = self.0.C_EncryptInit.ok_or(MISSING)?;
        // SAFETY: as above; the mechanism's parameter outlives the operation, which the caller ends.
        ok("C_EncryptInit", unsafe { call(at.session, mechanism, at.key) })
    }

    pub(crate) fn encrypt(&self, at: &At, input: &[u8], out: &mut [u8]) -> Result<usize, Fault> {
        transform("C_Encrypt", self.0.C_Encrypt, at.session, input, out)
    }

    pub(crate) fn decrypt_init(&self, at: &At, mechanism: &mut CK_MECHANISM) -> Result<(), Fault> {
        let call = self.0.C_DecryptInit.ok_or(MISSING)?;
        // SAFETY: as for `encrypt_init`.
        ok("C_DecryptInit", unsafe { call(at.session, mechanism, at.key) })
    }

    pub(crate) fn decrypt(&self, at: &At, input: &[u8], out: &mut [u8]) -> Result<usize, Fault> {
        transform("C_Decrypt", self.0.C_Decrypt, at.session, input, out)
    }

    pub(crate) fn digest_init(
        &self,
        session: CK_SESSION_HANDLE,
        mechanism: &mut CK_MECHANISM,
    ) -> Result<(), Fault> {
        let call = self.0.C_DigestInit.ok_or(MISSING)?;
        // SAFETY: as for `encrypt_init`.
        ok("C_DigestInit", unsafe { call(session, mechanism) })
    }

    pub(crate) fn digest(
        &self,
        session: CK_SESSION_HANDLE,
        input: &[u8],
        out: &mut [u8],
    ) -> Result<usize, Fault> {
        transform("C_Digest", self.0.C_Digest, session, input, out)
    }

    pub(crate) fn sign_init(&self, at: &At, mechanism: &mut CK_MECHANISM) -> Result<(), Fault> {
        let call = self.0.C_SignInit.ok_or(MISSING)?;
        // SAFETY: as for `encrypt_init`.
        ok("C_SignInit", unsafe { call(at.session, mechanism, at.key) })
    }

    pub(crate) fn sign(&self, at: &At, input: &[u8], out: &mut [u8]) -> Result<usize, Fault> {
        transform("C_Sign", self.0.C_Sign, at.session, input, out)
    }
}

/// The session and the key that an operation is for.
pub(crate) struct At {
    pub(crate) session: CK_SESSION_HANDLE,
    pub(crate) key: CK_OBJECT_HANDLE,
}

/// What C_Encrypt, C_Decrypt, C_Digest and C_Sign have in common.
type Transform = Option<
    unsafe extern "C" fn(CK_SESSION_HANDLE, *mut CK_BYTE, CK_ULONG, *mut CK_BYTE, *mut CK_ULONG) -> CK_RV,
>;

fn transform(
    name: &'static str,
    call: Transform,
    session: CK_SESSION_HANDLE,
    input: &[u8],
    out: &mut [u8],
) -> Result<usize, Fault> {
    let call = call.ok_or(MISSING)?;
    let mut written = len(out);
    // SAFETY: as above; a module only reads the input.
    let code =
        unsafe { call(session, input.as_ptr().cast_mut(), len(input), out.as_mut_ptr(), &raw mut written) };
    ok(name, code)?;
    usize::try_from(written).ok().filter(|&count| count <= out.len()).ok_or(Fault::Nonsense { call: name })
}

fn ok(call: &'static str, code: CK_RV) -> Result<(), Fault> {
    if code == CKR_OK { Ok(()) } else { Err(Fault::Returned { call, code }) }
}

/// A length as C has it, which is as wide as ours wherever this builds.
fn len(bytes: &[u8]) -> CK_ULONG {
    bytes.len() as CK_ULONG
}

const MISSING: Fault = Fault::Nonsense { call: "C_GetFunctionList" };
