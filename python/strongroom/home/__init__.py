"""A room's directory: where it is, how it is made, how it is opened."""

from strongroom.home.making import InitResult, init_room
from strongroom.home.opening import open_room, read_room_id
from strongroom.home.places import default_home, os_user
from strongroom.home.trail import trail
from strongroom.home.unlock import Unlock, resolve

__all__ = [
    "InitResult",
    "Unlock",
    "default_home",
    "init_room",
    "open_room",
    "os_user",
    "read_room_id",
    "resolve",
    "trail",
]
