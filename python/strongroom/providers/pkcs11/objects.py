"""The objects that hold a key in a token: found, made, looked at. What is not found is never made instead."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from strongroom.errors import KeyNotFound, Misuse, TargetExists
from strongroom.providers.pkcs11.faults import Verdict, verdict

if TYPE_CHECKING:
    from collections.abc import Callable

    from strongroom.providers.pkcs11.uri import TokenUri


@dataclass(frozen=True, slots=True)
class Handles:
    """Handles of the AES key and, where there is one, of the HMAC key beside it; and the id that both have."""

    aes: int
    hmac: int | None
    id: bytes

    @property
    def pair(self) -> tuple[int, int | None]:
        """As Rust takes them."""
        return (self.aes, self.hmac)


def find(session: Any, uri: TokenUri) -> Handles:
    """The key that `uri` names. Raises KeyNotFound, and Misuse where there are several or it is not safe to use."""
    from pkcs11 import KeyType

    found = search(session, uri, KeyType.AES)
    if not found:
        raise KeyNotFound(f"the token has no AES key {name_of(uri)}")
    if len(found) > 1:
        raise Misuse(f"the token has {len(found)} AES keys {name_of(uri)}: say which by id=")
    check_guarded(found[0], uri)
    key_id = bytes(found[0].id or b"")
    beside = search(session, uri, KeyType.GENERIC_SECRET, suffix=HMAC)
    return Handles(found[0].handle, beside[0].handle if len(beside) == 1 else None, key_id)


def check_absent(session: Any, uri: TokenUri) -> None:
    """Raises TargetExists where a key of that name is there."""
    from pkcs11 import KeyType

    if search(session, uri, KeyType.AES, by_id=False):
        raise TargetExists(f"the token has a key {name_of(uri)} already: name another, or use it with --existing")


def make_aes(session: Any, uri: TokenUri, *, stays: bool = True) -> Any:
    """A new AES key of 256 bits that only encrypts and decrypts; it `stays` in the token, or goes with the session."""
    from pkcs11 import Attribute, KeyType, MechanismFlag

    usage = {Attribute.ENCRYPT: True, Attribute.DECRYPT: True, Attribute.SIGN: False, Attribute.VERIFY: False}

    def generate(template: dict[Any, bool]) -> Any:
        return session.generate_key(
            KeyType.AES,
            256,
            label=uri.object,
            id=uri.id,
            store=stays,
            capabilities=MechanismFlag.ENCRYPT | MechanismFlag.DECRYPT,
            template=template,
        )

    return made(generate, guarded() | usage)


def make_hmac(session: Any, uri: TokenUri, *, stays: bool = True) -> Any:
    """A new key for HMAC beside it."""
    from pkcs11 import Attribute, KeyType, Mechanism, MechanismFlag

    usage = {Attribute.ENCRYPT: False, Attribute.DECRYPT: False, Attribute.SIGN: True, Attribute.VERIFY: True}

    def generate(template: dict[Any, bool]) -> Any:
        return session.generate_key(
            KeyType.GENERIC_SECRET,
            256,
            label=f"{uri.object}{HMAC}",
            id=uri.id,
            store=stays,
            capabilities=MechanismFlag.SIGN | MechanismFlag.VERIFY,
            mechanism=Mechanism.GENERIC_SECRET_KEY_GEN,
            template=template,
        )

    return made(generate, guarded() | usage)


def guarded() -> dict[Any, bool]:
    """What every key of ours is."""
    from pkcs11 import Attribute

    return {
        Attribute.SENSITIVE: True,
        Attribute.EXTRACTABLE: False,
        Attribute.PRIVATE: True,
        Attribute.DERIVE: False,
        Attribute.WRAP: False,
        Attribute.UNWRAP: False,
    }


def made(generate: Callable[[dict[Any, bool]], Any], template: dict[Any, bool]) -> Any:
    """The key, with as many of the two further protections as the token knows."""
    from pkcs11 import Attribute

    further: tuple[dict[Any, bool], ...] = (
        {Attribute.MODIFIABLE: False, Attribute.COPYABLE: False},
        {Attribute.MODIFIABLE: False},
        {},
    )
    for more in further:
        try:
            return generate(template | more)
        except Exception as error:
            if not more or verdict(error) not in {Verdict.SETTING, Verdict.UNCLEAR}:
                raise
    raise Misuse("the token makes no keys")


def check_guarded(key: Any, uri: TokenUri) -> None:
    """Raises Misuse for a key that can leave its token in clear, or says so."""
    from pkcs11 import Attribute

    if key[Attribute.EXTRACTABLE] or not key[Attribute.SENSITIVE]:
        raise Misuse(
            f"the key {name_of(uri)} can be taken out of its token: use one that is sensitive and not extractable"
        )


def search(session: Any, uri: TokenUri, kind: Any, *, suffix: str = "", by_id: bool = True) -> list[Any]:
    """The secret keys of a kind that the URI names."""
    from pkcs11 import Attribute, ObjectClass

    wanted: dict[Any, Any] = {Attribute.CLASS: ObjectClass.SECRET_KEY, Attribute.KEY_TYPE: kind}
    if uri.object is not None:
        wanted[Attribute.LABEL] = f"{uri.object}{suffix}"
    if uri.id is not None and by_id:
        wanted[Attribute.ID] = uri.id
    return list(session.get_objects(wanted))


def labels(session: Any) -> list[str]:
    """The label of every AES key."""
    from pkcs11 import Attribute, KeyType, ObjectClass

    wanted = {Attribute.CLASS: ObjectClass.SECRET_KEY, Attribute.KEY_TYPE: KeyType.AES}
    return [str(key.label) for key in session.get_objects(wanted)]


def name_of(uri: TokenUri) -> str:
    """A key, for people."""
    return repr(uri.object) if uri.object is not None else f"with the id {(uri.id or b'').hex()}"


HMAC = "-hmac"
