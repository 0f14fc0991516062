"""What a lookup compares with: plain values by way of the gate, relative moments kept until the query runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..errors import ValidationError
from ..fields import gate
from ..fields.scalars import Refused
from ..query.kinds import DATETIME, DAY, INTEGER, Kind
from ..query.lookups import noun
from ..query.moments import Moment, Relative, Span

_MANY = ("in", "range", "overlap")


def operand(kind: Kind, op: str, value: Any, name: str) -> Any:
    """The operand of a lookup; `ValidationError` naming the field and lookup when `value` cannot be that."""
    if op in _MANY and isinstance(value, (list, tuple, set, frozenset)) and any(map(_is_relative, value)):
        found = tuple(_single(kind, element, name) for element in value if element is not None)
        if op == "range" and len(found) != 2:
            raise ValidationError(f"{name}__range needs a pair (lowest, highest), not {len(found)} values.")
        return found
    return _single(kind, value, name) if _is_relative(value) else gate.operand(kind, op, value, name)


def _is_relative(value: Any) -> bool:
    return isinstance(value, (Moment, Span))


def _single(kind: Kind, value: Any, name: str) -> Any:
    if not _is_relative(value):
        return gate.operand(kind, "exact", value, name)
    if kind not in (DATETIME, DAY):
        raise ValidationError(f"{name} holds {noun(kind)}, and {value!r} is a moment.")
    return Relative(value if isinstance(value, Moment) else Moment("now", (value,)), kind)


def part_operand(part: str, op: str, value: Any, name: str) -> Any:
    """What a part of a date is compared with: a whole number, for its `date` a day."""
    shown = f"{name}__{part}"
    if op == "isnull":
        return operand(INTEGER, op, value, shown)
    take = gate.local_day if part == "date" else gate.whole_number
    many = op in _MANY and not isinstance(value, (str, bytes)) and hasattr(value, "__iter__")
    try:
        found = [_taken(take, item) for item in value] if many else _taken(take, value)
    except Refused as wrong:
        raise ValidationError(f"{shown}__{op} needs {wrong}, not {wrong.got}.") from None
    return operand(DAY if part == "date" else INTEGER, op, found, shown)


def _taken(take: Callable[[Any], Any], value: Any) -> Any:
    return value if value is None or _is_relative(value) else take(value)
