"""The next version of the root: sealed for every way that stays, with every key that the old one has wrapped under it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from strongroom.errors import AuthenticationFailed, KeyUnavailable, Misuse, RoomTampered
from strongroom.keys import IN_TOKEN, kek_binding
from strongroom.keyservice.ways import check_known, recovery_kits
from strongroom.providers import Seal, SecretKind, make_sealed_root

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from strongroom.crypto import AesWrappingKey, Secret
    from strongroom.keystore import Snapshot, VersionRecord
    from strongroom.model import Way
    from strongroom.providers import Root, SealedRoot, SoftwareRoot


@dataclass(frozen=True, slots=True, eq=False)
class RootPlan:
    """How the next root is to be opened.

    `secrets` are those of ways that stay, `add` are new ways, `drop` the ids of ways that end. A new recovery kit or quorum
    takes the place of those whose secrets are not given. `force` allows that no recovery kit is left.
    """

    secrets: tuple[tuple[SecretKind, Secret], ...]
    add: tuple[Seal, ...] = ()
    drop: tuple[str, ...] = ()
    force: bool = False


def next_root(sealed: SealedRoot, plan: RootPlan) -> tuple[SoftwareRoot, SealedRoot]:
    """A fresh root of the next version, sealed as planned. Raises Misuse naming a way that was neither given nor dropped."""
    check_known(sealed.ways(), plan.drop)
    staying = [way for way in sealed.ways() if way.id not in plan.drop]
    seals = [seal for way in staying if (seal := seal_of(way, sealed, plan)) is not None]
    root, after = make_sealed_root(sealed.room_id, [*seals, *plan.add], sealed.version + 1)
    if not after.entries or (recovery_kits(sealed.ways()) and not recovery_kits(after.ways()) and not plan.force):
        root.close()
        what = "no recovery kit would be left: make one, or take the risk with --force"
        raise Misuse(what if after.entries else "no way into the room would be left")
    return root, after


def seal_of(way: Way, sealed: SealedRoot, plan: RootPlan) -> Seal | None:
    """How a way is sealed again; None for a kit that a new one replaces."""
    ours = replace(sealed, entries=tuple(entry for entry in sealed.entries if entry.way == way.id))
    if way.token is not None:
        # the key stays in its token, and wraps the next root as well
        return Seal(SecretKind.TOKEN, (), way.label or "", token=way.token)
    if way.quorum is not None:
        shares = shares_of(ours, way.quorum, plan.secrets)
        if shares is not None:
            return Seal(SecretKind.SHARE, shares, way.label or "", way.quorum[0])
        kind, wanted = SecretKind.SHARE, f"all of its {way.quorum[1]} shares"
    else:
        kind, wanted = SecretKind(way.kind), "its secret"
        for given, secret in plan.secrets:
            if given is kind and opens(ours, [(given, secret)]):
                return Seal(kind, (secret,), way.label or "")
    if kind in REPLACEABLE and any(seal.kind is kind for seal in plan.add):
        return None
    raise Misuse(
        f"the {way.kind} {way.id} opens this root and would not open the next: give {wanted}, or end it with --drop {way.id}"
    )


def shares_of(
    ours: SealedRoot, quorum: tuple[int, int], secrets: Sequence[tuple[SecretKind, Secret]]
) -> tuple[Secret, ...] | None:
    """The shares of a quorum if all of them are given, and no others; else None."""
    shares = [(kind, secret) for kind, secret in secrets if kind is SecretKind.SHARE]
    if len(shares) != quorum[1]:
        return None
    enough = sum(opens(replace(ours, entries=(entry,)), shares) for entry in ours.entries)
    return tuple(secret for _, secret in shares) if enough == math.comb(quorum[1], quorum[0]) else None


def opens(sealed: SealedRoot, secrets: Sequence[tuple[SecretKind, Secret]]) -> bool:
    """Whether the secrets open it."""
    found = sealed.open(secrets)
    if found is None:
        return False
    found[0].close()
    return True


def rewrapped(records: Iterable[VersionRecord], room_id: str, old: Root, new: Root) -> Iterator[VersionRecord]:
    """Every KEK that there is, out of the old root and under the new. In clear only inside Rust, one at a time."""
    for record in records:
        if record.wrapped_kek is None or record.root_version == IN_TOKEN:
            continue
        kek = unwrapped(record, room_id, old)
        try:
            wrapped = new.wrap_kek(kek, kek_binding(room_id, new.version, record.key_id, record.version))
        finally:
            kek.close()
        yield replace(record, root_version=new.version, wrapped_kek=wrapped)


def unwrapped(record: VersionRecord, room_id: str, root: Root) -> AesWrappingKey:
    """The KEK of a version. Raises RoomTampered, and KeyUnavailable where another root has wrapped it meanwhile."""
    name = f"key_versions {record.key_id}/{record.version}"
    if record.wrapped_kek is None:
        raise RoomTampered(f"{name}: it is {record.state} and has no KEK")
    if record.root_version != root.version:
        raise KeyUnavailable(ROTATED)
    try:
        return root.unwrap_kek(record.wrapped_kek, kek_binding(room_id, root.version, record.key_id, record.version))
    except AuthenticationFailed:
        raise RoomTampered(f"{name}: the wrapped KEK is not one that this room's root has wrapped") from None


def check_root(snapshot: Snapshot, root: Root) -> None:
    """Raises KeyUnavailable unless `root` is the one that wraps the keystore's keys now."""
    if snapshot.root_version != root.version:
        raise KeyUnavailable(ROTATED)


ROTATED = "the root key of this room was rotated: open the room again"
REPLACEABLE = (SecretKind.RECOVERY_KIT, SecretKind.SHARE)
