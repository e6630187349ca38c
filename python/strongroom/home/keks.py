"""The KEKs of a room that are in tokens: whether each still works there, and what is there that the room does not name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from strongroom.errors import Misuse, StrongroomError
from strongroom.home.upkeep import opened, site

if TYPE_CHECKING:
    from collections.abc import Iterable

    from strongroom.home.unlock import StrPath, Unlock
    from strongroom.keystore import Snapshot, VersionRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class KekHealth:
    """A key version whose KEK is in the token that the URI `token` names; `error` says why it does not work there now."""

    key_id: str
    version: int
    data_class: str
    token: str
    scheme: str
    error: StrongroomError | OSError | None


@dataclass(frozen=True, slots=True, kw_only=True)
class KekSurvey:
    """Every KEK of a room that is in a token, and the labels of keys in these tokens that were made for the room and are none.

    Those may be of a version that is being made, or that a crash kept from being made.
    """

    keks: tuple[KekHealth, ...]
    unused: tuple[str, ...]


def survey_keks(home: StrPath | None, unlock: Unlock) -> KekSurvey:
    """Have each KEK in a token wrap and unwrap something, and look for keys that none of them is."""
    with site(home, unlock) as (place, room, root), opened(place, room, root) as keystore:
        snapshot = keystore.snapshot()
    records = [record for _, record in sorted(snapshot.versions.items()) if record.token_kek is not None]
    found = tuple(health(snapshot, record) for record in records)
    if not found:
        return KekSurvey(keks=(), unused=())
    tokens = {kek.token for kek in found if kek.error is None}
    return KekSurvey(keks=found, unused=tuple(unused(room.id, tokens, (kek.token for kek in found))))


def health(snapshot: Snapshot, record: VersionRecord) -> KekHealth:
    """What becomes of trying one."""
    from strongroom.providers.pkcs11 import connected, placed

    kek, data_class = record.token_kek, snapshot.data_class(snapshot.key(record.key_id).data_class)
    assert kek is not None  # noqa: S101 - of those alone the caller asks
    failure: StrongroomError | OSError | None = None
    uri = placed(kek, data_class.token)
    try:
        with connected(uri) as connection:
            scheme = connection.scheme(uri, rsa=True)
        if scheme.name != kek.scheme:
            failure = Misuse(f"the key wraps by {scheme.name} now, and the room knows it by {kek.scheme}")
    except (StrongroomError, OSError) as error:
        failure = error
    return KekHealth(
        key_id=record.key_id,
        version=record.version,
        data_class=data_class.name,
        token=str(uri),
        scheme=kek.scheme,
        error=failure,
    )


def unused(room_id: str, tokens: Iterable[str], named: Iterable[str]) -> list[str]:
    """Labels of keys that were made for a room and stand in none of its rows."""
    from strongroom.keyservice import kek_prefix
    from strongroom.providers.pkcs11 import TokenUri, connected, token_of

    known = {TokenUri.parse(uri).object for uri in named}
    found: set[str] = set()
    for uri in {token_of(TokenUri.parse(token)) for token in tokens}:
        with connected(uri) as connection:
            found.update(connection.labels(kek_prefix(room_id)))
    return sorted(found - known)
