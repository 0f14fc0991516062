"""The functions that SQLite is taught: where SQL has no words for a comparison, the Python predicate itself decides."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import msgspec

from ...errors import PlanhatError
from ...query import kinds
from ...query.dates import days_later, local_time
from ...query.kinds import Kind
from ...query.lookups import COMPARE
from ...query.predicate import Predicate, predicate
from ...query.raw_values import fetch
from ...query.tally import parts_of, total_of
from ...query.tree import Target, Test

_decode = msgspec.json.Decoder().decode
KINDS: dict[str, Kind] = {kind.name: kind for kind in vars(kinds).values() if isinstance(kind, Kind)}


@lru_cache(maxsize=512)
def _operand(text: str) -> Any:
    value = _decode(text)
    return tuple(value) if isinstance(value, list) else value


@lru_cache(maxsize=512)
def _predicate(kind: str, op: str, operand: str) -> Predicate:
    return predicate(Test(Target("", ("",), KINDS[kind]), op, _operand(operand)))


def compare(op: str, value: Any, operand: str) -> bool:
    """A lookup on what a column holds; the operand is JSON."""
    return value is not None and COMPARE[op](value, _operand(operand))


def matches(kind: str, op: str, cell: str | None, operand: str) -> bool:
    """A lookup on a JSON cell, read as a value of a kind."""
    return _predicate(kind, op, operand)({"": None if cell is None else _decode(cell)})


def comparable(kind: str, cell: str | None) -> Any:
    """What a JSON cell compares by as a value of a kind."""
    return None if cell is None else KINDS[kind].comparable(_decode(cell))


def dig(cell: str | None, keys: str) -> str | None:
    """The JSON at some keys of a JSON cell: for labels that a JSON path of SQLite cannot name."""
    found = None if cell is None else fetch({"": _decode(cell)}, ("", *_operand(keys)))
    return None if found is None else msgspec.json.encode(found).decode()


def local(value: str | None, zone: str) -> str | None:
    """A moment as the clocks of a time zone show it."""
    if value is None:
        return None
    moment = local_time(value, zone)
    return None if moment is None else f"{moment.replace(tzinfo=None).isoformat(timespec='milliseconds')}"


def later(value: Any, days: float | None) -> Any:
    """A moment or day so many days later."""
    return None if value is None or days is None else days_later(value, days)


def total(whole: int, fractions: int, large: str) -> float | None:
    """A sum of which some numbers are large."""
    more, rest = large.split()
    return total_of(whole + int(more), fractions + int(rest))


class LargeSum:
    """Adds large numbers up exactly; takes numbers, and such sums."""

    def __init__(self) -> None:
        self._whole = 0
        self._fractions = 0
        self._any = False

    def step(self, value: Any) -> None:
        """Add one."""
        self._any = True
        if isinstance(value, str):
            whole, fractions = map(int, value.split())
        else:
            whole, fractions = parts_of(float(value))
        self._whole += whole
        self._fractions += fractions

    def finalize(self) -> str | None:
        """The sum as text, or NULL of none."""
        return f"{self._whole} {self._fractions}" if self._any else None


_cut_off = threading.local()


def interrupted() -> BaseException | None:
    """What cut a function of this thread off, once: SQLite says of any error only that there was one."""
    error: BaseException | None = getattr(_cut_off, "by", None)
    _cut_off.by = None
    return error


def _remembering(function: Callable[..., Any]) -> Callable[..., Any]:
    def call(*values: Any) -> Any:
        try:
            return function(*values)
        except Exception as error:
            if isinstance(error, PlanhatError):
                _cut_off.by = error
            raise
        except BaseException as error:
            _cut_off.by = error
            raise

    return call


FUNCTIONS: tuple[tuple[str, int, Callable[..., Any]], ...] = (
    ("planhat_compare", 3, compare),
    ("planhat_matches", 4, matches),
    ("planhat_comparable", 2, comparable),
    ("planhat_dig", 2, dig),
    ("planhat_local", 2, local),
    ("planhat_days_later", 2, later),
    ("planhat_total", 3, total),
)
"""The name of each, the number of its values, and what it does."""
LARGE_SUM = "planhat_large_sum"


def register(connection: sqlite3.Connection) -> None:
    """Make the functions known to a connection."""
    for name, count, function in FUNCTIONS:
        connection.create_function(name, count, _remembering(function), deterministic=True)
    connection.create_aggregate(LARGE_SUM, 1, LargeSum)  # type: ignore[arg-type]
