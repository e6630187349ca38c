"""A keyring whose data keys serve more than one call."""

from __future__ import annotations

from typing import TYPE_CHECKING

from strongroom.crypto import MaterialsCache, reader_key, writer_key
from strongroom.errors import LimitExceeded, Misuse
from strongroom.materials.context import check_context, reader_context
from strongroom.materials.raw import decryption_materials, encryption_materials

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from strongroom.crypto import DecryptionMaterials, EncryptionMaterials, Header
    from strongroom.keyring.base import Keyring

MAX_MESSAGES = 2**32
"""Messages that one data key may serve at most."""

MAX_BYTES = 2**60
"""Plaintext bytes that one data key may serve at most."""


class CachingKeyring:
    """Keeps the data keys of a keyring in locked memory, so that small messages pay for one only now and then.

    Goes wherever a message function takes a keyring. A data key is shared by messages of one encryption context, suite,
    frame length and required context, and by readers of the same encrypted data keys under one commitment policy; each
    message still has its own content key. It serves until it is `max_age` seconds old or has served `max_messages`
    messages or `max_bytes` bytes, whichever comes first. `capacity` data keys are kept, those used last.

    Thread-safe. In a forked child its keys are gone and calls raise `KeyUnavailable`.
    """

    def __init__(
        self,
        keyring: Keyring,
        *,
        max_age: float = 300.0,
        max_messages: int = MAX_MESSAGES,
        max_bytes: int = MAX_BYTES,
        capacity: int = 1000,
    ) -> None:
        if max_age <= 0 or capacity < 1:
            raise Misuse("a data key is kept for some time and in some place: use the keyring itself to keep none")
        if not 1 <= max_messages <= MAX_MESSAGES or not 1 <= max_bytes <= MAX_BYTES:
            raise Misuse(f"a data key serves 1 to {MAX_MESSAGES} messages and 1 to {MAX_BYTES} bytes")
        # asked first by whoever wants one call for a message
        self.cache = MaterialsCache(capacity)
        self._keyring = keyring
        self._limits = (int(max_age * 1e9), max_messages, max_bytes)

    def encryption(
        self,
        *,
        context: Mapping[str, str] | None,
        required_context: Sequence[str],
        suite: int,
        frame_length: int,
        messages: int,
        size: int,
    ) -> EncryptionMaterials:
        """Materials for so many more messages, of `size` plaintext bytes in all."""
        _, max_messages, max_bytes = self._limits
        if messages > max_messages or size > max_bytes:
            raise LimitExceeded(
                f"a data key serves {max_messages} messages and {max_bytes} bytes, and {messages} and {size} are"
                " asked for at once"
            )
        pairs = check_context(context)

        def make() -> EncryptionMaterials:
            return encryption_materials(
                self._keyring,
                context=pairs,
                required_context=required_context,
                suite=suite,
                frame_length=frame_length,
            )

        key = writer_key((suite, frame_length, *required_context), pairs)
        materials: EncryptionMaterials = self._kept(key, messages, size, make)
        return materials

    def decryption(
        self, header: Header, *, context: Mapping[str, str] | None, commitment_policy: str, size: int
    ) -> DecryptionMaterials:
        """Materials for the message of this header, of `size` bytes."""
        _, only_given = reader_context(header, context)

        def make() -> DecryptionMaterials:
            return decryption_materials(header, self._keyring, context=context, commitment_policy=commitment_policy)

        key = reader_key((commitment_policy,), header, only_given)
        materials: DecryptionMaterials = self._kept(key, 1, size, make)
        return materials

    def clear(self) -> None:
        """Forget every data key."""
        self.cache.clear()
        self.cache.drain_retired()

    def stats(self) -> dict[str, int]:
        """Counters of the cache."""
        return self.cache.stats()

    def __repr__(self) -> str:
        return f"CachingKeyring({self._keyring!r})"

    def _kept(
        self, key: bytes, messages: int, size: int, make: Callable[[], EncryptionMaterials | DecryptionMaterials]
    ) -> Any:
        kept = self.cache.get(key, messages, size)
        if kept is not None:
            return kept
        self.cache.expire()
        kept = self.cache.get_or_fetch(key, messages, size, lambda: (make(), None, None, *self._limits))
        # nobody wants an account of use, and what was let go must not stay in memory
        self.cache.drain_retired()
        return kept
