"""Making and opening rooms, and facts about this build."""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING

import strongroom
from strongroom import crypto
from strongroom.client.room import Room
from strongroom.home import Unlock, init_room

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    from strongroom.client.upkeep import Upkeep
    from strongroom.home import InitResult
    from strongroom.observe import Meter

    Path = str | os.PathLike[str]


def init(
    home: Path | None = None,
    *,
    passphrase: str | bytes | None = None,
    passphrase_file: Path | None = None,
    passphrase_fd: int | None = None,
    passphrase_command: str | None = None,
    prompt: str | bool = False,
    confirm: str | None = None,
    key_file: Path | None = None,
    make_key_file: Path | None = None,
    recovery_file: Path | None = None,
    keystore: str | None = None,
    recovery: bool = True,
    quorum: tuple[int, int] | None = None,
    share_directory: Path | None = None,
    root: str | None = None,
    existing: bool = False,
) -> InitResult:
    """Make a room: a sealed root key, a keystore, and the data class `default` with its first KEK.

    `home` defaults to `STRONGROOM_HOME` or the user's data folder. The root is sealed by whatever is given here, any
    one of which opens the room, and by a recovery kit: 24 words in the result, or `recovery_file`. `make_key_file`
    makes a new key file there, and `quorum=(k, n)` n share files in `share_directory`, any k of which open the room.
    `root` is the PKCS#11 URI of a key, which is made in its token or, with `existing`, is there already; afterwards the room
    opens by that token, without a passphrase. Without `recovery` there is no kit. `keystore` is the URL of a PostgreSQL database that is to hold the keystore.
    `prompt` asks at the terminal where nothing else is given, `confirm` are the words that
    ask once more. Raises `RoomExists`, and leaves what is there as it is.
    """
    unlock = Unlock(
        passphrase=passphrase,
        passphrase_file=passphrase_file,
        passphrase_fd=passphrase_fd,
        passphrase_command=passphrase_command,
        prompt=prompt,
        confirm=confirm,
        key_file=key_file,
    )
    return init_room(
        home,
        unlock,
        make_key_file=make_key_file,
        recovery_file=recovery_file,
        keystore=keystore,
        recovery=recovery,
        quorum=quorum,
        share_directory=share_directory,
        root=root,
        existing=existing,
    )


def open(  # noqa: A001  # the name that users expect: strongroom.open()
    home: Path | None = None,
    *,
    passphrase: str | bytes | None = None,
    passphrase_file: Path | None = None,
    passphrase_fd: int | None = None,
    passphrase_command: str | None = None,
    prompt: str | bool = False,
    key_file: Path | None = None,
    recovery_words: str | None = None,
    recovery_file: Path | None = None,
    share_files: Sequence[Path] | None = None,
    token: str | None = None,
    principal: str | None = None,
    purpose: str | None = None,
    meter: Meter | None = None,
    cache: bool = True,
) -> Room:
    """Open a room.

    Without an unlock source, the systemd credential `strongroom-key` or `strongroom-passphrase`, or the files that
    `STRONGROOM_KEY_FILE` or `STRONGROOM_PASSPHRASE_FILE` name, are used. A file, descriptor or command is read by
    Rust, so that the passphrase never is a Python object; `passphrase` and `recovery_words` are, and stay in Python's
    memory until it forgets them. `share_files` are as many shares of a quorum as it takes. A room whose root is behind
    a PKCS#11 token opens by it where nothing else is given; `token` is a URI that says so, and with which module and PIN
    source. `principal` defaults to the OS
    user. What the room does is counted into `meter`, see `strongroom.observe`. Without `cache` every message has a data key of its
    own, which costs an entry in the audit log and, where the KEK is in an HSM, a call of it.

    Raises `RoomNotFound`, `RoomLocked`, `BadPassphrase`, `RoomUnsafe`, `RoomTampered`,
    `ProviderUnavailable`.
    """
    unlock = Unlock(
        passphrase=passphrase,
        passphrase_file=passphrase_file,
        passphrase_fd=passphrase_fd,
        passphrase_command=passphrase_command,
        prompt=prompt,
        key_file=key_file,
        recovery_words=recovery_words,
        recovery_file=recovery_file,
        share_files=share_files,
        token=token,
    )
    return Room(home, unlock, principal=principal, purpose=purpose, meter=meter, cache=cache)


def upkeep(
    home: Path | None = None,
    *,
    passphrase: str | bytes | None = None,
    passphrase_file: Path | None = None,
    passphrase_fd: int | None = None,
    passphrase_command: str | None = None,
    prompt: str | bool = False,
    key_file: Path | None = None,
    recovery_words: str | None = None,
    recovery_file: Path | None = None,
    share_files: Sequence[Path] | None = None,
    token: str | None = None,
    principal: str | None = None,
    purpose: str | None = None,
) -> Upkeep:
    """The keystore of a room as a whole: to check, count, move or upgrade it, also where the room does not open.

    What unlocks it is given as for `open`.
    """
    # brings the migrations with it
    from strongroom.client.upkeep import Upkeep

    unlock = Unlock(
        passphrase=passphrase,
        passphrase_file=passphrase_file,
        passphrase_fd=passphrase_fd,
        passphrase_command=passphrase_command,
        prompt=prompt,
        key_file=key_file,
        recovery_words=recovery_words,
        recovery_file=recovery_file,
        share_files=share_files,
        token=token,
    )
    return Upkeep(home, unlock, principal=principal, purpose=purpose)


def info() -> dict[str, object]:
    """Versions, the crypto library, the processor's path, memory locking and worker count, for reports and bug forms."""
    return {
        "strongroom": strongroom.__version__,
        "python": platform.python_version(),
        "machine": platform.machine(),
        "workers": crypto.Control().workers,
        "memory": crypto.memory_status(),
        **crypto.build_info(),
    }
