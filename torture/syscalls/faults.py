"""What can go wrong in a system call, and in which.

Every call can be the last one before SIGKILL. The other faults are given where the kernel can give them, after the manual
pages and, where these say nothing, after what file systems do (FUSE and NFS pass on what they are told). What is not
in the table takes no fault but SIGKILL: memory, threads, signals, clocks, identity.
"""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass
from enum import Enum


class Fault(Enum):
    """One thing that goes wrong."""

    EIO = "EIO"
    ENOSPC = "ENOSPC"
    EINTR = "EINTR"
    SHORT = "short count"
    SIGKILL = "SIGKILL"

    @property
    def number(self) -> int:
        """The error number of the three errors."""
        return int(getattr(errno, self.value))


@dataclass(frozen=True)
class Call:
    """A system call that was made: which thread of the command, what, the how many-eth of this name in that thread."""

    thread: int
    name: str
    number: int
    turn: int
    arguments: tuple[int, ...]
    result: int


def kind_of(name: str, arguments: tuple[int, ...]) -> str:
    """The name of a call, with what it does where one name stands for several things."""
    if name == "futex" and arguments[1] & FUTEX_COMMAND in WAITS:
        return "futex wait"
    if name == "fcntl" and arguments[1] in LOCKS:
        return "fcntl lock"
    return name


def faults_of(call: Call) -> list[Fault]:
    """What can go wrong in this call."""
    faults = [Fault[name] for name in TABLE.get(call.name, "").split()]
    if call.name == "openat" and not call.arguments[2] & (os.O_CREAT | os.O_TMPFILE & ~os.O_DIRECTORY):
        faults.remove(Fault.ENOSPC)
    if Fault.SHORT in faults and call.result < 2:
        # nothing, or one byte, cannot be shorter: 0 would mean the end
        faults.remove(Fault.SHORT)
    return [*faults, Fault.SIGKILL]


READS = "EIO EINTR SHORT"
WRITES = "EIO ENOSPC EINTR SHORT"
SYNCS = "EIO ENOSPC EINTR"
NAMES = "EIO ENOSPC"
WAITING = "EINTR"
TABLE = {
    "openat": "EIO ENOSPC EINTR",
    **dict.fromkeys(("read", "pread64", "readv", "preadv", "preadv2"), READS),
    **dict.fromkeys(("write", "pwrite64", "writev", "pwritev", "pwritev2", "copy_file_range", "sendfile"), WRITES),
    **dict.fromkeys(("fsync", "fdatasync", "syncfs", "sync_file_range", "msync", "fallocate"), SYNCS),
    **dict.fromkeys(("mkdir", "mkdirat", "link", "linkat", "symlinkat", "rename", "renameat", "renameat2"), NAMES),
    **dict.fromkeys(
        ("unlink", "unlinkat", "rmdir", "fchmod", "fchmodat", "chmod", "utimensat", "getcwd", "ioctl"), "EIO"
    ),
    **dict.fromkeys(("stat", "lstat", "fstat", "newfstatat", "statx", "access", "faccessat", "faccessat2"), "EIO"),
    **dict.fromkeys(("readlink", "readlinkat", "getdents64", "fchown", "fchdir"), "EIO"),
    **dict.fromkeys(("statfs", "fstatfs", "ftruncate"), "EIO EINTR"),
    "fcntl lock": "EIO EINTR",
    # Linux has closed the descriptor all the same, and so it is done here
    "close": "EIO ENOSPC EINTR",
    "getrandom": "EINTR SHORT",
    **dict.fromkeys(
        ("futex wait", "flock", "poll", "ppoll", "select", "pselect6", "epoll_wait", "epoll_pwait"), WAITING
    ),
    **dict.fromkeys(("nanosleep", "clock_nanosleep", "wait4", "waitid"), WAITING),
}
DONE_ALL_THE_SAME = {"close"}
FUTEX_COMMAND = 127
WAITS = {0, 9}
LOCKS = {5, 6, 7, 36, 37, 38}
