"""One figure, added up value by value. Sums are exact to nine decimals, whatever the order they come in.

A sum is kept as two whole numbers: of the integer parts, and of the fractions in units of 1e-9. So it does not depend
on the order, and SQL, which cannot promise one, gives the same figure to the last bit.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any

from .kinds import EXACT
from .tree import Figure

UNIT = 1_000_000_000

Key = tuple[int, Any]


def order_key(value: Any) -> Key:
    """What values of any type are sorted by: truth before numbers before text."""
    return (0 if isinstance(value, bool) else 2 if isinstance(value, str) else 1), value


class Tally:
    """A figure under way. `add()` takes comparables; `result()` gives one, or None."""

    __slots__ = ("_fractions", "_least", "_most", "_seen", "_whole", "count", "figure")

    def __init__(self, figure: Figure) -> None:
        self.figure = figure
        self.count = 0
        self._whole = 0
        self._fractions = 0
        self._least: Key | None = None
        self._most: Key | None = None
        self._seen: set[Key] | None = set() if figure.distinct else None

    def add(self, value: Any) -> None:
        """Count one value in; None stands for none."""
        if value is None:
            return
        if self._seen is not None:
            key = order_key(value)
            if key in self._seen:
                return
            self._seen.add(key)
        self.count += 1
        function = self.figure.function
        if function in ("sum", "avg"):
            whole, fractions = parts_of(value)
            self._whole += whole
            self._fractions += fractions
        elif function != "count":
            key = order_key(value)
            if self._least is None or key < self._least:
                self._least = key
            if self._most is None or key > self._most:
                self._most = key

    def result(self) -> Any:
        """The figure."""
        figure = self.figure
        if figure.function == "count":
            return self.count
        if not self.count:
            return None if figure.default is None else figure.default.value
        if figure.function in ("min", "max"):
            key = self._least if figure.function == "min" else self._most
            return key[1] if key is not None else None
        total = total_of(self._whole, self._fractions)
        return total if figure.function == "sum" or total is None else total / self.count


def parts_of(value: float) -> tuple[int, int]:
    """A number as its whole part and its fraction in units of 1e-9; a large one as its digits are written."""
    if abs(value) >= EXACT:
        return int(Decimal(repr(float(value)))), 0
    whole = math.trunc(value)
    return whole, int((value - whole) * UNIT + 1_000_000_000.5) - UNIT


def total_of(whole: int, fractions: int) -> float | None:
    """The sum of two whole numbers, of ones and of 1e-9ths, as a double; None where it is none."""
    carry, rest = divmod(fractions, UNIT)
    try:
        return float(whole + carry) + rest / UNIT
    except OverflowError:
        return None


def tallied(figure: Figure, rows: Iterable[Any], value: Callable[[Any], Any]) -> Any:
    """A figure over some records."""
    tally = Tally(figure)
    for row in rows:
        tally.add(value(row))
    return tally.result()
