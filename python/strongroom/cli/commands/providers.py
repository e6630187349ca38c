"""`strongroom providers`: list, probe, health, keks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from strongroom.cli import options
from strongroom.cli.failures import describe
from strongroom.cli.process import forbid_core_dumps
from strongroom.cli.report import Report, table
from strongroom.cli.words import shown
from strongroom.errors import ProviderUnavailable

if TYPE_CHECKING:
    from strongroom.home.keks import KekHealth
    from strongroom.home.tokens import Health


@click.group("providers")
def command() -> None:
    """Show what opens the room, and whether its tokens answer."""


@command.command("list")
@options.home_option
@options.json_option
@click.pass_obj
def list_providers(report: Report, home: str | None) -> None:
    """List what opens the room. Opens nothing, and asks no token."""
    from strongroom.home.tokens import list_ways

    ways = list_ways(home)
    report.result(
        {"providers": [{"id": way.id, "kind": way.kind, "token": way.token} for way in ways]},
        table([("ID", "KIND", "TOKEN"), *((way.id, way.kind, way.token or "") for way in ways)]),
    )


@command.command("health")
@options.home_option
@options.json_option
@click.pass_context
def show_health(ctx: click.Context, home: str | None) -> None:
    """Ask every token that opens the room for its root key, and wipe it.

    The room is `well` if all give it, `degraded` if some do, `down` if none does: exit codes 0, 1 and 30.
    """
    from strongroom.home.tokens import check_health

    forbid_core_dumps()
    report = ctx.find_object(Report) or Report()
    found = check_health(home)
    failed = [health for health in found if health.error is not None]
    state, code = standing(len(failed), len(found))
    report.result(
        {"state": state, "providers": [as_json(health) for health in found]},
        table([("ID", "STATE", "TIME", "TOKEN"), *(row(health) for health in found)]),
    )
    for health in failed:
        report.aside(f"{health.way.id}: {describe(health.error).message}" if health.error else "")
    if failed:
        report.aside(f"the room is {state}: {len(failed)} of {len(found)} tokens do not open it")
        ctx.exit(code)


@command.command("keks")
@options.json_option
@options.unlock_options
@click.pass_context
def show_keks(ctx: click.Context, unlock: options.Unlock) -> None:
    """Try every KEK that is in a token, and name keys of the room there that none of them is.

    Such a key is of a version that is being made at this moment, or that a crash kept from being made. The exit code is 0 if all
    KEKs work, 1 if some do, 30 if none does.
    """
    report = ctx.find_object(Report) or Report()
    found = unlock.upkeep().keks()
    report.result(
        {"keks": [kek_as_json(kek) for kek in found.keks], "unused": list(found.unused)},
        table([("KEY", "VERSION", "CLASS", "STATE", "SCHEME", "TOKEN"), *(kek_row(kek) for kek in found.keks)]),
    )
    failed = [kek for kek in found.keks if kek.error is not None]
    for kek in failed:
        report.aside(f"{kek.key_id} version {kek.version}: {describe(kek.error).message}" if kek.error else "")
    for label in found.unused:
        report.aside(f"{shown(label)} is in the token, and no key version of this room")
    if failed:
        ctx.exit(1 if len(failed) < len(found.keks) else ProviderUnavailable.exit_code)


@command.command("probe")
@click.argument("uri")
@options.json_option
@click.pass_obj
def probe_token(report: Report, uri: str) -> None:
    """Log in to the token that URI names, and try how a key in it would wrap a root.

    The key that it is tried with lives as long as the session; nothing is written to the token.
    """
    from strongroom.home.tokens import probe

    forbid_core_dumps()
    facts = probe(uri)
    scheme = "none that is known" if facts.scheme is None else facts.scheme
    rows = [
        ("token", facts.label),
        ("serial", facts.serial),
        ("made by", f"{facts.manufacturer}, {facts.model}"),
        ("scheme", f"{scheme}, the token makes the nonces" if facts.token_nonce else scheme),
        ("threads", "locks" if facts.locks else "others have initialised the module: nobody knows"),
        ("mechanisms", f"{len(facts.mechanisms)}"),
    ]
    document = {
        "label": facts.label,
        "serial": facts.serial,
        "manufacturer": facts.manufacturer,
        "model": facts.model,
        "locks": facts.locks,
        "scheme": facts.scheme,
        "token_nonce": facts.token_nonce,
        "mechanisms": list(facts.mechanisms),
    }
    report.result({"token": document}, table(rows))


def standing(failed: int, asked: int) -> tuple[str, int]:
    """The state of a room by its tokens, and the exit code for it."""
    if not failed:
        return "well", 0
    return ("degraded", 1) if failed < asked else ("down", ProviderUnavailable.exit_code)


def as_json(health: Health) -> dict[str, object]:
    """Turn a token's health into JSON."""
    return {
        "id": health.way.id,
        "token": health.way.token,
        "ok": health.error is None,
        "seconds": round(health.seconds, 6),
        "error": None if health.error is None else describe(health.error).as_json(),
    }


def kek_as_json(kek: KekHealth) -> dict[str, object]:
    """Turn a KEK's health into JSON."""
    return {
        "key_id": kek.key_id,
        "version": kek.version,
        "class": kek.data_class,
        "token": kek.token,
        "scheme": kek.scheme,
        "ok": kek.error is None,
        "error": None if kek.error is None else describe(kek.error).as_json(),
    }


def kek_row(kek: KekHealth) -> tuple[object, ...]:
    """Turn it into a row."""
    return kek.key_id, kek.version, kek.data_class, "ok" if kek.error is None else "fails", kek.scheme, kek.token


def row(health: Health) -> tuple[str, str, str, str]:
    """Turn it into a row."""
    state = "ok" if health.error is None else "fails"
    return health.way.id, state, f"{1000 * health.seconds:.0f} ms", health.way.token or ""
