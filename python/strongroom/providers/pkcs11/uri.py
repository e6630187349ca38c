"""PKCS#11 URIs (RFC 7512): which key in which token, through which module, and where its PIN comes from.

Stricter than the RFC: an attribute that is not known, or there twice, is refused, since what is not understood might have
narrowed the choice. A PIN never stands in a URI, only a reference to it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote_from_bytes, unquote_to_bytes

from strongroom.errors import Misuse

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenUri:
    """A key in a token. `token`, `serial`, `manufacturer` and `model` choose the token, `object` and `id` the key."""

    token: str | None = None
    serial: str | None = None
    manufacturer: str | None = None
    model: str | None = None
    object: str | None = None
    id: bytes | None = None
    module_path: str | None = None
    pin_source: str | None = None

    @classmethod
    def parse(cls, text: str) -> TokenUri:
        """The URI in `text`. Raises Misuse, which never quotes a PIN."""
        scheme, colon, rest = text.partition(":")
        if not colon or scheme.lower() != "pkcs11":
            raise Misuse("a token is named by a URI that begins with pkcs11:")
        path, _, query = rest.partition("?")
        given = attributes(path, ";", PATH) | attributes(query, "&", QUERY)
        if given.pop("type", b"secret-key") != b"secret-key":
            raise Misuse("the key of a room is a secret key: leave `type` out of the URI, or say type=secret-key")
        key_id = given.pop("id", None)
        return cls(id=key_id, **{NAMES[name]: as_text(name, value) for name, value in given.items()})

    def check_whole(self) -> None:
        """Raises Misuse unless the URI says all that it takes to reach a key."""
        if self.token is None and self.serial is None:
            raise Misuse("the URI names no token: give token=LABEL or serial=NUMBER")
        if self.object is None and self.id is None:
            raise Misuse("the URI names no key: give object=NAME")
        self.check_module()

    def check_module(self) -> None:
        """Raises Misuse unless the URI names a module by its path."""
        if self.module_path is None or not self.module_path.startswith("/"):
            raise Misuse("the URI names no module: give ?module-path= and the absolute path of one")

    def __str__(self) -> str:
        path = [f"{name}={escaped(value)}" for name in PATH if (value := getattr(self, NAMES.get(name, name), None))]
        query = [f"{name}={escaped(value)}" for name in QUERY if (value := getattr(self, NAMES[name], None))]
        return f"pkcs11:{';'.join(path)}" + (f"?{'&'.join(query)}" if query else "")


def attributes(text: str, separator: str, known: tuple[str, ...]) -> dict[str, bytes]:
    """Names and decoded values. Raises Misuse for what is unknown, double or no text of a URI."""
    found: dict[str, bytes] = {}
    for part in text.split(separator) if text else ():
        name, equals, value = part.partition("=")
        if name == "pin-value":
            raise Misuse("a PIN does not stand in a URI: put it into a file and give pin-source=file:FILE")
        if not equals or name not in known:
            raise Misuse(f"a token's URI has no attribute {name!r} there; it has {', '.join(known)}")
        if name in found:
            raise Misuse(f"the URI gives {name} twice")
        if not VALUE.fullmatch(value):
            raise Misuse(f"the URI's {name} has characters that want %-encoding")
        found[name] = unquote_to_bytes(value)
    return found


def as_text(name: str, value: bytes) -> str:
    """A decoded value as text. Raises Misuse."""
    try:
        text = value.decode()
    except UnicodeDecodeError:
        raise Misuse(f"the URI's {name} is not UTF-8") from None
    if not text or not text.isprintable():
        raise Misuse(f"the URI's {name} is empty, or has characters that cannot be shown")
    return text


def escaped(value: str | bytes) -> str:
    """A value as it stands in a URI; ids are written in %-encoding throughout, as the RFC recommends."""
    if isinstance(value, bytes):
        return "".join(f"%{byte:02x}" for byte in value)
    return quote_from_bytes(value.encode(), safe=SAFE)


PATH = ("token", "serial", "manufacturer", "model", "object", "id", "type")
QUERY = ("module-path", "pin-source")
NAMES: Mapping[str, str] = {name: name.replace("-", "_") for name in (*PATH, *QUERY)}
SAFE = "-._~:@!$'()*+,/"
VALUE = re.compile(r"(?:[A-Za-z0-9\-._~:\[\]@!$'()*+,/=&|]|%[0-9A-Fa-f]{2})*", re.ASCII)
