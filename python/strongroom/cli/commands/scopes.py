"""`strongroom scopes`: register, list."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from strongroom.cli import options
from strongroom.cli.commands.keys.registry import About, about_options
from strongroom.cli.commands.keys.words import as_json, scope_words
from strongroom.cli.report import Report, table

if TYPE_CHECKING:
    from collections.abc import Sequence


@click.group("scopes")
def command() -> None:
    """Register and list scopes, such as tenants: each has a key of its own."""


@command.command("list")
@click.option("--class", "data_class", metavar="NAME", help="Only those of this data class.")
@options.json_option
@options.unlock_options
@click.pass_obj
def list_scopes(report: Report, data_class: str | None, unlock: options.Unlock) -> None:
    """List the registered scopes and their keys."""
    with unlock.open() as room:
        keys = room.scopes.list(data_class)
    rows = [(key.data_class, scope_words(key.scope), key.id, key.primary or "-") for key in keys]
    document = {"scopes": [{"class": key.data_class, "scope": key.scope, "key_id": key.id} for key in keys]}
    report.result(document, table([("CLASS", "SCOPE", "KEY", "PRIMARY"), *rows]))


@command.command("register")
@click.option("--class", "data_class", required=True, metavar="NAME", help="The data class.")
@click.argument("scope", nargs=-1, required=True, metavar="KEY=VALUE…")
@about_options
@options.why_options
@options.json_option
@options.unlock_options
@click.pass_obj
def register_scope(
    report: Report,
    data_class: str,
    *,
    scope: Sequence[str],
    about: About,
    why: options.Why,
    unlock: options.Unlock,
) -> None:
    """Register a scope of a data class: make its key.

    SCOPE has a value for each scope key of the class, such as tenant=acme. Without it nothing is encrypted for that scope,
    unless the class is open.
    """
    values = options.read_context(click.get_current_context(), click.Argument(["scope"]), scope)
    with unlock.open(why.purpose) as room:
        key = room.scopes.register(
            data_class,
            values,
            reason=why.reason,
            **about.given(),  # type: ignore[arg-type] # as declared there
        )
    report.result({"key": as_json(key)}, [key.id])
    report.aside(f"registered {scope_words(key.scope)} of class {key.data_class} with key {key.id}")
