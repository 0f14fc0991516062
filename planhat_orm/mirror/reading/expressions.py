"""The SQL reading of values. An expression is NULL where there is no value, so nothing needs a second check."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeGuard
from typing import Any as Anything

from sqlalchemy import Boolean, Double, FromClause, Text, and_, case, cast, false, func, literal, null, or_

from ...query.kinds import ANY, BOOLEAN, DATETIME, DAY, ID, LISTS, OBJECT, REF, TEXT, Kind
from ...query.tree import (
    Arithmetic,
    Case,
    Coalesce,
    Constant,
    Expr,
    Figure,
    Item,
    Part,
    Target,
    Trunc,
)
from .joins import Joins, Mixed, Sql, Value, columns_of

if TYPE_CHECKING:
    from .compiler import Compiler

DIRECT = {"exact": "__eq__", "gt": "__gt__", "gte": "__ge__", "lt": "__lt__", "lte": "__le__"}
_TEXTS = (TEXT, ID, REF, DATETIME)


def value(compiler: Compiler, expr: Expr, joins: Joins) -> Value:
    """What an expression compares by, over the columns of `joins`."""
    known = joins.known.get(expr)
    if known is not None:
        return known
    dialect = compiler.dialect
    match expr:
        case Target(hops=hops):
            return compiler.comparable(expr, joins.over(hops) if hops else joins, joins.source)
        case Constant():
            return constant(expr)
        case Arithmetic():
            return _arithmetic(compiler, expr, joins)
        case Part(part, of):
            return dialect.part(joins.source, of.kind, single(compiler, of, joins), part, compiler.zone)
        case Trunc(unit, of):
            return dialect.trunc(joins.source, of.kind, single(compiler, of, joins), unit, compiler.zone)
        case Coalesce(values, kind):
            return _coalesce([as_kind(value(compiler, item, joins), item.kind, kind) for item in values])
        case Case():
            return _case(compiler, expr, joins)
        case Figure():
            return compiler.figure(expr, joins)
        case Item(of):
            raise AssertionError(f"The elements of {of.name} are groups, not values.")


def single(compiler: Compiler, expr: Expr, joins: Joins) -> Sql:
    """A value that has one column: of a value of any type, what it is as a number."""
    found = value(compiler, expr, joins)
    return case((found.rank == 1, found.number)) if isinstance(found, Mixed) else found


def constant(expr: Constant) -> Value:
    """A plain value."""
    if expr.kind is ANY:
        return mixed_constant(expr.value)
    return _typed(expr.value)


def _typed(item: Anything) -> Sql:
    if item is None:
        return null()
    if isinstance(item, bool):
        return literal(item, Boolean())
    return literal(item, Text()) if isinstance(item, str) else literal(item, Double())


def mixed_constant(item: Anything) -> Mixed:
    """A plain value as one of any type."""
    rank = 0 if isinstance(item, bool) else 2 if isinstance(item, str) else 1
    number: Sql = cast(null(), Double()) if isinstance(item, str) else literal(float(item), Double())
    return Mixed(literal(rank), number, literal(item, Text()) if isinstance(item, str) else cast(null(), Text()))


def as_kind(found: Value, kind: Kind, wanted: Kind) -> Value:
    """A value as one of any type, where that is wanted."""
    if wanted is not ANY or isinstance(found, Mixed):
        return found
    rank = 0 if kind is BOOLEAN else 2 if kind in _TEXTS else 1
    there = case((found.is_not(None), rank))
    if rank == 2:
        return Mixed(there, cast(null(), Double()), found)
    number = case((found.is_(True), 1.0), (found.is_(False), 0.0)) if kind is BOOLEAN else cast(found, Double())
    return Mixed(there, number, cast(null(), Text()))


# --- arithmetic and choices -----------------------------------------------------------------------------


def _arithmetic(compiler: Compiler, expr: Arithmetic, joins: Joins) -> Sql:
    if not _is_dated(expr):
        return compiler.dialect.finite(_unchecked(compiler, expr, joins))
    left, right = single(compiler, expr.left, joins), single(compiler, expr.right, joins)
    if expr.right.kind in (DATETIME, DAY):
        return compiler.dialect.days_between(expr.left.kind, left, right)
    days = right if expr.op == "+" else -right
    return compiler.dialect.days_later(expr.left.kind, left, days)


def _is_dated(expr: Arithmetic) -> bool:
    return expr.left.kind in (DATETIME, DAY)


def _unchecked(compiler: Compiler, expr: Expr, joins: Joins) -> Sql:
    """A number that may be infinite: only what is divided by it would not show that in the end."""
    if not isinstance(expr, Arithmetic) or _is_dated(expr) or expr in joins.known:
        return single(compiler, expr, joins)
    left = _unchecked(compiler, expr.left, joins)
    right = (single if expr.op == "/" else _unchecked)(compiler, expr.right, joins)
    if not any(_is_double(side, joins) for side in (expr.left, expr.right)):
        left = cast(left, Double())
    return compiler.dialect.arithmetic(expr.op, left, right)


def _is_double(expr: Expr, joins: Joins) -> bool:
    """Whether a number is a double in SQL, too: other columns hold whole ones."""
    if isinstance(expr, Constant):
        return isinstance(expr.value, float)
    return isinstance(expr, Arithmetic) and not _is_dated(expr) and expr not in joins.known


def result_compared(compiler: Compiler, expr: Arithmetic, joins: Joins, op: str, operand: Anything) -> Sql:
    """Whether the result of arithmetic on numbers compares so with a number."""
    found = _unchecked(compiler, expr, joins)
    return and_(getattr(found, DIRECT[op])(operand), compiler.dialect.is_finite(op, found))


def is_result(expr: Expr, op: str, operand: Anything, joins: Joins) -> TypeGuard[Arithmetic]:
    """Whether a test is one of `result_compared`."""
    return (
        isinstance(expr, Arithmetic)
        and not _is_dated(expr)
        and expr not in joins.known
        and op in DIRECT
        and isinstance(operand, (int, float))
    )


def _coalesce(values: list[Value]) -> Value:
    if len(values) == 1:
        return values[0]
    if not isinstance(values[0], Mixed):
        return func.coalesce(*values)
    return _mixed(lambda place: case(*((columns_of(item)[0].is_not(None), columns_of(item)[place]) for item in values)))


def _mixed(column: Callable[[int], Sql]) -> Mixed:
    return Mixed(column(0), column(1), column(2))


def _case(compiler: Compiler, expr: Case, joins: Joins) -> Value:
    branches = [
        (compiler.where(where, joins), as_kind(value(compiler, then, joins), then.kind, expr.kind))
        for where, then in expr.branches
    ]
    default: Value | None = None
    if expr.default is not None:
        default = as_kind(value(compiler, expr.default, joins), expr.default.kind, expr.kind)

    def column(place: int) -> Sql:
        otherwise = null() if default is None else columns_of(default)[place]
        return case(*((holds, columns_of(then)[place]) for holds, then in branches), else_=otherwise)

    return _mixed(column) if expr.kind is ANY else column(0)


def chosen(holds: Sql, found: Value) -> Value:
    """A value where a condition holds, else NULL."""
    if isinstance(found, Mixed):
        return Mixed(*(case((holds, column)) for column in found.columns))
    return case((holds, found))


# --- comparisons ----------------------------------------------------------------------------------------


def compared(op: str, left: Value, left_kind: Kind, right: Value, right_kind: Kind) -> Sql:
    """Whether two values compare so; values of different types do not compare."""
    if isinstance(left, Mixed) or isinstance(right, Mixed):
        return _mixed_compared(op, as_kind(left, left_kind, ANY), as_kind(right, right_kind, ANY))
    if family(left_kind) != family(right_kind) or family(left_kind) == "nothing":
        return false()
    if left_kind is BOOLEAN and op != "exact":
        return false()
    return getattr(left, DIRECT[op])(right)  # type: ignore[no-any-return]


def _mixed_compared(op: str, left: Value, right: Value) -> Sql:
    assert isinstance(left, Mixed) and isinstance(right, Mixed)
    numbers = and_(left.rank == right.rank, left.rank == 1, getattr(left.number, DIRECT[op])(right.number))
    texts = and_(left.rank == right.rank, left.rank == 2, getattr(left.text, DIRECT[op])(right.text))
    truths = and_(left.rank == right.rank, left.rank == 0, left.number == right.number) if op == "exact" else false()
    return or_(numbers, texts, truths)


def family(kind: Kind) -> str:
    """Which comparables can be compared with each other: text, numbers, booleans; lists and objects have none."""
    if kind in (*LISTS, OBJECT):
        return "nothing"
    return "text" if kind in _TEXTS else "boolean" if kind is BOOLEAN else "number"


def worked_out(compiler: Compiler, source: FromClause, found: Value, kind: Kind, op: str, operand: Anything) -> Sql:
    """A lookup on a value that is no column or cell, or on a column."""
    if isinstance(found, Mixed):
        return _mixed_test(compiler, source, found, op, operand)
    if kind in (*LISTS, OBJECT):
        return false()
    return direct(compiler, source, found, kind, op, operand)


def _mixed_test(compiler: Compiler, source: FromClause, found: Mixed, op: str, operand: Anything) -> Sql:
    if op in DIRECT:
        return _mixed_compared(op, found, mixed_constant(operand))
    if op == "in":
        return _mixed_among(compiler, found, operand)
    if op == "range":
        low, high = operand
        return and_(
            _mixed_compared("gte", found, mixed_constant(low)), _mixed_compared("lte", found, mixed_constant(high))
        )
    if not isinstance(operand, str):
        return false()
    return and_(found.rank == 2, direct(compiler, source, found.text, TEXT, op, operand))


def _mixed_among(compiler: Compiler, found: Mixed, operands: Sequence[Anything]) -> Sql:
    """Equal to any of many values of any type."""
    truths = [float(item) for item in operands if isinstance(item, bool)]
    texts = [item for item in operands if isinstance(item, str)]
    numbers = [float(item) for item in operands if not isinstance(item, (bool, str))]
    ranked = ((0, found.number, truths), (1, found.number, numbers), (2, found.text, texts))
    among = compiler.dialect.among
    return or_(false(), *(and_(found.rank == rank, among(column, items)) for rank, column, items in ranked if items))


def direct(compiler: Compiler, source: FromClause, found: Sql, kind: Kind, op: str, operand: Anything) -> Sql:
    """A lookup on a column of comparables."""
    dialect = compiler.dialect
    if op in DIRECT:
        if kind is BOOLEAN and op != "exact":
            return false()
        return getattr(found, DIRECT[op])(operand)  # type: ignore[no-any-return]
    if op == "in":
        return dialect.among(found, operand) if operand else false()
    if op == "range":
        return and_(found >= operand[0], found <= operand[1])
    if op == "contains":
        return dialect.contains(found, operand)
    if op == "startswith":
        return dialect.starts(found, operand)
    if op == "endswith":
        return dialect.ends(found, operand)
    return dialect.lookup(source, found, op, operand)
