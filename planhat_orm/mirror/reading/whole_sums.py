"""Sums of columns that hold whole numbers: the database adds those up exactly by itself, and says that it did.

Most columns of numbers hold no fraction. Where one turns out to, the groups that met it take their sum from a statement
that adds up exactly; it runs when it is first needed, once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING
from typing import Any as Anything

from sqlalchemy import Double, Select, and_, case, cast, func, select, true

from ...query.kinds import INTEGER, NUMBER
from ...query.tree import EVERYTHING, Figure, Target
from . import expressions
from .joins import Joins, Sql, columns_of

if TYPE_CHECKING:
    from .compiler import Compiler


def columns(compiler: Compiler, figure: Figure, joins: Joins) -> tuple[Sql, ...] | None:
    """The database's own sum of a figure, and for a mean the number of values; None where it may well be inexact."""
    value = figure.value
    if figure.function not in ("sum", "avg") or figure.distinct or not isinstance(value, Target):
        return None
    if value.kind not in (NUMBER, INTEGER):
        return None
    column = expressions.single(compiler, value, joins)
    where = figure.where[0] if figure.where else EVERYTHING
    added = column if where == EVERYTHING else case((compiler.where(where, joins), column))
    total = compiler.dialect.whole_sum(column, added)
    if total is None:
        return None
    return (total,) if figure.function == "sum" else (total, func.count(added))


def result(
    compiler: Compiler, figure: Figure, found: Sequence[Sql], keys: Sequence[Sql], exactly: Select[Anything]
) -> Sql:
    """The figure of a group by its `columns`; `exactly` is the statement of groups with the exact one."""
    total, *count = found
    cells: list[Sql] = list(exactly.subquery().c)
    *others, exact = cells
    same = (compiler.dialect.same(left, right) for left, right in zip(keys, others, strict=True))
    value: Sql = cast(total, Double())
    for number in count:
        value = value / (number * 1.0)
    if figure.default is not None:
        value = func.coalesce(value, *columns_of(expressions.constant(figure.default)))
    chosen = select(exact).where(and_(true(), *same)).scalar_subquery()
    return case((compiler.dialect.is_inexact(total), chosen), else_=value)
