"""Pure rules about keys: their names, what they are bound to, and their lifecycle. No storage, no clock, no crypto."""

from strongroom.keys.backups import BACKUP_KEYS, BACKUP_NAMESPACE, backup_key_name
from strongroom.keys.binding import (
    context_digest,
    kek_binding,
    length_prefixed,
    log_key_binding,
    mac_key_binding,
    root_binding,
)
from strongroom.keys.lifecycle import EDGES, Asker, Edge, Move, Operation, edge, may
from strongroom.keys.names import (
    CLASS_KEY,
    NAMESPACE,
    RESERVED_PREFIX,
    KeyName,
    check_class_name,
    check_context,
    new_id,
)
from strongroom.keys.periods import (
    Due,
    Task,
    deactivates,
    decrypts_until,
    due,
    edge_by_time,
    encrypts_until,
    forbids,
    is_over,
    next_date,
)
from strongroom.keys.scope import check_scope_keys, exact_scope, scope_from, scope_of, scope_text
from strongroom.keys.token import IN_TOKEN, TokenKek

__all__ = [
    "BACKUP_KEYS",
    "BACKUP_NAMESPACE",
    "CLASS_KEY",
    "EDGES",
    "IN_TOKEN",
    "NAMESPACE",
    "RESERVED_PREFIX",
    "Asker",
    "Due",
    "Edge",
    "KeyName",
    "Move",
    "Operation",
    "Task",
    "TokenKek",
    "backup_key_name",
    "check_class_name",
    "check_context",
    "check_scope_keys",
    "context_digest",
    "deactivates",
    "decrypts_until",
    "due",
    "edge",
    "edge_by_time",
    "encrypts_until",
    "exact_scope",
    "forbids",
    "is_over",
    "kek_binding",
    "length_prefixed",
    "log_key_binding",
    "mac_key_binding",
    "may",
    "new_id",
    "next_date",
    "root_binding",
    "scope_from",
    "scope_of",
    "scope_text",
]
