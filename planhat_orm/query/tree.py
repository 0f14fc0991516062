"""The expression tree: what `filter()` was asked, in two forms.

`Q` is what a user writes: names and values, combined with `& | ~`. Resolved against a model it becomes
`Test | All | Any | Not`: frozen, about wire keys and kinds, and read in three ways (API parameters, Python
predicate, SQL). Truth is two-valued: a comparison with a missing value is false, and `~` is its complement.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any as Anything
from typing import Literal

from .kinds import Kind


@dataclass(frozen=True, slots=True)
class Hop:
    """A step over a relation: to the records of `resource` whose `far` equals this record's `near`.

    A forward relation goes from a reference to `_id`, a reverse one from `_id` to a reference.
    `many_near` says that `near` holds a list of ids, `many_far` that `far` does.
    """

    resource: str
    near: str
    far: str
    many_near: bool = False
    many_far: bool = False


@dataclass(frozen=True, slots=True)
class Target:
    """The value a test looks at: over `hops`, then down `keys` of the wire record. A test's own target has no hops."""

    name: str
    keys: tuple[str, ...]
    kind: Kind
    hops: tuple[Hop, ...] = ()


@dataclass(frozen=True, slots=True)
class Test:
    """One comparison. `value` is an operand of the target's kind, or another Target (from `F`)."""

    target: Target
    op: str
    value: Anything


@dataclass(frozen=True, slots=True)
class All:
    """True when every child is; of no children, true."""

    children: tuple[Node, ...] = ()


@dataclass(frozen=True, slots=True)
class Any:
    """True when some child is; of no children, false."""

    children: tuple[Node, ...] = ()


@dataclass(frozen=True, slots=True)
class Not:
    """The exact complement of its child."""

    child: Node


@dataclass(frozen=True, slots=True)
class Related:
    """True when some record over `hop` satisfies `where`. `name` is the relation's.

    `hidden` says that the records count that lists leave out. `shared` marks what a path such as
    `licenses__mrr` gives: conditions that are joined by AND speak of one record (see `combine`).
    """

    name: str
    hop: Hop
    where: Node
    hidden: bool = True
    shared: bool = True


Node = Test | All | Any | Not | Related

EVERYTHING = All()


def both(left: Node, right: Node) -> Node:
    """Combine with AND, flat, so that every top-level condition stays visible to the API split."""
    parts = [part for node in (left, right) for part in (node.children if isinstance(node, All) else (node,))]
    return parts[0] if len(parts) == 1 else All(tuple(parts))


def tests_in(node: Node) -> list[Test]:
    """Every test of a tree that looks at the record itself, not at related ones."""
    return [leaf for leaf in leaves_in(node) if isinstance(leaf, Test)]


def related_in(node: Node) -> list[Related]:
    """Every condition of a tree on related records; those inside another one are not listed."""
    return [leaf for leaf in leaves_in(node) if isinstance(leaf, Related)]


def leaves_in(node: Node) -> list[Test | Related]:
    """The tests and the conditions on related records that a tree is made of."""
    if isinstance(node, (Test, Related)):
        return [node]
    children = (node.child,) if isinstance(node, Not) else node.children
    return [leaf for child in children for leaf in leaves_in(child)]


class Q:
    """A condition by names, as in Django: `Q(phase="Live") | ~Q(tags__contains="vip")`.

    Names are checked when the condition meets a model, in `filter()`. `Company.mrr >= 1000` is the same as
    `Q(mrr__gte=1000)`. Custom fields with spaces: `Q.custom("Renewal in days", lt=30)`.
    """

    __slots__ = ("children", "connector", "negated")

    def __init__(self, *conditions: Q, **lookups: Anything) -> None:
        for condition in conditions:
            if not isinstance(condition, Q):
                raise TypeError(f"Q() takes conditions and lookups by name, not {condition!r}.")
        self.connector: Literal["and", "or"] = "and"
        self.negated = False
        self.children: tuple[Q | tuple[tuple[str, ...], Anything], ...] = (
            *conditions,
            *((tuple(name.split("__")), value) for name, value in lookups.items()),
        )

    @classmethod
    def custom(cls, label: str, value: Anything = ..., **lookups: Anything) -> Q:
        """A condition on the custom field `label`, which may have spaces: `Q.custom("Seats", gte=10)`."""
        if value is not ...:
            lookups["exact"] = value
        return cls._of(tuple((("custom", label, op), operand) for op, operand in lookups.items()))

    @classmethod
    def _of(
        cls,
        children: tuple[Q | tuple[tuple[str, ...], Anything], ...],
        connector: Literal["and", "or"] = "and",
        negated: bool = False,
    ) -> Q:
        made = cls()
        made.children, made.connector, made.negated = children, connector, negated
        return made

    def __and__(self, other: Q) -> Q:
        return Q._of((self, other)) if isinstance(other, Q) else NotImplemented

    def __or__(self, other: Q) -> Q:
        return Q._of((self, other), "or") if isinstance(other, Q) else NotImplemented

    def __invert__(self) -> Q:
        return Q._of((self,), "and", negated=True)

    def __bool__(self) -> bool:
        raise TypeError("A condition is neither true nor false by itself: combine with & | ~, not and/or/not.")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Q):
            return NotImplemented
        mine = (self.connector, self.negated, self.children)
        return mine == (other.connector, other.negated, other.children)

    def __hash__(self) -> int:
        return hash((self.connector, self.negated, len(self.children)))

    def __repr__(self) -> str:
        parts = [
            repr(child) if isinstance(child, Q) else f"{'__'.join(child[0])}={child[1]!r}" for child in self.children
        ]
        text = f" {'|' if self.connector == 'or' else '&'} ".join(parts)
        return f"~Q({text})" if self.negated else f"Q({text})"


@dataclass(frozen=True, slots=True)
class F:
    """Another field of the same record, to compare with: `filter(mrr__gt=F("renewal_mrr"))`."""

    name: str
