"""Which token is meant, and a login to it: tried once, with a PIN that nobody has refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from strongroom.errors import BadPassphrase, Misuse, TokenFault
from strongroom.providers.pkcs11 import patience
from strongroom.providers.pkcs11.faults import ALREADY_LOGGED_IN, Verdict, pin_words, verdict
from strongroom.providers.pkcs11.pin import fingerprint, read_pin

if TYPE_CHECKING:
    from strongroom.crypto import HsmSession
    from strongroom.providers.pkcs11.module import Module
    from strongroom.providers.pkcs11.uri import TokenUri


def chosen(module: Module, uri: TokenUri) -> Any:
    """The token that the URI names. Raises TokenFault, and Misuse where there are several."""
    found = [token for token in module.tokens() if fits(token, uri)]
    if not found:
        raise TokenFault(f"there is no token {called(uri)} now", "returned", NOT_PRESENT)
    if len(found) > 1:
        raise Misuse(f"there are {len(found)} tokens {called(uri)}: say which by serial=")
    return found[0]


def log_in(anchor: HsmSession, token: Any, uri: TokenUri, module: Module) -> None:
    """Log in, once. A PIN that was refused is not tried again by this process or its children until its file changes.

    Raises BadPassphrase, TokenFault.
    """
    source = uri.pin_source
    known = (module.path, serial_of(token), *fingerprint(source))
    if known in REFUSED:
        raise BadPassphrase(f"the PIN of the token {called(uri)} was refused before, and is not tried again")
    check_last_try(token, uri)
    pin = read_pin(source)
    try:
        anchor.login(pin, deadline=patience.CALL)
    except TokenFault as error:
        if error.ckr == ALREADY_LOGGED_IN:
            return
        if verdict(error) is Verdict.PIN:
            REFUSED.add(known)
            raise BadPassphrase(f"the PIN of the token {called(uri)} is {pin_words(error)}") from None
        raise
    finally:
        pin.close()


def check_last_try(token: Any, uri: TokenUri) -> None:
    """Raises BadPassphrase where the PIN is locked, or the next wrong one would lock it."""
    from pkcs11 import TokenFlag

    if TokenFlag.USER_PIN_LOCKED in token.flags:
        raise BadPassphrase(f"the PIN of the token {called(uri)} is locked: its security officer sets a new one")
    if TokenFlag.USER_PIN_FINAL_TRY in token.flags:
        raise BadPassphrase(
            f"one more wrong PIN would lock the token {called(uri)}: log in once with its own tool, then try again"
        )


def called(uri: TokenUri) -> str:
    """The token, for people."""
    return repr(uri.token) if uri.token is not None else f"with serial {uri.serial}"


def fits(token: Any, uri: TokenUri) -> bool:
    """Whether it is the one that is named."""
    pairs = (
        (uri.token, token.label),
        (uri.serial, as_text(token.serial)),
        (uri.manufacturer, as_text(token.manufacturer_id)),
        (uri.model, as_text(token.model)),
    )
    return all(wanted is None or wanted == found.strip() for wanted, found in pairs)


def serial_of(token: Any) -> str | None:
    """Its serial number, where it has one."""
    return as_text(token.serial).strip() or None


def as_text(value: str | bytes) -> str:
    """A field of a token, which is bytes in some versions."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


NOT_PRESENT = 0x0E0
REFUSED: set[tuple[object, ...]] = set()
