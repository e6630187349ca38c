"""A session with every kind of use, which stops after each step to be searched. It runs in a process of its own."""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import gc
import logging
import mmap
import os
import pickle
import secrets
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import strongroom
from strongroom import errors
from strongroom.client import decrypt_message, encrypt_message
from strongroom.home import NewWay, Unlock
from strongroom.keyring import RawAesKeyring
from strongroom.recovery import create_backup, verify_backup

from torture.secrets.needles import Home
from torture.tokens import imported

log = logging.getLogger("session")
KEPT: list[object] = []
"""The control: a secret that lies about in ordinary memory."""


def main(folder: str) -> None:
    """Go on whenever the parent says so, and say what was done."""
    home = Home(Path(folder))
    with (home.folder / "faults").open("w") as faults:
        faulthandler.enable(faults)
        ctypes.CDLL(None).prctl(LET_ME_BE_TRACED, ctypes.c_ulong(-1), 0, 0, 0)
        logging.basicConfig(filename=home.folder / "log", level=logging.DEBUG)
        plant(home)
        for step in steps(home):
            gc.collect()
            print(step, flush=True)
            if sys.stdin.readline() != "go\n":
                os.abort()


def work(folder: str) -> None:
    """Use a room without pause, to be stopped at any instant. Its limits are small: data keys come and go."""
    home = Home(Path(folder))
    strongroom.init(home.room, passphrase_file=home.passphrase, make_key_file=home.key, recovery_file=home.recovery)
    room = strongroom.open(home.room, key_file=home.key)
    (home.messages / "small").write_bytes(room.encrypt(b"plain"))
    room.classes.create("few", max_messages=5)
    print("working", flush=True)
    while True:
        room.decrypt(room.encrypt(bytes(1000)))
        room.encrypt(bytes(1000), data_class="few")
        room.encrypt_many([bytes(50_000)] * 20)


def plant(home: Home) -> None:
    """Leave the control in the heap, in a mapping, in the log and in a temporary file."""
    control = home.control.read_bytes()
    mapping = mmap.mmap(-1, mmap.PAGESIZE)
    mapping[:32] = control
    KEPT.extend([control, mapping])
    log.info("planted %r", control)
    (home.folder / "tmp" / "planted").write_bytes(b"before " + control)


def steps(home: Home) -> Iterator[str]:
    """The session."""
    strongroom.init(home.room, passphrase_file=home.passphrase, make_key_file=home.key, recovery_file=home.recovery)
    yield "making a room"
    room = strongroom.open(home.room, passphrase_file=home.passphrase)
    yield "opening it"
    buffers(room, home)
    yield "encrypting and decrypting buffers"
    files(room, home)
    yield "encrypting and decrypting files, trees and streams"
    room.keys.rotate(room.keys.list()[0].id, reason="to have two")
    room.classes.create("signed", suite=0x0578)
    (home.messages / "after-rotation").write_bytes(room.encrypt(b"plain", data_class="signed"))
    yield "rotating a key"
    room.reencrypt(home.messages, reason="to have the newest")
    yield "re-encrypting"
    in_token(room, home)
    yield "wrapping and unwrapping data keys in a token"
    room.ways.add(NewWay(quorum=(2, 3), share_directory=home.shares))
    strongroom.open(home.room, share_files=sorted(home.shares.iterdir())[1:]).close()
    yield "splitting a kit among three, and opening with two"
    create_backup(room, home.backup)
    verify_backup(home.backup, home.room, Unlock(recovery_file=home.recovery))
    yield "making and verifying a backup"
    room.root.rotate(also=[Unlock(key_file=home.key), Unlock(recovery_file=home.recovery)], drop=[quorum(room)])
    yield "rotating the root"
    failures(room, home)
    yield "errors of every kind"
    show(room, home)
    yield "showing and pickling every object"
    raw(home)
    yield "using a raw key"
    with room.open(home.messages / "written", "wb") as writer:
        writer.write(bytes(200_000))
        yield f"{OPEN} a writer"
    with room.open(home.messages / "written") as reader:
        reader.read(100)
        yield f"{OPEN} a reader"
    yield "closing both"
    # the objects stay, and their keys must be gone
    room.close()
    for kept in KEPT:
        if isinstance(kept, strongroom.Room):
            kept.close()
    yield CLOSED


def quorum(room: strongroom.Room) -> str:
    """The id of the way that shares open."""
    return next(way.id for way in room.ways.list() if way.kind == "quorum")


def buffers(room: strongroom.Room, home: Home) -> None:
    """Messages in memory."""
    message = room.encrypt(b"plain", context={"tenant": "acme"})
    room.decrypt(message, context={"tenant": "acme"})
    large = room.encrypt(bytes(1 << 20))
    room.decrypt(large)
    out = bytearray(room.encrypted_size(1000))
    room.encrypt_into(bytes(1000), out)
    room.decrypt_many(room.encrypt_many([b"a", b"b" * 100_000]))
    (home.messages / "small").write_bytes(message)
    (home.messages / "large").write_bytes(large)


