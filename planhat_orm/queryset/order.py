"""What `order_by()` takes: names of values that have an order, `"-mrr"` descending."""

from __future__ import annotations

from typing import Any

from ..errors import FieldError
from ..fields.base import Field
from ..query.expressions import Expression
from ..query.kinds import LISTS, OBJECT
from ..query.lookups import noun
from ..query.tree import Expr
from .namespace import Namespace


def ordered_by(namespace: Namespace, names: tuple[Any, ...]) -> tuple[tuple[Expr, bool], ...]:
    """The `(value, descending)` pairs of `order_by("-mrr", "name")`."""
    return tuple(_value_and_direction(namespace, name) for name in names)


def _value_and_direction(namespace: Namespace, name: Any) -> tuple[Expr, bool]:
    if not isinstance(name, (str, Field, Expression)):
        raise FieldError(f"order_by() takes names such as 'mrr' or '-mrr', not a {type(name).__name__}.")
    descending = isinstance(name, str) and name.startswith("-")
    found = namespace.value(name.removeprefix("-") if isinstance(name, str) else name)
    if found.kind in (*LISTS, OBJECT):
        raise FieldError(f"{found.name} has no order: it holds {noun(found.kind)}.")
    return found, descending
