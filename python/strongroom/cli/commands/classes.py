"""`strongroom classes`: list, show, create, set."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import click

from strongroom.cli import options
from strongroom.cli.periods import Period, period
from strongroom.cli.report import Report, table
from strongroom.cli.words import size

if TYPE_CHECKING:
    from strongroom.model import DataClass

LEVELS = ("software", "hsm-root", "hsm")
# what options are called, and settings of a class
NAMES = {"hsm": "token"}
SUITES = {"0478": 0x0478, "0578": 0x0578}


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings of a class that can be changed. None: as it is, or the default."""

    suite: str | None
    frame_length: int | None
    lease_seconds: int | None
    max_messages: int | None
    max_bytes: int | None
    max_wraps: int | None
    rotate_every: int | None
    originator_usage: int | None
    recipient_usage: int | None
    destroy_wait: int | None
    census_age: int | None
    open: bool | None
    level: str | None
    hsm: str | None

    def given(self) -> dict[str, Any]:
        """Those that were given."""
        values = {item.name: getattr(self, item.name) for item in fields(self)}
        given = {NAMES.get(name, name): value for name, value in values.items() if value is not None}
        return given if self.suite is None else given | {"suite": SUITES[self.suite]}


def number(name: str, text: str, low: int = 1, metavar: str = "N") -> options.Decorator:
    """Make an option for a number."""
    return click.option(name, type=click.IntRange(low), metavar=metavar, help=text)


def period_option(name: str, text: str) -> options.Decorator:
    """Make an option for a period."""
    return click.option(name, type=Period(), metavar="PERIOD", help=text)


settings_options = options.gathered(
    "settings",
    Settings,
    [
        click.option("--suite", type=click.Choice(list(SUITES)), help="0578 adds a signature.  [default: 0478]"),
        click.option(
            "--frame-length",
            type=click.IntRange(1, 16 << 20),
            metavar="BYTES",
            help="How much plaintext is authenticated at once.  [default: 65536]",
        ),
        number("--lease-seconds", "How long a released data key may be used; 0: for one message.  [default: 300]", 0),
        number("--max-messages", "How many messages a data key may serve."),
        number("--max-bytes", "How many bytes a data key may serve."),
        number("--max-wraps", "How many data keys a key version may wrap; rotation is due at half of it."),
        period_option("--rotate-every", "How old a primary version gets before a rotation is due."),
        period_option("--originator-usage", "How long a key version may encrypt."),
        period_option("--recipient-usage", "How long it may decrypt."),
        period_option("--destroy-wait", "How long a scheduled destruction waits at least.  [default: 30d]"),
        period_option("--census-age", "How long a census counts for a destruction.  [default: 7d]"),
        click.option("--open/--registered", default=None, help="Whether a new scope gets a key on first use."),
        click.option(
            "--level",
            type=click.Choice(LEVELS),
            help="Where KEKs are: under the root, under a root that a token gives, or in a token.  [default: software]",
        ),
        click.option(
            "--hsm",
            metavar="URI",
            help="The token for the KEKs of level hsm, a pkcs11: URI without a key.  [default: the one that opens the room]",
        ),
    ],
)


@click.group("classes")
def command() -> None:
    """List, show, create and change data classes."""


@command.command("list")
@options.json_option
@options.unlock_options
@click.pass_obj
def list_classes(report: Report, unlock: options.Unlock) -> None:
    """List the data classes of the room."""
    with unlock.open() as room:
        classes = room.classes.list()
    rows = [
        (
            c.name,
            c.key_id or f"by {', '.join(c.scope_keys)}",
            f"{c.suite:04x}",
            size(c.frame_length),
            f"{c.lease_seconds} s",
        )
        for c in classes
    ]
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
    "--scope-key",
    "scope_keys",
    multiple=True,
    metavar="KEY",
    help="A context key, such as tenant: each value of it has a key of its own; repeatable.",
)
@settings_options
@options.why_options
@options.json_option
@options.unlock_options
@click.pass_obj
def create_class(
    report: Report,
    *,
    name: str,
    scope_keys: tuple[str, ...],
    settings: Settings,
    why: options.Why,
    unlock: options.Unlock,
) -> None:
    """Create a data class, and its key unless it has scope keys.

    PERIOD is a number with s, m, h, d, w or y, such as 90d, or none.
    """
    with unlock.open(why.purpose) as room:
        data_class = room.classes.create(name, scope_keys=scope_keys, reason=why.reason, **settings.given())
    report.result({"class": as_json(data_class)})
    report.aside(f"created class {data_class.name} with {keys_in_words(data_class)}")


