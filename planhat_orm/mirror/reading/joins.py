"""A table of a statement, what is joined to it, and the three shapes that a value has in SQL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from typing import Any as Anything

from sqlalchemy import ColumnElement, FromClause, and_

from ...query.kinds import ANY, BOOLEAN, Kind
from ...query.tree import EVERYTHING, Expr, Hop, Node
from ..db.layout import Layout, layout_for

if TYPE_CHECKING:
    from .compiler import Compiler

Sql = ColumnElement[Anything]


@dataclass(frozen=True, slots=True)
class Cell:
    """A value inside a JSON column: at `path` of `base`, to be read as `kind`."""

    base: Sql
    path: tuple[str, ...]
    kind: Kind


@dataclass(frozen=True, slots=True)
class Mixed:
    """A value that may be of any type: its `rank` (0 truth, 1 number, 2 text, NULL nothing), and what it is as each.

    Truth is the `number` 0 or 1. So values of any type are compared, sorted and grouped in the same way everywhere.
    """

    rank: Sql
    number: Sql
    text: Sql

    @property
    def columns(self) -> tuple[Sql, Sql, Sql]:
        """The three, in the order in which they sort."""
        return self.rank, self.number, self.text


Value = Sql | Mixed
"""What an expression compares by."""


def columns_of(value: Value) -> tuple[Sql, ...]:
    """The columns that stand for a value."""
    return value.columns if isinstance(value, Mixed) else (value,)


def from_columns(kind: Kind, columns: Sequence[Sql]) -> Value:
    """The value of a kind that some columns stand for."""
    return Mixed(*columns) if kind is ANY else columns[0]


def width(kind: Kind) -> int:
    """How many columns stand for a value of a kind."""
    return 3 if kind is ANY else 1


def decoded(kind: Kind, cells: Sequence[Anything]) -> Anything:
    """The comparable that the cells of a row hold."""
    if kind is ANY:
        rank, number, text = cells
        return None if rank is None else (bool(number), number, text)[int(rank)]
    value = cells[0]
    return bool(value) if kind is BOOLEAN and value is not None else value


@dataclass(eq=False)
class Joins:
    """A table, and what the values and conditions on it have joined so far."""

    compiler: Compiler
    table: FromClause
    layout: Layout
    known: Mapping[Expr, Value] = field(default_factory=dict)
    narrow: bool = False
    """Whether an index leads to a few rows of the table."""
    chosen: Node = EVERYTHING
    """Conditions on the table's rows alone: what is worked out need not be for others."""
    once: frozenset[Expr] = frozenset()
    """Figures that are worked out once for each row that the statement gives."""
    figures: dict[Expr, Value] = field(default_factory=dict)
    counts: dict[Expr, Sql] = field(default_factory=dict)
    """Counts of related records, NULL for 0."""

    def __post_init__(self) -> None:
        self._source: FromClause = self.table
        self._over: dict[tuple[Hop, ...], Joins] = {}

    @property
    def source(self) -> FromClause:
        """The table with all that is joined to it."""
        return self._source

    def column(self, wire: str) -> Sql:
        """The column of a wire field."""
        return self.table.c[self.layout.by_wire[wire].name]

    def over(self, hops: tuple[Hop, ...]) -> Joins:
        """The record that hops lead to, as a table joined to this one; its columns are NULL where there is none."""
        if hops not in self._over:
            near = self.over(hops[:-1]) if len(hops) > 1 else self
            hop = hops[-1]
            layout = layout_for(hop.resource)
            far = self.compiler.alias(layout)
            condition = far.c[layout.by_wire[hop.far].name] == near.column(hop.near)
            self.join(far, and_(condition, self.compiler.belongs(far, layout, hidden=True)))
            self._over[hops] = Joins(self.compiler, far, layout)
        return self._over[hops]

    def join(self, other: FromClause, condition: Sql, *, inner: bool = False) -> None:
        """Join another table."""
        self._source = self._source.join(other, condition, isouter=not inner)
