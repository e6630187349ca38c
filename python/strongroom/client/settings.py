"""What holds for the room as a whole: witnesses, and forwarding."""

from __future__ import annotations

from typing import TYPE_CHECKING

from strongroom.model import Witness

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from strongroom.keyservice import KeyService
    from strongroom.model import Request

    Requests = Callable[[str | None], Request]


class Settings:
    """Who cosigns the checkpoints of the room's audit logs, and where entries are forwarded to.

    Changes are authorised and recorded, and take effect when the room is opened next.
    """

    def __init__(self, service: KeyService, request: Requests) -> None:
        self._service = service
        self._request = request

    @property
    def witnesses(self) -> Sequence[Witness]:
        """The witnesses, in the order in which they were added."""
        return self._service.settings(self._request(None)).witnesses

    @property
    def forwarding(self) -> str | None:
        """Where entries are forwarded to, if anywhere."""
        return self._service.settings(self._request(None)).forwarding

    def add_witness(self, vkey: str, url: str, *, reason: str | None = None) -> Witness:
        """Have checkpoints cosigned by the witness with this key (C2SP tlog-witness), asked at `url`/add-checkpoint.

        Its operator has to know the log first: give them what stands in `audit/vkey`. Raises `Misuse`.
        """
        return self._service.add_witness(self._request(reason), Witness(vkey, url)).witnesses[-1]

    def remove_witness(self, name: str, *, reason: str | None = None) -> None:
        """Ask a witness no more. Raises `Misuse`."""
        self._service.remove_witness(self._request(reason), name)

    def forward_to(self, target: str | None, *, reason: str | None = None) -> None:
        """Forward entries to `syslog+tls://HOST`, `syslog+tcp://HOST`, `syslog+udp://HOST`, `unix:///dev/log` or `file:///PATH`.

        With None, nowhere. Raises `Misuse`.
        """
        self._service.forward_to(self._request(reason), target)
