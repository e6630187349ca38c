from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from strongroom.client.room import Room
from strongroom.home import Unlock
from strongroom.report import Evidence, Period, gather

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from rooms import MadeRoom

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>'\"{{ 7 * 7 }}]]></style><h1>x"


@pytest.fixture
def busy(room: MadeRoom, tmp_path: Path) -> MadeRoom:
    """A room that was used, with words in it that nobody may take for markup."""
    with Room(room.home, Unlock(key_file=room.key_file), principal="billing", purpose="export") as opened:
        opened.classes.create("pii", scope_keys=["tenant"], rotate_every=86_400 * 365)
        opened.scopes.register("pii", {"tenant": HOSTILE})
        opened.keys.set(opened.keys.list()[0].id, owner=HOSTILE, description=HOSTILE)
        (tmp_path / "data").mkdir()
        for number in range(3):
            (tmp_path / "plain").write_bytes(b"x" * 100)
            opened.encrypt_file(tmp_path / "plain", tmp_path / "data" / f"{number}.sr", reason="month's end")
        opened.encrypt(b"x", context={"another": "lease"}, reason=HOSTILE)
        opened.census([tmp_path / "data"])
        opened.keys.rotate(opened.keys.list()[0].id, reason=HOSTILE)
        for name in ("nothing", HOSTILE):
            with pytest.raises(Exception, match="no data class"):
                opened.encrypt(b"x", data_class=name)
    return room


@pytest.fixture
def evidence(room: MadeRoom) -> Callable[..., Evidence]:
    """The evidence of the last hour, of a room that is busy where the test says so."""

    def make(**given: object) -> Evidence:
        now = datetime.now(UTC)
        period = Period(now - timedelta(hours=1), now + timedelta(hours=1))
        return gather(room.home, Unlock(key_file=room.key_file), period, **given)  # type: ignore[arg-type] # the data

    return make
