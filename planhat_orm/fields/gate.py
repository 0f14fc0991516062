"""The gate: what people hand over, as the kind of a field keeps it.

Attributes, `custom`, filter operands and rows all pass here, so that they take the same values. What has one meaning
is taken (see `scalars`); a moment without a zone, as an object or as text, is read in `Planhat(timezone=...)`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, date, datetime, tzinfo
from typing import Any

from .. import runtime
from ..errors import ValidationError
from ..query import lookups
from ..query.kinds import DAY, ID, REF, TEXT, Kind
from .scalars import (
    SCALAR,
    Refused,
    described,
    digits,
    elements,
    is_missing,
    is_sequence,
    json_value,
    refusal,
    safe,
    scalar,
)

_MOMENT = "a datetime, a date, or ISO text such as 2026-01-31T09:00"
_UNKNOWN_DATE = (
    "a datetime while nobody says whether the field is Planhat's day or date (list the account's custom fields once, "
    "or declare it as Custom(label, date) for a day)"
)
_RAW_DATE = "a datetime, or for Planhat's type day the number of days since 1970"
_DAY = "a date, ISO text such as 2026-01-31, or a moment at midnight"


def admit(kind: Kind, value: Any, zone: tzinfo | None = None) -> Any:
    """What a field of `kind` keeps of `value`; `Refused` (a ValueError) saying what it should be."""
    if value is None:
        return None
    if is_missing(value):
        raise Refused(_WANTED[kind.name], described(value))
    try:
        return kind.check(_ADMIT[kind.name](value, zone if zone is not None else runtime.zone()))
    except Refused as wrong:
        raise Refused(_WANTED[kind.name], wrong.got) if wrong.args[0] == SCALAR else wrong from None


def operand(kind: Kind, op: str, value: Any, name: str) -> Any:
    """What a lookup compares with; `ValidationError` naming the field and lookup when `value` cannot be that."""
    try:
        found = _operands(kind, op, value)
    except Refused as wrong:
        raise ValidationError(f"{name}__{op} needs {wrong}, not {wrong.got}.") from None
    return lookups.operand(kind, op, found, name)


def key(name: str, value: Any) -> str | None:
    """The text of a key that a record is found by, None where it is empty; `ValidationError` when it cannot be one."""
    try:
        text: str | None = admit(TEXT, digits(value))
    except ValueError as wrong:
        raise ValidationError(refusal(name, wrong, value)) from None
    return text or None


def _operands(kind: Kind, op: str, value: Any) -> Any:
    """The operand in Python's own types; what the lookup needs beyond that is its own business."""
    if op in ("in", "overlap", "range") and (values := several(value)) is not None:
        return [None if element is None else _operand(kind, op, element) for element in values]
    return _operand(kind, op, value)


def several(value: Any) -> list[Any] | None:
    """The elements of what is many values: a list, a set, a column, a generator; None for one value."""
    if is_sequence(value):
        return list(elements(value))
    if isinstance(value, (str, bytes, bytearray, memoryview, Mapping)) or not isinstance(value, Iterable):
        return None
    return None if getattr(value, "ndim", 1) != 1 else list(value)


def _operand(kind: Kind, op: str, value: Any) -> Any:
    if is_sequence(value) or isinstance(value, (Mapping, set, frozenset)):
        raise Refused("one value", described(value))
    found, zone = scalar(digits(value) if kind in _TEXTS and op != "isnull" else value), runtime.zone()
    if kind.name in ("datetime", "day") and op != "isnull":
        return _ADMIT[kind.name](found, zone)
    return safe(in_zone(found, zone) if isinstance(found, datetime) else found)


def local_day(value: Any) -> date:
    """A day as it is, or that of a moment in the client's time zone."""
    zone = runtime.zone()
    found = _parsed(scalar(value), _MOMENT)
    return in_zone(found, zone).astimezone(zone).date() if isinstance(found, datetime) else found


def whole_number(value: Any) -> int:
    """A whole number, of whatever library."""
    found: int = _integer(value, UTC)
    return found


def json_row(row: Mapping[str, Any], label: str, zone: tzinfo) -> dict[str, Any]:
    """A row in the API's names as JSON has it; `ValidationError` naming it by its label, and the field."""
    try:
        found: dict[str, Any] = json_value(row, zone)
        _refuse_dates(row.get("custom"))
    except Refused as wrong:
        name, *rest = wrong.path or ("its names",)
        raise ValidationError(refusal(f"{label}{name}", Refused(str(wrong), wrong.got, tuple(rest)), row)) from None
    return found


def _refuse_dates(custom: Any) -> None:
    """Raise `Refused` for a date in a custom field: its kind is not known here, and the two that Planhat has differ."""
    for key, value in custom.items() if isinstance(custom, Mapping) else ():
        if is_date(value) and day_number(value, bare=True) is not None:
            raise Refused(_RAW_DATE, "a date", ("custom", key))