@command.command("set")
@click.argument("name")
@settings_options
@options.why_options
@options.json_option
@options.unlock_options
@click.pass_obj
def set_class(report: Report, *, name: str, settings: Settings, why: options.Why, unlock: options.Unlock) -> None:
    """Change settings of a data class, for what happens from now on.

    Another level makes a new version of every key of the class. `strongroom reencrypt` moves data off the old ones.
    """
    if not settings.given():
        raise click.UsageError("Say what to change.")
    with unlock.open(why.purpose) as room:
        data_class = room.classes.set(name, reason=why.reason, **settings.given())
    report.result({"class": as_json(data_class)})
    report.aside(f"changed class {data_class.name}")


def as_json(data_class: DataClass) -> dict[str, object]:
    """Turn a class into JSON."""
    return {
        "name": data_class.name,
        "key_id": data_class.key_id or None,
        "suite": f"{data_class.suite:04x}",
        "frame_length": data_class.frame_length,
        "lease_seconds": data_class.lease_seconds,
        "max_messages": data_class.max_messages,
        "max_bytes": data_class.max_bytes,
        "max_wraps": data_class.max_wraps,
        "scope_keys": list(data_class.scope_keys),
        "open": data_class.open,
        "rotate_every": data_class.rotate_every,
        "originator_usage": data_class.originator_usage,
        "recipient_usage": data_class.recipient_usage,
        "destroy_wait": data_class.destroy_wait,
        "census_age": data_class.census_age,
        "level": data_class.level,
        "token": data_class.token,
        "created": data_class.created.isoformat(),
    }


def lines(data_class: DataClass) -> list[str]:
    """Describe a class for people, a fact a line."""
    facts = {
        "class": data_class.name,
        "key": data_class.key_id or keys_in_words(data_class),
        "level": LEVEL_WORDS[data_class.level],
        "suite": f"{data_class.suite:04x}",
        "frames": size(data_class.frame_length),
        "lease": period(data_class.lease_seconds) if data_class.lease_seconds else "one message",
        "a data key": f"serves at most {data_class.max_messages:,} messages and {size(data_class.max_bytes)}",
        "a version": f"wraps at most {data_class.max_wraps:,} data keys, encrypts {lasting(data_class.originator_usage)}"
        f" and decrypts {lasting(data_class.recipient_usage)}",
        "rotation": f"every {period(data_class.rotate_every)}" if data_class.rotate_every else "when asked for",
        "destruction": f"waits {period(data_class.destroy_wait)}, and wants a census not older than"
        f" {period(data_class.census_age)}",
        "created": data_class.created.isoformat(timespec="seconds"),
    }
    if data_class.token is not None:
        facts["token"] = data_class.token
    return [f"{name:<12}{value}" for name, value in facts.items()]


LEVEL_WORDS = {
    "software": "software: KEKs are under the root of the room",
    "hsm-root": "hsm-root: KEKs are used only where a token gives the root",
    "hsm": "hsm: KEKs are in a token, and never leave it",
}


def lasting(seconds: int) -> str:
    """For how long."""
    return f"for {period(seconds)}" if seconds else "for ever"


def keys_in_words(data_class: DataClass) -> str:
    """Say which keys a class has."""
    if not data_class.scope_keys:
        return f"key {data_class.key_id}"
    whose = "every new" if data_class.open else "each registered"
    return f"a key for {whose} {' and '.join(data_class.scope_keys)}"
