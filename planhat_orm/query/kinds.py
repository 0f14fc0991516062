"""Kinds of values: how each is read, checked, written, and what two of them compare by.

The one function that keeps the readings of a query equal is `comparable`: it turns a wire value into the
scalar that every comparison uses. The Python predicate calls it on the record, the mirror stores exactly its
result in the column, so neither can disagree with the other. What does not fit is None: it compares with
nothing, and the record keeps it untouched (architecture law 6).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from numbers import Integral, Real
from typing import Any

from msgspec import Struct

from ..reprs import OwnRepr
from ..wire.paths import LONGEST
from ..wire.references import reference, references

EXACT = 2**53
"""Whole numbers below it are what a double holds, too; JSON numbers are doubles in Planhat."""
_EPOCH = date(1970, 1, 1)
_FIRST_DAY, _LAST_DAY = (date.min - _EPOCH).days, (date.max - _EPOCH).days
_OBJECT_ID = re.compile(r"[0-9a-fA-F]{24}\Z")
_NUMERIC = re.compile(r"[-+]?\d+(\.\d+)?([eE][-+]?\d+)?\Z")
MOMENT = (
    r"(?!0000)[0-9]{4}-"
    r"(?:(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8])|(?:0[13-9]|1[0-2])-(?:29|30)|(?:0[13578]|1[02])-31)"
    r"T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]\.[0-9]{3}Z"
)
"""Moments that are their own comparable, all but those of a leap day."""
_is_moment = re.compile(MOMENT).fullmatch
_DATE_LIKE = re.compile(r"(?=.*\d{4})(?=.*[-/:. ,])[\w\s:/.,+-]{6,40}\Z")
_DAYS = (datetime(2000, 1, 1), datetime(2004, 2, 2))
"""Two days that have nothing in common: what a text leaves out of a date differs between them."""


class Kind(OwnRepr, Struct, frozen=True, eq=False):
    """What a field's values are.

    `load` reads a wire value (and hands an odd one back as it is), `dump` writes one, `check` accepts or
    refuses a value that is assigned (raising ValueError with what it should be), `comparable` gives the
    scalar used by comparisons, `operand` turns a filter's value into such a scalar. `column` is how the
    mirror keeps it. `copies` marks the kinds whose values can be edited in place.
    """

    name: str
    load: Callable[[Any], Any]
    dump: Callable[[Any], Any]
    check: Callable[[Any], Any]
    comparable: Callable[[Any], Any]
    operand: Callable[[Any], Any]
    column: str
    copies: bool = False

    def __repr__(self) -> str:
        return f"<Kind {self.name}>"

    def __reduce__(self) -> str:
        return self.name.upper()


def _same(value: Any) -> Any:
    return value


# --- text -----------------------------------------------------------------------------------------------


def _load_text(raw: Any) -> Any:
    # External ids come back as numbers now and then (docs/reference/planhat-api.md section 4).
    return str(raw) if isinstance(raw, int) and not isinstance(raw, bool) else raw


def _check_text(value: Any) -> Any:
    if not isinstance(value, str):
        raise ValueError("text (str)")
    return value


def _comparable_text(raw: Any) -> str | None:
    value = _load_text(raw)
    return value if isinstance(value, str) else None


def _operand_text(value: Any) -> str:
    text = _comparable_text(value)
    if text is None:
        raise ValueError("text (str)")
    return text


def _operand_id(value: Any) -> str:
    text = _operand_text(value)
    if len(text) > LONGEST:
        raise ValueError(f"an id of at most {LONGEST:,} characters")
    return text


def _load_reference(raw: Any) -> Any:
    return _load_text(reference(raw))


def _comparable_reference(raw: Any) -> str | None:
    value = _load_reference(raw)
    return value if isinstance(value, str) else None


# --- numbers --------------------------------------------------------------------------------------------


def _load_number(raw: Any) -> Any:
    if isinstance(raw, str) and _NUMERIC.match(raw):
        return float(raw) if any(mark in raw for mark in ".eE") else int(raw)
    return raw


def _plain(value: Any) -> Any:
    """The numbers of other libraries, such as numpy's, as Python's own."""
    if isinstance(value, (bool, int, float)) or not isinstance(value, Real):
        return value
    return int(value) if isinstance(value, Integral) else float(value)


def _check_number(value: Any) -> Any:
    value = _plain(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError("a number (int or float)")
    if value != value or value in (float("inf"), float("-inf")):
        raise ValueError("a finite number")
    return _safe(value)


def _check_integer(value: Any) -> Any:
    value = _plain(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError("a whole number (int)")
    return _safe(value)


def _safe(value: Any) -> Any:
    if isinstance(value, int) and abs(value) >= EXACT:
        raise ValueError(f"a number of at most {EXACT - 1}, as larger whole ones equal their neighbours")
    return value


def _comparable_number(raw: Any) -> float | None:
    value = _load_number(raw)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if number - number == 0 else None


def _operand_number(value: Any) -> float:
    number = None if isinstance(value, str) else _comparable_number(_plain(value))
    if number is None:
        raise ValueError("a number (int or float)")
    _safe(value)
    return number


# --- booleans -------------------------------------------------------------------------------------------


def _check_boolean(value: Any) -> Any:
    if not isinstance(value, bool):
        raise ValueError("True or False")
    return value


def _comparable_boolean(raw: Any) -> bool | None:
    return raw if isinstance(raw, bool) else None


# --- moments and days -----------------------------------------------------------------------------------


def _load_datetime(raw: Any) -> Any:
    if isinstance(raw, str):
        return _parse_moment(raw)
    if isinstance(raw, (int, float)) and not isinstance(raw, bool) and abs(raw) > 1e10:
        # `nextTouch` was once a millisecond timestamp (docs/reference/planhat-api.md section 9).
        try:
            return datetime.fromtimestamp(raw / 1000, UTC)
        except (ValueError, OverflowError, OSError):
            return raw
    return raw


def written_moment(text: str) -> datetime | None:
    """The moment that a text is, with a zone only if it names one; None for text that is none."""
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return _oddly_written_moment(text)


def _oddly_written_moment(text: str) -> datetime | None:
    # `lastTouch` holds an id on old tenants; dateutil would read dates into many strings that are none.
    if _OBJECT_ID.match(text) or not _DATE_LIKE.match(text):
        return None
    try:
        from dateutil import parser as dateutil_parser  # late: next to no text needs it

        moment, other = (dateutil_parser.parse(text, default=day, tzinfos=_zone) for day in _DAYS)
    except (ValueError, OverflowError):
        return None
    return moment if moment == other else None


def _parse_moment(text: str) -> Any:
    try:
        # As `written_moment`, without its call: a page of records has thousands.
        moment: datetime | None = datetime.fromisoformat(text)
    except ValueError:
        moment = _oddly_written_moment(text)
    if moment is None:
        return text
    if moment.tzinfo is UTC:
        return moment
    if moment.tzinfo is None:
        return moment.replace(tzinfo=UTC)
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        return text


def _zone(name: str | None, offset: int | None) -> tzinfo:
    # A zone's name means one thing here and another there: only offsets count, and UTC.
    if name is not None and offset is None:
        raise ValueError(name)
    return timezone(timedelta(seconds=offset or 0))


def _dump_datetime(value: Any) -> Any:
    return iso(value) if isinstance(value, datetime) else value


def iso(moment: datetime) -> str:
    """Write an aware moment as Planhat does: UTC, milliseconds, `2021-07-28T16:15:50.772Z`."""
    utc = moment.astimezone(UTC)
    return f"{utc:%Y-%m-%dT%H:%M:%S}.{utc.microsecond // 1000:03d}Z".rjust(24, "0")


def _check_datetime(value: Any) -> Any:
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise ValueError("a datetime with a time zone, such as datetime.now(UTC)")
        return value
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day, tzinfo=UTC)
    raise ValueError("a datetime with a time zone, or a date")


def _comparable_datetime(raw: Any) -> str | None:
    if type(raw) is str and _is_moment(raw):
        return raw
    value = _load_datetime(raw)
    return iso(value) if isinstance(value, datetime) else None


def _operand_datetime(value: Any) -> str:
    if isinstance(value, str):
        value = _load_datetime(value)
    if isinstance(value, datetime) and value.tzinfo is None:
        raise ValueError("a datetime with a time zone, such as datetime.now(UTC)")
    try:
        moment = _check_datetime(value)
    except ValueError:
        raise ValueError("a datetime with a time zone, a date, or ISO text such as 2026-01-31") from None
    # Planhat keeps milliseconds. What an operand has beyond them follows the Z: so it sorts behind its millisecond.
    finer = moment.microsecond % 1000
    return f"{iso(moment)}{finer:03d}" if finer else iso(moment)


def _load_day(raw: Any) -> Any:
    if isinstance(raw, (int, float)) and not isinstance(raw, bool) and _FIRST_DAY <= raw < _LAST_DAY + 1:
        return _EPOCH + timedelta(days=int(raw))
    if isinstance(raw, str):
        moment = _parse_moment(raw)
        return moment.date() if isinstance(moment, datetime) else raw
    return raw


def _check_day(value: Any) -> Any:
    if isinstance(value, datetime) or not isinstance(value, date):
        raise ValueError("a date")
    return value


def _dump_day(value: Any) -> Any:
    return (value - _EPOCH).days if isinstance(value, date) and not isinstance(value, datetime) else value


def _comparable_day(raw: Any) -> int | None:
    value = _load_day(raw)
    return (value - _EPOCH).days if isinstance(value, date) else None


def _operand_day(value: Any) -> int:
    if isinstance(value, str):
        value = _load_day(value)
    if isinstance(value, date):
        return (value.date() if isinstance(value, datetime) else value).toordinal() - _EPOCH.toordinal()
    raise ValueError("a date, or an ISO string such as '2026-01-31'")


# --- containers and anything ----------------------------------------------------------------------------


def _check_list(value: Any) -> Any:
    if not isinstance(value, (list, tuple)):
        raise ValueError("a list")
    return list(value)


def _check_object(value: Any) -> Any:
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise ValueError("a dict with str keys")
    return dict(value)


def _nothing(raw: Any) -> None:
    return None


def _operand_json(value: Any) -> Any:
    if isinstance(value, (datetime, date)):
        return _operand_datetime(value) if isinstance(value, datetime) else value.isoformat()
    if isinstance(value, (str, int, float, bool)):
        return value
    raise ValueError("a str, a number or a bool")


def _comparable_any(raw: Any) -> Any:
    if isinstance(raw, (str, bool)):
        return raw
    return None if raw is None or isinstance(raw, (list, dict)) else _comparable_number(raw)


def _operand_any(value: Any) -> Any:
    value = _operand_json(value)
    return value if isinstance(value, (str, bool)) else _operand_number(value)


TEXT = Kind("text", _load_text, _same, _check_text, _comparable_text, _operand_text, "text")
ID = Kind("id", _load_text, _same, _check_text, _comparable_text, _operand_id, "text")
REF = Kind("ref", _load_reference, _same, _check_text, _comparable_reference, _operand_id, "text")
NUMBER = Kind("number", _load_number, _same, _check_number, _comparable_number, _operand_number, "number")
INTEGER = Kind("integer", _load_number, _same, _check_integer, _comparable_number, _operand_number, "number")
BOOLEAN = Kind("boolean", _same, _same, _check_boolean, _comparable_boolean, _check_boolean, "boolean")
DATETIME = Kind(
    "datetime", _load_datetime, _dump_datetime, _check_datetime, _comparable_datetime, _operand_datetime, "text"
)
DAY = Kind("day", _load_day, _dump_day, _check_day, _comparable_day, _operand_day, "integer")
LIST = Kind("list", _same, _same, _check_list, _nothing, _operand_any, "json", copies=True)
REFS = Kind("refs", references, _same, _check_list, _nothing, _operand_any, "json", copies=True)
LISTS = (LIST, REFS)
OBJECT = Kind("object", _same, _same, _check_object, _nothing, _operand_any, "json", copies=True)
ANY = Kind("any", _same, _same, _same, _comparable_any, _operand_any, "json")
