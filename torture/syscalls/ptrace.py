"""The system calls that a tracer makes: ptrace(2), and a seccomp(2) filter that stops only at calls of interest."""

from __future__ import annotations

import ctypes
import os
import platform
import signal
import struct

LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.ptrace.argtypes = (ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p)
LIBC.ptrace.restype = ctypes.c_long


class Registers(ctypes.Structure):
    """`struct user_regs_struct` of x86-64."""

    _fields_ = tuple(
        (name, ctypes.c_ulonglong)
        for name in [
            "r15",
            "r14",
            "r13",
            "r12",
            "rbp",
            "rbx",
            "r11",
            "r10",
            "r9",
            "r8",
            "rax",
            "rcx",
            "rdx",
            "rsi",
            "rdi",
            "orig_rax",
            "rip",
            "cs",
            "eflags",
            "rsp",
            "ss",
            "fs_base",
            "gs_base",
            "ds",
            "es",
            "fs",
            "gs",
        ]
    )


def is_supported() -> bool:
    """Whether this machine's registers are known here."""
    return platform.machine() == "x86_64" and struct.calcsize("P") == 8


def stop_to_be_traced() -> None:
    """In a new child: let the parent trace it, and wait until it says go."""
    request(TRACEME, 0)
    os.kill(os.getpid(), signal.SIGSTOP)


def stop_at(number: int | None) -> None:
    """In a child that is traced: from here on stop before each system call of this number, or before each."""
    allow = instruction(RETURN, ALLOW)
    stop = instruction(RETURN, STOP)
    only = [instruction(LOAD, 0), instruction(JUMP_IF_EQUAL, number or 0, 0, 1), stop, allow]
    filters = [stop] if number is None else only
    program = ctypes.create_string_buffer(b"".join(filters))
    header = struct.pack("HxxxxxxP", len(filters), ctypes.addressof(program))
    if LIBC.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or LIBC.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, header):
        raise OSError(ctypes.get_errno(), "seccomp")


def instruction(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    """A `struct sock_filter`."""
    return struct.pack("HBBI", code, if_true, if_false, value)


def follow(pid: int) -> None:
    """Trace all threads to come, and let nothing outlive the tracer."""
    request(SETOPTIONS, pid, data=OPTIONS)


def registers(tid: int) -> Registers:
    """The registers of a stopped thread."""
    found = Registers()
    request(GETREGS, tid, data=ctypes.addressof(found))
    return found


def set_registers(tid: int, to: Registers) -> None:
    """Change the registers of a stopped thread."""
    request(SETREGS, tid, data=ctypes.addressof(to))


def go_on(tid: int, *, until_exit: bool = False, signal_: int = 0) -> None:
    """Let a stopped thread run, if wanted only to the end of the system call that it is in."""
    try:
        request(SYSCALL if until_exit else CONT, tid, data=signal_)
    except ProcessLookupError:
        # killed meanwhile, by the end of its process
        pass


def peek(tid: int, address: int) -> int:
    """A word of a stopped thread's memory."""
    word = ctypes.c_ulonglong()
    # the wrapper of the C library returns the word; errno tells an error apart
    ctypes.set_errno(0)
    word.value = LIBC.ptrace(PEEKDATA, tid, ctypes.c_void_p(address), None) & (2**64 - 1)
    if ctypes.get_errno():
        raise OSError(ctypes.get_errno(), "peek")
    return word.value


def poke(tid: int, address: int, word: int) -> None:
    """Change a word of a stopped thread's memory."""
    request(POKEDATA, tid, address, word)


def request(what: int, pid: int, address: int = 0, data: int = 0) -> None:
    """One call of ptrace. OSError if it fails."""
    if LIBC.ptrace(what, pid, ctypes.c_void_p(address), ctypes.c_void_p(data)) == -1:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


TRACEME, PEEKDATA, POKEDATA, CONT, GETREGS, SETREGS, SYSCALL, SETOPTIONS = 0, 2, 5, 7, 12, 13, 24, 0x4200
SYSGOOD, CLONE, FORK, VFORK, SECCOMP, EXITKILL = 1, 8, 2, 4, 0x80, 0x100000
OPTIONS = SYSGOOD | CLONE | FORK | VFORK | SECCOMP | EXITKILL
AT_SECCOMP = signal.SIGTRAP | 7 << 8
AT_EXIT = signal.SIGTRAP | 0x80
PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2
LOAD, JUMP_IF_EQUAL, RETURN = 0x20, 0x15, 0x06
STOP, ALLOW = 0x7FF00000, 0x7FFF0000
