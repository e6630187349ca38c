"""A change in the making: records as the edges leave them, the history of that, and the events that tell of it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from strongroom.audit import Event, KeyStateChanged, Who
from strongroom.crypto import AesWrappingKey
from strongroom.errors import ClassNotFound, InternalError, KeyNotFound, KeyStateForbids, LimitExceeded
from strongroom.keys import IN_TOKEN, Asker, Edge, Move, edge, is_over, kek_binding
from strongroom.keyservice.supply import Supply
from strongroom.keystore import Change, HistoryRecord, KeyRecord, OutboxEntry, Snapshot, VersionRecord
from strongroom.model import KeyState, Level

if TYPE_CHECKING:
    from datetime import datetime
    from typing import Any

    from strongroom.keys import TokenKek
    from strongroom.model import DataClass
    from strongroom.providers import Root


@dataclass
class Draft:
    """What a request makes of the keystore, seen as if it were done already. `before` is None in a new room.

    Every step of a key version is told by an event: `tell` covers the steps since the one before. KEKs in tokens come out of
    `supply`; those in `gone` have to be destroyed before the change is made.
    """

    root: Root
    room_id: str
    who: Who
    now: datetime
    before: Snapshot | None = None
    classes: dict[str, DataClass] = field(default_factory=dict)
    keys: dict[str, KeyRecord] = field(default_factory=dict)
    versions: dict[tuple[str, int], VersionRecord] = field(default_factory=dict)
    history: list[HistoryRecord] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    untold: list[HistoryRecord] = field(default_factory=list)
    supply: Supply = field(default_factory=Supply)
    gone: list[tuple[TokenKek, str | None]] = field(default_factory=list)

    def data_class(self, name: str) -> DataClass:
        """The class `name`. Raises ClassNotFound."""
        if name in self.classes:
            return self.classes[name]
        if self.before is None:
            raise ClassNotFound(f"this room has no data class {name!r}")
        return self.before.data_class(name)

    def key(self, key_id: str) -> KeyRecord:
        """The key `key_id`. Raises KeyNotFound."""
        if key_id in self.keys:
            return self.keys[key_id]
        if self.before is None:
            raise KeyNotFound(f"this room has no key {key_id}")
        return self.before.key(key_id)

    def version(self, key_id: str, version: int) -> VersionRecord:
        """A version of a key. Raises KeyNotFound."""
        staged = self.versions.get((key_id, version))
        if staged is not None:
            return staged
        if self.before is None:
            raise KeyNotFound(f"this room has no key {key_id}")
        return self.before.version(key_id, version)

    def versions_of(self, key_id: str) -> list[VersionRecord]:
        """All versions of a key in order."""
        stored = [] if self.before is None else self.before.versions_of(key_id)
        by_number = {record.version: record for record in stored}
        by_number |= {number: record for (of, number), record in self.versions.items() if of == key_id}
        return [by_number[number] for number in sorted(by_number)]

    def current_key(self, data_class: str, scope: str | None) -> KeyRecord | None:
        """The key that a class and scope encrypt under."""
        for record in self.keys.values():
            if (record.data_class, record.scope, record.current) == (data_class, scope, True):
                return record
        stored = None if self.before is None else self.before.current_key(data_class, scope)
        return None if stored is None else self.current_only(self.key(stored.id))

    @staticmethod
    def current_only(record: KeyRecord) -> KeyRecord | None:
        """`record` unless this draft has put another in its place."""
        return record if record.current else None

    def put(self, record: KeyRecord | VersionRecord) -> None:
        """Stage a record."""
        if isinstance(record, KeyRecord):
            self.keys[record.id] = record
        else:
            self.versions[record.key_id, record.version] = record

    def new_version(self, key: KeyRecord, *, asker: Asker, activates: datetime | None = None) -> VersionRecord:
        """A fresh random KEK, PRE_ACTIVE. It is in clear only inside Rust, and only for this moment, or never, in a token.

        Raises SupplyShortError where one is wanted that is not at hand.
        """
        numbers = [record.version for record in self.versions_of(key.id)]
        number = max(numbers, default=0) + 1
        root_version, wrapped_kek = self._fresh_kek(key, number)
        record = VersionRecord(
            key_id=key.id,
            version=number,
            state=KeyState.PRE_ACTIVE,
            created=self.now,
            activates=activates,
            active_until=None,
            root_version=root_version,
            wrapped_kek=wrapped_kek,
        )
        self._write(edge(Move.CREATE, None), record, asker, None)
        self.put(record)
        return record

    def step(
        self,
        record: VersionRecord,
        move: Move,
        *,
        asker: Asker = Asker.OPERATOR,
        reason: str | None = None,
        **changes: Any,
    ) -> VersionRecord:
        """Take a version through the edge of `move`, with `changes` of other columns. Raises KeyStateForbids."""
        over = is_over(record, self.data_class(self.key(record.key_id).data_class), self.now)
        try:
            taken = edge(move, record.state, compromised=record.compromised, ended=over)
        except KeyStateForbids as error:
            raise KeyStateForbids(f"key {record.key_id} version {record.version}: {error}") from None
        if asker not in taken.asked_by:
            raise InternalError(f"edge {taken.number} is not for {asker}")
        after = replace(record, state=taken.target, **changes)
        if record.token_kek is not None and after.wrapped_kek is None:
            self.gone.append((record.token_kek, self.data_class(self.key(record.key_id).data_class).token))
        self._write(taken, record, asker, reason)
        self.put(after)
        return after

    def tell(self, event: Event) -> None:
        """Add an event, which tells of the steps that no event has told of yet."""
        self.history += [replace(step, event_id=event.id) for step in self.untold]
        self.untold = []
        self.events.append(event)

    def tell_step(self, record: VersionRecord, move: Move) -> None:
        """Tell of the one step that a version has just taken."""
        (step,) = self.untold
        who = self.who if step.actor != Asker.CLOCK else replace(self.who, principal=step.principal, reason=step.reason)
        self.tell(
            KeyStateChanged(
                who=who,
                time=self.now,
                data_class=self.key(record.key_id).data_class,
                key_id=record.key_id,
                version=record.version,
                move=str(move),
                edge=step.edge,
                source=None if step.source is None else str(step.source),
                target=str(step.target),
            )
        )

    def edge_numbers(self) -> tuple[int, ...]:
        """The numbers of the steps that no event has told of yet."""
        return tuple(step.edge for step in self.untold if step.edge is not None)

    def is_empty(self) -> bool:
        """Whether there is nothing to do."""
        return not (self.events or self.classes or self.keys or self.versions)

    def change(self, **more: Any) -> Change:
        """The change as the keystore takes it."""
        if self.untold:
            raise InternalError("a key version would change without an event")
        return Change(
            classes=tuple(self.classes.values()),
            keys=tuple(self.keys.values()),
            versions=tuple(self.versions.values()),
            history=tuple(self.history),
            outbox=tuple(OutboxEntry(event.id, event.line()) for event in self.events),
            **more,
        )

    def _write(self, taken: Edge, record: VersionRecord, asker: Asker, reason: str | None) -> None:
        by_clock = asker is Asker.CLOCK
        self.untold.append(
            HistoryRecord(
                key_id=record.key_id,
                version=record.version,
                edge=taken.number,
                source=taken.source,
                target=taken.target,
                actor=str(asker) if by_clock else self.who.actor,
                principal=str(asker) if by_clock else self.who.principal,
                purpose=self.who.purpose,
                reason=self.who.reason if reason is None else reason,
                time=self.now,
                event_id="",
            )
        )

    def _fresh_kek(self, key: KeyRecord, version: int) -> tuple[int, bytes]:
        """The version of the root that has wrapped it, and the KEK; in a token, where it is."""
        data_class = self.data_class(key.data_class)
        if data_class.level is Level.HSM:
            self._check_room_in_token(data_class)
            return IN_TOKEN, self.supply.take(str(data_class.token)).stored()
        kek = AesWrappingKey.generate()
        try:
            binding = kek_binding(self.room_id, self.root.version, key.id, version)
            return self.root.version, self.root.wrap_kek(kek, binding)
        finally:
            kek.close()

    def _check_room_in_token(self, data_class: DataClass) -> None:
        """Raises LimitExceeded where a class has as many KEKs in its token as it may."""
        stored = {} if self.before is None else dict(self.before.versions)
        alive = [
            record
            for record in (stored | self.versions).values()
            if record.token_kek is not None and self.key(record.key_id).data_class == data_class.name
        ]
        if len(alive) >= MOST_IN_TOKEN:
            raise LimitExceeded(
                f"class {data_class.name!r} has {len(alive)} KEKs in its token, and no more is allowed: destroy old versions first"
            )


def settings_of(data_class: DataClass) -> dict[str, Any]:
    """What a class says, as events tell it."""
    return {name: getattr(data_class, name) for name in SETTINGS}


MOST_IN_TOKEN = 256
"""KEKs of one class in its token: most HSMs hold some thousands of objects in all."""
SETTINGS = (
    "suite",
    "frame_length",
    "lease_seconds",
    "max_messages",
    "max_bytes",
    "scope_keys",
    "open",
    "rotate_every",
    "originator_usage",
    "recipient_usage",
    "destroy_wait",
    "census_age",
    "max_wraps",
    "level",
    "token",
)
