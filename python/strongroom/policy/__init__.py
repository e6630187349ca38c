"""Whether a request may use a key. No decision is a refusal.

The seam is `Policy.decide`; `judge` is how it is asked, so that an exception or a None denies.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from strongroom.model import Request

__all__ = ["Action", "Decision", "OwnerPolicy", "Policy", "Resource", "judge"]


class Action(StrEnum):
    """What is asked for."""

    GENERATE = "generate-dek"
    UNWRAP = "unwrap-dek"
    REENCRYPT = "reencrypt"
    CREATE_CLASS = "create-class"
    SET_CLASS = "set-class"
    CREATE_KEY = "create-key"
    SET_KEY = "set-key"
    ROTATE = "rotate"
    ACTIVATE = "activate"
    SUSPEND = "suspend"
    RESUME = "resume"
    DEACTIVATE = "deactivate"
    COMPROMISE = "compromise"
    DESTROY = "destroy"
    RESTORE = "restore"
    ERASE = "erase"
    COUNT = "record-census"
    DESCRIBE = "describe"
    CHANGE_WAYS = "change-unlock"
    SET_UP = "change-settings"
    MAINTAIN = "maintain-keystore"
    ROTATE_ROOT = "rotate-root"
    BACK_UP = "back-up"
    RESTORE_ROOM = "restore-room"


@dataclass(frozen=True, slots=True)
class Resource:
    """What it is asked of. Fields are None where the action has none, or where what was named does not exist."""

    data_class: str | None = None
    key_id: str | None = None
    version: int | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer, and why: a sentence for the audit trail and the one who asked."""

    allowed: bool
    reason: str


class Policy(Protocol):
    """Decides over requests. Stateless as seen from here: the same question may be asked many times."""

    def decide(self, request: Request, action: Action, resource: Resource) -> Decision:
        """The decision. Whatever is raised instead counts as a refusal."""
        ...


@dataclass(frozen=True, slots=True)
class OwnerPolicy:
    """Allows the room's owner, for any principal that the owner acts as, and nobody else.

    `owner` is the OS user recorded when the room was made, `actor` the OS user of this process. The principal of a
    request is a record of the owner's, not a proof: who holds the room's files and unlocks them needs no permission.
    """

    owner: str
    actor: str

    def decide(self, request: Request, action: Action, resource: Resource) -> Decision:
        """Allow if this process belongs to the owner."""
        if self.actor == self.owner:
            return Decision(allowed=True, reason="the owner of the room asks")
        return Decision(allowed=False, reason=f"this room belongs to {self.owner}, and {self.actor} asks")


def judge(policy: Policy, request: Request, action: Action, resource: Resource) -> Decision:
    """Ask `policy`, and take anything but a clear yes for a no."""
    try:
        decision = policy.decide(request, action, resource)
    except Exception as error:  # noqa: BLE001 - a policy that fails has not allowed anything
        return Decision(allowed=False, reason=f"the policy failed with {type(error).__name__}")
    return decision if is_yes(decision) else refusal(decision)


def is_yes(answer: object) -> bool:
    """Whether `answer` is a decision that allows, and not merely something true."""
    return isinstance(answer, Decision) and answer.allowed is True


def refusal(answer: object) -> Decision:
    """`answer` as a refusal, with its own reason if it has one."""
    reason = answer.reason if isinstance(answer, Decision) else "the policy gave no decision"
    return Decision(allowed=False, reason=reason)
