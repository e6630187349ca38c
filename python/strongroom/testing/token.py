"""The token as python-pkcs11 shows it: slots, sessions, searches and objects."""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from strongroom.crypto import AesWrappingKey, Secret

if TYPE_CHECKING:
    from strongroom.testing.hsm import FakeHsm


@dataclass(eq=False)
class FakeObject:
    """A key in the token. What it wraps data keys by, and what it seals roots with, are the same to nobody but a test."""

    token: FakeToken
    attributes: dict[Any, Any]
    handle: int
    wrapping: AesWrappingKey = field(default_factory=AesWrappingKey.generate, repr=False)
    sealing: Secret = field(default_factory=Secret.random, repr=False)

    @property
    def id(self) -> bytes:
        """Its CKA_ID."""
        from pkcs11 import Attribute

        return bytes(self[Attribute.ID])

    def __getitem__(self, attribute: Any) -> Any:
        return self.attributes[attribute]

    def destroy(self) -> None:
        """Take it out of the token."""
        self.token.hsm.call("C_DestroyObject")
        self.token.objects.pop(self.handle, None)


class FakeToken:
    """A token with objects, which outlive sessions."""

    serial = b"0123456789abcdef"
    manufacturer_id = b"strongroom"
    model = b"fake"

    def __init__(self, hsm: FakeHsm, label: str) -> None:
        self.hsm = hsm
        self.label = label
        self.objects: dict[int, FakeObject] = {}
        self.sessions: set[int] = set()
        self.logged_in = False
        self._numbers = itertools.count(1)

    @property
    def slot(self) -> FakeToken:
        """It is its own slot."""
        return self

    @property
    def slot_id(self) -> int:
        """Of the slot."""
        return 1

    @property
    def flags(self) -> Any:
        """It has a PIN, and counts no wrong ones."""
        from pkcs11 import TokenFlag

        return TokenFlag.USER_PIN_INITIALIZED

    def get_mechanisms(self) -> set[Any]:
        """What its keys can do."""
        from pkcs11 import Mechanism

        self.hsm.call("C_GetMechanismList")
        return {Mechanism.AES_GCM, Mechanism.AES_CBC, Mechanism.SHA256_HMAC}

    def get_token(self) -> FakeToken:
        """The token in the slot."""
        self.hsm.call("C_GetTokenInfo")
        return self

    def open(self, *, rw: bool = False) -> FakeSearches:
        """A session to find and make objects in."""
        self.hsm.call("C_OpenSession")
        return FakeSearches(self)

    def new_session(self) -> int:
        """The handle of another session."""
        handle = next(self._numbers)
        self.sessions.add(handle)
        return handle

    def forget_sessions(self) -> None:
        """End them all, and the login."""
        self.sessions.clear()
        self.logged_in = False

    def add(self, attributes: dict[Any, Any]) -> FakeObject:
        """Another object."""
        made = FakeObject(self, attributes, next(self._numbers))
        self.objects[made.handle] = made
        return made


class FakeLibrary:
    """The module as python-pkcs11 has it loaded."""

    def __init__(self, token: FakeToken) -> None:
        self._token = token

    def get_slots(self, *, token_present: bool = False) -> list[FakeToken]:
        """The slot, while its token is there."""
        self._token.hsm.call("C_GetSlotList")
        return [self._token] if self._token.hsm.is_there else []


class FakeSearches:
    """A session of python-pkcs11."""

    def __init__(self, token: FakeToken) -> None:
        self._token = token
        self._passing: list[FakeObject] = []

    def get_objects(self, wanted: dict[Any, Any]) -> Iterator[FakeObject]:
        """The objects that have these attributes."""
        self._token.hsm.call("C_FindObjectsInit")
        for found in list(self._token.objects.values()):
            if all(found.attributes.get(name) == value for name, value in wanted.items()):
                yield found

    def generate_key(
        self, kind: Any, _bits: int, *, label: str, store: bool, template: dict[Any, Any], **more: Any
    ) -> FakeObject:
        """A new secret key."""
        from pkcs11 import Attribute, ObjectClass

        self._token.hsm.call("C_GenerateKey")
        named = {Attribute.LABEL: label, Attribute.ID: more.get("id") or secrets.token_bytes(16)}
        made = self._token.add({Attribute.CLASS: ObjectClass.SECRET_KEY, Attribute.KEY_TYPE: kind, **named, **template})
        if not store:
            self._passing.append(made)
        return made

    def close(self) -> None:
        """End it, and what was made for it alone."""
        self._token.hsm.call("C_CloseSession")
        for made in self._passing:
            self._token.objects.pop(made.handle, None)
