"""`strongroom inspect`."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import click

from strongroom.cli import options
from strongroom.cli.report import Report
from strongroom.cli.words import count, shown, size

if TYPE_CHECKING:
    from strongroom.client.results import MessageInfo


@click.command("inspect")
@click.argument("path", metavar="FILE", type=click.Path())
@options.json_option
@click.pass_obj
def command(report: Report, path: str) -> None:
    """Show what the header of a message says; needs no key.

    Nothing shown here is authenticated: `strongroom verify` does that.
    """
    import strongroom

    report.subject = shown(path)
    info = strongroom.inspect(path)
    document = dataclasses.asdict(info)
    document["edks"] = [{"provider": provider, "name": name} for provider, name in info.edks]
    report.result(document, lines(info))


def lines(info: MessageInfo) -> list[str]:
    """List the facts of a header, one a line."""
    facts = [
        ("message", f"{info.message_id}, format version {info.version}"),
        ("suite", f"{info.suite:04x} {info.suite_name}{', signed' if info.signed else ''}"),
        *(("wrapped by", f"{provider} {name}") for provider, name in info.edks),
        *(("context", f"{key}={value}") for key, value in sorted(info.context.items())),
        ("header", size(info.header_bytes)),
    ]
    if info.frame_length is not None:
        frames = count(info.frames, "frame") if info.frames is not None else "frames"
        facts.append(("body", f"{frames} of {size(info.frame_length)}"))
    if info.plaintext_bytes is not None:
        facts.append(("plaintext", f"{info.plaintext_bytes:,} bytes"))
    return [f"{name:<12}{_safe(value)}" for name, value in facts]


def _safe(value: str) -> str:
    """Header text is whatever its writer put there, terminal escapes included."""
    return shown(value)
