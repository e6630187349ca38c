"""What opens a room: passphrases, key files, recovery kits, and where they come from."""

from __future__ import annotations

import os
import shlex
import subprocess
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from strongroom.crypto import Secret
from strongroom.errors import LimitExceeded, Misuse, RoomLocked, StrongroomError
from strongroom.providers import SecretKind, open_sealed_root

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from strongroom.providers import OpenRoot, SealedRoot

    StrPath = str | bytes | os.PathLike[str] | os.PathLike[bytes]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Unlock:
    """Where the secret that opens a room comes from. With nothing set, the environment is asked.

    Of the passphrase sources at most one may be set, and of the two recovery sources. A key file costs no Argon2id.
    `passphrase` and `recovery_words` put the secret into a Python object, which cannot be wiped: prefer the others.
    `passphrase_command` is a command line or a list; its standard output is read by Rust, one final newline cut off.
    `share_files` are as many files of a quorum as it takes. `token` is the URI of a key in a PKCS#11 token, with module and
    PIN source; a room that has such a way uses it by itself where nothing else is given.
    `prompt` (True, or the words to ask with) asks on the terminal when nothing else is set and the environment
    names nothing; `confirm` are the words to ask once more with, where a mistyped passphrase would be the only one.

    Environment: `$CREDENTIALS_DIRECTORY/strongroom-key` and `…/strongroom-passphrase` (systemd), then
    STRONGROOM_KEY_FILE and STRONGROOM_PASSPHRASE_FILE, which hold names of files and never secrets.
    """

    passphrase: str | bytes | None = field(default=None, repr=False)
    passphrase_file: StrPath | None = None
    passphrase_fd: int | None = None
    passphrase_command: str | Sequence[str] | None = None
    key_file: StrPath | None = None
    recovery_words: str | None = field(default=None, repr=False)
    recovery_file: StrPath | None = None
    share_files: Sequence[StrPath] | None = None
    token: str | None = None
    prompt: str | bool | None = None
    confirm: str | None = None

    def __post_init__(self) -> None:
        if self.token is not None and any(getattr(self, name) is not None for name in SECRETS):
            raise Misuse("give a token or something else that opens the room, not both")
        for names in ONE_OF:
            given = [name for name in names if getattr(self, name) is not None]
            if len(given) > 1:
                raise Misuse(f"give one of {' and '.join(given)}, not both")

    @property
    def empty(self) -> bool:
        """Whether it names no source, so that only the environment could."""
        sources = [item.name for item in fields(self) if item.name != "prompt"]
        return not self.prompt and all(getattr(self, name) is None for name in sources)

    def __reduce__(self) -> tuple[Any, ...]:
        """Travels to another process by the names of its sources. Raises Misuse if it holds a secret or a descriptor."""
        for name in ("passphrase", "recovery_words", "passphrase_fd"):
            if getattr(self, name) is not None:
                raise Misuse(f"an Unlock with {name} cannot be pickled: use a file, a command or a credential")
        return rebuild, ({item.name: getattr(self, item.name) for item in fields(self)},)


def rebuild(values: Mapping[str, Any]) -> Unlock:
    """The Unlock that was pickled."""
    return Unlock(**values)


@contextmanager
def unlocking(unlock: Unlock, *, trusts_locations: bool) -> Iterator[Callable[[SealedRoot], OpenRoot]]:
    """What opens a sealed root with `unlock`, as often as it is asked. The secrets are read once, and wiped at the end.

    `trusts_locations`: whether the root may say itself which module is loaded, and so which code runs here.
    """
    with ExitStack() as wiping:
        known: list[tuple[SecretKind, Secret]] = []

        def read(secrets: list[tuple[SecretKind, Secret]]) -> None:
            for _, secret in secrets:
                wiping.callback(secret.close)
            known.extend(secrets)

        def opened(sealed: SealedRoot) -> OpenRoot:
            if unlock.token is not None:
                return by_token(sealed, unlock.token)
            if not known:
                read(found(unlock))
            if not known and has_tokens(sealed):
                if trusts_locations:
                    return by_token(sealed, None)
                if not unlock.prompt:
                    raise RoomLocked("this opens by a token: name it by --token, with its module and PIN source")
            if not known:
                read(resolve(unlock))
            return open_sealed_root(sealed, known)

        yield opened


def has_tokens(sealed: SealedRoot) -> bool:
    """Whether a token opens it."""
    return any(entry.kind == SecretKind.TOKEN for entry in sealed.entries)


def by_token(sealed: SealedRoot, uri: str | None) -> OpenRoot:
    """The root behind its tokens, or behind the one that `uri` names. Raises RoomLocked if it has none."""
    # python-pkcs11 is for those who have a token
    from strongroom.providers.pkcs11 import TokenRoot, TokenUri

    if uri is None:
        return TokenRoot(sealed)
    named = TokenUri.parse(uri)
    named.check_module()
    return TokenRoot(sealed, named)


def resolve(unlock: Unlock) -> list[tuple[SecretKind, Secret]]:
    """The secrets that `unlock` leads to, those first that cost least to try. The caller closes them.

    Raises RoomLocked if it leads to none, OSError for a file that cannot be read.
    """
    secrets = found(unlock)
    if not secrets and unlock.prompt:
        words = unlock.prompt if isinstance(unlock.prompt, str) else "Passphrase: "
        secrets = [(SecretKind.PASSPHRASE, ask(words, unlock.confirm))]
    if not secrets:
        raise RoomLocked(
            "nothing was given to unlock the room with: give a passphrase file, a key file, or set STRONGROOM_KEY_FILE"
        )
    return secrets


