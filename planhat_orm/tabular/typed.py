"""Typed columns: what Arrow's type for each kind of value is, and how a value becomes one of that type.

A value that does not fit its column's type is missing there, as it is in comparisons.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from typing import Any

from ..json_encoding import rewrite
from ..query import kinds


def _only(*types: type) -> Callable[[Any], Any]:
    def keep(value: Any) -> Any:
        if bool in types:
            return value if isinstance(value, bool) else None
        return value if isinstance(value, types) and not isinstance(value, bool) else None

    return keep


def _number(value: Any) -> float | None:
    return kinds.NUMBER.comparable(value)  # type: ignore[no-any-return]


def _integer(value: Any) -> int | None:
    number = _number(value)
    return int(number) if number is not None and number.is_integer() and abs(number) < 2**63 else None


def _texts(value: Any) -> list[str] | None:
    if not isinstance(value, list):
        return None
    return [element if isinstance(element, str) else rewrite(element).decode() for element in value]


def _json(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return rewrite(value).decode()


def _day(value: Any) -> date | None:
    return value if isinstance(value, date) and not isinstance(value, datetime) else None


TYPES: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    "text": (lambda pa: pa.string(), _only(str)),
    "id": (lambda pa: pa.string(), _only(str)),
    "ref": (lambda pa: pa.string(), _only(str)),
    "number": (lambda pa: pa.float64(), _number),
    "integer": (lambda pa: pa.int64(), _integer),
    "boolean": (lambda pa: pa.bool_(), _only(bool)),
    "datetime": (lambda pa: pa.timestamp("ms", tz="UTC"), _only(datetime)),
    "day": (lambda pa: pa.date32(), _day),
    "list": (lambda pa: pa.list_(pa.string()), _texts),
    "refs": (lambda pa: pa.list_(pa.string()), _texts),
    "object": (lambda pa: pa.string(), _json),
    "any": (lambda pa: pa.string(), _json),
}
"""By the name of a kind: how Arrow's type for it is made, and how a loaded value becomes one of that type, or None."""


def typed(kind: kinds.Kind, raw: Any) -> Any:
    """A value of the API as it stands in a typed column; None where it does not fit there."""
    return None if raw is None else TYPES[kind.name][1](kind.load(raw))
