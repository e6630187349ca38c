//! Nonces as two vendors make them.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use cryptoki_sys::{
    CK_BYTE, CK_GCM_PARAMS, CK_MECHANISM, CK_OBJECT_HANDLE, CK_RV, CK_SESSION_HANDLE, CK_ULONG, CKM_AES_GCM,
    CKR_BUFFER_TOO_SMALL, CKR_FUNCTION_NOT_SUPPORTED, CKR_MECHANISM_INVALID, CKR_MECHANISM_PARAM_INVALID,
    CKR_OK,
};

use crate::real;
use crate::rules::{fault, gcm};

/// The nonce that each session appends next.
static APPENDED: Mutex<Option<HashMap<CK_SESSION_HANDLE, [u8; LONG]>>> = Mutex::new(None);

pub(crate) unsafe extern "C" fn encrypt_init(
    session: CK_SESSION_HANDLE,
    mechanism: *mut CK_MECHANISM,
    key: CK_OBJECT_HANDLE,
) -> CK_RV {
    if let Some(code) = fault("C_EncryptInit") {
        return code;
    }
    let Some(call) = real().and_then(|real| real.C_EncryptInit) else { return CKR_FUNCTION_NOT_SUPPORTED };
    // SAFETY: the caller's mechanism, which it may not use meanwhile.
    let given = unsafe { &*mechanism };
    let way = if given.mechanism == CKM_AES_GCM { gcm() } else { None };
    let Some(way) = way else {
        // SAFETY: the arguments are those of our caller.
        return unsafe { call(session, mechanism, key) };
    };
    if way == "none" {
        return CKR_MECHANISM_INVALID;
    }
    // SAFETY: the parameter of this mechanism is of this type.
    let mut params = unsafe { given.pParameter.cast::<CK_GCM_PARAMS>().read() };
    let mut nonce = fresh();
    if way == "zeros" {
        // SAFETY: the caller's nonce, as long as it says.
        let field = unsafe { std::slice::from_raw_parts_mut(params.pIv, SHORT) };
        if field.iter().any(|&byte| byte != 0) {
            return CKR_MECHANISM_PARAM_INVALID;
        }
        field.copy_from_slice(&nonce[..SHORT]);
    } else {
        params.pIv = nonce.as_mut_ptr();
        params.ulIvLen = LONG as CK_ULONG;
        params.ulIvBits = 8 * LONG as CK_ULONG;
        APPENDED
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get_or_insert_default()
            .insert(session, nonce);
    }
    let mut ours = CK_MECHANISM { pParameter: (&raw mut params).cast(), ..*given };
    // SAFETY: a mechanism of ours, and what it points to lives as long as the call.
    unsafe { call(session, &raw mut ours, key) }
}

pub(crate) unsafe extern "C" fn encrypt(
    session: CK_SESSION_HANDLE,
    input: *mut CK_BYTE,
    length: CK_ULONG,
    out: *mut CK_BYTE,
    written: *mut CK_ULONG,
) -> CK_RV {
    if let Some(code) = fault("C_Encrypt") {
        return code;
    }
    let Some(call) = real().and_then(|real| real.C_Encrypt) else { return CKR_FUNCTION_NOT_SUPPORTED };
    // SAFETY: the caller's length field.
    let room = unsafe { *written };
    // SAFETY: the arguments are those of our caller.
    let code = unsafe { call(session, input, length, out, written) };
    let appended =
        APPENDED.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_default().remove(&session);
    let (CKR_OK, Some(nonce)) = (code, appended) else { return code };
    // SAFETY: the caller's length field.
    let end = unsafe { *written };
    if end + LONG as CK_ULONG > room {
        return CKR_BUFFER_TOO_SMALL;
    }
    // SAFETY: within the room that the caller has.
    let behind = unsafe { out.add(usize::try_from(end).unwrap_or(0)) };
    // SAFETY: as above.
    unsafe { behind.copy_from(nonce.as_ptr(), LONG) };
    // SAFETY: the caller's length field.
    unsafe { *written = end + LONG as CK_ULONG };
    CKR_OK
}

/// Another nonce each time: enough for a test.
fn fresh() -> [u8; LONG] {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let mut nonce = [7; LONG];
    nonce[..8].copy_from_slice(&NEXT.fetch_add(1, Ordering::Relaxed).to_le_bytes());
    nonce
}

const SHORT: usize = 12;
const LONG: usize = 16;
