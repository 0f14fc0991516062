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
    Boolean,
    Connection,
    Double,
    FromClause,
    Integer,
    Numeric,
    Select,
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
    null,
    or_,
    select,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from ...query.kinds import ANY, BOOLEAN, DATETIME, DAY, ID, INTEGER, LISTS, NUMBER, OBJECT, TEXT
from ..db import sqlite_functions
from ..db.json_text import json_text
from .joins import Cell, Mixed, Sql, Value
from .postgres_values import PostgresValues

_WHOLE = re.compile(r"0|-?[1-9][0-9]*").fullmatch


def _distinct(source: FromClause, value: Sql) -> Select[Any]:
    """The different values that there are."""
    return select(value).select_from(source).where(value.is_not(None)).distinct()


def _each(listed: Sql) -> FromClause:
    source = case((func.jsonb_typeof(listed) == "array", listed), else_=literal_column("'[]'::jsonb"))
    return func.jsonb_array_elements(source).table_valued(column("value", JSONB), joins_implicitly=True).alias()


def _plain_text(value: Sql) -> Sql:
    """A JSON scalar as text."""
    return value.op("#>>", return_type=Text())(literal_column("'{}'::text[]")).collate("C")


def _as_double(value: Sql) -> Sql:
    """A JSON number as a double; NULL where it is none."""
    number = cast(_plain_text(value), Numeric(asdecimal=False))
    return case((func.abs(number) < literal_column(f"{2**1024 - 2**970}::numeric"), cast(number, Double())))


def _mixed(value: Sql) -> Mixed:
    """A JSON value of any type."""
    type_ = func.jsonb_typeof(value)
    number = case((type_ == "number", _as_double(value)))
    text = _plain_text(value)
    return Mixed(
        case((type_ == "boolean", 0), (number.is_not(None), 1), (type_ == "string", 2)),
        case((type_ == "boolean", case((text == "true", 1.0), else_=0.0)), else_=number),
        case((type_ == "string", text)),
    )


class PostgresDialect(PostgresValues):
    """PostgreSQL's words for a query; without a connection they only say that Python decides."""

    correlates = False

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

    def lookup(self, source: FromClause, value: Sql, op: str, operand: Any) -> Sql:
        """Python chooses among the column's values."""
        wanted = json_text(operand)
        if self._connection is None:
            return func.decided_in_python(value, op, wanted)
        found = self._connection.execute(_distinct(source, value)).scalars()
        chosen = [record for record in found if sqlite_functions.compare(op, record, wanted)]
        return self.among(value, chosen) if chosen else false()

    def matches(self, source: FromClause, cell: Cell, op: str, operand: Any) -> Sql:
        """The indexed expression for the equality of text; else Python chooses among the cells."""
        quick = self._quick(cell, op, operand)
        if quick is not None:
            return quick
        text, wanted = self._text(cell), json_text(operand)
        if self._connection is None:
            return func.decided_in_python(text, op, wanted)
        found = self._connection.execute(_distinct(source, text)).scalars()
        chosen = [record for record in found if sqlite_functions.matches(cell.kind.name, op, record, wanted)]
        return text == any_(literal(chosen, ARRAY(Text()))) if chosen else false()

    def members(self, listed: Sql) -> tuple[FromClause, Sql, Sql]:
        """The elements of a list; anything that is no list has none."""
        each = _each(listed)
        value = each.c.value
        return each, _plain_text(value), func.jsonb_typeof(value) == "string"

    def elements(self, listed: Sql) -> tuple[FromClause, Mixed]:
        """The elements of a list as values of any type."""
        each = _each(listed)
        return each, _mixed(each.c.value)

    def document(self, cell: Cell) -> Sql:
        """Binary JSON, which can be compared and taken apart."""
        return self._value(cell)

    def raw(self, extra: Sql, value: Sql, wire: str) -> Sql:
        """The entry of `_extra`, or the column's value as JSON."""
        return func.coalesce(self._text(Cell(extra, (wire,), ANY)), cast(func.to_jsonb(value), Text))

    def comparable(self, source: FromClause, cell: Cell) -> Value:
        """What holds what the field should, as it is; Python reads the distinct other cells, and they are looked up."""
        kind, value = cell.kind, self._value(cell)
        if kind is ANY:
            return _mixed(value)
        if kind in (*LISTS, OBJECT):
            return cast(null(), Text)
        type_ = func.jsonb_typeof(value)
        if kind is BOOLEAN:
            return case((type_ == "boolean", cast(_plain_text(value), Boolean())))
        if kind in (NUMBER, INTEGER):
            odd = and_(type_ == "string", value.is_not(None))
            return case((type_ == "number", _as_double(value)), (odd, self._looked_up(source, cell, odd, Double())))
        if kind in (DATETIME, DAY):
            odd = type_.is_not(None)
            return self._looked_up(source, cell, odd, Integer() if kind is DAY else Text())
        odd = and_(type_ != "string", value.is_not(None))
        return case((type_ == "string", _plain_text(value)), (odd, self._looked_up(source, cell, odd, Text())))

    def _looked_up(self, source: FromClause, cell: Cell, odd: Sql, wanted: Any) -> Sql:
        """What Python reads in the cells that are `odd`, by a table of them."""
        text, kind = self._text(cell), cell.kind
        if self._connection is None:
            return func.decided_in_python(text, kind.name)
        found = self._connection.execute(_distinct(source, text).where(odd)).scalars()
        known = {record: sqlite_functions.comparable(kind.name, record) for record in found}
        known = {record: value for record, value in known.items() if value is not None}
        if not known:
            return cast(null(), wanted)
        looked_up = literal(json_text(known), Text()).cast(JSONB).op("->>", return_type=Text())(text)
        return looked_up.collate("C") if isinstance(wanted, Text) else cast(looked_up, wanted)

    def same(self, left: Sql, right: Sql) -> Sql:
        """IS NOT DISTINCT FROM."""
        return left.is_not_distinct_from(right)

    def unindexed(self, column_: Sql) -> Sql:
        """PostgreSQL knows what its indexes cost."""
        return column_

    def _value(self, cell: Cell) -> Sql:
        """The JSON at a cell."""
        found: Sql = cell.base if isinstance(cell.base.type, JSONB) else cast(cell.base, JSONB)
        for key in cell.path:
            found = found.op("->", return_type=JSONB())(_label(key))
        return found

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
    """A key: never a part of the statement's text. The server plans with its value, so an index of it is found."""
    return bindparam(None, key, type_=Text(), unique=True)
