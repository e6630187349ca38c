"""`strongroom classes`: list, show, create."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from strongroom.cli import options
from strongroom.cli.report import Report, table
from strongroom.cli.words import duration, size

if TYPE_CHECKING:
    from strongroom.model import DataClass

SUITES = {"0478": 0x0478, "0578": 0x0578}


@click.group("classes")
def command() -> None:
    """List, show and create data classes."""


@command.command("list")
@options.json_option
@options.unlock_options
@click.pass_obj
def list_classes(report: Report, unlock: options.Unlock) -> None:
    """List the data classes of the room."""
    with unlock.open() as room:
        classes = room.classes.list()
    rows = [(c.name, c.key_id, f"{c.suite:04x}", size(c.frame_length), f"{c.lease_seconds} s") for c in classes]
    report.result(
        {"classes": [as_json(data_class) for data_class in classes]},
        table([("CLASS", "KEY", "SUITE", "FRAME", "LEASE"), *rows]),
    )


@command.command("show")
@click.argument("name")
@options.json_option
@options.unlock_options
@click.pass_obj
def show_class(report: Report, name: str, unlock: options.Unlock) -> None:
    """Show one data class."""
    with unlock.open() as room:
        data_class = room.classes.show(name)
    report.result({"class": as_json(data_class)}, lines(data_class))


@command.command("create")
@click.argument("name")
@click.option(
    "--suite", type=click.Choice(list(SUITES)), default="0478", show_default=True, help="0578 adds a signature."
)
@click.option(
    "--frame-length",
    type=click.IntRange(1, 16 << 20),
    default=65536,
    show_default=True,
    metavar="BYTES",
    help="How much plaintext is authenticated at once.",
)
@click.option(
    "--lease-seconds",
    type=click.IntRange(0),
    default=300,
    show_default=True,
    metavar="N",
    help="How long a released data key may be used; 0: for one message.",
)
@click.option("--max-messages", type=click.IntRange(1), metavar="N", help="How many messages a data key may serve.")
@options.why_options
@options.json_option
@options.unlock_options
@click.pass_obj
def create_class(
    report: Report,
    *,
    name: str,
    suite: str,
    frame_length: int,
    lease_seconds: int,
    max_messages: int | None,
    why: options.Why,
    unlock: options.Unlock,
) -> None:
    """Create a data class and its key."""
    limits: dict[str, Any] = {} if max_messages is None else {"max_messages": max_messages}
    with unlock.open(why.purpose) as room:
        data_class = room.classes.create(
            name,
            suite=SUITES[suite],
            frame_length=frame_length,
            lease_seconds=lease_seconds,
            reason=why.reason,
            **limits,
        )
    report.result({"class": as_json(data_class)})
    report.aside(f"created class {data_class.name} with key {data_class.key_id}")


def as_json(data_class: DataClass) -> dict[str, object]:
    """Turn a class into JSON."""
    return {
        "name": data_class.name,
        "key_id": data_class.key_id,
        "suite": f"{data_class.suite:04x}",
        "frame_length": data_class.frame_length,
        "lease_seconds": data_class.lease_seconds,
        "max_messages": data_class.max_messages,
        "max_bytes": data_class.max_bytes,
        "created": data_class.created.isoformat(),
    }


def lines(data_class: DataClass) -> list[str]:
    """Describe a class for people, a fact a line."""
    facts = {
        "class": data_class.name,
        "key": data_class.key_id,
        "suite": f"{data_class.suite:04x}",
        "frames": size(data_class.frame_length),
        "lease": duration(data_class.lease_seconds),
        "a data key": f"serves at most {data_class.max_messages:,} messages and {size(data_class.max_bytes)}",
        "created": data_class.created.isoformat(timespec="seconds"),
    }
    return [f"{name:<12}{value}" for name, value in facts.items()]
