"""The job `reencrypt TREE`, after rotations: killed anywhere, every file is readable, and a repeat moves the rest."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

from strongroom.client.census import census

from torture.crash.killing import End
from torture.crash.trees import EncryptTree, finished, leaked


class ReencryptTree(EncryptTree):
    """`strongroom reencrypt TREE`. The sources do not change while it runs, so every message holds the current one."""

    name = "re-encrypt a tree"

    def prepare(self, share: float) -> None:
        """Make a new version primary, and leave that share of the files under older ones."""
        with self.place.open() as room:
            key = room.keys.list()[0]
            room.keys.rotate(key.id)
        # a room of its own: the leases of the last one are on the version before
        self.source.change(1 - share)
        with self.place.open() as room:
            room.encrypt_tree(self.source.folder, self.target, resume=True)

    def start(self) -> subprocess.Popen[str]:
        """Begin the command."""
        return self.place.start("reencrypt", self.target, "--no-progress")

    def judge(self, end: End) -> Iterator[str]:
        """Nothing is ever lost; after a run that ended, everything stands under the primary version."""
        self.midway += end.killed and (self.target / ".strongroom/journal").exists()
        yield from self._not_whole(current=True)
        yield from self._not_as_named()
        yield from leaked(self.place, self.source)
        if not end.killed:
            yield from finished(end, self.place)
            if (self.target / ".strongroom/journal").exists():
                yield "a journal is left of a run that ended"
            yield from self._not_moved()

    def _not_moved(self) -> Iterator[str]:
        counted = census(self.target)
        key = self._room.keys.list()[0]
        if not counted.complete:
            yield f"the census could not read {counted.unread}"
        for row in counted.counts:
            if (row.key_id, row.version) != (key.id, key.primary):
                yield f"{row.messages} messages are left under version {row.version}, and {key.primary} is primary"
