"""Data classes, keys and scopes: what there is, how it is protected, and what people want to know of it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from strongroom.audit import ClassChanged, ClassCreated, KeyAnnotated
from strongroom.errors import Misuse
from strongroom.keys import check_class_name, check_scope_keys, exact_scope, scope_text
from strongroom.keyservice import desk
from strongroom.keyservice.draft import SETTINGS, Draft, settings_of
from strongroom.keyservice.levels import is_elsewhere, move_keys, with_token
from strongroom.keyservice.moves import NOTHING, About, NewKey, create
from strongroom.model import DataClass, Level
from strongroom.policy import Action, Resource

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime
    from typing import Any

    from strongroom.audit import Who
    from strongroom.keystore import Change, HistoryRecord
    from strongroom.model import Description, Key, Request, Way
    from strongroom.providers import Root


class Registry(desk.Desk):
    """The part of the keyservice that knows what there is."""

    def create_class(self, request: Request, name: str, **settings: Any) -> DataClass:
        """See KeyService.create_class."""
        with self._turn(), self._case(request, Action.CREATE_CLASS) as case:
            self._authorise(case, Resource(data_class=name))
            blank = DataClass(name=name, key_id="", created=desk.utc_now())
            wanted = with_settings(blank, with_token(settings, None, self._ways()))
            check_class(wanted)
            self._check_level(wanted)

            def fill(draft: Draft) -> None:
                if draft.before is not None and name in draft.before.classes:
                    raise Misuse(f"there is a data class {name!r} already")
                new_class(draft, replace(wanted, created=draft.now))

            return self._draft(request, fill).data_class(name)

    def set_class(self, request: Request, name: str, **settings: Any) -> DataClass:
        """See KeyService.set_class."""
        with self._turn(), self._case(request, Action.SET_CLASS) as case:
            self._authorise(case, Resource(data_class=name))
            wanted = with_token(settings, self._snapshot().classes.get(name), self._ways())

            def fill(draft: Draft) -> None:
                before = draft.data_class(name)
                after = with_settings(before, wanted)
                check_class(after)
                self._check_level(after)
                if after.scope_keys != before.scope_keys:
                    raise Misuse(f"class {name!r} keeps its scope keys, since its keys have them: make another class")
                changed = {key: value for key, value in settings_of(after).items() if getattr(before, key) != value}
                if changed:
                    draft.classes[name] = after
                    draft.tell(ClassChanged(who=draft.who, time=draft.now, data_class=name, settings=changed))
                if is_elsewhere(before, after):
                    move_keys(draft, name)

            return self._draft(request, fill).data_class(name)

    def create_key(
        self,
        request: Request,
        data_class: str,
        *,
        scope: Mapping[str, str] | None = None,
        activates: datetime | None = None,
        about: About = NOTHING,
        replacing: bool = True,
    ) -> Key:
        """See KeyService.create_key."""
        with self._turn(), self._case(request, Action.CREATE_KEY) as case:
            self._authorise(case, Resource(data_class))
            made: list[str] = []

            def fill(draft: Draft) -> None:
                values = exact_scope(draft.data_class(data_class).scope_keys, scope)
                if not replacing and draft.current_key(data_class, scope_text(values)) is not None:
                    raise Misuse(f"scope {scope_text(values)} of class {data_class!r} is registered already")
                wanted = NewKey(data_class=data_class, scope=values, activates=activates, about=about)
                made[:] = [create(draft, wanted).id]

            return self._described(self._draft(request, fill), made[0])

    def set_key(self, request: Request, key_id: str, about: About) -> Key:
        """See KeyService.set_key."""
        with self._turn(), self._case(request, Action.SET_KEY) as case:
            key = self._snapshot().keys.get(key_id)
            self._authorise(case, Resource(key.data_class if key else None, key_id))

            def fill(draft: Draft) -> None:
                before = draft.key(key_id)
                changed = {name: value for name, value in about.given().items() if getattr(before, name) != value}
                if changed:
                    draft.put(replace(before, **changed))  # type: ignore[arg-type] # as named in About
                    draft.tell(
                        KeyAnnotated(
                            who=draft.who,
                            time=draft.now,
                            data_class=before.data_class,
                            key_id=key_id,
                            changed=tuple(sorted(changed)),
                        )
                    )

            return self._described(self._draft(request, fill), key_id)

    def describe(self, request: Request) -> Description:
        """See KeyService.describe."""
        with self._turn(), self._case(request, Action.DESCRIBE) as case:
            self._authorise(case, Resource())
            return self._snapshot().describe()

    def key(self, request: Request, key_id: str) -> Key:
        """See KeyService.key."""
        with self._turn(), self._case(request, Action.DESCRIBE) as case:
            snapshot = self._snapshot()
            known = snapshot.keys.get(key_id)
            self._authorise(case, Resource(known.data_class if known else None, key_id))
            snapshot.key(key_id)
            return self._described(snapshot, key_id)

    def history(self, request: Request, key_id: str) -> tuple[HistoryRecord, ...]:
        """See KeyService.history."""
        with self._turn(), self._case(request, Action.DESCRIBE) as case:
            key = self._snapshot().keys.get(key_id)
            self._authorise(case, Resource(key.data_class if key else None, key_id))
            return self._keystore.history(key_id)

    def _ways(self) -> Iterator[Way]:
        """The ways into the room, looked at when they are asked for."""
        yield from self._root_file.read().at(self._root.version).ways()

    def _check_level(self, data_class: DataClass) -> None:
        """Raises Misuse for a class that wants a token to open the room, where none has."""
        if data_class.level is Level.HSM_ROOT and not self._root.in_token:
            raise Misuse(
                "no token has opened this room: add one with `strongroom unlock add --new-token`, and open it by that"
            )


def first_change(root: Root, room_id: str, who: Who, now: datetime) -> Change:
    """What a new room holds: the class `default` and its key."""
    draft = Draft(root, room_id, who, now)
    new_class(draft, DataClass(name="default", key_id="", created=now))
    return draft.change()


def new_class(draft: Draft, wanted: DataClass) -> None:
    """A class, and its key unless each scope has one."""
    draft.classes[wanted.name] = wanted
    draft.tell(class_created(draft.who, draft.now, wanted))
    if not wanted.scope_keys:
        create(draft, NewKey(data_class=wanted.name))


def class_created(who: Who, now: datetime, data_class: DataClass) -> ClassCreated:
    """The event of a new class."""
    return ClassCreated(who=who, time=now, data_class=data_class.name, **settings_of(data_class))


def with_settings(data_class: DataClass, settings: Mapping[str, Any]) -> DataClass:
    """`data_class` with other settings. Raises Misuse for what a class does not have."""
    unknown = sorted(set(settings) - set(SETTINGS))
    if unknown:
        raise Misuse(f"a data class has no {', '.join(unknown)}")
    scope_keys = sorted(settings.get("scope_keys", data_class.scope_keys))
    return replace(data_class, **{**settings, "scope_keys": tuple(scope_keys)})


def check_class(data_class: DataClass) -> None:
    """Raises Misuse unless every value of a class is in range, and all of them together make sense."""
    check_class_name(data_class.name)
    check_scope_keys(data_class.scope_keys)
    if data_class.suite not in WRITTEN_SUITES:
        raise Misuse(f"suite {data_class.suite:#06x} is not written: choose 0x0478, or 0x0578 for signed messages")
    for name, low, high in RANGES:
        value = getattr(data_class, name)
        if not low <= value <= high:
            raise Misuse(f"{name} is {value}, and must be {low} to {high}")
    if data_class.level is Level.HSM and data_class.open:
        raise Misuse(
            "an open class makes a key for whatever scope it is given, and a token has place for few: register scopes"
        )
    if data_class.open and not data_class.scope_keys:
        raise Misuse("an open class makes a key for each new scope, and this one has no scope keys")
    for shorter, longer in ORDERED:
        if 0 < getattr(data_class, longer) < getattr(data_class, shorter):
            raise Misuse(f"{longer} is shorter than {shorter}: {BECAUSE[longer]}")


WRITTEN_SUITES = (0x0478, 0x0578)
DAY = 86_400
CENTURY = 36_525 * DAY
RANGES = (
    # what readers take without being told: a room must be able to read what it writes
    ("frame_length", 1, 16 << 20),
    ("lease_seconds", 0, 31_536_000),
    ("max_messages", 1, 2**32),
    ("max_bytes", 1, 2**60),
    ("rotate_every", 0, CENTURY),
    ("originator_usage", 0, CENTURY),
    ("recipient_usage", 0, CENTURY),
    ("destroy_wait", DAY, CENTURY),
    ("census_age", 60, CENTURY),
    ("max_wraps", 1, 2**32 - 2**20),
)
ORDERED = (("rotate_every", "originator_usage"), ("originator_usage", "recipient_usage"))
BECAUSE = {
    "originator_usage": "a key would stop encrypting before it is rotated",
    "recipient_usage": "what a key encrypts last could not be decrypted",
}
