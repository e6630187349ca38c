"""`strongroom keys`: list, create, rotate."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from strongroom.cli import options
from strongroom.cli.report import Report, table

if TYPE_CHECKING:
    from strongroom.model import Key


@click.group("keys")
def command() -> None:
    """List, create and rotate keys."""


@command.command("list")
@options.json_option
@options.unlock_options
@click.pass_obj
def list_keys(report: Report, unlock: options.Unlock) -> None:
    """List the keys of the room and their versions."""
    with unlock.open() as room:
        keys = room.keys.list()
    rows = [(key.id, key.data_class, v.version, v.state, mark(key, v.version)) for key in keys for v in key.versions]
    report.result(
        {"keys": [as_json(key) for key in keys]},
        table([("KEY", "CLASS", "VERSION", "STATE", "PRIMARY"), *rows]),
    )


@command.command("create")
@click.option("--class", "data_class", required=True, metavar="NAME", help="The data class that the key is for.")
@options.why_options
@options.json_option
@options.unlock_options
@click.pass_obj
def create_key(report: Report, data_class: str, why: options.Why, unlock: options.Unlock) -> None:
    """Create a key for a data class."""
    with unlock.open(why.purpose) as room:
        key = room.keys.create(data_class=data_class, reason=why.reason)
    report.result({"key": as_json(key)}, [key.id])
    report.aside(f"created key {key.id} for class {key.data_class}")


@command.command("rotate")
@click.argument("key_id", metavar="KEY_ID")
@options.why_options
@options.json_option
@options.unlock_options
@click.pass_obj
def rotate_key(report: Report, key_id: str, why: options.Why, unlock: options.Unlock) -> None:
    """Make a new version of a key primary.

    New data is encrypted under the new version. Data under older versions stays readable.
    """
    with unlock.open(why.purpose) as room:
        key = room.keys.rotate(key_id, reason=why.reason)
    report.result({"key": as_json(key)})
    report.aside(f"rotated key {key.id} of class {key.data_class}: version {key.primary} is primary")


def as_json(key: Key) -> dict[str, object]:
    """Turn a key and its versions into JSON."""
    return {
        "id": key.id,
        "class": key.data_class,
        "scope": key.scope,
        "primary": key.primary,
        "created": key.created.isoformat(),
        "versions": [
            {
                "version": v.version,
                "state": v.state,
                "primary": v.version == key.primary,
                "created": v.created.isoformat(),
            }
            for v in key.versions
        ],
    }


def mark(key: Key, version: int) -> str:
    """Put a star beside the primary version."""
    return "*" if version == key.primary else ""
