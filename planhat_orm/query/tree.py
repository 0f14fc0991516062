"""The expression tree: what a query asks, about wire keys and kinds, frozen.

A `Node` is a condition, an `Expr` a value. Each is read in three ways: API parameters, Python, SQL. Truth is
two-valued: a comparison with a missing value is false, and `Not` is an exact complement. A value is a comparable
of its kind (see `kinds`), or None.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal
from typing import Any as Anything

from msgspec import Struct

from .kinds import DAY, INTEGER, NUMBER, Kind

if TYPE_CHECKING:
    from .query import Query


class Hop(Struct, frozen=True):
    """A step over a relation: to the records of `resource` whose `far` equals this record's `near`.

    A forward relation goes from a reference to `_id`, a reverse one from `_id` to a reference.
    `many_near` says that `near` holds a list of ids, `many_far` that `far` does. With `closure` the step is taken again
    and again, `DEEPEST` times at most, and leads to all that it comes to; with `itself` to the record, too.
    """

    resource: str
    near: str
    far: str
    many_near: bool = False
    many_far: bool = False
    closure: bool = False
    itself: bool = False

    @property
    def to_one(self) -> bool:
        """Whether it leads to one record at most."""
        return self.far == "_id" and not self.many_near and not self.closure


DEEPEST = 100
"""Levels of a tree that are followed, in every reading alike: one that is deeper than any holds a mistake."""


# --- values ---------------------------------------------------------------------------------------------


class Target(Struct, frozen=True):
    """A field: over `hops`, each to one record, then down `keys` of the wire record."""

    name: str
    keys: tuple[str, ...]
    kind: Kind
    hops: tuple[Hop, ...] = ()


class Constant(Struct, frozen=True):
    """A value that is the same for all records: a comparable of `kind`, or a `Relative` moment."""

    value: Anything
    kind: Kind

    @property
    def name(self) -> str:
        """The value, as a plan shows it."""
        return repr(self.value)


class Arithmetic(Struct, frozen=True):
    """`left op right`. Numbers give numbers; two moments, or two days, the days between them; a moment or day and a
    number of days another one. What divides by zero, or is not finite, is None."""

    op: Literal["+", "-", "*", "/"]
    left: Expr
    right: Expr
    kind: Kind = NUMBER

    @property
    def name(self) -> str:
        """The sum, as a plan shows it."""
        left, right = (
            f"({side.name})" if isinstance(side, Arithmetic) else side.name for side in (self.left, self.right)
        )
        return f"{left} {self.op} {right}"


class Part(Struct, frozen=True):
    """A part of a moment, in the query's time zone, or of a day: `year`, `month`, `hour`, ..., or its `date`."""

    part: str
    of: Expr

    @property
    def kind(self) -> Kind:
        """Parts are whole numbers, a date is a day."""
        return DAY if self.part == "date" else INTEGER

    @property
    def name(self) -> str:
        """The path, as a lookup has it."""
        return f"{self.of.name}__{self.part}"


class Trunc(Struct, frozen=True):
    """The first day of the year, quarter, month or week (from Monday) of a moment or day, or the day itself."""

    unit: str
    of: Expr

    @property
    def kind(self) -> Kind:
        """A day."""
        return DAY

    @property
    def name(self) -> str:
        """The call, as a plan shows it."""
        return f"trunc({self.of.name}, '{self.unit}')"


class Coalesce(Struct, frozen=True):
    """The first value that is there."""

    values: tuple[Expr, ...]
    kind: Kind

    @property
    def name(self) -> str:
        """The call, as a plan shows it."""
        return f"coalesce({', '.join(value.name for value in self.values)})"


class Case(Struct, frozen=True):
    """The value of the first condition that holds, else `default`."""

    branches: tuple[tuple[Node, Expr], ...]
    default: Expr | None
    kind: Kind

    @property
    def name(self) -> str:
        """A short name for the plan."""
        return "case"


class Figure(Struct, frozen=True):
    """One figure over many records: those that `hops` lead to, or without hops those of a group.

    Each record counts once. `where` holds a condition for each level: the record itself, then the records behind
    each hop; `hidden` says for each hop whether the records count that lists leave out. `value` is read from the
    last ones (None: the record itself). Of no value, `count` is 0 and any other figure `default`.
    """

    function: str
    value: Expr | None = None
    hops: tuple[Hop, ...] = ()
    where: tuple[Node, ...] = ()
    hidden: tuple[bool, ...] = ()
    distinct: bool = False
    default: Constant | None = None
    path: str = ""

    @property
    def kind(self) -> Kind:
        """Counts are whole numbers; the least and the greatest are of the value's kind."""
        if self.function == "count":
            return INTEGER
        return self.value.kind if self.function in ("min", "max") and self.value is not None else NUMBER

    @property
    def name(self) -> str:
        """The call, as a plan shows it."""
        parts = [self.path] if self.path else []
        if self.value is not None:
            parts.append(self.value.name)
        return f"{self.function}({'distinct ' if self.distinct else ''}{'__'.join(parts) or '*'})"


class Item(Struct, frozen=True):
    """Each element of a list, as a set; a record without any is in the group of None. Only groups are made of it."""

    of: Target
    kind: Kind

    @property
    def name(self) -> str:
        """The list's name."""
        return self.of.name


Expr = Target | Constant | Arithmetic | Part | Trunc | Coalesce | Case | Figure | Item

# --- conditions -----------------------------------------------------------------------------------------


class Test(Struct, frozen=True):
    """One comparison. `value` is an operand of the target's kind, or another expression."""

    target: Expr
    op: str
    value: Anything


class All(Struct, frozen=True):
    """True when every child is; of no children, true."""

    children: tuple[Node, ...] = ()


class Any(Struct, frozen=True):
    """True when some child is; of no children, false."""

    children: tuple[Node, ...] = ()


class Not(Struct, frozen=True):
    """The exact complement of its child."""

    child: Node


class Related(Struct, frozen=True):
    """True when some record over `hop` satisfies `where`. `name` is the relation's.

    `hidden` says that the records count that lists leave out. `shared` marks what a path such as
    `licenses__mrr` gives: conditions that are joined by AND speak of one record (see `combine`).
    """

    name: str
    hop: Hop
    where: Node
    hidden: bool = True
    shared: bool = True


class InQuery(Struct, frozen=True):
    """True when a value is one of those that `value` has in the records of another query."""

    target: Target
    query: Query
    value: Target


Node = Test | All | Any | Not | Related | InQuery

EVERYTHING = All()
NOTHING = Any()


def both(left: Node, right: Node) -> Node:
    """Combine with AND, flat, so that every top-level condition stays visible to the API split."""
    if NOTHING in (left, right):
        return NOTHING
    parts = [part for node in (left, right) for part in (node.children if isinstance(node, All) else (node,))]
    return parts[0] if len(parts) == 1 else All(tuple(parts))
