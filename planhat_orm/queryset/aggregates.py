"""Aggregates: `Count Sum Avg Min Max`, computed here from pages or by the mirror in SQL."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..query.predicate import fetch
from ..query.tree import Target


@dataclass(frozen=True, slots=True)
class Aggregate:
    """One figure over many records. Missing values do not count; of none, a sum or mean is None."""

    name: str | None = None
    function = ""


class Count(Aggregate):
    """How many records there are, or how many have a value in a field."""

    function = "count"


class Sum(Aggregate):
    """The sum of a field."""

    function = "sum"


class Avg(Aggregate):
    """The mean of a field."""

    function = "avg"


class Min(Aggregate):
    """The least value of a field."""

    function = "min"


class Max(Aggregate):
    """The greatest value of a field."""

    function = "max"


Wanted = Mapping[str, tuple[str, Target | None]]
"""What to compute: the result's name, the function, and the value (None: the record itself)."""


class Tally:
    """Adds records up, one at a time, so that no page is kept."""

    def __init__(self, wanted: Wanted) -> None:
        self._wanted = wanted
        self._count = dict.fromkeys(wanted, 0)
        self._sum: dict[str, float] = dict.fromkeys(wanted, 0)
        self._least: dict[str, Any] = {}
        self._most: dict[str, Any] = {}

    def add(self, row: Mapping[str, Any]) -> None:
        """Count one wire record in."""
        for alias, (function, target) in self._wanted.items():
            if target is None:
                self._count[alias] += 1
                continue
            value = target.kind.comparable(fetch(row, target.keys))
            if value is None and function == "count" and fetch(row, target.keys) is not None:
                value = True
            if value is None:
                continue
            self._count[alias] += 1
            if function in ("sum", "avg"):
                self._sum[alias] += value
            elif function == "min":
                self._least[alias] = min(self._least.get(alias, value), value)
            elif function == "max":
                self._most[alias] = max(self._most.get(alias, value), value)

    def result(self) -> dict[str, Any]:
        """The figures."""
        return {alias: self._figure(alias, function) for alias, (function, _) in self._wanted.items()}

    def _figure(self, alias: str, function: str) -> Any:
        count = self._count[alias]
        if function == "count":
            return count
        if not count:
            return None
        if function == "sum":
            return self._sum[alias]
        if function == "avg":
            return self._sum[alias] / count
        return self._least[alias] if function == "min" else self._most[alias]


def loaded(wanted: Wanted, row: Mapping[str, Any]) -> dict[str, Any]:
    """Turn the comparables of a result back into Python values: a least moment is a datetime again."""
    result = {}
    for alias, (function, target) in wanted.items():
        value = row[alias]
        if target is not None and function in ("min", "max"):
            value = target.kind.load(value)
        result[alias] = neat(value) if function != "count" else value
    return result


def neat(value: Any) -> Any:
    """A whole float as an int: revenue adds up to 1200, not 1200.0."""
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 2**53 else value
