"""A room's directory: where it is, how it is made, how it is opened."""

from strongroom.home.log import begin_log, new_log, open_log
from strongroom.home.making import InitResult, init_room
from strongroom.home.opening import RoomFile, open_room, read_room, read_room_id
from strongroom.home.places import anchors_directory, as_home, default_home, os_user, os_user_beside
from strongroom.home.reach import Reach, reaches, told_lately, unreached
from strongroom.home.site import building_site, check_vacant, move_in, tables_forgotten
from strongroom.home.standing import Standing, last_verified, note_verified, reminder, root_digest
from strongroom.home.trail import trail
from strongroom.home.unlock import Unlock, found, resolve, unlocking
from strongroom.home.ways import NewWay, drafted

__all__ = [
    "InitResult",
    "NewWay",
    "Reach",
    "RoomFile",
    "Standing",
    "Unlock",
    "anchors_directory",
    "as_home",
    "begin_log",
    "building_site",
    "check_vacant",
    "default_home",
    "drafted",
    "found",
    "init_room",
    "last_verified",
    "move_in",
    "new_log",
    "note_verified",
    "open_log",
    "open_room",
    "os_user",
    "os_user_beside",
    "reaches",
    "read_room",
    "read_room_id",
    "reminder",
    "resolve",
    "root_digest",
    "tables_forgotten",
    "told_lately",
    "trail",
    "unlocking",
    "unreached",
]
