"""Loading whole columns: what `kind.load` makes of each value, with one look at the types of all of them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from . import kinds
from .kinds import Kind

_NUMBERS: frozenset[type] = frozenset((int, float))
_TEXTS: frozenset[type] = frozenset((str,))
_FLAGS: frozenset[type] = frozenset((bool,))
_NOTHING: frozenset[type] = frozenset()
_AS_THEY_ARE = {
    kinds.TEXT: _TEXTS,
    kinds.ID: _TEXTS,
    kinds.REF: _TEXTS,
    kinds.NUMBER: _NUMBERS,
    kinds.INTEGER: _NUMBERS,
    kinds.BOOLEAN: _FLAGS,
}


def kept_types(kind: Kind) -> frozenset[type]:
    """The types of the values that `kind.load` returns as they are."""
    return _AS_THEY_ARE.get(kind, _NOTHING)


def load_column(kind: Kind, values: Sequence[Any]) -> Sequence[Any]:
    """What `kind.load` makes of each value; None of what is missing."""
    types: set[type] = set(map(type, values))
    types.discard(type(None))
    if not types or types <= kept_types(kind):
        return values
    if kind is kinds.DATETIME and types == _TEXTS:
        return _moments(values)
    return [None if value is None else kind.load(value) for value in values]


def _moments(texts: Sequence[str | None]) -> Sequence[Any]:
    """As a whole where all are of UTC; else each by itself, as `DATETIME.load` takes what is no moment, too."""
    read = datetime.fromisoformat
    try:
        found = [None if text is None else read(text) for text in texts]
    except ValueError:
        found = []
    if found and all(moment is None or moment.tzinfo is UTC for moment in found):
        return found
    return [None if text is None else kinds.DATETIME.load(text) for text in texts]
