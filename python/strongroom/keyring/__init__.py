"""Keyrings wrap and unwrap data keys. All but the room's own hold raw keys, for exchange with other AWS Encryption SDKs."""

from strongroom.keyring.base import Keyring
from strongroom.keyring.multi import MultiKeyring
from strongroom.keyring.raw import RawAesKeyring, RawEcdhKeyring, RawRsaKeyring
from strongroom.keyring.room import RoomKeyring

__all__ = ["Keyring", "MultiKeyring", "RawAesKeyring", "RawEcdhKeyring", "RawRsaKeyring", "RoomKeyring"]
