"""Values of Python, numpy, pandas and Arrow, and what each means, written down by hand: the oracle of the gate's test."""

from __future__ import annotations

import enum
import types
import uuid
from collections import OrderedDict, deque
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

np = pytest.importorskip("numpy")
pd = pytest.importorskip("pandas")
pa = pytest.importorskip("pyarrow")
pl = pytest.importorskip("polars")


@dataclass(frozen=True)
class Meaning:
    """What a value is: its type in JSON, or a moment or day, and the value. `none` has none, and `null` clears."""

    type: str
    value: Any = None


NONE = Meaning("none")
NULL = Meaning("null")


class Phase(enum.StrEnum):
    LIVE = "Live"


class Older(str, enum.Enum):  # noqa: UP042  the older way, which people have
    LIVE = "Live"


class Size(enum.IntEnum):
    SMALL = 3


class Colour(enum.Enum):
    RED = "red"


class Text(str):
    pass


class Whole(int):
    pass


class Half(float):
    pass


class Moment(datetime):
    pass


def _text(value: str) -> Meaning:
    return Meaning("text", value)


def _number(value: float) -> Meaning:
    return Meaning("number", value)


def _whole(value: int) -> Meaning:
    """A whole number that a double does not hold; as a key it is text."""
    return Meaning("whole", value)


def _moment(*parts: int) -> Meaning:
    return Meaning("moment", datetime(*parts, tzinfo=UTC))  # type: ignore[misc,arg-type]


def _list(*values: Any) -> Meaning:
    return Meaning("list", list(values))


_DAY = Meaning("day", date(2026, 1, 31))
_ID = "00000000-0000-0000-0000-000000000001"
_STOCKHOLM = ZoneInfo("Europe/Stockholm")

