"""A login to one token, shared by all of this process: an anchor session that holds it, and sessions to work in.

A session is thrown away after any fault, since an operation may have stayed active in it. What a fault means, and so what
is tried once more, stands in `faults`; a PIN is never tried twice.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from strongroom.errors import (
    AuthenticationFailed,
    BadPassphrase,
    KeyNotFound,
    Misuse,
    ProviderUnavailable,
    StrongroomError,
    TokenFault,
)
from strongroom.providers.pkcs11 import objects, patience
from strongroom.providers.pkcs11.faults import ALREADY_LOGGED_IN, Verdict, pin_words, verdict
from strongroom.providers.pkcs11.pin import fingerprint, read_pin
from strongroom.providers.pkcs11.turns import Turns

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from strongroom.crypto import HsmSession
    from strongroom.providers.pkcs11.module import Module
    from strongroom.providers.pkcs11.objects import Handles
    from strongroom.providers.pkcs11.uri import TokenUri

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Scheme:
    """How a key wraps, and whether the token insists on making the nonces."""

    name: str
    token_nonce: bool = False


class Connection:
    """A token that this process is logged in to. Thread-safe. Not for a forked child, which connects anew."""

    def __init__(self, module: Module, uri: TokenUri) -> None:
        self._module = module
        self._uri = uri
        self._lock = threading.RLock()
        self._places = Turns(MOST_SESSIONS)
        self._generation = -1
        self._token: Any = None
        self._anchor: HsmSession | None = None
        self._idle: list[HsmSession] = []
        self._keys: dict[TokenUri, Handles] = {}
        self._schemes: dict[TokenUri, Scheme] = {}

    # `rsa`: whether it may be an RSA key, which shows nobody's authorship. A room's root never is under one.
    # --- what is done with a key ---------------------------------------------------------------------------------

    def use(self, uri: TokenUri, work: Callable[[HsmSession, Handles], Result], *, rsa: bool = False) -> Result:
        """What `work` makes of a session and the key that `uri` names. It may be done twice, and must not mind.

        Raises ProviderUnavailable, BadPassphrase, KeyNotFound, Misuse, and AuthenticationFailed for what the key has not wrapped.
        """
        return self._persist(lambda: self._in_session(uri, work, rsa=rsa), uri)

    def scheme(self, uri: TokenUri, *, rsa: bool = False) -> Scheme:
        """How the key wraps, found by trying. Raises Misuse where it does not."""

        def probe() -> Scheme:
            keys = self._found(uri, rsa=rsa)
            if uri not in self._schemes:
                self._schemes[uri] = self._probed(keys, uri)
            return self._schemes[uri]

        return self._persist(probe, uri)

    def make(self, uri: TokenUri, *, rsa: bool = False) -> TokenUri:
        """Make the key that `uri` names, and say which it is. Raises TargetExists."""
        uri = replace(uri, id=secrets.token_bytes(16))

        def generate() -> TokenUri:
            self._made(uri, rsa=rsa)
            return replace(uri, serial=self._serial())

        return self._persist(generate, uri)

    def existing(self, uri: TokenUri, *, rsa: bool = False) -> TokenUri:
        """Which key it is that `uri` names. Raises KeyNotFound."""
        return self._persist(
            lambda: replace(uri, id=self._found(uri, rsa=rsa).id or uri.id, serial=self._serial()), uri
        )

    def destroy(self, uri: TokenUri) -> None:
        """Destroy a key. Raises KeyNotFound where there is none, once it was looked for in a token that was asked anew."""

        def remove() -> None:
            self._keys.clear()
            found = 0
            with self._library_session(read_write=True) as session:
                for kind, suffix in self._kinds():
                    for key in self._module.ask(
                        "C_FindObjects", partial(objects.search, session, uri, kind, suffix=suffix)
                    ):
                        self._module.ask("C_DestroyObject", key.destroy)
                        found += 1
            if not found:
                raise KeyNotFound(f"the token has no key {objects.name_of(uri)}")

        self._persist(remove, uri)

    def named(self) -> TokenUri:
        """The token with its serial number, for which it was asked."""

        def ask() -> TokenUri:
            with self._lock:
                self._ready()
                return replace(self._uri, serial=self._serial())

        return self._persist(ask, self._uri)

    def labels(self, prefix: str) -> tuple[str, ...]:
        """The labels of AES keys that begin so."""

        def look() -> tuple[str, ...]:
            with self._library_session() as session:
                found = self._module.ask("C_FindObjects", partial(objects.labels, session))
            return tuple(label for label in found if label.startswith(prefix))

        return self._persist(look, self._uri)

    def facts(self) -> dict[str, Any]:
        """What the token is, and by which scheme a key wraps that lives as long as a session."""
        return self._persist(self._facts, self._uri)

    def close(self) -> None:
        """Close every session of ours. The login ends with the last of this process."""
        with self._lock:
            sessions, self._idle, anchor, self._anchor = self._idle, [], self._anchor, None
            self._generation = -1
        for session in [*sessions, *([anchor] if anchor is not None else [])]:
            try:
                session.close(deadline=patience.CALL)
            except StrongroomError:
                # gone with its token, or with the process that it was opened in
                continue

    # --- trying ----------------------------------------------------------------------------------------------------

    def _persist(self, step: Callable[[], Result], uri: TokenUri) -> Result:
        """What `step` gives, tried as often as its faults allow. Every other failure is one of ours, with words."""
        from pkcs11.exceptions import PKCS11Error

        end = time.monotonic() + TRYING
        tried: Counter[Verdict] = Counter()
        while True:
            try:
                return step()
            except KeyNotFound:
                # a token that was taken out and put back answers so until its module is begun anew
                if tried[Verdict.MODULE]:
                    raise
                tried[Verdict.MODULE] += 1
                self._begin_anew()
            except (TokenFault, PKCS11Error) as error:
                self._mend(error, uri, tried, end)

    def _mend(self, error: Exception, uri: TokenUri, tried: Counter[Verdict], end: float) -> None:
        """Do what a fault asks for before the next try. Raises if there is nothing to be done."""
        found = verdict(error)
        if found is Verdict.UNCLEAR:
            found = self._second_opinion(uri, tried)
        if found is Verdict.CORRUPT:
            raise AuthenticationFailed from None
        if found is Verdict.SETTING:
            raise Misuse(
                f"the token refuses the key {objects.name_of(uri)} or its mechanism: {describe(error)}"
            ) from None
        if found in {Verdict.LATE, Verdict.PIN} or time.monotonic() >= end:
            raise self._unavailable(error) from None
        if found is Verdict.BUSY:
            rest()
            return
        if tried[found] >= MOST_TRIES[found]:
            raise self._unavailable(error) from None
        if tried[found]:
            rest()
        tried[found] += 1
        if found is Verdict.MODULE:
            self._begin_anew()
        elif found is Verdict.LOGIN:
            with self._lock:
                self._generation = -1

    def _second_opinion(self, uri: TokenUri, tried: Counter[Verdict]) -> Verdict:
        """What a general error means: if it comes again and again while the key wraps and unwraps other things, it was what we gave.

        Again, since a token that others log in to may fail for an instant, and be well when the key is tried.
        """
        tried[Verdict.UNCLEAR] += 1
        if tried[Verdict.UNCLEAR] == 1:
            return Verdict.SESSION
        try:
            self._probed(self._found(uri, rsa=True), uri)
        except Exception:  # noqa: BLE001 - it is not well, which is what was asked
            return Verdict.MODULE
        return Verdict.BUSY if tried[Verdict.UNCLEAR] < SURE else Verdict.CORRUPT

    def _unavailable(self, error: Exception) -> ProviderUnavailable:
        return ProviderUnavailable(f"the token {self.name} does not answer as it should: {describe(error)}")

    @property
    def name(self) -> str:
        """The token, for people."""
        return repr(self._uri.token) if self._uri.token is not None else f"with serial {self._uri.serial}"

    def _begin_anew(self) -> None:
        with self._lock:
            seen = self._module.generation
            self._drop()
            self._module.renew(seen)

    # --- sessions --------------------------------------------------------------------------------------------------

    def _in_session(self, uri: TokenUri, work: Callable[[HsmSession, Handles], Result], *, rsa: bool) -> Result:
        keys = self._found(uri, rsa=rsa)
        with self._session() as session:
            return work(session, keys)

    @contextmanager
    def _session(self) -> Iterator[HsmSession]:
        """A session for one thing. It goes back only if nothing failed in it."""
        if not self._places.take(TRYING):
            raise ProviderUnavailable(f"all sessions with the token {self.name} are taken")
        try:
            with self._lock:
                self._ready()
                generation = self._generation
                session = self._idle.pop() if self._idle else self._opened()
            try:
                yield session
            except BaseException:
                # here, since the traceback may keep it for long
                session.abandon()
                raise
            with self._lock:
                if self._generation == generation:
                    self._idle.append(session)
                else:
                    session.abandon()
        finally:
            self._places.give_back()

    @contextmanager
    def _library_session(self, *, read_write: bool = False) -> Iterator[Any]:
        """A session of python-pkcs11. It was opened without a PIN, so closing it logs nobody out."""
        with self._lock:
            self._ready()
            generation = self._generation
        session = self._module.ask("C_OpenSession", lambda: self._token.open(rw=read_write))
        hangs = False
        try:
            yield session
        except TokenFault as error:
            hangs = verdict(error) is Verdict.LATE
            raise
        finally:
            # a call that hangs would hang its end as well, and after a new beginning the handle may be another session's
            if not hangs and self._module.generation == generation:
                self._module.ask("C_CloseSession", session.close)

    def _opened(self) -> HsmSession:
        return self._module.door.open_session(self._token.slot.slot_id, deadline=patience.CALL)

    def _ready(self) -> None:
        """Be logged in, in the module's present state. Called under the lock."""
        if self._generation == self._module.generation and self._anchor is not None:
            return
        self._drop()
        self._token = self._chosen()
        anchor = self._opened()
        try:
            self._login(anchor)
        except BaseException:
            anchor.abandon()
            raise
        self._anchor, self._generation = anchor, self._module.generation

    def _drop(self) -> None:
        """Let go of sessions and handles that may mean nothing any more."""
        for session in (*self._idle, *([self._anchor] if self._anchor is not None else [])):
            session.abandon()
        self._idle, self._anchor, self._generation = [], None, -1
        self._keys.clear()

    def _chosen(self) -> Any:
        """The token that the URI names. Raises ProviderUnavailable, and Misuse where there are several."""
        found = [token for token in self._module.tokens() if self._fits(token)]
        if not found:
            raise TokenFault(f"there is no token {self.name} now", "returned", 0x0E0)
        if len(found) > 1:
            raise Misuse(f"there are {len(found)} tokens {self.name}: say which by serial=")
        return found[0]

    def _fits(self, token: Any) -> bool:
        uri = self._uri
        pairs = (
            (uri.token, token.label),
            (uri.serial, as_text(token.serial)),
            (uri.manufacturer, as_text(token.manufacturer_id)),
            (uri.model, as_text(token.model)),
        )
        return all(wanted is None or wanted == found.strip() for wanted, found in pairs)

    def _serial(self) -> str | None:
        return as_text(self._token.serial).strip() or None

    def _login(self, anchor: HsmSession) -> None:
        """Log in, once. A PIN that was refused is not tried again by this process or its children until its file changes."""
        source = self._uri.pin_source
        known = (self._module.path, self._serial(), *fingerprint(source))
        if known in REFUSED:
            raise BadPassphrase(f"the PIN of the token {self.name} was refused before, and is not tried again")
        self._check_last_try()
        pin = read_pin(source)
        try:
            anchor.login(pin, deadline=patience.CALL)
        except TokenFault as error:
            if error.ckr == ALREADY_LOGGED_IN:
                return
            if verdict(error) is Verdict.PIN:
                REFUSED.add(known)
                raise BadPassphrase(f"the PIN of the token {self.name} is {pin_words(error)}") from None
            raise
        finally:
            pin.close()

    def _check_last_try(self) -> None:
        """Raises BadPassphrase where the PIN is locked, or the next wrong one would lock it."""
        from pkcs11 import TokenFlag

        if TokenFlag.USER_PIN_LOCKED in self._token.flags:
            raise BadPassphrase(f"the PIN of the token {self.name} is locked: its security officer sets a new one")
        if TokenFlag.USER_PIN_FINAL_TRY in self._token.flags:
            raise BadPassphrase(
                f"one more wrong PIN would lock the token {self.name}: log in once with its own tool, then try again"
            )

    def _facts(self) -> dict[str, Any]:
        ask = self._module.ask
        with self._library_session(read_write=True) as session:
            token = self._token
            mechanisms = ask("C_GetMechanismList", token.slot.get_mechanisms)
            scheme = self._scheme_for_session(session)
        return {
            "label": token.label.strip(),
            "serial": as_text(token.serial).strip(),
            "manufacturer": as_text(token.manufacturer_id).strip(),
            "model": as_text(token.model).strip(),
            "locks": self._module.door.locks,
            "mechanisms": tuple(sorted(getattr(mechanism, "name", hex(mechanism)) for mechanism in mechanisms)),
            "scheme": None if scheme is None else scheme.name,
            "token_nonce": scheme is not None and scheme.token_nonce,
        }

    def _scheme_for_session(self, session: Any) -> Scheme | None:
        ask = self._module.ask
        uri = replace(self._uri, object=PROBE, id=secrets.token_bytes(16))
        keys = [ask("C_GenerateKey", lambda: objects.make_aes(session, uri, stays=False))]
        try:
            keys.append(ask("C_GenerateKey", lambda: objects.make_hmac(session, uri, stays=False)))
            return self._probed(objects.Handles(keys[0].handle, keys[1].handle, uri.id or b""), uri)
        except Misuse:
            return None
        finally:
            for key in keys:
                ask("C_DestroyObject", key.destroy)

    # --- keys ------------------------------------------------------------------------------------------------------

    def _found(self, uri: TokenUri, *, rsa: bool = False) -> Handles:
        """The key's handles, which are good for all sessions of the process."""
        find = objects.find_any if rsa else objects.find
        with self._lock:
            self._ready()
            if uri not in self._keys or (self._keys[uri].rsa and not rsa):
                with self._library_session() as session:
                    self._keys[uri] = self._module.ask("C_FindObjects", lambda: find(session, uri))
            return self._keys[uri]

    def _made(self, uri: TokenUri, *, rsa: bool) -> None:
        """Make the key, and the one beside it where the scheme wants it; RSA keys where none wraps otherwise, and they may be."""
        with self._library_session(read_write=True) as session:
            self._module.ask("C_FindObjects", lambda: objects.check_absent(session, uri))
            try:
                self._tried(session, uri, (objects.make_aes, objects.make_hmac))
            except Misuse:
                if not rsa:
                    raise
                self._tried(session, uri, (objects.make_rsa,))

    def _tried(self, session: Any, uri: TokenUri, makers: tuple[Callable[[Any, TokenUri], Any], ...]) -> None:
        """Make keys until they wrap. Nothing is left of keys that do not."""
        made: list[Any] = []
        try:
            for make in makers:
                new = self._module.ask("C_GenerateKey", partial(make, session, uri))
                made += new if isinstance(new, tuple) else (new,)
                self._keys.clear()
                try:
                    self._probed(self._found(uri, rsa=True), uri)
                except Misuse:
                    if make is makers[-1]:
                        raise
                except KeyNotFound:
                    # what was made last has taken the place of what was made first
                    if make is makers[-1]:
                        raise Misuse(
                            "the token does not keep two keys with one id, which its scheme would want"
                        ) from None
                else:
                    return
        except BaseException:
            self._keys.clear()
            for key in made:
                self._discard(key)
            raise

    def _discard(self, key: Any) -> None:
        """Destroy a key, if it is there: in NSS a secret key takes the place of another of its id."""
        try:
            self._module.ask("C_DestroyObject", key.destroy)
        except Exception as error:
            if verdict(error) is not Verdict.LOGIN:
                raise

    def _probed(self, keys: Handles, uri: TokenUri) -> Scheme:
        """The first scheme by which a random key comes back. Raises Misuse."""
        why: Exception | None = None
        for scheme in (RSA,) if keys.rsa else SCHEMES:
            if scheme.name == SCHEMES[-1].name and keys.hmac is None:
                continue
            try:
                if self._round_trip(keys, scheme):
                    return scheme
            except TokenFault as error:
                if verdict(error) in {Verdict.LATE, Verdict.MODULE, Verdict.LOGIN, Verdict.BUSY}:
                    raise
                why = error
        raise Misuse(f"the key {objects.name_of(uri)} wraps by no scheme that is known: {describe(why)}")

    def _round_trip(self, keys: Handles, scheme: Scheme) -> bool:
        with self._session() as session:
            return session.round_trip(scheme.name, keys.pair, deadline=patience.CALL, token_nonce=scheme.token_nonce)

    @staticmethod
    def _kinds() -> tuple[tuple[Any, str], ...]:
        from pkcs11 import KeyType

        return ((KeyType.AES, ""), (KeyType.GENERIC_SECRET, objects.HMAC), (KeyType.RSA, ""))


def as_text(value: str | bytes) -> str:
    """A field of a token, which is bytes in some versions."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def describe(error: Exception | None) -> str:
    """A fault in a few words: python-pkcs11's often have a class and no text."""
    if error is None:
        return "it has no mechanism for one"
    return str(error).rstrip(".") or type(error).__name__


def rest() -> None:
    """Wait for a moment, each for another one."""
    time.sleep(PAUSE * (1 + secrets.randbelow(100) / 100))


MOST_SESSIONS = 8
TRYING = 20.0
"""Seconds until what goes wrong again and again is given up."""
PAUSE = 0.1
# a token that others log in to may be gone for an instant: SoftHSM writes its own file then
MOST_TRIES = {Verdict.SESSION: 1, Verdict.LOGIN: 1, Verdict.MODULE: 2}
SURE = 4
PROBE = "strongroom-probe"
SCHEMES = (Scheme("aes-gcm"), Scheme("aes-gcm", token_nonce=True), Scheme("aes-cbc-hmac-sha256"))
RSA = Scheme("rsa-oaep-sha256")
REFUSED: set[tuple[object, ...]] = set()
