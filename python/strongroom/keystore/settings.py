"""Settings of the room as the keystore has them: a row each, its value canonical JSON."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

from strongroom.errors import RoomTampered
from strongroom.files import NOT_OURS
from strongroom.keystore.records import SettingRecord
from strongroom.model import Settings, Witness

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime


def settings_in(records: Mapping[str, SettingRecord]) -> Settings:
    """What the rows say. One that is not there has never been set."""
    try:
        values = {name: json.loads(record.value) for name, record in records.items()}
        return Settings(
            witnesses=tuple(Witness(str(each["vkey"]), str(each["url"])) for each in values.get(WITNESSES, ())),
            forwarding=target["target"] if (target := values.get(FORWARDING)) else None,
        )
    except NOT_OURS as error:
        raise RoomTampered("settings: a value is none that was ever written") from error


def changed_settings(before: Settings, after: Settings, now: datetime) -> tuple[tuple[SettingRecord, object], ...]:
    """The rows that make `after` of `before`, each with its value."""
    values = {name: value for name, value in values_of(after).items() if value != values_of(before)[name]}
    return tuple(
        (SettingRecord(name=name, value=canonical(value), changed=now), value) for name, value in values.items()
    )


def values_of(settings: Settings) -> dict[str, object]:
    """The value of each setting."""
    return {
        WITNESSES: [asdict(each) for each in settings.witnesses],
        FORWARDING: None if settings.forwarding is None else {"target": settings.forwarding},
    }


def canonical(value: object) -> str:
    """JSON that is the same for the same value."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


WITNESSES, FORWARDING = "witnesses", "forwarding"
