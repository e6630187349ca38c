//! A module: loaded once in a process, initialised for threads, never unloaded.

use std::ffi::{CString, c_void};
use std::path::Path;
use std::ptr;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use cryptoki_sys::{
    CK_C_GetFunctionList, CK_C_INITIALIZE_ARGS, CK_FUNCTION_LIST, CKF_OS_LOCKING_OK,
    CKR_CRYPTOKI_ALREADY_INITIALIZED, CKR_OK,
};
use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW};

use crate::Fault;
use crate::calls::Calls;
use crate::pool::Pool;
use crate::strand::Strand;

/// A module that is loaded. The loader gives the same one to everyone in the process who asks for the same file.
#[derive(Debug, Clone)]
pub struct Module {
    pub(crate) calls: Calls,
    pub(crate) pool: Arc<Pool>,
}

impl Module {
    /// Loads a module and initialises it for several threads; `reserved` is what some modules want to be told then.
    /// The second value says whether nobody had initialised it before, so that it is known to lock.
    ///
    /// # Errors
    /// [`Fault`], by the deadline.
    pub fn open(path: &Path, reserved: Option<CString>, deadline: Duration) -> Result<(Module, bool), Fault> {
        let pool = Pool::new();
        let path = path.to_owned();
        let (calls, ours) = Strand::new(&pool).run("C_Initialize", deadline, move || {
            let calls = load(&path)?;
            let ours = initialize(&calls, reserved)?;
            Ok((calls, ours))
        })?;
        Ok((Module { calls, pool }, ours))
    }

    /// Ends the module's state in this process, its sessions and logins, so that it can be opened anew. Everyone else in the
    /// process who uses the module is cut off as well. From then on this one refuses every call, as a module that is not initialised does.
    ///
    /// # Errors
    /// [`Fault::Stuck`] if a call is inside until the deadline, during which this would be undefined; else what the module
    /// returns.
    pub fn finalize(&self, deadline: Duration) -> Result<(), Fault> {
        let inside = &self.pool.inside;
        inside.end();
        // sessions that were let go are being closed
        let begun = Instant::now();
        while !inside.is_empty() {
            if inside.late() > 0 || begun.elapsed() >= deadline {
                inside.go_on();
                return Err(Fault::Stuck);
            }
            thread::sleep(PAUSE);
        }
        let calls = self.calls.clone();
        Strand::new(&self.pool).run_last("C_Finalize", deadline, move || calls.finalize())
    }

    /// Whether no call is inside, not even one that was given up.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.pool.inside.is_empty()
    }
}

fn load(path: &Path) -> Result<Calls, Fault> {
    let unloadable = |error: libloading::Error| Fault::Unloadable(error.to_string());
    // SAFETY: this runs the file's initialisers. Which file may do that, its caller decides: a module is trusted with keys.
    let library = unsafe { Library::open(Some(path), RTLD_NOW | RTLD_LOCAL) }.map_err(unloadable)?;
    // SAFETY: the standard gives this name to a function of this type.
    let entry = unsafe { library.get::<CK_C_GetFunctionList>(b"C_GetFunctionList\0") }.map_err(unloadable)?;
    let entry = (*entry).ok_or(Fault::Nonsense { call: "C_GetFunctionList" })?;
    let mut list: *mut CK_FUNCTION_LIST = ptr::null_mut();
    // SAFETY: it writes one pointer, for which there is room.
    let code = unsafe { entry(&raw mut list) };
    if code != CKR_OK {
        return Err(Fault::Returned { call: "C_GetFunctionList", code });
    }
    // its code and its list stay where they are: a thread may be inside for ever
    std::mem::forget(library);
    // SAFETY: a module's list is static, and the module is never unloaded.
    let list = unsafe { list.as_ref() }.ok_or(Fault::Nonsense { call: "C_GetFunctionList" })?;
    Ok(Calls(list))
}

fn initialize(calls: &Calls, reserved: Option<CString>) -> Result<bool, Fault> {
    let mut arguments = CK_C_INITIALIZE_ARGS { flags: CKF_OS_LOCKING_OK, ..Default::default() };
    if let Some(text) = &reserved {
        arguments.pReserved = text.as_ptr().cast_mut().cast::<c_void>();
    }
    match calls.initialize(&mut arguments) {
        Ok(()) => Ok(true),
        Err(Fault::Returned { code: CKR_CRYPTOKI_ALREADY_INITIALIZED, .. }) => Ok(false),
        Err(fault) => Err(fault),
    }
}

const PAUSE: Duration = Duration::from_millis(1);
