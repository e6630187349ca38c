"""Pure rules about keys: their names, what they are bound to, and their lifecycle. No storage, no clock, no crypto."""

from strongroom.keys.binding import context_digest, kek_binding, length_prefixed, mac_key_binding, root_binding
from strongroom.keys.lifecycle import EDGES, Edge, Operation, edge, may, settled_state
from strongroom.keys.names import (
    CLASS_KEY,
    NAMESPACE,
    RESERVED_PREFIX,
    KeyName,
    check_class_name,
    check_context,
    new_id,
)

__all__ = [
    "CLASS_KEY",
    "EDGES",
    "NAMESPACE",
    "RESERVED_PREFIX",
    "Edge",
    "KeyName",
    "Operation",
    "check_class_name",
    "check_context",
    "context_digest",
    "edge",
    "kek_binding",
    "length_prefixed",
    "mac_key_binding",
    "may",
    "new_id",
    "root_binding",
    "settled_state",
]
