"""What is disturbed: commands, and what must be true of their results whatever happened."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path

import strongroom
from strongroom.audit import entries as log_entries
from strongroom.client.upkeep import Upkeep
from strongroom.errors import AuditTampered, StrongroomError
from strongroom.home import Unlock

from torture.place import Place
from torture.traces import FILES_OF_A_LOG, entries, files

Words = Sequence[object]


class Workflow(ABC):
    """A command. `room` opens whatever was encrypted under the keys of the place, and of its copies."""

    name: str
    makes: tuple[str, ...] = ()
    replaces = False

    def __init__(self, room: strongroom.Room) -> None:
        self.room = room

    @abstractmethod
    def arguments(self, place: Place) -> Words:
        """The command line."""

    @abstractmethod
    def half(self, place: Place) -> Iterator[str]:
        """What stands under its name and is not whole."""

    @abstractmethod
    def missing(self, place: Place, printed: str) -> Iterator[str]:
        """What is not there or not right after a success."""

    def go_on(self, place: Place) -> None:  # noqa: B027 - of what writes nothing, there is nothing to go on with
        """What a user does after a failure, until it is done."""

    def strange(self, place: Place, *, killed: bool) -> Iterator[str]:
        """What is left that should not be: beside the targets, within them, and in the room."""
        top = {path.name for path in place.folder.iterdir()} - GIVEN - set(self.makes)
        inner = {path.name for path in entries(place.folder) if path.name.startswith(".strongroom-")}
        # what replaces a file has two names for an instant: the next run over the tree takes the other away
        may_stay = inner if killed and self.replaces else set()
        yield from (f"{name} is left" for name in sorted((top | inner) - may_stay))
        if not killed:
            room = {path.name for path in entries(place.room)} - FILES_OF_A_ROOM
            state = {path.name for path in entries(place.state) if path.name.startswith(".")}
            yield from (f"{name} is left" for name in sorted(room | state))


class EncryptFile(Workflow):
    """`encrypt FILE DST`."""

    name = "encrypt a file"
    makes: tuple[str, ...] = ("made.sr",)

    def arguments(self, place: Place) -> Words:
        """The command line."""
        return "encrypt", place.folder / "file", place.folder / "made.sr", *QUIETLY

    def half(self, place: Place) -> Iterator[str]:
        """The message."""
        target = place.folder / "made.sr"
        if target.exists() and decrypted(self.room, target) != (place.folder / "file").read_bytes():
            yield "the message is not whole"

    def missing(self, place: Place, printed: str) -> Iterator[str]:
        """The message."""
        if not (place.folder / "made.sr").exists():
            yield "there is no message"

    def go_on(self, place: Place) -> None:
        """Once more, if it is not there."""
        with place.open() as room:
            if not (place.folder / "made.sr").exists():
                room.encrypt_file(place.folder / "file", place.folder / "made.sr")


class Append(EncryptFile):
    """`encrypt FILE DST --reason …`, for what the audit log says of it: no message without the entry of its key."""

    name = "append to the audit log"

    def __init__(self, room: strongroom.Room) -> None:
        super().__init__(room)
        self._before = list(log_entries(Path(room.home) / "audit"))

    def arguments(self, place: Place) -> Words:
        """The command line."""
        return *super().arguments(place), "--reason", MARK

    def half(self, place: Place) -> Iterator[str]:
        """The message, or the log: every entry of before, and that of a key that served."""
        yield from super().half(place)
        try:
            found = list(log_entries(place.room / "audit"))
        except StrongroomError as error:
            yield f"the log cannot be read: {error!r}"
            return
        if found[: len(self._before)] != self._before:
            yield "entries are lost that were there before"
        opened = [entry for entry in map(json.loads, found[len(self._before) :]) if entry["event"] == "lease-opened"]
        if (place.folder / "made.sr").exists() and not any(entry["reason"] == MARK for entry in opened):
            yield "a key was released, and the log has no entry of it"

    def go_on(self, place: Place) -> None:
        """Once more, if it is not there, and look whether log and keystore agree."""
        with place.open() as room:
            if not (place.folder / "made.sr").exists():
                room.encrypt_file(place.folder / "file", place.folder / "made.sr", reason=MARK)
        wrong = Upkeep(place.room, Unlock(key_file=place.key), principal=None, purpose=None).reconcile().wrong
        if wrong:
            raise AuditTampered("; ".join(wrong))


class EncryptOver(EncryptFile):
    """`encrypt FILE DST --force`, over an earlier message."""

    name = "encrypt a file over another"
    makes = ()
    replaces = True

    def arguments(self, place: Place) -> Words:
        """The command line."""
        return "encrypt", place.folder / "file", place.folder / "file.sr", "--force", *QUIETLY

    def half(self, place: Place) -> Iterator[str]:
        """The message, the old one or the new: both are of the same file."""
        if decrypted(self.room, place.folder / "file.sr") != (place.folder / "file").read_bytes():
            yield "the message is not whole, or gone"

    def missing(self, place: Place, printed: str) -> Iterator[str]:
        """Nothing can be that is not half."""
        return iter(())

    def go_on(self, place: Place) -> None:
        """Once more, after removing what docs/threat-model.md says to remove."""
        for path in place.folder.glob(".strongroom-*.tmp"):
            path.unlink()
        with place.open() as room:
            room.encrypt_file(place.folder / "file", place.folder / "file.sr", force=True)


class DecryptFile(Workflow):
    """`decrypt FILE DST`."""

    name = "decrypt a file"
    makes = ("made",)

    def arguments(self, place: Place) -> Words:
        """The command line."""
        return "decrypt", place.folder / "file.sr", place.folder / "made", *QUIETLY

    def half(self, place: Place) -> Iterator[str]:
        """The file."""
        target = place.folder / "made"
        if target.exists() and target.read_bytes() != (place.folder / "file").read_bytes():
            yield "the file is not whole"

    def missing(self, place: Place, printed: str) -> Iterator[str]:
        """The file."""
        if not (place.folder / "made").exists():
            yield "there is no file"

    def go_on(self, place: Place) -> None:
        """Once more, if it is not there."""
        with place.open() as room:
            if not (place.folder / "made").exists():
                room.decrypt_file(place.folder / "file.sr", place.folder / "made")


class VerifyFile(Workflow):
    """`verify FILE`."""

    name = "verify a file"

    def arguments(self, place: Place) -> Words:
        """The command line."""
        return "verify", place.folder / "file.sr", *QUIETLY

    def half(self, place: Place) -> Iterator[str]:
        """Nothing is written."""
        return iter(())

    def missing(self, place: Place, printed: str) -> Iterator[str]:
        """Nothing is written."""
        return iter(())


class VerifyTree(VerifyFile):
    """`verify TREE`."""

    name = "verify a tree"

    def arguments(self, place: Place) -> Words:
        """The command line."""
        return "verify", place.folder / "tree.enc", *QUIETLY


class OfTree(Workflow):
    """A command that makes a tree, `target`, of another, `source`."""

    makes: tuple[str, ...] = ("made",)
    verb: str
    source: str
    target = "made"
    options: tuple[str, ...] = ()

    def arguments(self, place: Place) -> Words:
        """The command line."""
        return self.verb, place.folder / self.source, place.folder / self.target, *self.options, *QUIETLY

    def half(self, place: Place) -> Iterator[str]:
        """Each file, or message of one."""
        target = place.folder / self.target
        for path in files(target):
            name = str(path.relative_to(target)).removesuffix(".sr")
            if is_named(path) and self.content(path) not in versions(place, name):
                yield f"{name} is not whole"

    @abstractmethod
    def content(self, path: Path) -> bytes | None:
        """What a file of `target` holds, None if it holds nothing whole."""


class EncryptTree(OfTree):
    """`encrypt TREE DST`."""

    name = "encrypt a tree"
    verb = "encrypt"
    source = "tree"

    def content(self, path: Path) -> bytes | None:
        """The plaintext."""
        return decrypted(self.room, path)

    def half(self, place: Place) -> Iterator[str]:
        """Each message, and the tree as a reader sees it once it has a manifest."""
        yield from super().half(place)
        target = place.folder / self.target
        try:
            if (target / ".strongroom/manifest.sr").exists():
                self.room.verify(target)
        except StrongroomError as error:
            yield f"a reader finds: {error}"

    def missing(self, place: Place, printed: str) -> Iterator[str]:
        """Each message, and a manifest that names them."""
        back = place.folder / "back"
        try:
            self.room.decrypt_tree(place.folder / self.target, back)
        except StrongroomError as error:
            yield f"the tree does not decrypt: {error}"
        if contents(back) != contents(place.folder / "tree"):
            yield "the tree decrypts to something else"
        if (place.folder / self.target / ".strongroom/journal").exists():
            yield "a journal is left"

    def go_on(self, place: Place) -> None:
        """Resume."""
        with place.open() as room:
            room.encrypt_tree(place.folder / self.source, place.folder / self.target, resume=True)


class UpdateTree(EncryptTree):
    """`encrypt TREE DST --resume`, over a tree that was encrypted before some of it changed."""

    name = "encrypt a tree over an older one"
    makes = ()
    replaces = True
    target = "old.enc"
    options = ("--resume",)


class DecryptTree(OfTree):
    """`decrypt TREE DST`."""

    name = "decrypt a tree"
    verb = "decrypt"
    source = "tree.enc"

    def content(self, path: Path) -> bytes | None:
        """What stands there."""
        return path.read_bytes()

    def missing(self, place: Place, printed: str) -> Iterator[str]:
        """Each file and each link."""
        made, tree = contents(place.folder / self.target), contents(place.folder / "tree")
        if {name: made.get(name) for name in tree} != tree:
            yield "the tree is not what it was"

    def go_on(self, place: Place) -> None:
        """Resume."""
        with place.open() as room:
            room.decrypt_tree(place.folder / self.source, place.folder / self.target, resume=True)


class DecryptOver(DecryptTree):
    """`decrypt TREE DST --resume`, over what was decrypted before some of it changed."""

    name = "decrypt a tree over an older one"
    makes = ()
    replaces = True
    target = "old"
    options = ("--resume",)


class Init(Workflow):
    """`init`."""

    name = "init"
    makes = ("made", "made.key")

    def arguments(self, place: Place) -> Words:
        """The command line."""
        made = ("--home", place.folder / "made", "--make-key-file", place.folder / "made.key")
        return "init", *made, "--no-recovery"

    def half(self, place: Place) -> Iterator[str]:
        """The room."""
        if (place.folder / "made").exists():
            yield from self.missing(place, "")

    def missing(self, place: Place, printed: str) -> Iterator[str]:
        """A room that works."""
        try:
            with strongroom.open(place.folder / "made", key_file=place.folder / "made.key") as room:
                if room.decrypt(room.encrypt(b"some")) != b"some":
                    yield "the room decrypts to something else"
        except (StrongroomError, OSError) as error:
            yield f"the room does not open: {error!r}"

    def go_on(self, place: Place) -> None:
        """Once more, if there is none. The key file of a room that was not made stands in nobody's way but its own."""
        if not (place.folder / "made").exists():
            (place.folder / "made.key").unlink(missing_ok=True)
            strongroom.init(place.folder / "made", make_key_file=place.folder / "made.key")

    def strange(self, place: Place, *, killed: bool) -> Iterator[str]:
        """After SIGKILL the building site stands until the next `init`."""
        for complaint in super().strange(place, killed=killed):
            if not (killed and complaint.startswith(".made.init-")):
                yield complaint


