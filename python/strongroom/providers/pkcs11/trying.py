"""Trying again, as often as the faults of a token allow. What a fault means stands in `faults`; a PIN is never tried twice."""

from __future__ import annotations

import secrets
import time
from collections import Counter
from typing import TYPE_CHECKING, TypeVar

from strongroom.errors import AuthenticationFailed, KeyNotFound, Misuse, ProviderUnavailable, TokenFault
from strongroom.providers.pkcs11 import objects, patience
from strongroom.providers.pkcs11.faults import Verdict, describe, verdict
from strongroom.providers.pkcs11.login import called
from strongroom.providers.pkcs11.scheme import probed

if TYPE_CHECKING:
    from collections.abc import Callable

    from strongroom.providers.pkcs11.keys import TokenKeys
    from strongroom.providers.pkcs11.sessions import Sessions
    from strongroom.providers.pkcs11.uri import TokenUri

Result = TypeVar("Result")


class Trying:
    """What is done to a token, done again where that may help, until it is clear whose fault it is."""

    def __init__(self, sessions: Sessions, keys: TokenKeys) -> None:
        self._sessions = sessions
        self._keys = keys

    def persist(self, step: Callable[[], Result], uri: TokenUri) -> Result:
        """What `step` gives, which may be done several times, with the key or the token of `uri`.

        Raises ProviderUnavailable, AuthenticationFailed, KeyNotFound and Misuse for faults, and whatever else `step` raises.
        """
        from pkcs11.exceptions import PKCS11Error

        end = time.monotonic() + patience.TRYING
        tried: Counter[Verdict] = Counter()
        while True:
            try:
                return step()
            except KeyNotFound:
                # a token that was taken out and put back answers so until its module is begun anew
                if tried[Verdict.MODULE]:
                    raise
                tried[Verdict.MODULE] += 1
                self._sessions.begin_anew()
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
            self._sessions.begin_anew()
        elif found is Verdict.LOGIN:
            self._sessions.log_in_anew()

    def _second_opinion(self, uri: TokenUri, tried: Counter[Verdict]) -> Verdict:
        """What a general error means: if it comes again and again while the key wraps and unwraps other things, it was what we gave.

        Again, since a token that others log in to may fail for an instant, and be well when the key is tried.
        """
        tried[Verdict.UNCLEAR] += 1
        if tried[Verdict.UNCLEAR] == 1:
            return Verdict.SESSION
        try:
            probed(self._sessions, self._keys.found(uri, rsa=True), uri)
        except Exception:  # noqa: BLE001 - it is not well, which is what was asked
            return Verdict.MODULE
        return Verdict.BUSY if tried[Verdict.UNCLEAR] < SURE else Verdict.CORRUPT

    def _unavailable(self, error: Exception) -> ProviderUnavailable:
        token = called(self._sessions.uri)
        return ProviderUnavailable(f"the token {token} does not answer as it should: {describe(error)}")


def rest() -> None:
    """Wait for a moment, each for another one."""
    time.sleep(PAUSE * (1 + secrets.randbelow(100) / 100))


PAUSE = 0.1
# a token that others log in to may be gone for an instant: SoftHSM writes its own file then
MOST_TRIES = {Verdict.SESSION: 1, Verdict.LOGIN: 1, Verdict.MODULE: 2}
SURE = 4
