from pathlib import Path
from typing import Any

import pytest
import strongroom
from strongroom.cli import options
from unit.cli.fakes import FakeControl, FakeRoom


@pytest.fixture
def room(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> FakeRoom:
    """A fake room behind `strongroom.open`, and a working directory of its own."""
    room = FakeRoom()

    def open_room(home: str | None = None, **given: Any) -> FakeRoom:
        assert dumps_forbidden, "a core dump was possible when the secret was read"
        room.opened_with = {"home": home} | given
        return room

    dumps_forbidden: list[bool] = []
    monkeypatch.setattr(options, "forbid_core_dumps", lambda: dumps_forbidden.append(True))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(strongroom, "open", open_room, raising=False)
    monkeypatch.setattr(strongroom, "Control", FakeControl, raising=False)
    return room
