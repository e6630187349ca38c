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
    """Handles of the AES key and, where there is one, of the HMAC key beside it; and the id that both have.

    With `rsa` they are those of a private key and of its public key. They are good in the `generation` of the module's state in
    which they were found: in another, other keys may have them.
    """

    aes: int
    hmac: int | None
    id: bytes
    rsa: bool = False
    generation: int = -1

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


def find_any(session: Any, uri: TokenUri) -> Handles:
    """The AES key that `uri` names, or else the RSA key. Raises as `find`."""
    try:
        return find(session, uri)
    except KeyNotFound:
        return find_rsa(session, uri)


def find_rsa(session: Any, uri: TokenUri) -> Handles:
    """The RSA key pair that `uri` names. Raises KeyNotFound, and Misuse where there are several or it is not safe to use."""
    from pkcs11 import KeyType, ObjectClass

    found = search(session, uri, KeyType.RSA)
    private = [key for key in found if key.object_class == ObjectClass.PRIVATE_KEY]
    if not private:
        raise KeyNotFound(f"the token has no RSA key {name_of(uri)}")
    if len(private) > 1:
        raise Misuse(f"the token has {len(private)} RSA keys {name_of(uri)}: say which by id=")
    check_guarded(private[0], uri)
    key_id = bytes(private[0].id or b"")
    public = [key for key in found if key.object_class == ObjectClass.PUBLIC_KEY and bytes(key.id or b"") == key_id]
    if len(public) != 1:
        raise Misuse(f"the token has no public key beside {name_of(uri)}, or several")
    return Handles(private[0].handle, public[0].handle, key_id, rsa=True)


def check_absent(session: Any, uri: TokenUri) -> None:
    """Raises TargetExists where a key of that name is there."""
    from pkcs11 import KeyType

    if any(search(session, uri, kind, by_id=False) for kind in (KeyType.AES, KeyType.RSA)):
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


def make_rsa(session: Any, uri: TokenUri) -> tuple[Any, Any]:
    """A new RSA key pair that only encrypts and decrypts: the public key and the private one."""
    from pkcs11 import Attribute, KeyType, MechanismFlag

    def generate(template: dict[Any, bool]) -> tuple[Any, Any]:
        new: tuple[Any, Any] = session.generate_keypair(
            KeyType.RSA,
            RSA_BITS,
            label=uri.object,
            id=uri.id,
            store=True,
            capabilities=MechanismFlag.ENCRYPT | MechanismFlag.DECRYPT,
            private_template=template,
        )
        return new

    private = guarded() | {Attribute.SIGN: False}
    # a private key has no such use, and some tokens mind that it is named
    del private[Attribute.WRAP]
    pair: tuple[Any, Any] = made(generate, private)
    return pair


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
    """The secret keys of a kind that the URI names; of RSA, the private and the public ones."""
    from pkcs11 import Attribute, KeyType, ObjectClass

    wanted: dict[Any, Any] = {Attribute.KEY_TYPE: kind}
    if kind is not KeyType.RSA:
        wanted[Attribute.CLASS] = ObjectClass.SECRET_KEY
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
RSA_BITS = 3072
