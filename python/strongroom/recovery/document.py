"""What stands inside a backup: JSON Lines, canonical, independent of the database. Specified in docs/spec/backup.md."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from strongroom.errors import MalformedMessage, UnsupportedFormat
from strongroom.files import NOT_OURS
from strongroom.keystore import Dump

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    Value = int | str | bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """A backup's inside: which it is, when it was taken, how far the audit log was, and the keystore."""

    id: str
    taken: str
    audit: Mapping[str, object]
    dump: Dump


def pack(contents: Contents) -> bytes:
    """The lines of a backup."""
    return b"".join(
        json.dumps(line, sort_keys=True, separators=(",", ":")).encode() + b"\n" for line in lines(contents)
    )


def lines(contents: Contents) -> Iterator[object]:
    """A head, and a line a row."""
    dump = contents.dump
    yield {
        "strongroom-backup": FORMAT,
        "id": contents.id,
        "taken": contents.taken,
        "audit": dict(contents.audit),
        "keystore": {
            "format": dump.format,
            "room": dump.room,
            "owner": dump.owner,
            "epoch": dump.epoch,
            "newest": dump.newest,
            "root_version": dump.root_version,
            "wrapped_mac_key": spell(dump.wrapped_mac_key),
            "state": dump.digest,
            "rows": len(dump.rows),
        },
    }
    for table, row in dump.rows:
        yield [table, {name: spell(value) for name, value in row.items()}]


def unpack(body: bytes) -> Contents:
    """The contents of an authenticated backup. Raises UnsupportedFormat for a newer one, MalformedMessage for nonsense."""
    try:
        head, *rest = map(json.loads, body.splitlines())
        if head["strongroom-backup"] > FORMAT:
            raise UnsupportedFormat(
                f"the backup has format {head['strongroom-backup']}; this version reads up to {FORMAT}"
            )
        keystore = head["keystore"]
        if len(rest) != keystore["rows"]:
            raise ValueError(len(rest))
        rows = tuple((str(table), read_row(row)) for table, row in rest)
        return Contents(
            id=head["id"],
            taken=head["taken"],
            audit=read_audit(head["audit"], head["strongroom-backup"]),
            dump=Dump(
                format=int(keystore["format"]),
                room=str(keystore["room"]),
                owner=str(keystore["owner"]),
                epoch=int(keystore["epoch"]),
                newest=int(keystore["newest"]),
                root_version=int(keystore["root_version"]),
                wrapped_mac_key=base64.b64decode(keystore["wrapped_mac_key"]["base64"], validate=True),
                digest=str(keystore["state"]),
                rows=rows,
            ),
        )
    except NOT_OURS as error:
        raise MalformedMessage("the message is authentic, and not a backup of a room") from error


def read_audit(said: Mapping[str, Any], version: int) -> dict[str, object]:
    """How far the log was: its name, entries and root. Format 1 knew a plain trail, with bytes and a digest."""
    if version == 1:
        return {"bytes": int(said["bytes"]), "sha256": str(said["sha256"])}
    return {"log": str(said["log"]), "size": int(said["size"]), "root": str(said["root"])}


def spell(value: Value) -> object:
    """A value of a row as JSON; bytes are an object, so that no text is taken for them."""
    return {"base64": base64.b64encode(value).decode("ascii")} if isinstance(value, bytes) else value


def read_row(row: Mapping[str, Any]) -> dict[str, Value]:
    """The values of a row."""
    return {
        name: base64.b64decode(value["base64"], validate=True) if isinstance(value, dict) else value
        for name, value in row.items()
    }


FORMAT = 2