def in_token(room: strongroom.Room, home: Home) -> None:
    """Messages whose KEK is in a token. Another room unwraps what this one has wrapped, and both stay open."""
    token = home.hsm.new_token("session", secrets.token_urlsafe(24))
    place = token.uri().replace("object=root", "").replace(";?", "?")
    made = room.classes.create("hsm", level="hsm", token=place)
    room.keys.rotate(made.key_id, kek=imported(token, home.kek, "brought"), reason="one whose data keys can be known")
    (home.hsm_messages / "wrapped").write_bytes(room.encrypt(bytes(100_000), data_class="hsm"))
    other = strongroom.open(home.room, key_file=home.key)
    other.decrypt((home.hsm_messages / "wrapped").read_bytes())
    KEPT.append(other)


def files(room: strongroom.Room, home: Home) -> None:
    """Everything that works on files."""
    folder = home.folder
    (folder / "tree" / "inner").mkdir(parents=True)
    for name in ("a", "b", "inner/c"):
        (folder / "tree" / name).write_bytes(os.urandom(100_000))
    room.encrypt_file(folder / "tree" / "a", home.messages / "file")
    room.decrypt_file(home.messages / "file", folder / "back")
    room.verify(home.messages / "file")
    room.encrypt_tree(folder / "tree", folder / "tree.sr")
    room.verify(folder / "tree.sr")
    room.decrypt_tree(folder / "tree.sr", folder / "tree.back")
    with (folder / "tree" / "a").open("rb") as source, (home.messages / "stream").open("wb") as target:
        room.encrypt_stream(source.fileno(), target.fileno())
    with (home.messages / "stream").open("rb") as source, (folder / "stream.back").open("wb") as target:
        room.decrypt_stream(source, target)


def failures(room: strongroom.Room, home: Home) -> None:
    """Errors, each logged with the locals of every frame."""
    message = (home.messages / "small").read_bytes()
    (home.folder / "no-passphrase").write_bytes(b"not the passphrase")
    signed = (home.messages / "after-rotation").read_bytes()
    ways: list[Callable[[], object]] = [
        lambda: room.decrypt(message, context={"tenant": "initech"}),
        lambda: room.decrypt(changed(message)),
        lambda: room.decrypt(message[:-20]),
        lambda: room.decrypt(changed(signed)),
        lambda: room.decrypt(b"\x07" + message[1:]),
        lambda: room.encrypt(b"", data_class="absent"),
        lambda: room.encrypt(b"", context={"strongroom-x": "reserved"}),
        lambda: room.encrypt_file(home.folder / "tree" / "a", home.messages / "file"),
        lambda: room.encrypt_file(home.folder / "absent", home.folder / "never"),
        lambda: room.decrypt_file(home.folder / "tree" / "a", home.folder / "never"),
        lambda: strongroom.open(home.room, passphrase_file=home.folder / "no-passphrase"),
        lambda: strongroom.open(home.room, key_file=home.raw),
        lambda: strongroom.open(home.folder / "absent", key_file=home.key),
        lambda: strongroom.init(home.room, passphrase_file=home.passphrase),
        lambda: strongroom.open(home.room),
        lambda: abandoned(room, home),
    ]
    for way in ways:
        try:
            way()
        except (errors.StrongroomError, OSError, ZeroDivisionError) as error:
            shown = traceback.TracebackException.from_exception(error, capture_locals=True)
            log.error("%s: %s", type(error).__name__, "".join(shown.format()))
        else:
            raise AssertionError(f"{way} did not fail")


def changed(message: bytes) -> bytes:
    """With another last byte, whatever it was."""
    return message[:-1] + bytes([message[-1] ^ 1])


def abandoned(room: strongroom.Room, home: Home) -> None:
    """A writer that an exception leaves."""
    with room.open(home.folder / "never", "wb") as writer:
        writer.write(bytes(100_000))
        raise ZeroDivisionError


def show(room: strongroom.Room, home: Home) -> None:
    """Print and pickle whatever lives in this process."""
    pickle.loads(pickle.dumps(strongroom.open(home.room, key_file=home.key))).close()
    with (home.folder / "shown").open("wb") as file:
        for thing in reachable(room):
            file.write(f"{thing!r} {thing} {getattr(thing, '__dict__', '')}\n".encode())
            # most refuse, which is what they should
            with contextlib.suppress(Exception):
                file.write(pickle.dumps(thing))


def reachable(start: object) -> Iterator[object]:
    """Everything of ours that an object leads to."""
    seen, left = {id(start)}, [start]
    while left and len(seen) < MOST:
        thing = left.pop()
        if str(type(thing).__module__).startswith("strongroom"):
            yield thing
        fresh = [other for other in gc.get_referents(thing) if id(other) not in seen and not isinstance(other, type)]
        seen.update(map(id, fresh))
        left += fresh


def raw(home: Home) -> None:
    """A raw keyring, and a caller who wipes the own copy."""
    key = bytearray(32)
    with home.raw.open("rb", buffering=0) as file:
        file.readinto(key)
    keyring = RawAesKeyring("session", "key", key)
    key[:] = bytes(32)
    message = encrypt_message(b"plain", keyring, context={"tenant": "acme"})
    decrypt_message(message, keyring)
    (home.raw_messages / "raw").write_bytes(message)


OPEN = "while there is"
CLOSED = "closing the room"
MOST = 100_000
# PR_SET_PTRACER: a debugger that is no parent may dump the core where only parents may
LET_ME_BE_TRACED = 0x59616D61
