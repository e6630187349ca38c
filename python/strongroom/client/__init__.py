"""What applications call: `Room` on the paved road, and messages under raw keys on the low road."""

from strongroom.client.messages import (
    decrypt_message,
    decrypt_message_into,
    decrypt_messages,
    encrypt_message,
    encrypt_message_into,
    encrypt_messages,
    encrypted_size,
)
from strongroom.client.results import FileResult, MessageInfo, TreeResult, WhyInfo
from strongroom.client.room import Room

__all__ = [
    "FileResult",
    "MessageInfo",
    "Room",
    "TreeResult",
    "WhyInfo",
    "decrypt_message",
    "decrypt_message_into",
    "decrypt_messages",
    "encrypt_message",
    "encrypt_message_into",
    "encrypt_messages",
    "encrypted_size",
]