def is_date(value: Any) -> bool:
    """Whether a value is a day or a moment, of whatever library."""
    return not isinstance(value, str) and not is_sequence(value) and isinstance(_scalar(value), date)


def _scalar(value: Any) -> Any:
    try:
        return scalar(value)
    except Refused:
        return None


def day_number(value: Any, *, bare: bool = False) -> int | None:
    """The days since 1970 that a day field holds for a date, or for a moment at midnight unless `bare`; else None."""
    found = _scalar(value)
    if not isinstance(found, date) or (bare and isinstance(found, datetime)):
        return None
    try:
        number: int = DAY.dump(_day(found, runtime.zone()))
    except Refused:
        return None
    return number


def json_rows(rows: Iterable[Any], zone: tzinfo) -> Iterator[Any]:
    """Rows as JSON has them, one after the other; what is no dict is left to those who say so."""
    for place, row in enumerate(rows):
        yield json_row(row, f"Row {place}: ", zone) if isinstance(row, Mapping) else row


def in_zone(value: Any, zone: tzinfo) -> datetime:
    """A moment, a day's midnight, or ISO text for one of them, as a moment of its own zone or else of `zone`."""
    return _moment(value, zone)


def _text(value: Any, zone: tzinfo) -> Any:
    found = scalar(value)
    if not isinstance(found, str):
        raise Refused("text (str)", described(value))
    return found


def _number(value: Any, zone: tzinfo) -> Any:
    found = scalar(value)
    if isinstance(found, bool) or not isinstance(found, (int, float)):
        raise Refused("a number (int or float)", described(value))
    return safe(found)


def _integer(value: Any, zone: tzinfo) -> Any:
    found = scalar(value)
    if isinstance(found, float) and found.is_integer():
        found = int(found)
    if isinstance(found, bool) or not isinstance(found, int):
        raise Refused("a whole number (int)", described(value))
    return safe(found)


def _boolean(value: Any, zone: tzinfo) -> Any:
    found = scalar(value)
    if not isinstance(found, bool):
        raise Refused("True or False", described(value))
    return found


def _moment(value: Any, zone: tzinfo) -> datetime:
    found = _parsed(value, _MOMENT)
    if not isinstance(found, date):
        raise Refused(_MOMENT, described(value))
    if not isinstance(found, datetime):
        found = datetime(found.year, found.month, found.day)
    moment: datetime = found if found.tzinfo is not None else scalar(found.replace(tzinfo=zone))
    return moment


def _day(value: Any, zone: tzinfo) -> date:
    found = _parsed(value, _DAY)
    if not isinstance(found, date):
        raise Refused(_DAY, described(value))
    if not isinstance(found, datetime):
        return found
    local = found.astimezone(zone) if found.tzinfo is not None else found
    if local.time().replace(fold=0) != _MIDNIGHT:
        raise Refused(f"{_DAY} in {zone}", "one at another time: give its .date()")
    return local.date()


def _parsed(value: Any, wanted: str) -> Any:
    """Text as the day or moment that it is in ISO 8601; anything else as it is."""
    found = scalar(value)
    if not isinstance(found, str):
        return found
    text = found.strip()
    for read in (date.fromisoformat, datetime.fromisoformat):
        try:
            return scalar(read(text))
        except Refused:
            raise
        except ValueError:
            continue
    raise Refused(wanted, "other text")


def _list(value: Any, zone: tzinfo) -> Any:
    if not is_sequence(value):
        raise Refused("a list", described(value))
    return [json_value(element, zone) for element in elements(value)]


def _object(value: Any, zone: tzinfo) -> Any:
    if not isinstance(value, Mapping):
        raise Refused("a dict with str keys", described(value))
    return json_value(value, zone)


def _any(value: Any, zone: tzinfo) -> Any:
    found = json_value(value, zone)
    if isinstance(found, str) and not isinstance(value, str) and type(scalar(value)) is date:
        raise Refused(_UNKNOWN_DATE, "a date")
    return found


_TEXTS = (TEXT, ID, REF)
_MIDNIGHT = datetime.min.time()
_ADMIT: Mapping[str, Callable[[Any, tzinfo], Any]] = {
    "text": _text,
    "id": _text,
    "ref": _text,
    "number": _number,
    "integer": _integer,
    "boolean": _boolean,
    "datetime": _moment,
    "day": _day,
    "list": _list,
    "refs": _list,
    "object": _object,
    "any": _any,
}
_WANTED: Mapping[str, str] = {
    "text": "text (str)",
    "id": "an id",
    "ref": "an id",
    "number": "a number (int or float)",
    "integer": "a whole number (int)",
    "boolean": "True or False",
    "datetime": _MOMENT,
    "day": _DAY,
    "list": "a list",
    "refs": "a list",
    "object": "a dict with str keys",
    "any": "a value that JSON has",
}
"""By the name of a kind: what its values are, in words."""
