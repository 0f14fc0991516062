"""Scalars: what has one meaning, in Python, numpy, pandas or Arrow, as Python's own; the rest is refused by name.

None of those libraries is imported: their scalars are known by what they say of themselves.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, tzinfo
from decimal import Decimal
from math import isfinite
from numbers import Integral, Real
from typing import Any
from uuid import UUID

from ..query.kinds import EXACT, iso

_DEEPEST = 64
_OWN = frozenset({bool, int, date, type(None)})
_LIBRARIES = frozenset({"numpy", "pandas", "polars", "pyarrow"})
_FLAT = frozenset({"polars", "pyarrow"})
"""Libraries whose columns say nothing of their dimensions: there is one."""
_JSON = "text, a number, True or False, a moment, or a list or dict of those"
SCALAR = "text, a number, True or False, a date or a moment"


class Refused(ValueError):
    """A value that is not taken: what it should be, and what it is instead."""

    def __init__(self, wanted: str, got: str, path: tuple[Any, ...] = ()) -> None:
        super().__init__(wanted)
        self.got = got
        self.path = path

    def below(self, key: Any) -> Refused:
        """The same of what holds the value under `key`."""
        return Refused(self.args[0], self.got, (key, *self.path))


def refusal(name: str, wrong: ValueError, value: Any) -> str:
    """The sentence that says what `name` must be, and what was given."""
    if not isinstance(wrong, Refused):
        return f"{name} must be {wrong}, not {described(value)}."
    return f"{name}{''.join(f'[{key!r}]' for key in wrong.path)} must be {wrong}, not {wrong.got}."


def described(value: Any) -> str:
    """What a value is, without showing it."""
    if value is None:
        return "None"
    if is_missing(value):
        return "NaT" if type(value).__name__ in ("NaTType", "datetime64") else "a missing value (NaN)"
    if isinstance(value, str):
        return f"{len(value)} characters of text" if value else "an empty text"
    library = _library(value)
    return f"{library}.{type(value).__name__}" if library in _LIBRARIES else type(value).__name__


def _library(value: Any) -> str:
    return type(value).__module__.partition(".")[0]


def is_missing(value: Any) -> bool:
    """Whether a value says that there is none: None, NaN, NaT, `pd.NA`, a null of Arrow."""
    if value is None or type(value).__name__ in ("NaTType", "NAType"):
        return True
    if isinstance(value, Decimal):
        return value.is_nan()
    if isinstance(value, float) or _numpy_kind(value) in ("f", "M"):
        return bool(value != value)
    return hasattr(value, "as_py") and value.as_py() is None


def scalar(value: Any) -> Any:
    """The text, number, boolean, date or moment that `value` is; `Refused` for anything else, NaN and infinity too."""
    if type(value) in _OWN:
        return value
    if isinstance(value, str):
        return _text(value)
    if is_missing(value):
        raise Refused(SCALAR, described(value))
    if isinstance(value, datetime):
        return _moment(value)
    if isinstance(value, date):
        return date(value.year, value.month, value.day)
    if isinstance(value, (Decimal, Real)) and _numpy_kind(value) != "m":  # numpy calls its durations numbers
        return _number(value)
    if isinstance(value, UUID):
        return str(value)
    if (kind := _numpy_kind(value)) in _NUMPY:
        return _NUMPY[kind](value)
    if hasattr(value, "as_py"):
        return scalar(value.as_py())
    raise Refused(SCALAR, described(value))


def digits(value: Any) -> Any:
    """A whole number, of whatever library, as its digits; anything else as it is."""
    try:
        found = scalar(value)
    except Refused:
        return value
    return str(found) if isinstance(found, int) and not isinstance(found, bool) else value


def json_value(value: Any, zone: tzinfo, depth: int = 0) -> Any:
    """What JSON has for a value, all the way down: moments are text there, in UTC as Planhat writes them, days too."""
    if depth > _DEEPEST:
        raise Refused(_JSON, f"one that is nested deeper than {_DEEPEST} levels")
    if value is None:
        return None
    if isinstance(value, Mapping):
        return {_key(key): _inner(key, item, zone, depth + 1) for key, item in value.items()}
    if is_sequence(value):
        return [_inner(number, item, zone, depth + 1) for number, item in enumerate(elements(value))]
    try:
        found = scalar(value)
        if isinstance(found, datetime):
            return iso(found if found.tzinfo is not None else scalar(found.replace(tzinfo=zone)))
    except Refused as wrong:
        raise Refused(_JSON if wrong.args[0] == SCALAR else wrong.args[0], wrong.got) from None
    return found.isoformat() if isinstance(found, date) else safe(found)


def _inner(key: Any, value: Any, zone: tzinfo, depth: int) -> Any:
    try:
        return json_value(value, zone, depth)
    except Refused as wrong:
        raise wrong.below(key) from None


def is_sequence(value: Any) -> bool:
    """Whether a value is a list: Python's list or tuple, or an array or series of one dimension."""
    if isinstance(value, (list, tuple)):
        return True
    if isinstance(value, memoryview):
        return False
    if hasattr(value, "tolist") and hasattr(value, "ndim"):
        return bool(value.ndim == 1)
    return _library(value) in _FLAT and (hasattr(value, "to_list") or hasattr(value, "tolist"))


