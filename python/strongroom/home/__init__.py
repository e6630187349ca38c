"""A room's directory: where it is, how it is made, how it is opened."""

from strongroom.home.making import InitResult, init_room
from strongroom.home.opening import open_room, read_room_id
from strongroom.home.places import default_home, os_user
from strongroom.home.trail import trail
from strongroom.home.unlock import Unlock, resolve
from strongroom.home.ways import NewWay, drafted

__all__ = [
    "InitResult",
    "NewWay",
    "Unlock",
    "default_home",
    "drafted",
    "init_room",
    "open_room",
    "os_user",
    "read_room_id",
    "resolve",
    "trail",
]
