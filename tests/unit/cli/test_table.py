from collections.abc import Iterator

import click
import pytest
from strongroom.cli.options import unlock_options
from strongroom.cli.table import SUMMARIES, Unloaded, group


def commands(parent: click.Group = group, prefix: str = "") -> Iterator[tuple[str, click.Command]]:
    for name, unloaded in parent.commands.items():
        command = unloaded.load() if isinstance(unloaded, Unloaded) else unloaded
        yield f"{prefix}{name}", command
        if isinstance(command, click.Group):
            yield from commands(command, f"{prefix}{name} ")


ALL = dict(commands())
NEED_NO_ROOM = {
    "init",
    "inspect",
    "keys",
    "scopes",
    "classes",
    "unlock",
    "root",
    "backup",
    "keystore",
    "providers",
    "providers list",
    "providers health",
    "providers probe",
    "audit",
    "audit tail",
    "audit grep",
    "audit prove",
    "audit export",
    "audit witness",
    "audit forward",
    "bench",
    "info",
    "completion",
}


@pytest.mark.parametrize("name", SUMMARIES)
def test_the_table_says_what_the_command_says(name: str) -> None:
    help_text = ALL[name].help or ""
    assert help_text.splitlines()[0] == SUMMARIES[name]


@pytest.mark.parametrize("name", ALL)
def test_every_option_is_explained(name: str) -> None:
    options = [parameter for parameter in ALL[name].params if isinstance(parameter, click.Option)]
    assert [option.name for option in options if not option.help] == []


@pytest.mark.parametrize("name", sorted(ALL.keys() - NEED_NO_ROOM))
def test_whatever_opens_a_room_takes_every_unlock_option(name: str) -> None:
    @click.command()
    @unlock_options
    def reference(unlock: object) -> None: ...

    assert {p.name for p in reference.params} <= {p.name for p in ALL[name].params}


@pytest.mark.parametrize("name", ALL)
def test_no_option_takes_a_secret(name: str) -> None:
    allowed = {"passphrase_file", "passphrase_fd", "passphrase_command", "key_file", "make_key_file"}
    allowed |= {f"{which}_{name}" for name in allowed for which in ("new", "also")}
    words = ("passphrase", "password", "secret", "key_file", "words")
    named = {p.name for p in ALL[name].params if p.name and any(word in p.name for word in words)}
    assert named <= allowed
