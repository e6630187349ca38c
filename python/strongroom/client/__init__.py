"""What applications call on the low road: messages under keyrings that they hold.

The paved road is `strongroom.open()`; its `Room` lives in `strongroom.client.room`, which loads the keystore.
"""

from strongroom.client.messages import (
    decrypt_message,
    decrypt_message_into,
    decrypt_messages,
    encrypt_message,
    encrypt_message_into,
    encrypt_messages,
    encrypted_size,
)
from strongroom.materials import CachingKeyring

__all__ = [
    "CachingKeyring",
    "decrypt_message",
    "decrypt_message_into",
    "decrypt_messages",
    "encrypt_message",
    "encrypt_message_into",
    "encrypt_messages",
    "encrypted_size",
]