class Rotate(Workflow):
    """`keys rotate`."""

    name = "keys rotate"

    def arguments(self, place: Place) -> Words:
        """The command line."""
        return "keys", "rotate", self.room.keys.list()[0].id, "--json"

    def half(self, place: Place) -> Iterator[str]:
        """The key, with all its versions, under which the old message opens."""
        try:
            with place.open() as room:
                (key,) = room.keys.list()
                if [version.version for version in key.versions] != list(range(1, key.primary + 1)):
                    yield f"the versions are {key.versions}"
                if room.decrypt((place.folder / "file.sr").read_bytes()) != (place.folder / "file").read_bytes():
                    yield "an old message decrypts to something else"
        except StrongroomError as error:
            yield f"the room does not work: {error!r}"

    def missing(self, place: Place, printed: str) -> Iterator[str]:
        """The version that was acknowledged."""
        with place.open() as room:
            if room.keys.list()[0].primary != json.loads(printed)["key"]["primary"] or '"primary": 2' not in printed:
                yield f"this was acknowledged: {printed}"

    def go_on(self, place: Place) -> None:
        """Rotate."""
        with place.open() as room:
            room.keys.rotate(room.keys.list()[0].id)


WORKFLOWS: tuple[type[Workflow], ...] = (
    EncryptFile,
    EncryptOver,
    DecryptFile,
    VerifyFile,
    EncryptTree,
    UpdateTree,
    DecryptTree,
    DecryptOver,
    VerifyTree,
    Append,
    Init,
    Rotate,
)


