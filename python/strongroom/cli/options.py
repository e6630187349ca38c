"""Options that several subcommands share. Each set of them reaches a command as one value."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import click

from strongroom.cli.process import forbid_core_dumps
from strongroom.cli.report import Report

if TYPE_CHECKING:
    from strongroom.client.room import Room
    from strongroom.client.upkeep import Upkeep
    from strongroom.home import Unlock as Source

Function = Callable[..., Any]
Decorator = Callable[[Function], Function]


@dataclass(frozen=True, slots=True)
class Unlock:
    """Where the room is and what unlocks it. Secrets are named here, never held."""

    home: str | None
    passphrase_file: str | None
    passphrase_fd: int | None
    passphrase_command: str | None
    key_file: str | None
    recovery_file: str | None
    share_file: tuple[str, ...]
    token: str | None

    def open(self, purpose: str | None = None, *, cache: bool = True) -> Room:
        """Open the room. Asks for the passphrase on a terminal where nothing else was given."""
        import strongroom

        forbid_core_dumps()
        context = click.get_current_context()
        room = strongroom.open(
            self.home,
            passphrase_file=self.passphrase_file,
            passphrase_fd=self.passphrase_fd,
            passphrase_command=self.passphrase_command,
            key_file=self.key_file,
            recovery_file=self.recovery_file,
            share_files=self.share_file or None,
            token=self.token,
            prompt=sys.stdin.isatty(),
            purpose=purpose or context.command_path,
            cache=cache,
        )
        if isinstance(context.obj, Report):
            context.obj.opened = self.home or ""
        return room

    def source(self) -> Source:
        """The same for what is opened without a room."""
        from strongroom.home import Unlock as Source

        return Source(
            passphrase_file=self.passphrase_file,
            passphrase_fd=self.passphrase_fd,
            passphrase_command=self.passphrase_command,
            key_file=self.key_file,
            recovery_file=self.recovery_file,
            share_files=self.share_file or None,
            token=self.token,
            prompt=sys.stdin.isatty(),
        )

    def upkeep(self, purpose: str | None = None) -> Upkeep:
        """Look after the keystore of the room, which need not open."""
        import strongroom

        forbid_core_dumps()
        return strongroom.upkeep(
            self.home,
            passphrase_file=self.passphrase_file,
            passphrase_fd=self.passphrase_fd,
            passphrase_command=self.passphrase_command,
            key_file=self.key_file,
            recovery_file=self.recovery_file,
            share_files=self.share_file or None,
            token=self.token,
            prompt=sys.stdin.isatty(),
            purpose=purpose or click.get_current_context().command_path,
        )

    def reads_stdin(self) -> bool:
        """Whether the passphrase comes from standard input, which then cannot carry data as well."""
        return self.passphrase_fd == 0 or self.passphrase_file in {"-", "/dev/stdin"}


@dataclass(frozen=True, slots=True)
class Why:
    """What the audit trail will say about this use of a key."""

    reason: str | None
    purpose: str | None


@dataclass(frozen=True, slots=True)
class Job:
    """How a job runs and how much it says."""

    workers: int | None
    quiet: bool
    no_progress: bool


@dataclass(frozen=True, slots=True)
class Selection:
    """Which entries of a tree."""

    include: tuple[str, ...]
    exclude: tuple[str, ...]
    resume: bool


def hush(ctx: click.Context, _parameter: click.Parameter, quiet: bool) -> bool:
    """Tell the report too, which reminds of backups."""
    if isinstance(ctx.obj, Report):
        ctx.obj.quiet = quiet
    return quiet


def read_context(_ctx: click.Context, _parameter: click.Parameter, pairs: Sequence[str]) -> dict[str, str]:
    """`key=value` pairs as a mapping; a pair without `=` and a key given twice are refused."""
    context: dict[str, str] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise click.BadParameter(f"{pair!r} is not key=value")
        if key in context:
            raise click.BadParameter(f"the key {key!r} is given twice")
        context[key] = value
    return context


def gathered(name: str, kind: type[Any], options: Sequence[Decorator]) -> Decorator:
    """Make a decorator that adds `options` and hands their values to the command as one `kind`, by the keyword `name`."""
    keys = [field.name for field in fields(kind)]

    def decorate(function: Function) -> Function:
        @functools.wraps(function)
        def gathering(**given: Any) -> Any:
            return function(**{name: kind(**{key: given.pop(key) for key in keys})}, **given)

        for option in reversed(options):
            option(gathering)
        return gathering

    return decorate


def read_quorum(_ctx: click.Context, _parameter: click.Parameter, text: str | None) -> tuple[int, int] | None:
    """`3/5` as (3, 5)."""
    if text is None:
        return None
    threshold, slash, shares = text.partition("/")
    if not slash or not threshold.isdecimal() or not shares.isdecimal():
        raise click.BadParameter(f"{text!r} is not K/N, such as 3/5")
    return int(threshold), int(shares)


def path_option(name: str, text: str) -> Decorator:
    """Make an option that names a file or a directory."""
    return click.option(name, type=click.Path(), metavar="PATH", help=text)


home_option = click.option("--home", type=click.Path(), metavar="DIR", help="The room.  [default: $STRONGROOM_HOME]")

QUORUM: list[Decorator] = [
    click.option(
        "--quorum", metavar="K/N", callback=read_quorum, help="Make N share files, any K of which open the room."
    ),
    click.option(
        "--share-files", "share_directory", type=click.Path(), metavar="DIR", help="Write the share files here."
    ),
]

EXISTING: Decorator = click.option("--existing", is_flag=True, help="The key is in its token already.")

SEALS: list[Decorator] = [
    home_option,
    path_option("--passphrase-file", "Read the passphrase from this file."),
    click.option("--passphrase-fd", type=click.IntRange(0), metavar="N", help="Read it from this file descriptor."),
    click.option("--passphrase-command", metavar="COMMAND", help="Read it from what this command prints."),
    path_option("--key-file", "Use this key file."),
]

unlock_options = gathered(
    "unlock",
    Unlock,
    [
        *SEALS,
        path_option("--recovery-file", "Use this recovery kit."),
        click.option(
            "--share-file",
            type=click.Path(),
            multiple=True,
            metavar="PATH",
            help="Use this share of a quorum; repeatable.",
        ),
        click.option("--token", metavar="URI", help="Use this key in a PKCS#11 token."),
    ],
)

why_options = gathered(
    "why",
    Why,
    [
        click.option("--reason", metavar="TEXT", help="Why, for the audit log."),
        click.option("--purpose", metavar="TEXT", help="What for, for policy and audit.  [default: the command]"),
    ],
)

job_options = gathered(
    "job",
    Job,
    [
        click.option(
            "--workers", type=click.IntRange(1), metavar="N", help="Threads.  [default: what this machine has]"
        ),
        click.option("-q", "--quiet", is_flag=True, callback=hush, help="No summary and no progress."),
        click.option("--no-progress", is_flag=True, help="No progress."),
    ],
)

selection_options = gathered(
    "selection",
    Selection,
    [
        click.option("--include", multiple=True, metavar="GLOB", help="Directories: only what matches; repeatable."),
        click.option("--exclude", multiple=True, metavar="GLOB", help="Directories: not what matches; repeatable."),
        click.option("--resume", is_flag=True, help="Directories: go on where an earlier run stopped."),
    ],
)

context_option = click.option(
    "-c",
    "--context",
    multiple=True,
    metavar="KEY=VALUE",
    callback=read_context,
    help="A pair of the encryption context; repeatable.",
)

cache_option = click.option(
    "--cache/--no-cache",
    default=True,
    help="Whether messages share data keys; without, each costs an audit entry, and a call of the HSM that has its KEK.",
)

dry_run_option = click.option("--dry-run", is_flag=True, help="Say what would be done, write nothing.")

force_option = click.option("--force", is_flag=True, help="Replace DST if it exists.")

# the value is found before parsing, so that even a usage error is JSON: see `run`
json_option = click.option("--json", is_flag=True, expose_value=False, help="Print one JSON object.")
