"""What a module's refusals mean: one table for the codes that Rust hands on and for the classes that python-pkcs11 raises."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import TYPE_CHECKING

from strongroom.errors import TokenFault

if TYPE_CHECKING:
    from collections.abc import Mapping


class Verdict(StrEnum):
    """What to do about a refusal."""

    PIN = "the PIN"
    SESSION = "another session"
    LOGIN = "log in and look for the key again"
    MODULE = "end the module's state and begin anew"
    BUSY = "wait"
    SETTING = "the key or the mechanism"
    CORRUPT = "what was to be unwrapped"
    UNCLEAR = "ask a canary"
    LATE = "give up"


def verdict(error: Exception) -> Verdict:
    """The verdict on a TokenFault, or on an exception of python-pkcs11."""
    if isinstance(error, TokenFault):
        return REASONS.get(error.reason) or CODES.get(error.ckr or 0, Verdict.UNCLEAR)
    found = CLASSES.get(type(error).__name__)
    if found is not None:
        return found
    # codes without a class of their own, and a module that somebody else has ended
    code = re.search(r"0x([0-9a-f]+)", str(error))
    if code is not None:
        return CODES.get(int(code[1], 16), Verdict.UNCLEAR)
    return Verdict.MODULE if "not initialized" in str(error) else Verdict.UNCLEAR


def pin_words(error: Exception) -> str:
    """What is wrong with the PIN."""
    code = error.ckr if isinstance(error, TokenFault) else None
    return PIN_WORDS.get(code or 0, "refused")


def describe(error: Exception) -> str:
    """A fault in a few words: python-pkcs11's often have a class and no text."""
    return str(error).rstrip(".") or type(error).__name__


REASONS: Mapping[str, Verdict] = {
    "late": Verdict.LATE,
    "stuck": Verdict.LATE,
    "unloadable": Verdict.LATE,
    "corrupt": Verdict.CORRUPT,
    "nonsense": Verdict.UNCLEAR,
}

TABLE: tuple[tuple[int, str, Verdict], ...] = (
    (0x005, "GeneralError", Verdict.UNCLEAR),
    (0x006, "FunctionFailed", Verdict.UNCLEAR),
    (0x007, "ArgumentsBad", Verdict.UNCLEAR),
    (0x01B, "ActionProhibited", Verdict.SETTING),
    (0x030, "DeviceError", Verdict.MODULE),
    (0x031, "DeviceMemory", Verdict.BUSY),
    (0x032, "DeviceRemoved", Verdict.MODULE),
    (0x035, "AeadDecryptFailed", Verdict.CORRUPT),
    (0x040, "EncryptedDataInvalid", Verdict.CORRUPT),
    (0x041, "EncryptedDataLenRange", Verdict.CORRUPT),
    (0x054, "FunctionNotSupported", Verdict.SETTING),
    (0x060, "KeyHandleInvalid", Verdict.LOGIN),
    (0x062, "KeySizeRange", Verdict.SETTING),
    (0x063, "KeyTypeInconsistent", Verdict.SETTING),
    (0x068, "KeyFunctionNotPermitted", Verdict.SETTING),
    (0x070, "MechanismInvalid", Verdict.SETTING),
    (0x071, "MechanismParamInvalid", Verdict.SETTING),
    (0x082, "ObjectHandleInvalid", Verdict.LOGIN),
    (0x090, "OperationActive", Verdict.SESSION),
    (0x091, "OperationNotInitialized", Verdict.SESSION),
    (0x0A0, "PinIncorrect", Verdict.PIN),
    (0x0A1, "PinInvalid", Verdict.PIN),
    (0x0A2, "PinLenRange", Verdict.PIN),
    (0x0A3, "PinExpired", Verdict.PIN),
    (0x0A4, "PinLocked", Verdict.PIN),
    (0x0B0, "SessionClosed", Verdict.SESSION),
    (0x0B1, "SessionCount", Verdict.BUSY),
    (0x0B3, "SessionHandleInvalid", Verdict.LOGIN),
    (0x0E0, "TokenNotPresent", Verdict.MODULE),
    (0x0E1, "TokenNotRecognised", Verdict.MODULE),
    (0x101, "UserNotLoggedIn", Verdict.LOGIN),
    (0x102, "UserPinNotInitialized", Verdict.PIN),
    (0x104, "AnotherUserAlreadyLoggedIn", Verdict.MODULE),
    (0x190, "NotInitialized", Verdict.MODULE),
    (0x003, "SlotIDInvalid", Verdict.MODULE),
    (0x110, "WrappedKeyInvalid", Verdict.CORRUPT),
    (0x000, "NoSuchToken", Verdict.MODULE),
)
CODES: Mapping[int, Verdict] = {code: meaning for code, _, meaning in TABLE if code}
CLASSES: Mapping[str, Verdict] = {name: meaning for _, name, meaning in TABLE}
PIN_WORDS: Mapping[int, str] = {
    0x0A0: "wrong",
    0x0A2: "of a length that no PIN of this token has",
    0x0A3: "expired",
    0x0A4: "locked",
    0x102: "not set",
}
ALREADY_LOGGED_IN = 0x100
