"""The keyservice inside the caller's own process."""

from __future__ import annotations

from strongroom.keyservice.backing import Backing
from strongroom.keyservice.configuring import Configuring
from strongroom.keyservice.counting import Counting
from strongroom.keyservice.leases import Leases
from strongroom.keyservice.reencrypting import Reencrypting
from strongroom.keyservice.registry import Registry
from strongroom.keyservice.scheduling import Scheduling
from strongroom.keyservice.transitions import Transitions
from strongroom.keyservice.unlocking import Unlocking


class EmbeddedKeyService(
    Leases, Reencrypting, Transitions, Registry, Scheduling, Counting, Unlocking, Backing, Configuring
):
    """A KeyService over a keystore, a root, a policy and an audit sink, all of which it closes. Thread-safe.

    Belongs to one process: in a forked child it raises KeyUnavailable.
    """
