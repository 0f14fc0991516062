"""Conditions as they are typed on a command line: `mrr__gte=1000`, `custom__Tier=A`, `name!=Acme`.

What stands before the sign is what `filter()` takes; what stands behind it is read by the kind of the field. A
custom field whose kind is not known is read as JSON where it is such (`10`, `true`, `"10"`), as a day or moment in ISO
8601, else as text.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable
from datetime import date, datetime
from typing import Any

from ..errors import ValidationError
from ..query.conditions import Q
from ..query.dates import PARTS
from ..query.kinds import ANY, BOOLEAN, INTEGER, NUMBER, Kind
from ..query.lookups import LOOKUPS
from ..queryset.paths import kind_at

_TEXTS = frozenset(
    {"iexact", "contains", "icontains", "startswith", "istartswith", "endswith", "iendswith", "regex", "iregex"}
)
_NUMBERS = frozenset({"year", "month", "day", "week_day", "hour"})
_LABELLED = re.compile(r"(?:^|__|\.)custom(?:__|\.)")
_TRUTH = {"true": True, "yes": True, "false": False, "no": False}


def condition(model: type[Any], text: str) -> Q:
    """The condition of a text such as `mrr__gte=1000` or `name!=Acme`."""
    name, _, raw = text.partition("=")
    wanted = name.removesuffix("!").strip()
    made = Q(**{wanted: _value(model, wanted, raw)})
    return ~made if name.endswith("!") else made


def split(model: type[Any], name: str) -> tuple[Kind | None, str]:
    """The kind of what a name leads to, and its lookup; no kind for a relation, or for a name that is wrong."""
    head, _, last = name.rpartition("__")
    ways = [(name, "exact"), *([(head, last)] if head and last in LOOKUPS else [])]
    # A label may be anything while nobody knows the account's: what looks like a lookup behind it is one.
    for path, op in reversed(ways) if last in PARTS or _LABELLED.search(name) else ways:
        kind = kind_at(model, path)
        if kind is not None:
            return kind, op
    return None, last if head and last in LOOKUPS else "exact"


def _value(model: type[Any], name: str, raw: str) -> Any:
    kind, op = split(model, name)
    if op == "isnull":
        return _boolean(name, raw)
    if op in _TEXTS:
        return raw
    read = _reader(kind, op, name)
    if op in ("in", "overlap", "range"):
        return [read(item) for item in next(csv.reader([raw], skipinitialspace=True), [])]
    return read(raw)


def _reader(kind: Kind | None, op: str, name: str) -> Callable[[str], Any]:
    if op in _NUMBERS:
        return lambda raw: _number(name, raw)
    if op == "date":
        return lambda raw: _date(name, raw)
    readers: dict[Kind | None, Callable[[str], Any]] = {
        NUMBER: lambda raw: _number(name, raw),
        INTEGER: lambda raw: _number(name, raw),
        BOOLEAN: lambda raw: _boolean(name, raw),
        ANY: _guess,
    }
    read = readers.get(kind, str)
    return lambda raw: None if raw == "null" else read(raw)


def _number(name: str, raw: str) -> float:
    try:
        return int(raw) if raw.lstrip("+-").isdecimal() else float(raw)
    except ValueError:
        raise ValidationError(f"{name} takes a number, not {raw!r}.") from None


def _boolean(name: str, raw: str) -> bool:
    try:
        return _TRUTH[raw.lower()]
    except KeyError:
        raise ValidationError(f"{name} takes true or false, not {raw!r}.") from None


def _date(name: str, raw: str) -> date:
    try:
        return date.fromisoformat(raw)
    except ValueError:
        raise ValidationError(f"{name} takes a day such as 2026-01-31, not {raw!r}.") from None


def _guess(raw: str) -> Any:
    for read in (json.loads, date.fromisoformat, datetime.fromisoformat):
        try:
            value = read(raw)
        except (ValueError, RecursionError):
            continue
        return value if isinstance(value, (str, int, float, bool, date)) else raw
    return raw
