from pathlib import Path
from typing import Any

import pytest
import strongroom
from unit.cli.fakes import FakeControl, FakeRoom


@pytest.fixture
def room(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> FakeRoom:
    """A fake room behind `strongroom.open`, and a working directory of its own."""
    room = FakeRoom()

    def open_room(home: str | None = None, **given: Any) -> FakeRoom:
        room.opened_with = {"home": home} | given
        return room

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(strongroom, "open", open_room, raising=False)
    monkeypatch.setattr(strongroom, "Control", FakeControl, raising=False)
    return room
