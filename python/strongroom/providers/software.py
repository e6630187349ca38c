"""A root key in locked memory, out of the sealed file `root.json`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from strongroom.crypto import RootKey
from strongroom.errors import BadPassphrase
from strongroom.providers.sealed import SealedRoot, SecretKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from strongroom.crypto import AesWrappingKey, MacKey, Secret
    from strongroom.providers.sealed import Seal


class SoftwareRoot:
    """A root key in locked memory. Not to be used after `close`, nor in a forked child.

    `way` is the id of the way by which it was opened.
    """

    in_token = False
    lease_seconds: float | None = None
    """KEKs that it has unwrapped are used for as long as it is there."""

    def __init__(self, key: RootKey, version: int, way: str = "") -> None:
        self._key = key
        self._version = version
        self.way = way

    @property
    def version(self) -> int:
        """The version of the root, recorded with everything that it wraps."""
        return self._version

    def wrap_kek(self, key: AesWrappingKey, binding: bytes) -> bytes:
        """`key` wrapped by AES-256-GCM and bound to `binding`."""
        return self._key.wrap_kek(key, binding)

    def unwrap_kek(self, wrapped: bytes, binding: bytes) -> AesWrappingKey:
        """The KEK in `wrapped`. Raises AuthenticationFailed unless it was wrapped by this root under this binding."""
        return self._key.unwrap_kek(wrapped, binding)

    def wrap_mac_key(self, key: MacKey, binding: bytes) -> bytes:
        """`key` wrapped by AES-256-GCM and bound to `binding`."""
        return self._key.wrap_mac_key(key, binding)

    def unwrap_mac_key(self, wrapped: bytes, binding: bytes) -> MacKey:
        """The MAC key in `wrapped`. Raises AuthenticationFailed unless it was wrapped by this root under this binding."""
        return self._key.unwrap_mac_key(wrapped, binding)

    def standing(self) -> dict[str, bool]:
        """Nothing that could fail stands behind it."""
        return {}

    def backup_key(self) -> AesWrappingKey:
        """The key that wraps the data keys of backups."""
        return self._key.backup_key()

    def with_way(self, sealed: SealedRoot, seal: Seal) -> SealedRoot:
        """`sealed`, which is this root, with another way in."""
        return sealed.with_way(self._key, seal)

    def heir(self, fresh: SoftwareRoot, sealed: SealedRoot) -> SoftwareRoot:
        """What works with the next root, which is `fresh`."""
        return fresh

    def close(self) -> None:
        """Wipe the root key."""
        self._key.close()


def make_sealed_root(room_id: str, seals: Iterable[Seal], version: int = 1) -> tuple[SoftwareRoot, SealedRoot]:
    """A new random root, sealed for each of `seals`, any one of which opens it."""
    root = SoftwareRoot(RootKey.generate(), version)
    sealed = SealedRoot(room_id, version, ())
    try:
        for seal in seals:
            sealed = root.with_way(sealed, seal)
    except BaseException:
        root.close()
        raise
    return root, sealed


def open_sealed_root(sealed: SealedRoot, secrets: Sequence[tuple[SecretKind, Secret]]) -> SoftwareRoot:
    """The root, opened by the first of `secrets` that fits an entry. Raises BadPassphrase if none does."""
    found = sealed.open(secrets)
    if found is None:
        raise BadPassphrase(f"nothing that was given opens this room: {advice(sealed, secrets)}")
    key, entry = found
    return SoftwareRoot(key, sealed.version, entry.way)


def advice(sealed: SealedRoot, secrets: Sequence[tuple[SecretKind, Secret]]) -> str:
    """What to look at: too few shares are told from wrong ones, which says nothing that root.json does not."""
    given = sum(kind is SecretKind.SHARE for kind, _ in secrets)
    wanted = min((way.quorum[0] for way in sealed.ways() if way.quorum), default=0)
    if given == 0:
        return "check the passphrase, key file or recovery kit"
    if wanted == 0:
        return "no shares were ever made for it"
    if given < wanted:
        return f"it takes {wanted} shares, and {given} were given"
    return "check that the shares are of one kit, each another one, and not of a kit that was removed"
