"""What SQLite and PostgreSQL say differently, or not at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any as Anything
from typing import Protocol

from sqlalchemy import FromClause

from ...query.kinds import Kind
from .joins import Cell, Mixed, Sql, Value

Parts = Mapping[str, Sql]
"""The aggregates that a sum is put together from, by name."""


class Dialect(Protocol):
    """One database's words for a query.

    `correlates` says that a subquery which an index answers costs no more for each row than a grouped one for all.
    """

    correlates: bool

    def json(self, column: Sql) -> Sql:
        """A JSON column as text, to be selected."""
        ...

    def missing(self, cell: Cell) -> Sql:
        """Whether nothing, or null, is at the cell. Never NULL."""
        ...

    def among(self, value: Sql, operands: Sequence[Anything]) -> Sql:
        """Whether a column is one of many values."""
        ...

    def contains(self, value: Sql, operand: str) -> Sql:
        """Whether a text holds another."""
        ...

    def starts(self, value: Sql, operand: str) -> Sql:
        """Whether a text starts with another."""
        ...

    def ends(self, value: Sql, operand: str) -> Sql:
        """Whether a text ends with another."""
        ...

    def lookup(self, source: FromClause, value: Sql, op: str, operand: Anything) -> Sql:
        """Any other lookup on a value of comparables; `source` is what it is selected from."""
        ...

    def matches(self, source: FromClause, cell: Cell, op: str, operand: Anything) -> Sql:
        """A lookup on a JSON cell."""
        ...

    def members(self, column: Sql) -> tuple[FromClause, Sql, Sql]:
        """The elements of a JSON list as a FROM of its own, an element as text, and the condition that it is text."""
        ...

    def elements(self, column: Sql) -> tuple[FromClause, Mixed]:
        """The elements of a JSON list as a FROM of its own, as values of any type; NULL where they are none."""
        ...

    def document(self, cell: Cell) -> Sql:
        """The JSON at a cell."""
        ...

    def raw(self, extra: Sql, column: Sql, wire: str) -> Sql:
        """The JSON of a value that is spread over its column and `_extra`."""
        ...

    def comparable(self, source: FromClause, cell: Cell) -> Value:
        """What a cell compares by."""
        ...

    def same(self, left: Sql, right: Sql) -> Sql:
        """Whether two values are equal, or both NULL."""
        ...

    def unindexed(self, column: Sql) -> Sql:
        """The column for groups whose figures need the rows themselves."""
        ...

    # --- values -----------------------------------------------------------------------------------------

    def arithmetic(self, op: str, left: Sql, right: Sql) -> Sql:
        """The sum, difference, product or quotient of a double and a number; NULL where it is no number."""
        ...

    def finite(self, value: Sql) -> Sql:
        """What arithmetic gives; NULL where that is infinite."""
        ...

    def is_finite(self, op: str, value: Sql) -> Sql:
        """Whether what arithmetic gives, and compares by `op` with a number, is finite."""
        ...

    def days_between(self, kind: Kind, left: Sql, right: Sql) -> Sql:
        """The days from `right` to `left`: two moments, or two days."""
        ...

    def days_later(self, kind: Kind, value: Sql, days: Sql) -> Sql:
        """A moment, or a day, so many days later."""
        ...

    def part(self, source: FromClause, kind: Kind, value: Sql, part: str, zone: str) -> Sql:
        """A part of a moment, in a time zone, or of a day."""
        ...

    def trunc(self, source: FromClause, kind: Kind, value: Sql, unit: str, zone: str) -> Sql:
        """The first day of the unit that a moment or day is in."""
        ...

    def shared(self, kind: Kind, value: Sql, unit: str, zone: str) -> Sql | None:
        """What all moments have in common, and no others, that `trunc` makes one of; `trunc` makes the same of it.

        None where nothing is quicker to group by than what `trunc` gives.
        """
        ...

    def distinct_key(self, value: Mixed) -> Sql:
        """A text that is equal for equal values."""
        ...

    # --- sums, exact to nine decimals (see `query.tally`) -------------------------------------------------

    def whole_sum(self, column: Sql, value: Sql) -> Sql | None:
        """The database's own sum of `value`, which is of `column` or NULL; None where it may well be inexact."""
        ...

    def is_inexact(self, whole_sum: Sql) -> Sql:
        """Whether one of the values was no small whole number, so that the sum may be another one."""
        ...

    def sum_parts(self, value: Sql) -> Parts:
        """The aggregates over values that make their sum; `n` counts them."""
        ...

    def merged_parts(self, parts: Parts) -> Parts:
        """The same over such aggregates of smaller groups."""
        ...

    def total(self, parts: Parts) -> Sql:
        """The sum; NULL of no values."""
        ...
