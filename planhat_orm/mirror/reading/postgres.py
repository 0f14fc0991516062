"""What a query says in PostgreSQL's words.

What SQL there cannot say exactly as Python does (case folding, regular expressions, odd dates) is decided here: the
distinct values of the column are read once, Python chooses among them, and the statement asks for the chosen ones.
That is exact under any NOT and over any relation, where fetching too much and checking again would not be.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from sqlalchemy import JSON as PlainJSON
from sqlalchemy import (
    Connection,
    Double,
    FromClause,
    Integer,
    Text,
    and_,
    any_,
    bindparam,
    case,
    cast,
    column,
    false,
    func,
    literal,
    literal_column,
    or_,
    select,
    tuple_,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from ...query.kinds import ANY, BOOLEAN, ID, TEXT
from ..db import sqlite_functions
from ..db.json_text import json_text
from .compiler import Cell, Sql

_WHOLE = re.compile(r"0|-?[1-9][0-9]*").fullmatch


class PostgresDialect:
    """PostgreSQL's words for a query; without a connection they only say that Python decides."""

    def __init__(self, connection: Connection | None = None) -> None:
        self._connection = connection

    def json(self, column_: Sql) -> Sql:
        """JSON as text, to be decoded here."""
        return cast(column_, Text)

    def missing(self, cell: Cell) -> Sql:
        """Whether nothing, or null, is at the cell."""
        return func.coalesce(self._text(cell), "null") == "null"

    def among(self, value: Sql, operands: Sequence[Any]) -> Sql:
        """Equal to any of an array, which has no bound."""
        if isinstance(operands[0], bool):
            return value.in_(operands)
        kind = Text() if isinstance(operands[0], str) else Double()
        return value == any_(literal(list(operands), ARRAY(kind)))

    def contains(self, value: Sql, operand: str) -> Sql:
        """`strpos` compares by code point."""
        return func.strpos(value, operand) > 0

    def starts(self, value: Sql, operand: str) -> Sql:
        """The first characters are the operand."""
        return func.left(value, len(operand)) == operand if operand else value.is_not(None)

    def ends(self, value: Sql, operand: str) -> Sql:
        """The last characters are the operand."""
        return func.right(value, len(operand)) == operand if operand else value.is_not(None)

    def lookup(self, table: FromClause, value: Sql, op: str, operand: Any) -> Sql:
        """Python chooses among the column's values."""
        wanted = json_text(operand)
        if self._connection is None:
            return func.decided_in_python(value, op, wanted)
        found = self._connection.execute(select(value).where(value.is_not(None)).distinct()).scalars()
        chosen = [record for record in found if sqlite_functions.compare(op, record, wanted)]
        return self.among(value, chosen) if chosen else false()

    def matches(self, table: FromClause, cell: Cell, op: str, operand: Any) -> Sql:
        """The indexed expression for the equality of text; else Python chooses among the cells."""
        quick = self._quick(cell, op, operand)
        if quick is not None:
            return quick
        text, wanted = self._text(cell), json_text(operand)
        if self._connection is None:
            return func.decided_in_python(text, op, wanted)
        found = self._connection.execute(select(text).where(text.is_not(None)).distinct()).scalars()
        chosen = [record for record in found if sqlite_functions.matches(cell.kind.name, op, record, wanted)]
        return text == any_(literal(chosen, ARRAY(Text()))) if chosen else false()

    def pair(self, table: FromClause, left: Sql | Cell, op: str, right: Sql | Cell) -> Sql:
        """Python chooses among the pairs of values."""
        (kind, one), (other_kind, other) = self._side(left), self._side(right)
        if self._connection is None:
            return func.decided_in_python(one, op, other)
        found = self._connection.execute(
            select(one, other).where(one.is_not(None), other.is_not(None)).distinct()
        ).all()
        chosen = [tuple(row) for row in found if sqlite_functions.compare_pair(op, kind, row[0], other_kind, row[1])]
        return tuple_(one, other).in_(chosen) if chosen else false()

    def members(self, listed: Sql) -> tuple[Sql, Sql]:
        """The elements of a list; anything that is no list has none."""
        source = case((func.jsonb_typeof(listed) == "array", listed), else_=literal_column("'[]'::jsonb"))
        each = func.jsonb_array_elements(source).table_valued(column("value", JSONB), joins_implicitly=True)
        value = each.alias().c.value
        return value.op("#>>", return_type=Text())(literal_column("'{}'::text[]")), func.jsonb_typeof(value) == "string"

    def raw(self, extra: Sql, value: Sql, wire: str) -> Sql:
        """The entry of `_extra`, or the column's value as JSON."""
        return func.coalesce(self._text(Cell(extra, (wire,), ANY)), cast(func.to_jsonb(value), Text))

    def comparable(self, cell: Cell) -> Sql:
        """Python reads the distinct cells; the statement looks each one up."""
        text, kind = self._text(cell), cell.kind
        if self._connection is None:
            return func.decided_in_python(text, kind.name)
        found = self._connection.execute(select(text).where(text.is_not(None)).distinct()).scalars()
        known = {record: sqlite_functions.comparable(kind.name, record) for record in found}
        if kind is BOOLEAN:
            known = {trait: None if value is None else int(value) for trait, value in known.items()}
        looked_up = literal(json_text(known), Text()).cast(JSONB).op("->>", return_type=Text())(text)
        if kind is BOOLEAN:
            return cast(looked_up, Integer)
        return (
            looked_up.collate("C")
            if any(isinstance(trait, str) for trait in known.values())
            else cast(looked_up, Double)
        )

    def _side(self, value: Sql | Cell) -> tuple[str, Sql]:
        if isinstance(value, Cell):
            return value.kind.name, self._text(value)
        return ANY.name, cast(func.to_jsonb(value), Text)

    def _text(self, cell: Cell) -> Sql:
        """The JSON at a cell, as text."""
        found: Sql = cell.base
        if not isinstance(found.type, JSONB) and cell.path:
            found = cast(found, PlainJSON)
        for key in cell.path:
            found = found.op("->")(_label(key))
        return cast(found, Text)

    def _quick(self, cell: Cell, op: str, operand: Any) -> Sql | None:
        wanted = operand if op == "in" else (operand,)
        if op not in ("exact", "in") or cell.kind not in (TEXT, ID, ANY) or len(cell.path) != 1 or not wanted:
            return None
        if not all(isinstance(name, str) for name in wanted) or not isinstance(cell.base.type, JSONB):
            return None
        value = cell.base.op("->>", return_type=Text())(_label(cell.path[0])).collate("C")
        of_type = func.jsonb_typeof(cell.base.op("->", return_type=JSONB())(_label(cell.path[0])))
        texts = and_(self.among(value, wanted), of_type == "string")
        whole = [name for name in wanted if _WHOLE(name)]
        if cell.kind is ANY or not whole:
            return texts
        # A text field's whole numbers are texts.
        return or_(texts, and_(self.among(value, whole), of_type == "number"))


def _label(key: str) -> Sql:
    """A key as a literal: an expression index matches only what is spelt like it."""
    return bindparam(None, key, type_=Text(), literal_execute=True)