VALUES: list[tuple[Any, Meaning]] = [
    # nothing, and what stands for it
    (None, NULL),
    (float("nan"), NONE), (np.nan, NONE), (np.float64("nan"), NONE), (np.float32("nan"), NONE), (pd.NaT, NONE),
    (pd.NA, NONE), (np.datetime64("NaT"), NONE), (np.timedelta64("NaT"), NONE), (Decimal("NaN"), NONE),
    (Decimal("sNaN"), NONE), (pa.scalar(None), NONE), (complex("nan"), NONE),
    # whole numbers
    (0, _number(0)), (7, _number(7)), (-3, _number(-3)), (2**53 - 1, _number(2**53 - 1)), (2**53, _whole(2**53)), (-(2**80), _whole(-(2**80))),
    (10**400, _whole(10**400)), (Size.SMALL, _number(3)), (Whole(7), _number(7)), (np.int8(7), _number(7)),
    (np.int64(-3), _number(-3)), (np.uint8(255), _number(255)), (np.uint64(7), _number(7)), (np.uint64(2**64 - 1), _whole(2**64 - 1)),
    (np.intp(7), _number(7)), (pa.scalar(7), _number(7)), (Decimal("7.00"), _number(7)), (Decimal("1E3"), _number(1000)),
    (Fraction(7, 1), _number(7.0)), (7.0, _number(7.0)), (-0.0, _number(0.0)), (np.float64(7), _number(7.0)),
    # others
    (3.5, _number(3.5)), (Half(3.5), _number(3.5)), (1e300, _number(1e300)), (5e-324, _number(5e-324)),
    (np.float16(0.5), _number(0.5)), (np.float32(0.5), _number(0.5)), (np.float64(3.5), _number(3.5)),
    (np.longdouble(0.5), _number(0.5)), (Decimal("0.1"), _number(0.1)), (Fraction(1, 2), _number(0.5)),
    (pa.scalar(2.5), _number(2.5)), (Decimal("0.1234567890123456789012"), NONE), (Fraction(1, 3), NONE),
    (float("inf"), NONE), (float("-inf"), NONE), (np.inf, NONE), (np.float32("inf"), NONE), (Decimal("Infinity"), NONE),
    (Decimal("1E400"), NONE), (Decimal("1E999999"), NONE), (Fraction(10**400, 3), NONE), (complex(1), NONE),
    (complex(1, 1), NONE), (np.complex128(1), NONE), (np.complex64(1j), NONE),
    # truth
    (True, Meaning("truth", True)), (False, Meaning("truth", False)), (np.bool_(True), Meaning("truth", True)),
    (np.False_, Meaning("truth", False)), (pa.scalar(True), Meaning("truth", True)),
    # text
    ("a", _text("a")), (" a ", _text(" a ")), ("5", _text("5")), ("true", _text("true")), ("nan", _text("nan")),
    ("\x00", _text("\x00")), ("\U0001f600", _text("\U0001f600")), ("e\u0301", _text("e\u0301")), (Text("Live"), _text("Live")),
    (Phase.LIVE, _text("Live")), (Older.LIVE, _text("Live")), (np.str_("Live"), _text("Live")),
    (pa.scalar("Live"), _text("Live")), (uuid.UUID(int=1), _text(_ID)), ("2026-01-31", _text("2026-01-31")),
    ("2026-01-31T12:00Z", _text("2026-01-31T12:00Z")), ("2026-01-31T12:00", _text("2026-01-31T12:00")),
    ("31.01.2026", _text("31.01.2026")), ("\ud83d", NONE), (Text("\ud83d"), NONE), (Colour.RED, NONE),
    # bytes and other things that are no text
    (b"a", NONE), (bytearray(b"a"), NONE), (memoryview(b"a"), NONE), (np.bytes_(b"a"), NONE), (np.void(b"a"), NONE),
    (Path("/tmp/a"), NONE), (type, NONE), (len, NONE), (object(), NONE), (..., NONE), (NotImplemented, NONE),
    (Exception("a"), NONE), (slice(1), NONE), (np.dtype("int64"), NONE), (pd.Interval(0, 1), NONE),
    # moments and days
    (datetime(2026, 1, 31, 12, tzinfo=UTC), _moment(2026, 1, 31, 12)), (datetime(2026, 1, 31, 12), _moment(2026, 1, 31, 12)),
    (datetime(2026, 1, 31, 13, tzinfo=_STOCKHOLM), _moment(2026, 1, 31, 12)), (datetime(2026, 1, 31), _moment(2026, 1, 31)),
    (Moment(2026, 1, 31, 12, tzinfo=UTC), _moment(2026, 1, 31, 12)),
    (pd.Timestamp("2026-01-31T12:00Z"), _moment(2026, 1, 31, 12)), (pd.Timestamp("2026-01-31"), _moment(2026, 1, 31)),
    (pd.Timestamp("2026-01-31T13:00", tz="Europe/Stockholm"), _moment(2026, 1, 31, 12)),
    (np.datetime64("2026-01-31T12:00:00"), _moment(2026, 1, 31, 12)),
    (np.datetime64("2026-01-31T12:00:00.000000000"), _moment(2026, 1, 31, 12)),
    (pa.scalar(datetime(2026, 1, 31, 12, tzinfo=UTC)), _moment(2026, 1, 31, 12)),
    (date(2026, 1, 31), _DAY), (np.datetime64("2026-01-31"), _DAY), (pa.scalar(date(2026, 1, 31)), _DAY),
    (date.min, Meaning("day", date.min)), (date.max, Meaning("day", date.max)),
    (datetime.max.replace(tzinfo=timezone(timedelta(hours=-5))), NONE),
    (datetime.min.replace(tzinfo=timezone(timedelta(hours=5))), NONE), (np.datetime64("2026-01"), NONE),
    (np.datetime64("2026"), NONE), (np.datetime64(10**6, "Y"), NONE), (time(12), NONE), (timedelta(days=1), NONE),
    (pd.Timedelta("1D"), NONE), (np.timedelta64(1, "D"), NONE), (pd.Period("2026-01"), NONE), (UTC, NONE),
    # lists
    ([], _list()), ((), _list()), (["a"], _list("a")), (("a", "b"), _list("a", "b")), ([Text("a")], _list("a")),
    (np.array(["a", "b"]), _list("a", "b")), (pd.Series(["a", "b"]), _list("a", "b")), (pd.Index(["a", "b"]), _list("a", "b")),
    (np.array([]), _list()), ([np.int64(1), 2.5, True, None], _list(1, 2.5, True, None)), (np.array([1, 2]), _list(1, 2)),
    ([["a"], {"b": 1}], _list(["a"], {"b": 1})), (pa.array(["a", "b"]), _list("a", "b")), (pl.Series(["a", "b"]), _list("a", "b")),
    ([float("nan")], NONE), ([b"a"], NONE), ([{"a"}], NONE), ([pd.NaT], NONE), ({"a"}, NONE), (frozenset(), NONE),
    (range(2), NONE), (deque(["a"]), NONE), (iter(["a"]), NONE), (np.zeros((2, 2)), NONE), (pd.DataFrame({"a": [1]}), NONE),
    (pl.DataFrame({"a": [1]}), NONE), (np.array(object()), NONE),
    # objects
    ({}, Meaning("object", {})), ({"a": 1}, Meaning("object", {"a": 1})), (OrderedDict(a=1), Meaning("object", {"a": 1})),
    (types.MappingProxyType({"a": np.int64(1)}), Meaning("object", {"a": 1})), ({1: "a"}, NONE), ({"a": {1: 2}}, NONE),
    ({"a": {1}}, NONE), ({None: 1}, NONE), ({"a": float("nan")}, NONE),
]  # fmt: skip
"""Values, and what each means. What has no meaning is refused everywhere."""
