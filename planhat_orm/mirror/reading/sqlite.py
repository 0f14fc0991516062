"""What a query says in SQLite's words.

A declared custom field is found by the index on `custom ->> '$."Tier"'`, so the common comparisons are written
over exactly that expression, beside the JSON type that keeps `true` apart from 1 and `"5"` from 5. What SQL
cannot say as Python does is asked of Python (see `functions`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from sqlalchemy import (
    REAL,
    Alias,
    Boolean,
    Column,
    ColumnElement,
    Connection,
    FromClause,
    Integer,
    Table,
    and_,
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
    type_coerce,
)
from sqlalchemy import Text as SqlText
from sqlalchemy.sql.elements import UnaryExpression
from sqlalchemy.sql.operators import custom_op

from ...query.kinds import ANY, BOOLEAN, DATETIME, DAY, EXACT, ID, INTEGER, LIST, LISTS, NUMBER, OBJECT, TEXT, Kind
from ..db.json_text import json_text, path
from .joins import Cell, Mixed, Sql, Value
from .sqlite_values import SqliteValues

_WHOLE = re.compile(r"0|-?[1-9][0-9]{0,17}").fullmatch
_MOST = 1.7976931348623157e308
_MANY = 200
_FIRST_DAY, _LAST_DAY = -719162, 2932896
_MOMENT = "%Y-%m-%dT%H:%M:%fZ"
_OPERATORS = {"exact": "=", "gt": ">", "gte": ">=", "lt": "<", "lte": "<="}


def quoted(keys: tuple[str, ...]) -> ColumnElement[str] | None:
    """The JSON path as a literal: an expression index matches only what is spelt like it."""
    found = path(keys)
    return None if found is None else literal_column("'" + found.replace("'", "''") + "'")


def _mixed(type_: Sql, value: Sql) -> Mixed:
    """A JSON value of any type, by its type and what it is in SQL."""
    number = and_(type_.in_(("integer", "real")), value.between(-_MOST, _MOST))
    return Mixed(
        case((type_.in_(("true", "false")), 0), (number, 1), (type_ == "text", 2)),
        case((type_ == "true", 1.0), (type_ == "false", 0.0), (number, cast(value, REAL))),
        case((type_ == "text", value)),
    )


def _is_indexed(column: Column[Any]) -> bool:
    """Whether an index has the rows in the order of a column."""
    table = column.table.element if isinstance(column.table, Alias) else column.table
    if not isinstance(table, Table):
        return True
    own = table.c[column.name]
    return bool(own.unique) or any(index.columns.values()[0] is own for index in table.indexes)


class SqliteDialect(SqliteValues):
    """SQLite's words for a query."""

    correlates = True

    def __init__(self, connection: Connection | None = None) -> None:
        self._connection = connection

    def json(self, column: Sql) -> Sql:
        """JSON is text here."""
        return column

    def missing(self, cell: Cell) -> Sql:
        """Whether nothing, or null, is at the cell; what `_extra` holds is mostly of other keys, as its text tells."""
        nothing: Sql = func.coalesce(self._type(cell), "null") == "null"
        if getattr(cell.base, "name", "") != "_extra":
            return nothing
        key = literal(json_text(cell.path[0]), SqlText())
        return or_(cell.base.is_(None), func.instr(cell.base, key) == 0, nothing)

    def among(self, value: Sql, operands: Sequence[Any]) -> Sql:
        """IN; many values travel as one JSON array, as SQLite bounds the number of parameters."""
        if len(operands) <= _MANY:
            return value.in_(operands)
        each = func.json_each(json_text(list(operands))).table_valued("value")
        return value.in_(select(each.c.value))

    def contains(self, value: Sql, operand: str) -> Sql:
        """`instr` compares by code point, unlike LIKE."""
        return func.instr(value, operand) > 0

    def starts(self, value: Sql, operand: str) -> Sql:
        """The first characters are the operand."""
        return func.substr(value, 1, len(operand)) == operand

    def ends(self, value: Sql, operand: str) -> Sql:
        """The last characters are the operand."""
        return func.substr(value, -len(operand)) == operand if operand else value.is_not(None)

    def lookup(self, source: FromClause, value: Sql, op: str, operand: Any) -> Sql:
        """Python decides."""
        return func.planhat_compare(op, value, json_text(operand)) == 1

    def matches(self, source: FromClause, cell: Cell, op: str, operand: Any) -> Sql:
        """Over the indexed expression where that is exact, else Python decides."""
        quick = self._quick(cell, op, operand)
        return quick if quick is not None else self._ask(cell, op, operand)

    def members(self, listed: Sql) -> tuple[FromClause, Sql, Sql]:
        """The elements of a list; anything that is no list has none."""
        each = self._each(listed)
        return each, each.c.value, each.c.type == "text"

    def elements(self, listed: Sql) -> tuple[FromClause, Mixed]:
        """The elements of a list as values of any type."""
        each = self._each(listed)
        return each, _mixed(each.c.type, each.c.value)

    def _each(self, listed: Sql) -> FromClause:
        source = case((func.json_type(listed) == "array", listed), else_="[]")
        each = func.json_each(source).table_valued(
            column("value", SqlText), column("type", SqlText), joins_implicitly=True
        )
        return each.alias()

    def document(self, cell: Cell) -> Sql:
        """JSON is text here."""
        return self._json(cell)

    def raw(self, extra: Sql, value: Sql, wire: str) -> Sql:
        """The entry of `_extra`, or the column's value as JSON."""
        return func.coalesce(self._json(Cell(extra, (wire,), ANY)), self._quoted(value))

    def comparable(self, source: FromClause, cell: Cell) -> Value:
        """What holds what the field should, as it is; Python reads the rest."""
        kind, type_, value = cell.kind, self._type(cell), self._scalar(cell)
        if kind is ANY:
            return _mixed(type_, value)
        if kind in (*LISTS, OBJECT):
            return cast(null(), SqlText)
        if kind is BOOLEAN:
            return type_coerce(case((type_ == "true", 1), (type_ == "false", 0)), Boolean())
        asked = (type_.is_not(None), func.planhat_comparable(kind.name, self._json(cell)))
        if kind in (NUMBER, INTEGER):
            numbers = and_(type_.in_(("integer", "real")), value.between(-_MOST, _MOST))
            return type_coerce(case((numbers, cast(value, REAL)), (type_ == "text", asked[1])), REAL())
        if kind is DAY:
            whole = and_(type_ == "integer", value.between(_FIRST_DAY, _LAST_DAY))
            return type_coerce(case((whole, value), asked), Integer())
        if kind is DATETIME:
            as_written = func.strftime(_MOMENT, value, "+0 days") == value
            return case((and_(type_ == "text", value >= "0001", as_written), value), asked)
        return case((type_ == "text", value), asked)

    def same(self, left: Sql, right: Sql) -> Sql:
        """IS compares values here."""
        return left.op("IS", is_comparison=True)(right)

    def unindexed(self, column: Sql) -> Sql:
        """With a plus, SQLite reads the table from its beginning to its end, and sorts; without need, it only costs."""
        if not isinstance(column, Column) or not isinstance(column.type, SqlText) or not _is_indexed(column):
            return column
        return UnaryExpression(column, operator=custom_op("+"), type_=column.type)

    def _quoted(self, value: Sql) -> Sql:
        if isinstance(value.type, Boolean):
            return case((value.is_(True), "true"), (value.is_(False), "false"))
        return case((value.is_not(None), func.json_quote(value)))

    def _json(self, cell: Cell) -> Sql:
        if not cell.path:
            return cell.base
        at = quoted(cell.path)
        return func.planhat_dig(cell.base, json_text(cell.path)) if at is None else cell.base.op("->")(at)

    def _scalar(self, cell: Cell) -> Sql:
        at = quoted(cell.path)
        return self._json(cell).op("->>")(literal_column("'$'")) if at is None else cell.base.op("->>")(at)

    def _type(self, cell: Cell) -> Sql:
        at = quoted(cell.path)
        return func.json_type(self._json(cell)) if at is None else func.json_type(cell.base, at)

    def _ask(self, cell: Cell, op: str, operand: Any) -> Sql:
        asked: Sql = func.planhat_matches(cell.kind.name, op, self._json(cell), json_text(operand)) == 1
        wanted = operand if op == "overlap" else (operand,)
        if (
            cell.kind in (*LISTS, ANY)
            and op in ("contains", "overlap")
            and all(isinstance(name, str) for name in wanted)
        ):
            if len(wanted) > _MANY:
                return and_(self._may_overlap(self._json(cell), wanted), asked)
            # Our own encoder wrote the cell, so an element is in it letter by letter; text holds it without quotes.
            inside = (json_text(name) if cell.kind in LISTS else json_text(name)[1:-1] for name in wanted)
            holds = self._has_any(self._json(cell), wanted) if cell.kind is LIST else asked
            return and_(or_(false(), *(func.instr(self._json(cell), item) > 0 for item in inside)), holds)
        return asked

    def _has_any(self, listed: Sql, wanted: Sequence[str]) -> Sql:
        """Whether some of the texts are elements of a list."""
        each = self._each(listed)
        return select(1).select_from(each).where(each.c.type == "text", each.c.value.in_(wanted)).exists()

    def _may_overlap(self, listed: Sql, wanted: Sequence[str]) -> Sql:
        """Whether a list has one of many texts, or what only Python can tell."""
        each = self._each(listed)
        inside = or_(self.among(each.c.value, wanted), each.c.type.in_(("array", "object")))
        return or_(func.json_type(listed) != "array", select(1).select_from(each).where(inside).exists())

    def _quick(self, cell: Cell, op: str, operand: Any) -> Sql | None:
        kind = cell.kind
        if op == "range" and kind in (TEXT, ID, NUMBER, INTEGER):
            low, high = self._quick(cell, "gte", operand[0]), self._quick(cell, "lte", operand[1])
            return None if low is None or high is None else and_(low, high)
        if op == "in":
            parts = [self._quick(cell, "exact", element) for element in operand[:_MANY]]
            if len(operand) > _MANY or any(part is None for part in parts):
                return None
            return or_(*(part for part in parts if part is not None)) if parts else None
        if op not in _OPERATORS:
            return None
        if isinstance(operand, bool):
            return self._boolean(cell, operand) if op == "exact" and kind in (BOOLEAN, ANY) else None
        if isinstance(operand, str):
            return self._text(cell, kind, op, operand) if kind in (TEXT, ID, ANY) else None
        if kind in (NUMBER, INTEGER, ANY) and abs(operand) < EXACT:
            return self._number(cell, kind, op, operand)
        return None

    def _boolean(self, cell: Cell, operand: bool) -> Sql:
        return and_(self._scalar(cell) == int(operand), self._type(cell) == ("true" if operand else "false"))

    def _text(self, cell: Cell, kind: Kind, op: str, operand: str) -> Sql:
        value, sign = self._scalar(cell), _OPERATORS[op]
        texts = and_(value.op(sign, is_comparison=True)(operand), self._type(cell) == "text")
        if op in ("lt", "lte"):
            texts = and_(texts, value >= "")
        if kind is ANY:
            return texts
        # A text field's whole numbers are texts (`_load_text`). Numbers sort before all texts in SQLite.
        if op == "exact":
            if not _WHOLE(operand):
                return texts
            return or_(texts, and_(value == int(operand), self._type(cell) == "integer"))
        spelt = cast(value, SqlText).op(sign, is_comparison=True)(operand)
        return or_(texts, and_(value < "", self._type(cell) == "integer", spelt))

    def _number(self, cell: Cell, kind: Kind, op: str, operand: float) -> Sql:
        value = self._scalar(cell)
        numbers = and_(
            value.op(_OPERATORS[op], is_comparison=True)(operand),
            value.between(-_MOST, _MOST),
            self._type(cell).in_(("integer", "real")),
        )
        if kind is ANY:
            return numbers
        return or_(numbers, and_(value >= "", self._type(cell) == "text", self._ask(cell, op, operand)))
