"""Scopes: the values of the context keys that a data class names, such as the tenant. Each scope has a KEK of its own.

A scope is written as JSON with sorted keys and no spaces, so that one scope has one text.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from strongroom.errors import Misuse
from strongroom.keys.names import check_context

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def scope_of(scope_keys: Sequence[str], context: Mapping[str, str]) -> dict[str, str] | None:
    """The scope that a context names, None for a class without scope keys. Raises Misuse where a value is missing."""
    if not scope_keys:
        return None
    missing = [key for key in sorted(scope_keys) if not context.get(key)]
    if missing:
        raise Misuse(f"this data class has a key for each {named(scope_keys)}: the context lacks {', '.join(missing)}")
    return {key: context[key] for key in sorted(scope_keys)}


def exact_scope(scope_keys: Sequence[str], scope: Mapping[str, str] | None) -> dict[str, str] | None:
    """`scope` if it has a value for each scope key and nothing else. Raises Misuse."""
    extra = sorted(set(scope or {}) - set(scope_keys))
    if extra:
        raise Misuse(f"this data class has no scope key {', '.join(extra)}: it has {named(scope_keys) or 'none'}")
    return scope_of(scope_keys, scope or {})


def scope_text(scope: Mapping[str, str] | None) -> str | None:
    """The one text of a scope."""
    return None if scope is None else json.dumps(scope, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def scope_from(text: str | None) -> dict[str, str] | None:
    """The scope that `scope_text` wrote."""
    return None if text is None else dict(json.loads(text))


def check_scope_keys(scope_keys: Sequence[str]) -> None:
    """Raises Misuse unless these context keys can name scopes: none empty, none twice, none reserved, at most 8."""
    check_context(scope_keys)
    if len(set(scope_keys)) < len(scope_keys) or not all(scope_keys):
        raise Misuse("a scope key has a name, and stands once")
    if len(scope_keys) > MAX_SCOPE_KEYS:
        raise Misuse(f"a data class has at most {MAX_SCOPE_KEYS} scope keys, and these are {len(scope_keys)}")


def named(scope_keys: Sequence[str]) -> str:
    """Scope keys in words."""
    return " and ".join(sorted(scope_keys))


MAX_SCOPE_KEYS = 8
