"""The system's OpenSSL through cffi: EVP with nothing of Python between but the calls."""

from __future__ import annotations

import ctypes.util

from benches.harness.row import Unavailable
from benches.peers.frame import TAG, FramePeer

DECLARATIONS = """
typedef struct evp_cipher_ctx_st EVP_CIPHER_CTX; typedef struct evp_cipher_st EVP_CIPHER;
EVP_CIPHER *EVP_CIPHER_fetch(void *, const char *, const char *);
EVP_CIPHER_CTX *EVP_CIPHER_CTX_new(void);
int EVP_CipherInit_ex(EVP_CIPHER_CTX *, const EVP_CIPHER *, void *, const unsigned char *, const unsigned char *, int);
int EVP_CipherUpdate(EVP_CIPHER_CTX *, unsigned char *, int *, const unsigned char *, int);
int EVP_CipherFinal_ex(EVP_CIPHER_CTX *, unsigned char *, int *);
int EVP_CIPHER_CTX_ctrl(EVP_CIPHER_CTX *, int, int, void *);
"""
GET_TAG, SET_TAG = 0x10, 0x11


def peer() -> FramePeer:
    """Contexts are kept for each thread, as they hold the expanded key."""
    import threading

    try:
        import cffi
    except ImportError:
        raise Unavailable("pip install cffi") from None
    name = ctypes.util.find_library("crypto")
    if name is None:
        raise Unavailable("apt install libssl3")
    ffi = cffi.FFI()
    ffi.cdef(DECLARATIONS)
    lib = ffi.dlopen(name)
    cipher = lib.EVP_CIPHER_fetch(ffi.NULL, b"AES-256-GCM", ffi.NULL)
    local = threading.local()

    def context(encrypt: int):  # type: ignore[no-untyped-def]
        found = getattr(local, f"context{encrypt}", None)
        if found is None:
            found = lib.EVP_CIPHER_CTX_new()
            lib.EVP_CipherInit_ex(found, cipher, ffi.NULL, bytes(32), bytes(12), encrypt)
            setattr(local, f"context{encrypt}", found)
            local.length = ffi.new("int *")
        return found

    def seal(number: int, plaintext: memoryview, out: memoryview) -> None:
        at, size = ffi.from_buffer("unsigned char[]", out, require_writable=True), len(plaintext)
        ctx = context(1)
        lib.EVP_CipherInit_ex(ctx, ffi.NULL, ffi.NULL, ffi.NULL, number.to_bytes(12, "big"), 1)
        lib.EVP_CipherUpdate(ctx, at, local.length, ffi.from_buffer("unsigned char[]", plaintext), size)
        lib.EVP_CipherFinal_ex(ctx, at + size, local.length)
        lib.EVP_CIPHER_CTX_ctrl(ctx, GET_TAG, TAG, at + size)

    def unseal(number: int, sealed: memoryview, out: memoryview) -> None:
        at, size = ffi.from_buffer("unsigned char[]", sealed), len(out)
        ctx = context(0)
        lib.EVP_CipherInit_ex(ctx, ffi.NULL, ffi.NULL, ffi.NULL, number.to_bytes(12, "big"), 0)
        lib.EVP_CIPHER_CTX_ctrl(ctx, SET_TAG, TAG, at + size)
        into = ffi.from_buffer("unsigned char[]", out, require_writable=True)
        lib.EVP_CipherUpdate(ctx, into, local.length, at, size)
        if lib.EVP_CipherFinal_ex(ctx, into + size, local.length) != 1:
            raise AssertionError("libcrypto refused a tag")

    return FramePeer("libcrypto EVP (cffi)", seal, unseal, threads=(1, 2))
