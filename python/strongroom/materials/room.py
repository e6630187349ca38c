"""Materials from a room: by data class, cached for the length of a lease."""

from __future__ import annotations

import time
import warnings
from typing import TYPE_CHECKING

from strongroom.crypto import DecryptionMaterials, EncryptionMaterials, MaterialsCache, SigningKey, cache_key
from strongroom.errors import LimitExceeded
from strongroom.keys import CLASS_KEY
from strongroom.materials.context import check_context, reader_context

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from strongroom.crypto import DataKey, Header
    from strongroom.keyservice import KeyService
    from strongroom.model import DataClass, Lease, Request

CAPACITY = 1000
"""Leases held at once. More distinct contexts than this defeat the cache."""

_DATA_KEY_LENGTH = 32
_PUBLIC_KEY = "aws-crypto-public-key"
_POLICY = "require-encrypt-require-decrypt"
_NS = 1_000_000_000


class RoomMaterials:
    """Gives materials and counts their use; what it caches never crosses principals, purposes or contexts."""

    def __init__(self, service: KeyService, capacity: int = CAPACITY) -> None:
        self._service = service
        self._cache = MaterialsCache(capacity)
        self._capacity = capacity
        self._warned = False

    def for_encryption(
        self, request: Request, data_class: str, context: Mapping[str, str] | None, *, messages: int, size: int
    ) -> EncryptionMaterials:
        """Materials for so many more messages, of `size` plaintext bytes in all, under one lease."""
        pairs = check_context(context)
        pairs[CLASS_KEY] = data_class
        key = cache_key(["encrypt", request.principal, request.purpose, data_class], pairs)
        now = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        cached = self._cache.get(key, now, messages, size)
        if cached is None:

            def lease() -> _Leased:
                return self._lease_writer(request, data_class, pairs, messages, size)

            cached = self._fetched(key, now, messages, size, lease)
        materials: EncryptionMaterials = cached[0]
        return materials

    def for_decryption(
        self, request: Request, header: Header, context: Mapping[str, str] | None, *, size: int, messages: int = 1
    ) -> DecryptionMaterials:
        """Materials for so many messages with data keys and context of this header, of `size` bytes in all.

        Every pair in `context` is checked against it.
        """
        header.check_policy(_POLICY)
        whole, only_given = reader_context(header, context)
        edks = header.edks
        parts = [part for edk in edks for part in (edk.provider_id, edk.provider_info.hex(), edk.ciphertext.hex())]
        key = cache_key(["decrypt", request.principal, request.purpose, *parts], whole)
        now = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        cached = self._cache.get(key, now, messages, size)
        if cached is None:
            cached = self._fetched(key, now, messages, size, lambda: self._lease_reader(request, header, whole))
        return DecryptionMaterials(header, cached[0], required=only_given)

    def stats(self) -> dict[str, int]:
        """Counters of the cache."""
        return self._cache.stats()

    def settle(self, outcome: str = "ended") -> None:
        """Close the leases of what the cache has let go."""
        for (_, lease), messages, size in self._cache.drain_retired():
            self._service.close_lease(lease, messages, size, outcome)

    def close(self) -> None:
        """Let go of everything, and close every lease."""
        self._cache.clear()
        self.settle("closed")

    def _fetched(self, key: bytes, now: int, messages: int, size: int, lease: _Leasing) -> tuple[Any, Lease]:
        self._cache.expire(now)
        fetched: tuple[Any, Lease] = self._cache.get_or_fetch(key, now, messages, size, lease)
        self.settle()
        self._warn_once()
        return fetched

    def _warn_once(self) -> None:
        if self._warned or self._cache.stats()["distinct_evicted"] < self._capacity:
            return
        self._warned = True
        warnings.warn(
            f"more distinct encryption contexts are in use than the {self._capacity} that the cache holds: every"
            " message pays for a key of its own. Put row and object ids into associated data, not into the context",
            RuntimeWarning,
            stacklevel=2,
        )

    def _lease_writer(self, request: Request, name: str, pairs: dict[str, str], messages: int, size: int) -> _Leased:
        data_class = self._service.data_class(request, name)
        if messages > data_class.max_messages or size > data_class.max_bytes:
            raise LimitExceeded(
                f"a data key of class {name!r} serves {data_class.max_messages} messages and {data_class.max_bytes}"
                f" bytes, and {messages} and {size} are asked for at once"
            )
        signing_key = SigningKey.for_suite(data_class.suite)
        if signing_key is not None:
            pairs = pairs | {_PUBLIC_KEY: signing_key.public_key}
        generated = self._service.generate_dek(request, name, pairs, key_length=_DATA_KEY_LENGTH)
        materials = EncryptionMaterials(
            data_class.suite,
            generated.data_key,
            [generated.edk],
            pairs,
            frame_length=data_class.frame_length,
            signing_key=signing_key,
        )
        return _limited(materials, generated.lease, data_class)

    def _lease_reader(self, request: Request, header: Header, context: dict[str, str]) -> _Leased:
        unwrapped = self._service.unwrap_dek(request, header.edks, context)
        return _limited(unwrapped.data_key, unwrapped.lease, unwrapped.data_class)


def _limited(value: EncryptionMaterials | DataKey, lease: Lease, data_class: DataClass | None) -> _Leased:
    if data_class is None:
        # a key without a class has no limits of its own: it serves once
        return (value, lease), 0, 1, 0
    age = data_class.lease_seconds * _NS
    return (value, lease), age, data_class.max_messages, data_class.max_bytes


if TYPE_CHECKING:
    from collections.abc import Callable

    _Leased = tuple[tuple[EncryptionMaterials | DataKey, Lease], int, int, int]
    _Leasing = Callable[[], _Leased]
