"""`strongroom keys list`, `show`, `create`, `set`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from strongroom.cli import options
from strongroom.cli.commands.keys.words import as_json, key_lines, portrait, step_as_json
from strongroom.cli.periods import Moment

if TYPE_CHECKING:
    from datetime import datetime

    from strongroom.cli.report import Report


@dataclass(frozen=True, slots=True)
class About:
    """What people want to know of a key."""

    owner: str | None
    contact: str | None
    description: str | None
    tag: dict[str, str]

    def given(self) -> dict[str, object]:
        """As the API takes it: no tags are none to change."""
        return {
            "owner": self.owner,
            "contact": self.contact,
            "description": self.description,
            "tags": self.tag or None,
        }


about_options = options.gathered(
    "about",
    About,
    [
        click.option("--owner", metavar="TEXT", help="Who answers for the key."),
        click.option("--contact", metavar="TEXT", help="Whom to call when something is wrong with it."),
        click.option("--description", metavar="TEXT", help="What it is for."),
        click.option(
            "--tag",
            multiple=True,
            metavar="KEY=VALUE",
            callback=options.read_context,
            help="A tag; repeatable. They take the place of all tags there were.",
        ),
    ],
)

scope_option = click.option(
    "--scope",
    multiple=True,
    metavar="KEY=VALUE",
    callback=options.read_context,
    help="The value of a scope key of the class; repeatable.",
)


@click.command("list")
@options.json_option
@options.unlock_options
@click.pass_obj
def list_keys(report: Report, unlock: options.Unlock) -> None:
    """List the keys of the room and their versions."""
    with unlock.open() as room:
        keys = room.keys.list()
    report.result({"keys": [as_json(key) for key in keys]}, key_lines(keys))


@click.command("show")
@click.argument("key_id", metavar="KEY_ID")
@options.json_option
@options.unlock_options
@click.pass_obj
def show_key(report: Report, key_id: str, unlock: options.Unlock) -> None:
    """Show a key, the life of each version, and its whole history."""
    with unlock.open() as room:
        key, history = room.keys.show(key_id), room.keys.history(key_id)
    document = {"key": as_json(key), "history": [step_as_json(step) for step in history]}
    report.result(document, portrait(key, history))


@click.command("create")
@click.option("--class", "data_class", required=True, metavar="NAME", help="The data class that the key is for.")
@scope_option
@click.option("--activate-at", type=Moment(), metavar="TIME", help="When it becomes active.  [default: now]")
@about_options
@options.why_options
@options.json_option
@options.unlock_options
@click.pass_obj
def create_key(
    report: Report,
    data_class: str,
    *,
    scope: dict[str, str],
    activate_at: datetime | None,
    about: About,
    why: options.Why,
    unlock: options.Unlock,
) -> None:
    """Create a key for a data class, in the place of the one it has.

    What was encrypted under the key before stays readable.
    """
    with unlock.open(why.purpose) as room:
        key = room.keys.create(
            data_class,
            scope=scope or None,
            activate_at=activate_at,
            reason=why.reason,
            **about.given(),  # type: ignore[arg-type] # as declared there
        )
    report.result({"key": as_json(key)}, [key.id])
    report.aside(f"created key {key.id} for class {key.data_class}")


@click.command("set")
@click.argument("key_id", metavar="KEY_ID")
@about_options
@options.why_options
@options.json_option
@options.unlock_options
@click.pass_obj
def set_key(report: Report, key_id: str, about: About, why: options.Why, unlock: options.Unlock) -> None:
    """Change what people want to know of a key."""
    with unlock.open(why.purpose) as room:
        key = room.keys.set(
            key_id,
            reason=why.reason,
            **about.given(),  # type: ignore[arg-type] # as declared there
        )
    report.result({"key": as_json(key)})
    report.aside(f"changed what is said of key {key.id}")
