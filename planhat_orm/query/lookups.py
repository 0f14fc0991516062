"""Lookups: which go with which kind, and what each means in Python.

A lookup here is a function of the comparable value and the operand. The mirror's SQL says the same of each;
the property test in `tests/query` holds the two together, lookup by lookup.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from ..errors import FieldError, ValidationError
from ..names import did_you_mean, quoted
from . import patterns
from .dates import PARTS
from .kinds import ANY, BOOLEAN, DATETIME, DAY, ID, INTEGER, LIST, LISTS, NUMBER, OBJECT, REF, REFS, TEXT, Kind

_EQUALITY = frozenset({"exact", "in", "isnull"})
_ORDER = frozenset({"gt", "gte", "lt", "lte", "range"})
_PATTERN = frozenset(
    {"iexact", "contains", "icontains", "startswith", "istartswith", "endswith", "iendswith", "regex", "iregex"}
)
_PARTS = frozenset(PARTS)

LEGAL: dict[Kind, frozenset[str]] = {
    TEXT: _EQUALITY | _ORDER | _PATTERN,
    ID: _EQUALITY | _ORDER | _PATTERN,
    REF: _EQUALITY | _ORDER | _PATTERN,
    NUMBER: _EQUALITY | _ORDER,
    INTEGER: _EQUALITY | _ORDER,
    BOOLEAN: _EQUALITY,
    DATETIME: _EQUALITY | _ORDER | _PARTS,
    DAY: _EQUALITY | _ORDER | (_PARTS - {"hour", "date"}),
    LIST: frozenset({"contains", "isnull", "overlap"}),
    REFS: frozenset({"contains", "isnull", "overlap"}),
    OBJECT: frozenset({"isnull"}),
    ANY: _EQUALITY | _ORDER | _PATTERN | {"overlap"},
}
"""The lookups that each kind of value takes."""

LOOKUPS = frozenset().union(*LEGAL.values())
"""Every lookup there is."""


def _alike(left: Any, right: Any) -> bool:
    # True == 1 in Python but not in JSON: compare only like with like.
    return isinstance(left, bool) == isinstance(right, bool) and isinstance(left, str) == isinstance(right, str)


def equal(value: Any, operand: Any) -> bool:
    """JSON equality of two scalars: 1 equals 1.0, and neither equals True."""
    return _alike(value, operand) and bool(value == operand)


def member_of(operands: Iterable[Any]) -> Callable[[Any], bool]:
    """Whether a scalar equals one of the operands, however many those are."""
    keys = {_key(operand) for operand in operands}
    return lambda value: _key(value) in keys


def _key(value: Any) -> tuple[bool, Any]:
    return isinstance(value, bool), value


def _ordered(compare: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    return lambda value, operand: _alike(value, operand) and not isinstance(value, bool) and compare(value, operand)


def _texts(compare: Callable[[str, str], bool]) -> Callable[[Any, Any], bool]:
    return lambda value, operand: isinstance(value, str) and isinstance(operand, str) and compare(value, operand)


def _folded(compare: Callable[[str, str], bool]) -> Callable[[Any, Any], bool]:
    return _texts(lambda value, operand: compare(value.casefold(), operand.casefold()))


COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "exact": equal,
    "in": lambda value, operands: any(equal(value, operand) for operand in operands),
    "gt": _ordered(lambda value, operand: value > operand),
    "gte": _ordered(lambda value, operand: value >= operand),
    "lt": _ordered(lambda value, operand: value < operand),
    "lte": _ordered(lambda value, operand: value <= operand),
    "range": lambda value, ends: COMPARE["gte"](value, ends[0]) and COMPARE["lte"](value, ends[1]),
    "iexact": _folded(lambda value, operand: value == operand),
    "contains": _texts(lambda value, operand: operand in value),
    "icontains": _folded(lambda value, operand: operand in value),
    "startswith": _texts(lambda value, operand: value.startswith(operand)),
    "istartswith": _folded(lambda value, operand: value.startswith(operand)),
    "endswith": _texts(lambda value, operand: value.endswith(operand)),
    "iendswith": _folded(lambda value, operand: value.endswith(operand)),
    "regex": _texts(lambda value, operand: patterns.found(operand, value, ignore_case=False)),
    "iregex": _texts(lambda value, operand: patterns.found(operand, value, ignore_case=True)),
}
"""Each lookup on a present comparable; `isnull`, lists, and parts of dates are the predicate's business."""
COMPARISONS = _EQUALITY | _ORDER
"""The lookups that can follow a part of a date, or compare worked-out values."""


def check_lookup(kind: Kind, op: str, name: str) -> None:
    """Raise `FieldError` unless values of `kind` take the lookup `op`; `name` is the field's, for the message."""
    legal = LEGAL[kind]
    if op in legal:
        return
    if op not in LOOKUPS:
        raise FieldError(f"There is no lookup {quoted(op)} (in {name}__{op}).{did_you_mean(op, legal)}")
    raise FieldError(f"{name} holds {noun(kind)}, which takes {', '.join(sorted(legal))}, not {op!r}.")


def noun(kind: Kind) -> str:
    """What a field of a kind holds, in words."""
    return _NOUNS[kind]


def operand(kind: Kind, op: str, value: Any, name: str) -> Any:
    """Turn a filter's value into what the lookup compares with; `ValidationError` when it cannot be."""
    try:
        return _operand(kind, op, value)
    except (ValueError, TypeError) as wrong:
        raise ValidationError(f"{name}__{op} needs {wrong}, not {type(value).__name__}.") from None


def _operand(kind: Kind, op: str, value: Any) -> Any:
    if op == "isnull":
        if not isinstance(value, bool):
            raise ValueError("True or False")
        return value
    if op in ("in", "overlap"):
        if isinstance(value, (str, bytes)) or not hasattr(value, "__iter__"):
            raise ValueError("a list of values")
        found = [kind.operand(element) for element in value if element is not None]
        return tuple({_key(record): record for record in found}.values())
    if op == "range":
        if not isinstance(value, (tuple, list)) or len(value) != 2:
            raise ValueError("a pair (lowest, highest)")
        return (kind.operand(value[0]), kind.operand(value[1]))
    if op in _PATTERN and kind not in LISTS:
        if kind is ANY and op == "contains":
            return kind.operand(value)
        if not isinstance(value, str):
            raise ValueError("text (str)")
        if op in ("regex", "iregex"):
            patterns.check_pattern(value)
        return value
    return kind.operand(value)


_NOUNS = {
    TEXT: "text", ID: "an id", REF: "an id", NUMBER: "a number", INTEGER: "a whole number", BOOLEAN: "True or False",
    DATETIME: "a moment", DAY: "a day", LIST: "a list", REFS: "a list", OBJECT: "an object", ANY: "a value of any type",
}  # fmt: skip