def elements(value: Any) -> Any:
    """The elements of what `is_sequence`."""
    if isinstance(value, (list, tuple)):
        return value
    return value.tolist() if hasattr(value, "tolist") else value.to_list()


def safe(number: Any) -> Any:
    """A number that survives as a double; whole ones beyond that would become their neighbours."""
    if isinstance(number, int) and abs(number) >= EXACT:
        raise Refused(f"a whole number of at most {EXACT - 1}, as Planhat keeps numbers as doubles", "a larger one")
    return number


def _key(key: Any) -> str:
    if not isinstance(key, str):
        raise Refused("a dict with str keys", f"one with {described(key)} as a key")
    return _text(key)


def _text(value: str) -> str:
    text = str.__str__(value)
    try:
        text.isascii() or text.encode()
    except UnicodeEncodeError:
        raise Refused("text of whole characters", "one with half a character (a lone surrogate) in it") from None
    return text


def _moment(value: datetime) -> datetime:
    # Taken apart, as other libraries have methods of their own that warn or keep their type.
    moment = datetime(
        value.year, value.month, value.day, value.hour, value.minute, value.second, value.microsecond,
        tzinfo=value.tzinfo, fold=value.fold,
    )  # fmt: skip
    if moment.tzinfo is not None:
        try:
            moment.astimezone(UTC)
        except OverflowError:
            raise Refused("a moment of the years 1 to 9999 in UTC", "one outside of them") from None
    return moment


def _number(value: Any) -> int | float:
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, Decimal) and value.is_finite() and value.adjusted() < 40 and value == int(value):
        return int(value)
    try:
        number = float.__float__(value) if isinstance(value, float) else float(value)
    except OverflowError:
        raise Refused("a number that a double holds", "a larger one") from None
    if not isfinite(number):
        raise Refused("a finite number", "infinity")
    exact = Decimal(repr(number)) == value if isinstance(value, Decimal) else number == value
    if not exact:
        raise Refused("a number that a double holds", "one with more digits")
    return number


def _numpy_kind(value: Any) -> str:
    """The letter that numpy has for a scalar's type; none for what is no scalar of numpy."""
    dtype = getattr(value, "dtype", None)
    return str(dtype.kind) if dtype is not None and getattr(value, "ndim", None) == 0 else ""


def _numpy_moment(value: Any) -> datetime | date:
    text = str(value)
    try:
        return datetime.fromisoformat(text) if "T" in text else date.fromisoformat(text)
    except ValueError:
        raise Refused("a day or a moment", f"{described(value)} of other units or years") from None


_NUMPY: Mapping[str, Any] = {"b": bool, "M": _numpy_moment}
"""By numpy's letter for a type: how a scalar of it becomes Python's. Numbers and text of numpy are Python's already."""
