"""Writes docs/guides/cli.md from the help of the commands. A test compares the page with what this makes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click
from strongroom.cli.table import SUMMARIES, Unloaded, group

PAGE = Path(__file__).parent / "guides" / "cli.md"
WIDTH = 100

INTRODUCTION = """\
# The command line

This page is made from `--help` by `docs/build_cli.py`.

What holds for every command:

- DST names the result itself, never a directory to put it in. A DST that exists is refused, unless `--force` or
  `--resume` says otherwise. A file gets its name when all of it is on the disk.
- `-` is standard input or output. A message does not go to a terminal, nor does plaintext that is not text.
- A room opens with a passphrase, a key file or a recovery kit, given by an option, by `STRONGROOM_KEY_FILE` or
  `STRONGROOM_PASSPHRASE_FILE` (names of files), by a systemd credential, or typed at a prompt. A secret never stands on
  a command line or in the environment.
- Results go to stdout, summaries, progress and errors to stderr. With `--json`, one JSON object goes to stdout, also
  for an error: `{"error": {"code", "message", "exit_code"}}`, with `failures` when some of several targets failed. Where
  stdout carries data, the object goes to stderr.
- An error that nobody foresaw is one sentence; `STRONGROOM_DEBUG=1` adds the traceback.

"""


def build() -> str:
    """Make the page."""
    sections = [section("strongroom", group), *(text for name in SUMMARIES for text in sections_of(name))]
    return INTRODUCTION + "\n".join(sections)


def sections_of(name: str) -> Iterator[str]:
    """Make the section of a command, then those of its subcommands."""
    unloaded = group.commands[name]
    command = unloaded.load() if isinstance(unloaded, Unloaded) else unloaded
    yield section(f"strongroom {name}", command)
    if isinstance(command, click.Group):
        for child, subcommand in command.commands.items():
            yield section(f"strongroom {name} {child}", subcommand)


def section(path: str, command: click.Command) -> str:
    """Make a heading and the help below it."""
    context = click.Context(command, info_name=path, terminal_width=WIDTH, max_content_width=WIDTH)
    context.help_option_names = group.context_settings["help_option_names"]
    return f"## {path}\n\n```text\n{command.get_help(context)}\n```\n"


if __name__ == "__main__":
    PAGE.write_text(build())
