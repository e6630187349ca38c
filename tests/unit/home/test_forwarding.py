"""A room that forwards its entries, and the commands for that and for witnesses."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from receivers import tcp
from strongroom.audit import entries
from strongroom.cli.run import run
from strongroom.client.room import Room
from strongroom.client.upkeep import Upkeep
from strongroom.errors import AuditUnavailable, Misuse
from strongroom.home import Unlock, unreached

from torture.witness import Witness, serving

if TYPE_CHECKING:
    from pathlib import Path

    from rooms import MadeRoom


def upkeep(room: MadeRoom) -> Upkeep:
    return Upkeep(room.home, Unlock(key_file=room.key_file), principal=None, purpose=None)


def forwarding_to(room: MadeRoom, target: str | None) -> None:
    with Room(room.home, Unlock(key_file=room.key_file)) as opened:
        opened.settings.forward_to(target, reason="the SIEM")
        assert opened.settings.forwarding == target


def used(room: MadeRoom) -> None:
    with Room(room.home, Unlock(key_file=room.key_file)) as opened:
        opened.encrypt(b"x")


def test_entries_leave_when_a_room_is_closed_and_by_a_command(room: MadeRoom) -> None:
    with pytest.raises(Misuse, match="nowhere"):
        upkeep(room).forward()
    with tcp() as receives:
        forwarding_to(room, receives.url)
        assert receives.messages == []
        used(room)
        size = len(list(entries(room.home / "audit")))
        assert receives.indexes() == list(range(size))
        assert upkeep(room).forward().sent == 0
        following = upkeep(room).follow(0)
        used(room)
        assert next(following).next == size + 4
        following.close()
    assert receives.lines()[-1]["entry"]["event"] == "writer-stopped"
    forwarding_to(room, None)
    with pytest.raises(Misuse, match="nowhere"):
        upkeep(room).forward()


def test_a_receiver_that_is_away_costs_nothing_but_is_said(room: MadeRoom, capsys: pytest.CaptureFixture[str]) -> None:
    with tcp() as receives:
        url = receives.url
    forwarding_to(room, url)
    used(room)
    (problem,) = unreached(room.home)
    assert f"cannot be forwarded to {url}" in problem
    with pytest.raises(AuditUnavailable):
        upkeep(room).forward()
    following = upkeep(room).follow(0)
    assert isinstance(next(following), AuditUnavailable)
    following.close()
    assert run(["keys", "list", "--home", str(room.home), "--key-file", str(room.key_file)]) == 0
    assert f"audit log: entries cannot be forwarded to {url}" in capsys.readouterr().err


def test_the_commands(room: MadeRoom, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def said(*command: str, code: int = 0, **options: str) -> dict[str, object]:
        unlocking = ["--home", str(room.home)] + ([] if options else ["--key-file", str(room.key_file)])
        assert run(["audit", *command, *unlocking, "--json"]) == code, capsys.readouterr()
        return json.loads(capsys.readouterr().out)

    vkey = (room.home / "audit" / "vkey").read_text().strip()
    target = f"file://{tmp_path / 'lines'}"
    assert said("forward", "to", target) == {"target": target}
    assert said("forward", "run")["next"] == len(list(entries(room.home / "audit")))
    assert said("forward", "off") == {"target": None}
    with serving(Witness(logs=[vkey])) as witness:
        assert said("witness", "add", witness.vkey, witness.url)["name"] == witness.name
        assert said("witness", "list")["witnesses"][0]["last"] is None
        assert said("verify", "--witness", witness.vkey, code=20)["error"]["code"] == "audit.tampered"
        (pushed,) = said("witness", "push")["witnesses"]
        assert said("witness", "list")["witnesses"][0]["last"] == pushed
        assert said("verify", "--witness", witness.vkey)["witnesses"] == [pushed]
        assert said("verify", "--vkey", vkey, "--witness", witness.vkey, no="key")["witnesses"] == [pushed]
        witness.seen[vkey.partition("+")[0]] = (pushed["size"], b"another root")
        assert said("witness", "push", code=20)["error"]["code"] == "audit.tampered"
        witness.answer = (500, b"")
        assert said("witness", "push", code=30)["error"]["code"] == "unavailable.audit"
        assert said("witness", "remove", witness.name) == {"name": witness.name}
    assert said("witness", "push", code=2)["error"]["code"] == "misuse"
