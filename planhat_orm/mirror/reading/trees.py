"""Trees in SQL: what one step after another leads to, by a recursive statement.

A step goes down, to the rows whose parent a row is, or up. Levels are counted, so every walk ends, whatever the data
says; a walk down is cut where it comes back to its root, so it meets each row once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from typing import Any as Anything

from sqlalchemy import CTE, Integer, Select, and_, literal, literal_column, or_, select, true

from ...query.tree import DEEPEST, EVERYTHING, Hop, Node
from ..db.layout import layout_for
from .joins import Joins, Sql

if TYPE_CHECKING:
    from .compiler import Compiler

_LEVEL = literal(0, Integer()).label("level")


def near_ids(compiler: Compiler, hop: Hop, where: Node, hidden: bool) -> Select[Anything]:
    """The ids of the records that `hop` leads from to some record that satisfies `where`."""
    far = compiler.far(hop, hidden)
    id = far.joins.column("_id")
    inside = and_(far.visible, compiler.where(where, far.joins))
    begin = select(id.label("id"), _LEVEL).select_from(far.joins.source).where(inside).cte(recursive=True)
    following, condition, id = _step(compiler, hop, begin.c.id, down=hop.near != "_id")
    step = select(id, begin.c.level + 1).select_from(begin, following).where(condition, begin.c.level < _deepest())
    walk = begin.union(step)
    return select(walk.c.id).where(true() if hop.itself else walk.c.level > 0)


def walks(compiler: Compiler, hop: Hop, roots: Node = EVERYTHING) -> tuple[CTE, Sql]:
    """The pairs of ids `root` and `id` that `hop` leads from and to, and the condition that a pair counts.

    Only walks from records that satisfy `roots` are asked for.
    """
    layout, down = layout_for(hop.resource), hop.near == "_id"
    first = Joins(compiler, compiler.alias(layout), layout)
    chosen, own = compiler.where(roots, first), first.column("_id")
    begin = (
        select(own.label("root"), own.label("id"), _LEVEL).select_from(first.source).where(chosen).cte(recursive=True)
    )
    following, condition, id = _step(compiler, hop, begin.c.id, down=down)
    again = id != begin.c.root if hop.itself else or_(begin.c.id != begin.c.root, begin.c.level == 0)
    step = select(begin.c.root, id, begin.c.level + 1).select_from(begin, following)
    walk = begin.union_all(step.where(condition, again, begin.c.level < _deepest()))
    return walk, true() if hop.itself else walk.c.level > 0


def _step(compiler: Compiler, hop: Hop, id: Sql, *, down: bool) -> tuple[Anything, Sql, Sql]:
    """The table of the next rows, the condition that a step from `id` leads to one, and the id that it leads to."""
    layout = layout_for(hop.resource)
    table = compiler.alias(layout)
    own, parent = table.c[layout.by_wire["_id"].name], table.c[layout.by_wire[_parent(hop)].name]
    return (table, parent == id, own) if down else (table, and_(own == id, parent.is_not(None)), parent)


def _parent(hop: Hop) -> str:
    return hop.far if hop.near == "_id" else hop.near


def _deepest() -> Sql:
    return literal_column(str(DEEPEST))
