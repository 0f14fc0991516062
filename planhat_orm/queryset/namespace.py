"""The namespace of names: a model, and the annotations that a queryset gave names of their own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from .. import runtime
from ..errors import FieldError
from ..models.base import Model
from ..query.conditions import Q
from ..query.tree import Expr, Node
from . import expressions, resolve


class Namespace(Struct, frozen=True):
    """What names mean: fields of `model`, or `known` values.

    In the namespace of groups `records` is that of the records that are grouped: only `known` names, and figures over
    the records, are values there. `prefix` are relations that every name begins with: those that a figure goes over.
    """

    model: type[Model]
    known: Mapping[str, Expr] = {}
    records: Namespace | None = None
    prefix: tuple[str, ...] = ()
    source: Any = None
    client: Any = None

    def condition(self, *conditions: Q, **lookups: Any) -> Node:
        """The tree of `filter(*conditions, **lookups)`."""
        with runtime.asked_by(self.client):
            return resolve.conditions(self, conditions, lookups)

    def value(self, item: Any) -> Expr:
        """The expression of a name, a field, an expression or a plain value; a text is a name."""
        with runtime.asked_by(self.client):
            return expressions.by_name(self, item) if isinstance(item, str) else expressions.resolved(self, item)

    def at(self, level: int, models: tuple[type[Model], ...]) -> Namespace:
        """The namespace of the records behind so many relations."""
        return self if level == 0 else self.of(models[level])

    def of(self, model: type[Model], prefix: tuple[str, ...] = ()) -> Namespace:
        """The namespace of the records of another model."""
        return Namespace(model, prefix=prefix, source=self.source, client=self.client)

    def check_source(self, other: Any, shown: str) -> None:
        """Raise unless a queryset in a condition is read from where this one is."""
        queryset = getattr(other, "_queryset", other)
        for mine, theirs in ((self.source, queryset._source), (self.client, queryset._client)):
            if theirs is not None and theirs is not mine:
                raise FieldError(
                    f"{shown}: the two querysets are read from different sources: call using(...) on both alike."
                )

    def within(self, names: tuple[str, ...], models: tuple[type[Model], ...]) -> Namespace:
        """The namespace of those records for names that are written from here."""
        return self if not names else self.of(models[-1], names)

    def stripped(self, words: tuple[str, ...]) -> tuple[str, ...]:
        """A path without the relations that all begin with here."""
        if words[: len(self.prefix)] != self.prefix:
            raise FieldError(f"{'__'.join(words)!r} is not of the records behind {'__'.join(self.prefix)}.")
        return words[len(self.prefix) :]
