"""Facts from headers alone: no key is needed or touched."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from strongroom.client.results import MessageInfo
from strongroom.crypto import MessageFile
from strongroom.keys import CLASS_KEY, KeyName

if TYPE_CHECKING:
    from collections.abc import Sequence

    from strongroom.crypto import Edk

_AES_INFO_TAIL = 20


def inspect(path: str | os.PathLike[str]) -> MessageInfo:
    """What the header of a message file says; nothing of it is authentic."""
    message = MessageFile.open(path)
    header = message.header
    layout = message.layout()
    key_id, key_version = room_key(header.edks)
    return MessageInfo(
        version=header.version,
        suite=header.suite,
        suite_name=header.suite_name,
        signed=header.signed,
        message_id=header.message_id.hex(),
        context=header.context,
        edks=tuple((edk.provider_id, _key_name(edk)) for edk in header.edks),
        frame_length=header.frame_length,
        header_bytes=len(header),
        message_bytes=len(message),
        frames=layout[0] if layout else None,
        plaintext_bytes=layout[1] if layout else None,
        data_class=header.context.get(CLASS_KEY),
        key_id=key_id,
        key_version=key_version,
    )


def room_key(edks: Sequence[Edk]) -> tuple[str | None, int | None]:
    """Key id and version of the first EDK that a room wrapped, if there is one."""
    for edk in edks:
        name = KeyName.of(edk)
        if name is not None:
            return name.key_id, name.version
    return None, None


def _key_name(edk: Edk) -> str:
    info = edk.provider_info
    is_raw_aes = len(info) > _AES_INFO_TAIL and info[-_AES_INFO_TAIL:-12] == b"\0\0\0\x80\0\0\0\x0c"
    return (info[:-_AES_INFO_TAIL] if is_raw_aes else info).decode("utf-8", "replace")
