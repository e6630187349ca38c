"""A command that is known to be careless: the same points and the same judge must find it out."""

from __future__ import annotations

import ctypes
import os
import time

from torture.place import Place
from torture.syscalls.commands import Command


class Careless(Command):
    """Writes the message under its name from the start, looks at no count, takes no error for one, and waits for better times."""

    def __init__(self, place: Place) -> None:
        super().__init__(place, ())
        self._message = place.folder / "file.sr"
        self._target = place.folder / "made.sr"

    def warm_up(self) -> int:
        """Once, here."""
        return self.work()

    def work(self) -> int:
        """Half and half."""
        content = self._message.read_bytes()
        descriptor = os.open(self._target, os.O_WRONLY | os.O_CREAT, 0o600)
        # the C library's, since Python's own calls go on after EINTR
        for part in (content[: len(content) // 2], content[len(content) // 2 :]):
            LIBC.write(descriptor, part, ctypes.c_size_t(len(part)))
        try:
            os.fsync(descriptor)
        except OSError:
            time.sleep(FOR_EVER)
        os.close(descriptor)
        return 0


# what each fault makes of it, as the judge says it
SEEN = {
    "EIO": "it hangs",
    "ENOSPC": "is not whole",
    "EINTR": "is not whole",
    "short count": "is not whole",
    "SIGKILL": "is not whole",
}
LIBC = ctypes.CDLL(None)
FOR_EVER = 3600
