"""The subcommands by name. A module of `strongroom.cli.commands` is imported when its command is used, not before."""

from __future__ import annotations

import importlib

import click

SUMMARIES = {
    "init": "Make a room.",
    "encrypt": "Encrypt a file, a directory or a stream.",
    "decrypt": "Decrypt a file, a directory or a stream.",
    "verify": "Authenticate a file or a directory, write nothing.",
    "inspect": "Show what the header of a message says; needs no key.",
    "why": "Show which key a file needs, and whether you may use it.",
    "census": "Count messages, bytes and files by key, from headers alone.",
    "reencrypt": "Move files, directories and folders of both to the current key version.",
    "classes": "List, show, create and change data classes.",
    "scopes": "Register and list scopes, such as tenants: each has a key of its own.",
    "keys": "Create, rotate, suspend, destroy and list keys.",
    "root": "Show and rotate the root key.",
    "backup": "Create, verify and restore backups of the room.",
    "unlock": "List, add, change and remove what opens the room.",
    "providers": "Show what opens the room, and whether its tokens answer.",
    "keystore": "Check, count, move or upgrade the keystore.",
    "audit": "Read, verify, prove, export, reconcile and prune the audit log.",
    "report": "Write the evidence report for auditors.",
    "metrics": "Print the figures of the room for a monitor.",
    "bench": "Measure this machine against its own limit.",
    "info": "Show versions, build and paths.",
    "doctor": "Find what is wrong on this machine.",
    "completion": "Print the completion script of a shell.",
}

EXIT_CODES = """\b
Exit codes:
  0   done                          13   denied by policy
  1   error                         14   the state of the key forbids it
  2   usage                         20   authentication failed
  3   some of several failed        21   truncated
  10  key not found                 22   unsupported or malformed format
  11  room locked                   30   backend unavailable
  12  bad passphrase or key file    130  interrupted
"""


class Unloaded(click.Command):
    """A subcommand whose module is not imported yet: enough for a list of commands."""

    def load(self) -> click.Command:
        """Import the real subcommand."""
        module = importlib.import_module(f"strongroom.cli.commands.{self.name}")
        command: click.Command = module.command
        return command


class LazyGroup(click.Group):
    """A group that lists its commands from a table and imports the one that is run."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Keep the order of the table: what comes first in a room's life comes first."""
        return list(self.commands)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command and import it."""
        name, command, rest = super().resolve_command(ctx, args)
        return name, command.load() if isinstance(command, Unloaded) else command, rest


def print_version(ctx: click.Context, _parameter: click.Parameter, wanted: bool) -> None:
    """Print the version and leave."""
    if wanted and not ctx.resilient_parsing:
        import strongroom

        click.echo(f"strongroom {strongroom.__version__}")
        ctx.exit()


@click.group(
    cls=LazyGroup,
    commands=[Unloaded(name, short_help=summary) for name, summary in SUMMARIES.items()],
    epilog=EXIT_CODES,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.option(
    "--version", is_flag=True, expose_value=False, is_eager=True, callback=print_version, help="Show the version."
)
def group() -> None:
    """Encrypt files, directories and streams under the keys of a room.

    `strongroom init` makes a room. STRONGROOM_HOME says where it is; STRONGROOM_KEY_FILE or STRONGROOM_PASSPHRASE_FILE
    name a file that unlocks it. Secrets never stand on a command line.
    """
