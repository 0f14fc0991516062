"""`Q`: a condition as a user writes it, by names, before it meets a model."""

from __future__ import annotations

from typing import Any, Literal

from .. import arguments
from ..errors import FieldError
from ..names import quoted

_DEEPEST = 24
"""Levels of conditions in each other. SQLite's parser takes about thirty, and all sources answer alike."""
Leaf = tuple[tuple[Any, ...], Any]
"""A path with its lookup, and the value: `(("mrr", "gte"), 1000)`. The first word may be an expression."""


class Q:
    """A condition by names, as in Django: `Q(phase="Live") | ~Q(tags__contains="vip")`.

    Names are checked when the condition meets a model, in `filter()`. `Company.mrr >= 1000` is the same as
    `Q(mrr__gte=1000)`. Custom fields with spaces: `Q.custom("Renewal in days", lt=30)`.
    """

    __slots__ = ("children", "connector", "depth", "negated")
    depth: int

    def __init__(self, *conditions: Q, **lookups: Any) -> None:
        for condition in conditions:
            if not isinstance(condition, Q):
                raise FieldError(f"Q() takes conditions and lookups by name, not {quoted(condition)}.")
        self.connector: Literal["and", "or"] = "and"
        self.negated = False
        self.depth = _depth(conditions)
        self.children: tuple[Q | Leaf, ...] = (
            *conditions,
            *((tuple(name.split("__")), value) for name, value in lookups.items()),
        )

    @classmethod
    def custom(cls, label: str, value: Any = ..., **lookups: Any) -> Q:
        """A condition on the custom field `label`, which may have spaces: `Q.custom("Seats", gte=10)`."""
        arguments.name(label, "A custom field's label")
        if value is not ...:
            lookups["exact"] = value
        return Q._of(tuple((("custom", label, op), operand) for op, operand in lookups.items()))

    @staticmethod
    def _of(children: tuple[Q | Leaf, ...], connector: Literal["and", "or"] = "and", negated: bool = False) -> Q:
        made = Q()
        made.children, made.connector, made.negated = children, connector, negated
        made.depth = _depth(children)
        return made

    def __and__(self, other: Q) -> Q:
        return self._joined(other, "and") if isinstance(other, Q) else NotImplemented

    def __or__(self, other: Q) -> Q:
        return self._joined(other, "or") if isinstance(other, Q) else NotImplemented

    def _joined(self, other: Q, connector: Literal["and", "or"]) -> Q:
        """Both conditions side by side: a chain of any length is flat, as one that is nested ends at some depth."""
        parts = [part.children if part._is_chain(connector) else (part,) for part in (self, other)]
        return Q._of((*parts[0], *parts[1]), connector)

    def _is_chain(self, connector: str) -> bool:
        made_of_conditions = len(self.children) > 1 and all(isinstance(child, Q) for child in self.children)
        return type(self) is Q and not self.negated and self.connector == connector and made_of_conditions

    def __invert__(self) -> Q:
        return Q._of((self,), "and", negated=True)

    def __bool__(self) -> bool:
        raise TypeError("A condition is neither true nor false by itself: combine with & | ~, not and/or/not.")

    def _facts(self) -> tuple[Any, ...]:
        return self.connector, self.negated, tuple(map(_comparable, self.children))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Q):
            return NotImplemented
        return type(self) is type(other) and self._facts() == other._facts()

    def __hash__(self) -> int:
        return hash((self.connector, self.negated, len(self.children)))

    def __repr__(self) -> str:
        parts = [
            repr(child) if isinstance(child, Q) else f"{'__'.join(map(str, child[0]))}={child[1]!r}"
            for child in self.children
        ]
        text = f" {'|' if self.connector == 'or' else '&'} ".join(parts)
        return f"~Q({text})" if self.negated else f"Q({text})"


def _comparable(child: Any) -> Any:
    """A part of a condition as something that `==` compares: an expression's own `==` makes a condition."""
    if isinstance(child, tuple):
        return tuple(map(_comparable, child))
    return repr(child) if hasattr(child, "_is_expression") else child


class Exists(Q):
    """True when some record behind a relation satisfies the conditions, which are by names of that record.

    `Exists("tickets", status="open", severity="urgent")` is about one ticket, and each `Exists` about one of its own.
    Records that lists leave out count only where `archived` is asked about. The relation may go on:
    `Exists("descendants__tickets", severity="urgent")`.
    """

    __slots__ = ("inner", "relation")

    def __init__(self, relation: str, *conditions: Q, **lookups: Any) -> None:
        super().__init__()
        if not isinstance(relation, str):
            raise FieldError(f"Exists() takes the name of a relation first, such as 'tickets', not {quoted(relation)}.")
        self.relation = relation
        self.inner = Q(*conditions, **lookups)

    def _facts(self) -> tuple[Any, ...]:
        return self.relation, self.inner._facts()

    def __hash__(self) -> int:
        return hash((self.relation, self.inner))

    def __repr__(self) -> str:
        return f"Exists({self.relation!r}, {self.inner!r})"


def _depth(children: tuple[Q | Leaf, ...]) -> int:
    depth = 1 + max((child.depth for child in children if isinstance(child, Q)), default=0)
    if depth > _DEEPEST:
        raise FieldError(f"Conditions are nested deeper than {_DEEPEST} levels: write some of them side by side.")
    return depth