def found(unlock: Unlock) -> list[tuple[SecretKind, Secret]]:
    """The secrets that `unlock` names, or the environment; nobody is asked. The caller closes them."""
    return given(unlock) or from_environment(os.environ)


def given(unlock: Unlock) -> list[tuple[SecretKind, Secret]]:
    """The secrets that are named in `unlock` itself."""
    secrets = []
    if unlock.key_file is not None:
        secrets.append((SecretKind.KEY_FILE, read_key(unlock.key_file)))
    if unlock.recovery_file is not None:
        secrets.append((SecretKind.RECOVERY_KIT, read_key(unlock.recovery_file)))
    if unlock.recovery_words is not None:
        secrets.append((SecretKind.RECOVERY_KIT, Secret.from_recovery_words(unlock.recovery_words)))
    secrets += [(SecretKind.SHARE, read_key(path)) for path in unlock.share_files or ()]
    passphrase = given_passphrase(unlock)
    if passphrase is not None:
        secrets.append((SecretKind.PASSPHRASE, passphrase))
    return secrets


def given_passphrase(unlock: Unlock) -> Secret | None:
    """The passphrase from whichever source is set."""
    if unlock.passphrase_file is not None:
        return read_passphrase(unlock.passphrase_file)
    if unlock.passphrase_fd is not None:
        return Secret.from_fd(unlock.passphrase_fd, strip_newline=True)
    if unlock.passphrase_command is not None:
        return run_for_passphrase(unlock.passphrase_command)
    if unlock.passphrase is not None:
        value = unlock.passphrase
        return Secret.from_caller(value.encode() if isinstance(value, str) else value)
    return None


def ask(prompt: str, confirm: str | None) -> Secret:
    """The passphrase that is typed at the terminal. Raises Misuse if it is not the same twice."""
    secret = Secret.from_prompt(prompt)
    if confirm is None:
        return secret
    try:
        again = Secret.from_prompt(confirm)
        if not secret.matches(again):
            raise Misuse("the two passphrases differ; nothing was made")
    except BaseException:
        secret.close()
        raise
    again.close()
    return secret


def from_environment(environment: Mapping[str, str]) -> list[tuple[SecretKind, Secret]]:
    """The secrets that the environment names."""
    credentials = environment.get("CREDENTIALS_DIRECTORY")
    keys = [Path(credentials) / "strongroom-key"] if credentials else []
    passphrases = [Path(credentials) / "strongroom-passphrase"] if credentials else []
    # a credentials directory may be there for other purposes, while a variable that names a missing file is a mistake
    keys = [path for path in keys if path.exists()]
    passphrases = [path for path in passphrases if path.exists()]
    if name := environment.get("STRONGROOM_KEY_FILE"):
        keys.append(Path(name))
    if name := environment.get("STRONGROOM_PASSPHRASE_FILE"):
        passphrases.append(Path(name))
    return [
        *((SecretKind.KEY_FILE, read_key(path)) for path in keys),
        *((SecretKind.PASSPHRASE, read_passphrase(path)) for path in passphrases),
    ]


def read_key(path: StrPath) -> Secret:
    """A key file, recovery file or share: its bytes as they are."""
    return read_secret(path, strip_newline=False)


def read_passphrase(path: StrPath) -> Secret:
    """A passphrase file, without the newline that editors put at its end."""
    return read_secret(path, strip_newline=True)


def read_secret(path: StrPath, *, strip_newline: bool) -> Secret:
    """A file's content as a secret. OSError names the file, also where it opens and cannot be read: a directory."""
    name = os.fsdecode(path)
    try:
        return Secret.from_file(name, strip_newline=strip_newline)
    except OSError as error:
        error.filename = name
        raise


def run_for_passphrase(command: str | Sequence[str]) -> Secret:
    """What a command prints, through a pipe that only Rust reads."""
    arguments = shlex.split(command) if isinstance(command, str) else list(command)
    if not arguments:
        raise Misuse("the passphrase command is empty")
    reader, writer = os.pipe()
    try:
        try:
            process = subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=writer)
        finally:
            os.close(writer)
        secret, refusal = read_answer(reader)
    finally:
        # before the wait: a command that prints without end stops once nobody reads
        os.close(reader)
    status = process.wait()
    if secret is None:
        raise RoomLocked(f"the passphrase command {arguments[0]!r} gave no passphrase: {refusal} (status {status})")
    if status != 0:
        secret.close()
        raise RoomLocked(f"the passphrase command {arguments[0]!r} failed with status {status}")
    return secret


def read_answer(descriptor: int) -> tuple[Secret | None, StrongroomError | None]:
    """What came through a pipe, or why it cannot be a secret."""
    try:
        return Secret.from_fd(descriptor, strip_newline=True), None
    except (Misuse, LimitExceeded) as error:
        return None, error


ONE_OF = (
    ("passphrase", "passphrase_file", "passphrase_fd", "passphrase_command"),
    ("recovery_words", "recovery_file"),
)
SECRETS = (*ONE_OF[0], *ONE_OF[1], "key_file", "share_files")
