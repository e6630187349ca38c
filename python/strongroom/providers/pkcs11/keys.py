"""The keys in a token that a process is logged in to: found, made, tried, destroyed."""

from __future__ import annotations

import secrets
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from strongroom.errors import KeyNotFound, Misuse
from strongroom.providers.pkcs11 import objects
from strongroom.providers.pkcs11.faults import Verdict, verdict
from strongroom.providers.pkcs11.scheme import probed

if TYPE_CHECKING:
    from collections.abc import Callable

    from strongroom.providers.pkcs11.objects import Handles
    from strongroom.providers.pkcs11.scheme import Scheme
    from strongroom.providers.pkcs11.sessions import LibrarySession, Sessions
    from strongroom.providers.pkcs11.uri import TokenUri


class TokenKeys:
    """The keys that URIs name. `rsa` says whether it may be an RSA key, which shows nobody's authorship. Thread-safe.

    What is raised is what the token says, in the words of its module, but for KeyNotFound, TargetExists and Misuse.
    """

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions
        self._schemes: dict[TokenUri, Scheme] = {}

    def found(self, uri: TokenUri, *, rsa: bool = False) -> Handles:
        """The key's handles, which are good for all sessions of the process."""
        find = objects.find_any if rsa else objects.find
        sessions = self._sessions
        with sessions.lock:
            sessions.ready()
            known = sessions.handles.get(uri)
            if known is None or (known.rsa and not rsa):
                with sessions.library() as session:
                    found = session.ask("C_FindObjects", lambda it: find(it, uri))
                    known = sessions.handles[uri] = replace(found, generation=session.generation)
            return known

    def scheme(self, uri: TokenUri, *, rsa: bool = False) -> Scheme:
        """How the key wraps, found by trying."""
        keys = self.found(uri, rsa=rsa)
        if uri not in self._schemes:
            self._schemes[uri] = probed(self._sessions, keys, uri)
        return self._schemes[uri]

    def labels(self) -> tuple[str, ...]:
        """The labels of all AES keys."""
        with self._sessions.library() as session:
            return tuple(session.ask("C_FindObjects", objects.labels))

    def make(self, uri: TokenUri, *, rsa: bool) -> None:
        """Make the key, and the one beside it where the scheme wants it; RSA keys where none wraps otherwise, and they may be."""
        with self._sessions.library(read_write=True) as session:
            # with an id that nobody else has: what a try left behind that could not clear up
            self._remove(session, uri)
            session.ask("C_FindObjects", lambda it: objects.check_absent(it, uri))
            try:
                self._made(session, uri, (objects.make_aes, objects.make_hmac))
            except Misuse:
                if not rsa:
                    raise
                self._made(session, uri, (objects.make_rsa,))

    def destroy(self, uri: TokenUri) -> None:
        """Destroy the key, and what is beside it."""
        with self._sessions.library(read_write=True) as session:
            if not self._remove(session, uri):
                raise KeyNotFound(f"the token has no key {objects.name_of(uri)}")

    def _remove(self, session: LibrarySession, uri: TokenUri) -> int:
        """Destroy what there is of the key, and say of how many objects it was."""
        self._sessions.handles.clear()
        removed = 0
        for kind, suffix in kinds():
            look = partial(objects.search, uri=uri, kind=kind, suffix=suffix)
            for key in session.ask("C_FindObjects", look):
                destroy(session, key)
                removed += 1
        return removed

    def passing_scheme(self, session: LibrarySession) -> Scheme | None:
        """How a key wraps that lives as long as `session`; None if it does not."""
        uri = replace(self._sessions.uri, object=PROBE, id=secrets.token_bytes(16))
        keys = [session.ask("C_GenerateKey", lambda it: objects.make_aes(it, uri, stays=False))]
        try:
            keys.append(session.ask("C_GenerateKey", lambda it: objects.make_hmac(it, uri, stays=False)))
            aes, hmac = keys
            handles = objects.Handles(aes.handle, hmac.handle, uri.id or b"", generation=session.generation)
            return probed(self._sessions, handles, uri)
        except Misuse:
            return None
        finally:
            for key in keys:
                destroy(session, key)

    def _made(self, session: LibrarySession, uri: TokenUri, makers: tuple[Callable[..., Any], ...]) -> None:
        """Make keys until they wrap. Nothing is left of keys that do not."""
        made: list[Any] = []
        try:
            for make in makers:
                new = session.ask("C_GenerateKey", partial(make, uri=uri))
                made += new if isinstance(new, tuple) else (new,)
                self._sessions.handles.clear()
                try:
                    probed(self._sessions, self.found(uri, rsa=True), uri)
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
            self._sessions.handles.clear()
            for key in made:
                discard(session, key)
            raise


def destroy(session: LibrarySession, key: Any) -> None:
    """Destroy a key that was found or made in this session."""
    session.ask("C_DestroyObject", lambda _: key.destroy())


def discard(session: LibrarySession, key: Any) -> None:
    """Destroy a key, if it is there: in NSS a secret key takes the place of another of its id."""
    try:
        destroy(session, key)
    except Exception as error:
        if verdict(error) is not Verdict.LOGIN:
            raise


def kinds() -> tuple[tuple[Any, str], ...]:
    """What a key of ours may consist of: kinds of objects, and what their labels end with."""
    from pkcs11 import KeyType

    return ((KeyType.AES, ""), (KeyType.GENERIC_SECRET, objects.HMAC), (KeyType.RSA, ""))


PROBE = "strongroom-probe"
