"""Names of groups: what the record is called that a group's reference leads to is looked up once for each group.

A figure such as `max(owner.nick_name)` is the same for all records of a group by owner.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING
from typing import Any as Anything

from msgspec.structs import replace
from sqlalchemy import FromClause, and_

from ...query.tree import EVERYTHING, Coalesce, Expr, Figure, Target
from ...query.walk import replaced
from ..db.layout import layout_for
from . import expressions
from .joins import Joins, Sql, Value

if TYPE_CHECKING:
    from .compiler import Compiler


def reference_of(figure: Figure, keys: Sequence[Expr], resource: str) -> Target | None:
    """The key that leads to the record whose fields, and no others, a least or greatest value is one of."""
    hops, *others = {field.hops if isinstance(field, Target) else () for field in _fields(figure)}
    if others or not hops or not hops[-1].to_one or not _is_of_group(figure):
        return None
    layout = layout_for(hops[-2].resource if len(hops) > 1 else resource)
    near = layout.by_wire[hops[-1].near]
    for key in keys:
        if isinstance(key, Target) and (key.hops, key.keys) == (hops[:-1], (near.wire,)):
            return key if key.kind.comparable is near.kind.comparable else None
    return None


def _is_of_group(figure: Figure) -> bool:
    plain = not figure.hops and figure.default is None and figure.where in ((), (EVERYTHING,))
    return plain and figure.function in ("min", "max")


def looked_up(compiler: Compiler, figure: Figure, reference: Sql, source: FromClause) -> tuple[FromClause, Value]:
    """What is selected from with the record joined that a reference leads to, and its value."""
    value, first = figure.value, _fields(figure)[0]
    assert value is not None and isinstance(first, Target)
    hop = first.hops[-1]
    layout = layout_for(hop.resource)
    far = compiler.alias(layout)
    same = far.c[layout.by_wire[hop.far].name] == reference
    joined = source.join(far, and_(same, compiler.belongs(far, layout, hidden=True)), isouter=True)
    return joined, expressions.value(compiler, replaced(value, _alone), Joins(compiler, far, layout))


def _fields(figure: Figure) -> tuple[Expr | None, ...]:
    return figure.value.values if isinstance(figure.value, Coalesce) else (figure.value,)


def _alone(part: Anything) -> Anything:
    """A field as one of the record itself."""
    return replace(part, hops=()) if isinstance(part, Target) else part
