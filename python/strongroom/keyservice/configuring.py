"""What holds for the room as a whole: who cosigns its logs, and where entries are forwarded to."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from strongroom.audit import SettingChanged
from strongroom.audit.cosigning import Cosigner
from strongroom.errors import Misuse
from strongroom.keyservice import desk
from strongroom.keyservice.counting import told
from strongroom.keystore import Change
from strongroom.keystore.settings import changed_settings, settings_in
from strongroom.policy import Action, Resource

if TYPE_CHECKING:
    from collections.abc import Callable

    from strongroom.keystore import Snapshot
    from strongroom.model import Request, Settings, Witness


class Configuring(desk.Desk):
    """The part of the keyservice that keeps the settings."""

    def settings(self, request: Request) -> Settings:
        """See KeyService.settings."""
        with self._turn(), self._case(request, Action.DESCRIBE) as case:
            self._authorise(case, Resource())
            return settings_in(self._snapshot().settings)

    def add_witness(self, request: Request, witness: Witness) -> Settings:
        """See KeyService.add_witness."""
        # which brings a client for HTTP with it
        from strongroom.audit.witnessing import check_url

        cosigner = Cosigner.parse(witness.vkey)
        check_url(witness.url)

        def added(before: Settings) -> Settings:
            if any(each.name == cosigner.name for each in before.witnesses):
                raise Misuse(f"there is a witness {cosigner.name} already: remove it first")
            return replace(before, witnesses=(*before.witnesses, replace(witness, vkey=str(cosigner))))

        return self._set_up(request, added)

    def remove_witness(self, request: Request, name: str) -> Settings:
        """See KeyService.remove_witness."""

        def removed(before: Settings) -> Settings:
            left = tuple(each for each in before.witnesses if each.name != name)
            if left == before.witnesses:
                raise Misuse(f"this room has no witness {name!r}")
            return replace(before, witnesses=left)

        return self._set_up(request, removed)

    def forward_to(self, request: Request, target: str | None) -> Settings:
        """See KeyService.forward_to."""
        if target is not None:
            from strongroom.audit.targets import target_of

            target_of(target)
        return self._set_up(request, lambda before: replace(before, forwarding=target))

    def _set_up(self, request: Request, edit: Callable[[Settings], Settings]) -> Settings:
        with self._turn(), self._case(request, Action.SET_UP) as case:
            self._authorise(case, Resource())

            def decide(snapshot: Snapshot) -> Change:
                now, before = self._now(snapshot), settings_in(snapshot.settings)
                changed = changed_settings(before, edit(before), now)
                if not changed:
                    raise desk.NothingToDoError
                events = [
                    SettingChanged(who=self._who(request), time=now, setting=record.name, value=value)
                    for record, value in changed
                ]
                return Change(
                    settings=tuple(record for record, _ in changed),
                    outbox=tuple(entry for event in events for entry in told(event)),
                )

            try:
                return settings_in(self._change(decide).settings)
            except desk.NothingToDoError:
                return settings_in(self._keystore.snapshot().settings)
