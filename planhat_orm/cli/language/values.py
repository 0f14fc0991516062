"""The plain values of a question: texts, numbers, days, spans, anchors, and how the field beside them reads them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from lark import Token, Tree

from ...errors import ValidationError
from ...query import moments
from ...query.kinds import BOOLEAN, DATETIME, ID, REF, TEXT, Kind
from ...query.moments import Moment, Span

ANCHORS = {
    "now": moments.now, "today": moments.today, "week_start": moments.week_start, "month_start": moments.month_start,
    "quarter_start": moments.quarter_start, "year_start": moments.year_start,
}  # fmt: skip
SPANS = {
    "min": Span(seconds=60), "h": Span(seconds=3600), "d": Span(days=1), "w": Span(days=7), "mo": Span(months=1),
    "q": Span(months=3), "y": Span(months=12),
}  # fmt: skip
_TRUTH = {"true": True, "yes": True, "false": False, "no": False}


@dataclass(frozen=True, slots=True)
class Plain:
    """A plain value, and how it was written. `is_day` says that it stands for a whole day."""

    value: Any
    source: str
    is_day: bool = False


def unquoted(token: str) -> str:
    """The text that a quoted one says: quotes are doubled inside, or stand behind a backslash."""
    mark, inside = token[0], token[1:-1]
    return re.sub(rf"{mark}{mark}|\\(.)", lambda match: match[1] or mark, inside)


def plain(tree: Tree[Token], source: str) -> Plain | None:
    """The value of a leaf of the grammar; None of what is no plain value."""
    if tree.data in ("true", "false"):
        return Plain(tree.data == "true", source)
    if tree.data == "null":
        return Plain(None, source)
    token = str(tree.children[0]) if tree.children else ""
    match tree.data:
        case "text":
            return Plain(unquoted(token), unquoted(token))
        case "number":
            digits = token.replace("_", "")
            return Plain(int(digits) if digits.isdecimal() else float(digits), source)
        case "date":
            return _date(token, source)
        case "span":
            count, unit = re.match(r"(\d+)(\w+)", token).groups()  # type: ignore[union-attr]
            return Plain(SPANS[unit] * int(count), source)
        case "anchor":
            return Plain(ANCHORS[token.lower()](), source, is_day=token.lower() != "now")
    return None


def _date(token: str, source: str) -> Plain:
    try:
        found = datetime.fromisoformat(token) if "T" in token else date.fromisoformat(token)
    except ValueError:
        raise ValidationError(f"{token} is no day or moment.") from None
    return Plain(found, source, is_day="T" not in token)


def moved(op: str, left: Plain, right: Plain, source: str) -> Plain:
    """The sum or difference, product or quotient of two plain values."""
    one, other = left.value, right.value
    if isinstance(one, (int, float)) and isinstance(other, (int, float)):
        if op == "/" and not other:
            raise ValidationError(f"{source} divides by zero.")
        found = {"+": one + other, "-": one - other, "*": one * other, "/": one / (other or 1)}[op]
        return Plain(found, source)
    if op in "+-" and isinstance(other, Span) and isinstance(one, (Moment, Span)):
        span = other if op == "+" else -other
        return Plain(one + span, source, is_day=left.is_day and not span.seconds)
    if op == "+" and isinstance(one, Span) and isinstance(other, Moment):
        return moved(op, right, left, source)
    raise ValidationError(f"{source} cannot be worked out: a span such as 30d is added to today, now, or a field.")


def as_kind(item: Plain, kind: Kind | None, name: str) -> Any:
    """A plain value as the field beside it reads it."""
    value = item.value
    if kind in (TEXT, ID, REF) and value is not None and not isinstance(value, str):
        return item.source
    if kind is BOOLEAN and isinstance(value, str):
        try:
            return _TRUTH[value.lower()]
        except KeyError:
            raise ValidationError(f"{name} takes true or false, not {value!r}.") from None
    return value


def is_whole_day(items: list[Plain], kind: Kind | None) -> bool:
    """Whether days are compared with a field of moments: then a moment counts by its day."""
    return kind is DATETIME and bool(items) and all(item.is_day for item in items)
