"""Levels: where the KEKs of a class are, and what moving a class to another makes of its keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

from strongroom.errors import Misuse
from strongroom.keyservice import moves
from strongroom.model import Level

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from strongroom.keys import TokenKek
    from strongroom.keyservice.draft import Draft
    from strongroom.keystore import Snapshot
    from strongroom.model import DataClass, Way


def with_token(settings: Mapping[str, Any], before: DataClass | None, ways: Iterable[Way]) -> dict[str, Any]:
    """`settings` with their level, and the token of that, which was asked for its name. Raises Misuse, ProviderUnavailable.

    Where no token is given it is the one that the class has, or else the one that opens the room.
    """
    if "level" not in settings and "token" not in settings:
        return dict(settings)
    wanted = settings.get("level", before.level if before else Level.SOFTWARE)
    if wanted not in LEVELS:
        raise Misuse(f"{wanted!r} is no level: choose {', '.join(LEVELS)}")
    level = Level(wanted)
    given = settings.get("token")
    if level is not Level.HSM:
        if given is not None:
            raise Misuse("only a class of level hsm has a token of its own")
        return {**settings, "level": level, "token": None}
    from strongroom.providers.pkcs11 import named_token

    if given is None and before is not None and before.level is Level.HSM:
        return {**settings, "level": level, "token": before.token}
    return {**settings, "level": level, "token": named_token(given or token_of(ways))}


def token_of(ways: Iterable[Way]) -> str:
    """The one token that opens the room. Raises Misuse."""
    from strongroom.providers.pkcs11 import token_alone

    tokens = {token_alone(way.token) for way in ways if way.token is not None}
    if len(tokens) != 1:
        raise Misuse(
            "say which token is to hold the KEKs: --hsm pkcs11:token=LABEL?module-path=FILE&pin-source=file:FILE"
        )
    return tokens.pop()


def existing_kek(text: str, data_class: DataClass, snapshot: Snapshot) -> tuple[str, TokenKek]:
    """The key in the token of a class that the URI `text` names, which is to be a KEK from now on; with the token.

    Raises Misuse for a key of another token, or one that is a KEK already; KeyNotFound, ProviderUnavailable.
    """
    from strongroom.providers.pkcs11 import found_kek, same_token, token_alone

    if data_class.level is not Level.HSM or data_class.token is None:
        raise Misuse(
            f"class {data_class.name!r} has its KEKs in no token: `strongroom classes set --level hsm` moves it there"
        )
    kek = found_kek(text)
    if not same_token(token_alone(kek.uri), data_class.token):
        raise Misuse(f"the keys of class {data_class.name!r} are in another token: {data_class.token}")
    if any(is_same(record.token_kek, kek) for record in snapshot.versions.values()):
        raise Misuse("that key is the KEK of a version already")
    return data_class.token, kek


def is_same(one: TokenKek | None, other: TokenKek) -> bool:
    """Whether both name one key."""
    from strongroom.providers.pkcs11 import same_key

    return one is not None and same_key(one.uri, other.uri)


def is_elsewhere(before: DataClass, after: DataClass) -> bool:
    """Whether new KEKs would be made elsewhere than those that there are."""
    if after.level is not before.level or before.token is None or after.token is None:
        return after.level is not before.level
    from strongroom.providers.pkcs11 import same_token

    return not same_token(before.token, after.token)


def move_keys(draft: Draft, data_class: str) -> None:
    """A new version for every key of a class, made where the class says now. What was prepared for a later date is made anew."""
    stored = [] if draft.before is None else draft.before.keys
    for key in [draft.key(key_id) for key_id in stored if draft.key(key_id).data_class == data_class]:
        waiting = moves.prepared(draft, key)
        if waiting is not None:
            moves.destroy(draft, waiting)
        if key.current and key.primary_version:
            moves.rotate(draft, draft.key(key.id))
        if waiting is not None and waiting.activates is not None:
            moves.prepare(draft, draft.key(key.id), waiting.activates)


LEVELS = tuple(str(level) for level in Level)