def furnish(place: Place) -> None:
    """Put into a place what the commands work on: a file, a tree, an older version of it, and messages of them."""
    (place.folder / "file").write_bytes(bytes(range(256)) * 600)
    for name, size in (("a/b", 5000), ("a/c", 0), ("d/e/f", 70_000), ("g", 1)):
        write(place.folder / "tree" / name, b"old" * size)
    (place.folder / "tree/link").symlink_to("g")
    with place.open() as room:
        room.encrypt_file(place.folder / "file", place.folder / "file.sr")
        room.encrypt_tree(place.folder / "tree", place.folder / "old.enc")
        room.decrypt_tree(place.folder / "old.enc", place.folder / "old")
        write(place.folder / "tree/a/b", b"new" * 6000)
        write(place.folder / "tree/d/h", b"new")
        (place.folder / "tree/g").unlink()
        (place.folder / "tree/link").unlink()
        (place.folder / "tree/link").symlink_to("a")
        room.encrypt_tree(place.folder / "tree", place.folder / "tree.enc")


def write(path: Path, content: bytes) -> None:
    """Write a file and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def is_named(path: Path) -> bool:
    """Whether it stands under a name that a reader looks for."""
    return path.parent.name != ".strongroom" and not path.name.startswith(".strongroom-")


def decrypted(room: strongroom.Room, message: Path) -> bytes | None:
    """The plaintext of a message, None if it is not one."""
    try:
        return room.decrypt(message.read_bytes())
    except (StrongroomError, OSError):
        return None


def versions(place: Place, name: str) -> list[bytes]:
    """What a file of the tree holds now, and held before."""
    trees = (place.folder / "tree", place.folder.with_name("template") / "old")
    return [(tree / name).read_bytes() for tree in trees if (tree / name).is_file()]


def contents(tree: Path) -> dict[str, bytes]:
    """Every file and link of a tree."""
    found = {str(path.relative_to(tree)): path for path in entries(tree) if path.is_symlink() or not path.is_dir()}
    return {name: bytes(path.readlink()) if path.is_symlink() else path.read_bytes() for name, path in found.items()}


MARK = "so that the log says why"
QUIETLY = ("--no-progress", "--workers", "1")
# SQLite's journal stands until the next transaction wherever it could not be removed
FILES_OF_A_ROOM = {"room.json", "root.json", "keystore.db", "keystore.db-journal", "audit", *FILES_OF_A_LOG}
GIVEN = {"room", "key", "state", "tmp", "home", "cwd", "stdout", "stderr"} | {
    "file", "file.sr", "tree", "tree.enc", "old", "old.enc", "back",
}  # fmt: skip
