//! A PKCS#11 module that hands every call to the one that `FAULT_MODULE` names, except where the file `FAULT_FILE` says
//! otherwise. The file is read again at each call. A rule is a line:
//!
//! ```text
//! C_Decrypt 0x30          the function returns this code instead
//! C_Decrypt 0x30 2        the next two times
//! C_Decrypt sleep 5       it takes five seconds longer
//! gcm none                there is no GCM
//! gcm zeros               GCM wants a nonce of zeros, and writes its own over it, as AWS CloudHSM does
//! gcm appended            GCM makes a nonce of 16 bytes and appends it, as Luna in FIPS mode does
//! ```
//!
//! Each call is a line of the file `FAULT_LOG`.

mod gcm;
mod rules;

use std::sync::OnceLock;

use cryptoki_sys::{
    CK_ATTRIBUTE, CK_BYTE, CK_C_GetFunctionList, CK_FLAGS, CK_FUNCTION_LIST, CK_MECHANISM, CK_NOTIFY,
    CK_OBJECT_HANDLE, CK_RV, CK_SESSION_HANDLE, CK_SLOT_ID, CK_TOKEN_INFO, CK_ULONG, CK_USER_TYPE,
    CK_UTF8CHAR, CKR_ARGUMENTS_BAD, CKR_FUNCTION_NOT_SUPPORTED, CKR_GENERAL_ERROR, CKR_OK,
};
use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW};

use crate::rules::fault;

/// The functions of the module behind this one.
fn real() -> Option<&'static CK_FUNCTION_LIST> {
    static REAL: OnceLock<Option<&'static CK_FUNCTION_LIST>> = OnceLock::new();
    *REAL.get_or_init(load)
}

fn load() -> Option<&'static CK_FUNCTION_LIST> {
    let path = rules::variable("FAULT_MODULE")?;
    // SAFETY: the tests name a module that they have installed.
    let library = unsafe { Library::open(Some(path), RTLD_NOW | RTLD_LOCAL) }.ok()?;
    // SAFETY: the standard gives this name to a function of this type.
    let entry = (*unsafe { library.get::<CK_C_GetFunctionList>(b"C_GetFunctionList\0") }.ok()?)?;
    let mut list = std::ptr::null_mut();
    // SAFETY: it writes one pointer, for which there is room.
    let code = unsafe { entry(&raw mut list) };
    std::mem::forget(library);
    if code != CKR_OK {
        return None;
    }
    // SAFETY: a module's list is static, and the module stays loaded.
    unsafe { list.as_ref() }
}

/// The entry of every PKCS#11 module.
///
/// # Safety
/// As the standard says: `list` is null or has room for a pointer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn C_GetFunctionList(list: *mut *mut CK_FUNCTION_LIST) -> CK_RV {
    static OURS: OnceLock<Option<Ours>> = OnceLock::new();
    let Some(ours) = OURS.get_or_init(|| real().map(|real| Ours(patched(*real)))) else {
        return CKR_GENERAL_ERROR;
    };
    if list.is_null() {
        return CKR_ARGUMENTS_BAD;
    }
    // SAFETY: not null, and the caller has room for a pointer there.
    unsafe { list.write((&raw const ours.0).cast_mut()) };
    CKR_OK
}

struct Ours(CK_FUNCTION_LIST);

macro_rules! through {
    ($($name:ident($($argument:ident: $kind:ty),*);)*) => {
        $(
            #[allow(non_snake_case, reason = "as the standard has it")]
            unsafe extern "C" fn $name($($argument: $kind),*) -> CK_RV {
                if let Some(code) = fault(stringify!($name)) {
                    return code;
                }
                match real().and_then(|real| real.$name) {
                    // SAFETY: the arguments are those of our caller.
                    Some(call) => unsafe { call($($argument),*) },
                    None => CKR_FUNCTION_NOT_SUPPORTED,
                }
            }
        )*

        fn patched(real: CK_FUNCTION_LIST) -> CK_FUNCTION_LIST {
            CK_FUNCTION_LIST {
                $($name: Some($name),)*
                C_EncryptInit: Some(gcm::encrypt_init),
                C_Encrypt: Some(gcm::encrypt),
                ..real
            }
        }
    };
}

through! {
    C_Initialize(arguments: *mut std::ffi::c_void);
    C_Finalize(reserved: *mut std::ffi::c_void);
    C_GetSlotList(present: CK_BYTE, slots: *mut CK_SLOT_ID, count: *mut CK_ULONG);
    C_GetTokenInfo(slot: CK_SLOT_ID, info: *mut CK_TOKEN_INFO);
    C_OpenSession(
        slot: CK_SLOT_ID,
        flags: CK_FLAGS,
        application: *mut std::ffi::c_void,
        notify: CK_NOTIFY,
        session: *mut CK_SESSION_HANDLE
    );
    C_CloseSession(session: CK_SESSION_HANDLE);
    C_Login(session: CK_SESSION_HANDLE, user: CK_USER_TYPE, pin: *mut CK_UTF8CHAR, length: CK_ULONG);
    C_FindObjectsInit(session: CK_SESSION_HANDLE, template: *mut CK_ATTRIBUTE, count: CK_ULONG);
    C_DestroyObject(session: CK_SESSION_HANDLE, object: CK_OBJECT_HANDLE);
    C_GenerateKey(
        session: CK_SESSION_HANDLE,
        mechanism: *mut CK_MECHANISM,
        template: *mut CK_ATTRIBUTE,
        count: CK_ULONG,
        key: *mut CK_OBJECT_HANDLE
    );
    C_DecryptInit(session: CK_SESSION_HANDLE, mechanism: *mut CK_MECHANISM, key: CK_OBJECT_HANDLE);
    C_Decrypt(
        session: CK_SESSION_HANDLE,
        input: *mut CK_BYTE,
        length: CK_ULONG,
        out: *mut CK_BYTE,
        written: *mut CK_ULONG
    );
    C_SignInit(session: CK_SESSION_HANDLE, mechanism: *mut CK_MECHANISM, key: CK_OBJECT_HANDLE);
    C_Sign(
        session: CK_SESSION_HANDLE,
        input: *mut CK_BYTE,
        length: CK_ULONG,
        out: *mut CK_BYTE,
        written: *mut CK_ULONG
    );
}
