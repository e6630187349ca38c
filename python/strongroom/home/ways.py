"""New ways into a room: where their secrets come from, and the files that are made for them."""

from __future__ import annotations

import os
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING

from strongroom.crypto import Secret
from strongroom.errors import AccessDenied, KeyUnavailable, Misuse, TargetExists
from strongroom.files import DIRECTORY_MODE, sync_directory
from strongroom.home.unlock import Unlock, ask, given
from strongroom.providers import Seal, SecretKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from strongroom.home.unlock import StrPath


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class NewWay:
    """One new way into a room: what is given as a passphrase or key file, or a new key file, recovery kit, quorum or token.

    `recovery` makes a recovery kit: 24 words, or `make_recovery_file`. `quorum` is (k, n): n share files in
    `share_directory`, any k of which open the room. `token` is the URI of a key that is made in a PKCS#11 token, or with
    `existing` is there already. `prompt` asks for a passphrase at the terminal, `confirm` once more.
    `label` is a remark for the list of ways, in the clear.
    """

    passphrase: str | bytes | None = field(default=None, repr=False)
    passphrase_file: StrPath | None = None
    passphrase_fd: int | None = None
    passphrase_command: str | Sequence[str] | None = None
    key_file: StrPath | None = None
    make_key_file: StrPath | None = None
    recovery: bool | None = None
    make_recovery_file: StrPath | None = None
    quorum: tuple[int, int] | None = None
    share_directory: StrPath | None = None
    token: str | None = None
    existing: bool = False
    prompt: str | None = None
    confirm: str | None = None
    label: str = ""

    def __post_init__(self) -> None:
        if (self.quorum is None) != (self.share_directory is None):
            raise Misuse("a quorum needs both: how many of how many, and a directory for the share files")
        named = [item.name for item in fields(self) if item.name not in BESIDE and getattr(self, item.name) is not None]
        if len(named) > 1:
            raise Misuse(f"give one new way at a time, not both {named[0]} and {named[1]}")
        if not named and self.prompt is None:
            raise Misuse("say what the new way is to be: a passphrase, a key file, a recovery kit, a quorum or a token")
        if self.existing and self.token is None:
            raise Misuse("only a key in a token can be an existing one")


@dataclass(frozen=True, slots=True, eq=False)
class Draft:
    """A new way before the room knows of it: its seal, and the files that will hold its secrets."""

    seal: Seal
    files: tuple[tuple[Secret, Path], ...] = ()
    directory: Path | None = None
    shows_words: bool = False
    made_token_key: bool = False

    @property
    def words(self) -> str | None:
        """The words of a recovery kit that goes to no file: a Python string, for showing once."""
        return self.seal.secrets[0].recovery_words() if self.shows_words else None

    def write(self) -> None:
        """Write its files, mode 0600, durable, and none if one cannot be. Raises TargetExists."""
        with ExitStack() as undo:
            if self.directory is not None and not self.directory.exists():
                self.directory.mkdir(mode=DIRECTORY_MODE)
                undo.callback(self._leave)
                sync_directory(self.directory.parent)
            for secret, path in self.files:
                write_secret(secret, path)
                undo.callback(path.unlink, missing_ok=True)
            undo.pop_all()

    def take_back(self) -> None:
        """Remove its files, since the room does not know of it."""
        for _, path in self.files:
            path.unlink(missing_ok=True)
        self._leave()

    def abandon(self) -> None:
        """Destroy the key that was made in a token, since nothing was wrapped by it."""
        if self.made_token_key:
            from strongroom.providers.pkcs11 import TokenUri, destroy_key

            destroy_key(TokenUri.parse(self.seal.token))

    def _leave(self) -> None:
        """Remove the directory that was made for its files, if nothing else came to stand in it."""
        if self.directory is not None:
            with suppress(OSError):
                self.directory.rmdir()

    def close(self) -> None:
        """Wipe its secrets."""
        for secret in self.seal.secrets:
            secret.close()


@contextmanager
def drafted(new: Iterable[NewWay]) -> Iterator[list[Draft]]:
    """Drafts with their files written, and wiped at the end.

    The files are taken back where the block refuses; after any other failure they may be what the room opens with.
    """
    with ExitStack() as wiping, ExitStack() as undo:
        drafts = []
        for way in new:
            drafts.append(draft(way))
            wiping.callback(drafts[-1].close)
            undo.callback(drafts[-1].abandon)
        for ready in drafts:
            ready.write()
            undo.callback(ready.take_back)
        try:
            yield drafts
        except REFUSALS:
            raise
        except BaseException:
            undo.pop_all()
            raise
        undo.pop_all()


def draft(new: NewWay) -> Draft:
    """Take or draw the secrets of a new way. Writes nothing yet, but a key is made in its token at once."""
    if new.token is not None:
        return draft_token(new.token, new.label, existing=new.existing)
    if new.quorum is not None and new.share_directory is not None:
        return draft_quorum(new.quorum, Path(os.fsdecode(new.share_directory)), new.label)
    if new.make_key_file is not None:
        return drawn(SecretKind.KEY_FILE, new.make_key_file, new.label)
    if new.recovery or new.make_recovery_file is not None:
        return drawn(SecretKind.RECOVERY_KIT, new.make_recovery_file, new.label)
    [(kind, secret)] = taken(new)
    return Draft(Seal(kind, (secret,), new.label))


def drawn(kind: SecretKind, path: StrPath | None, label: str) -> Draft:
    """A random secret, for a file or for words."""
    secret = Secret.random()
    files = () if path is None else ((secret, Path(os.fsdecode(path)).absolute()),)
    return Draft(Seal(kind, (secret,), label), files, shows_words=path is None)


def draft_quorum(quorum: tuple[int, int], directory: Path, label: str) -> Draft:
    """Random shares, a file each, numbered from 1."""
    threshold, count = quorum
    shares = tuple(Secret.random() for _ in range(max(1, count)))
    seal = Seal(SecretKind.SHARE, shares, label, threshold)
    directory = directory.absolute()
    files = tuple((share, directory / f"share-{at}-of-{count}") for at, share in enumerate(shares, 1))
    return Draft(seal, files, directory)


def draft_token(uri: str, label: str, *, existing: bool) -> Draft:
    """A key in a token, made there unless it is there already. Raises TargetExists, KeyNotFound, ProviderUnavailable."""
    # python-pkcs11 is for those who have a token
    from strongroom.providers.pkcs11 import TokenUri, made_key

    whole = made_key(TokenUri.parse(uri), existing=existing)
    return Draft(Seal(SecretKind.TOKEN, (), label, token=str(whole)), made_token_key=not existing)


def taken(new: NewWay) -> list[tuple[SecretKind, Secret]]:
    """The passphrase or key file that was given. The environment is not asked: it names the ways that there are."""
    unlock = Unlock(
        passphrase=new.passphrase,
        passphrase_file=new.passphrase_file,
        passphrase_fd=new.passphrase_fd,
        passphrase_command=new.passphrase_command,
        key_file=new.key_file,
    )
    return given(unlock) or [(SecretKind.PASSPHRASE, ask(new.prompt or "New passphrase: ", new.confirm))]


def write_secret(secret: Secret, target: Path) -> None:
    """Write `secret` to a new file, mode 0600, durable. Raises TargetExists."""
    if target.exists():
        raise TargetExists(f"{target} is there already, and key files are never replaced")
    secret.write_file(str(target))


REFUSALS = (AccessDenied, KeyUnavailable, Misuse)
BESIDE = ("share_directory", "existing", "prompt", "confirm", "label")
