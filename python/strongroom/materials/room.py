"""Materials from a room: by data class, cached for the length of a lease."""

from __future__ import annotations

import warnings
from secrets import token_bytes
from typing import TYPE_CHECKING

from strongroom.crypto import (
    DecryptionMaterials,
    EncryptionMaterials,
    MaterialsCache,
    SigningKey,
    reader_key,
    writer_key,
)
from strongroom.errors import LimitExceeded
from strongroom.keys import CLASS_KEY, KeyName, Operation
from strongroom.materials.context import check_context, reader_context
from strongroom.materials.outages import Outages

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from strongroom.crypto import Header
    from strongroom.keyservice import KeyService
    from strongroom.model import DataClass, Lease, Request

CAPACITY = 1000
"""Leases held at once. More distinct contexts than this defeat the cache."""

_DATA_KEY_LENGTH = 32
_PUBLIC_KEY = "aws-crypto-public-key"
_POLICY = "require-encrypt-require-decrypt"
_NS = 1_000_000_000


class RoomMaterials:
    """Gives materials and counts their use; what it caches never crosses principals, purposes or contexts.

    `cache` is asked first by whoever wants one call for a message: under (principal, purpose, class) for encryption,
    and (principal, purpose) for decryption. What it does not hold is asked for here. Without `caching` it holds nothing, and a
    data key serves one message.
    """

    def __init__(self, service: KeyService, capacity: int = CAPACITY, *, caching: bool = True) -> None:
        self.cache = MaterialsCache(capacity if caching else 0)
        self.caching = caching
        self._service = service
        self._outages = Outages(capacity)
        self._capacity = capacity
        self._warned = False

    def for_encryption(
        self, request: Request, data_class: str, context: Mapping[str, str] | None, *, messages: int, size: int
    ) -> EncryptionMaterials:
        """Materials for so many more messages, of `size` plaintext bytes in all, under one lease."""
        pairs = check_context(context)
        key = writer_key((request.principal, request.purpose, data_class), pairs)
        return self._writer(request, data_class, pairs, key, messages, size, None, ())

    def for_moving(
        self,
        request: Request,
        data_class: str,
        context: Mapping[str, str],
        *,
        to: KeyName,
        suite: int | None,
        required: Sequence[str],
        messages: int,
        size: int,
    ) -> EncryptionMaterials:
        """The same for messages that are moved to the current key version, `to`, whatever leases are left on others.

        `suite` is that of the class unless it is given; `required` names pairs that stay out of the header.
        """
        pairs = check_context(context)
        who = (request.principal, request.purpose, data_class)
        key = writer_key((*who, str(Operation.REENCRYPT), str(to), suite or 0, *required), pairs)
        return self._writer(request, data_class, pairs, key, messages, size, suite, required)

    def _writer(
        self,
        request: Request,
        data_class: str,
        pairs: dict[str, str],
        key: bytes,
        messages: int,
        size: int,
        suite: int | None,
        required: Sequence[str],
    ) -> EncryptionMaterials:
        materials: EncryptionMaterials | None = self.cache.get(key, messages, size)
        if materials is None:
            pairs[CLASS_KEY] = data_class

            def lease() -> _Leased:
                return self._lease_writer(request, data_class, pairs, messages, size, suite, required)

            materials = self._fetched(key, messages, size, lease)
        return materials

    def for_decryption(
        self,
        request: Request,
        header: Header,
        context: Mapping[str, str] | None,
        *,
        size: int,
        messages: int = 1,
        operation: Operation = Operation.DECRYPT,
    ) -> DecryptionMaterials:
        """Materials for so many messages with data keys and context of this header, of `size` bytes in all.

        Every pair in `context` is checked against it. What was given out for one operation serves no other.
        """
        header.check_policy(_POLICY)
        whole, only_given = reader_context(header, context)
        parts: tuple[str, ...] = (request.principal, request.purpose)
        if operation is not Operation.DECRYPT:
            parts = (*parts, operation)
        key = reader_key(parts, header, only_given)
        materials: DecryptionMaterials | None = self.cache.get(key, messages, size)
        if materials is None:

            def lease() -> _Leased:
                return self._lease_reader(request, header, whole, only_given, operation)

            materials = self._fetched(key, messages, size, lease)
        return materials

    def current_key(self, request: Request, data_class: str, context: Mapping[str, str]) -> KeyName:
        """The key version under which a message of this class and context would be encrypted now."""
        return self._service.current_key(request, data_class, context)

    def stats(self) -> dict[str, int]:
        """Counters of the cache."""
        return self.cache.stats()

    def settle(self, outcome: str = "ended") -> None:
        """Close the leases of what the cache has let go."""
        self._service.check_free()
        for lease, messages, size in self.cache.drain_retired():
            self._service.close_lease(lease, messages, size, outcome)

    def drop(self, key_id: str, version: int, outcome: str) -> None:
        """End the leases on a key version: nothing that this holds uses it from now on."""
        self._service.check_free()
        self.cache.drop_key(str(KeyName(key_id, version)))
        self.settle(outcome)

    def close(self) -> None:
        """Let go of everything, and close every lease."""
        self._service.check_free()
        self.cache.clear()
        self.settle("closed")

    def _fetched(self, key: bytes, messages: int, size: int, lease: _Leasing) -> Any:
        # others may be fetching this key and wait for what an interrupted call of this thread holds
        self._service.check_free()
        self.cache.expire()
        if not self.caching:
            check_one(messages)
            # what nobody shares nobody waits for
            key = token_bytes(len(key))
        fetched = self.cache.get_or_fetch(key, messages, size, self._outages.shared(key, lease))
        self.settle()
        self._warn_once()
        return fetched

    def _warn_once(self) -> None:
        if self._warned or self.cache.stats()["distinct_evicted"] < self._capacity:
            return
        self._warned = True
        warnings.warn(
            f"more distinct encryption contexts are in use than the {self._capacity} that the cache holds: every"
            " message pays for a key of its own. Put row and object ids into associated data, not into the context",
            RuntimeWarning,
            stacklevel=2,
        )

    def _lease_writer(
        self,
        request: Request,
        name: str,
        pairs: dict[str, str],
        messages: int,
        size: int,
        suite: int | None,
        required: Sequence[str],
    ) -> _Leased:
        data_class = self._service.data_class(request, name)
        if messages > data_class.max_messages or size > data_class.max_bytes:
            raise LimitExceeded(
                f"a data key of class {name!r} serves {data_class.max_messages} messages and {data_class.max_bytes}"
                f" bytes, and {messages} and {size} are asked for at once"
            )
        suite = suite or data_class.suite
        signing_key = SigningKey.for_suite(suite)
        if signing_key is not None:
            pairs = pairs | {_PUBLIC_KEY: signing_key.public_key}
        generated = self._service.generate_dek(request, name, pairs, key_length=_DATA_KEY_LENGTH)
        materials = EncryptionMaterials(
            suite,
            generated.data_key,
            [generated.edk],
            pairs,
            frame_length=data_class.frame_length,
            required=list(required),
            signing_key=signing_key,
        )
        return _limited(materials, generated.lease, data_class)

    def _lease_reader(
        self,
        request: Request,
        header: Header,
        context: dict[str, str],
        only_given: dict[str, str],
        operation: Operation,
    ) -> _Leased:
        unwrapped = self._service.unwrap_dek(request, header.edks, context, operation=operation)
        materials = DecryptionMaterials(header, unwrapped.data_key, required=only_given)
        return _limited(materials, unwrapped.lease, unwrapped.data_class)


def check_one(messages: int) -> None:
    """Raises LimitExceeded for more than one message, which makes callers ask for each."""
    if messages > 1:
        raise LimitExceeded(f"without a cache a data key serves one message, and {messages} are asked for at once")


def _limited(
    materials: EncryptionMaterials | DecryptionMaterials, lease: Lease, data_class: DataClass | None
) -> _Leased:
    name = str(KeyName(lease.key_id, lease.version))
    if data_class is None:
        # a key without a class has no limits of its own: it serves once
        return materials, lease, name, 0, 1, 0
    age = data_class.lease_seconds * _NS
    return materials, lease, name, age, data_class.max_messages, data_class.max_bytes


if TYPE_CHECKING:
    from collections.abc import Callable

    _Leased = tuple[EncryptionMaterials | DecryptionMaterials, Lease, str, int, int, int]
    _Leasing = Callable[[], _Leased]
