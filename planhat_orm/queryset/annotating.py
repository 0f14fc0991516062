"""Values that are worked out for records: given names by `annotate()`, read as attributes or by `n.of(record)`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import FieldError
from ..models.annotations import show_annotations
from ..models.base import Model
from ..names import did_you_mean, quoted
from ..query.expressions import Expression
from ..query.kinds import ANY, DATETIME, DAY, EXACT, INTEGER, LISTS, NUMBER, OBJECT, Kind
from ..query.lookups import noun
from ..query.tree import Expr
from .namespace import Namespace

Aliases = tuple[tuple[str, Any], ...]


def named(namespace: Namespace, model: type[Model], values: Mapping[str, Any]) -> dict[str, Expr]:
    """The values of `annotate(**values)`, each of which may use those before it."""
    found = dict(namespace.known)
    for alias, value in values.items():
        check_alias(model, alias)
        namespace = Namespace(
            namespace.model, found, namespace.records, source=namespace.source, client=namespace.client
        )
        expr = namespace.value(value if not isinstance(value, str) else _named_text(alias, value))
        if expr.kind in (*LISTS, OBJECT):
            raise FieldError(f"{alias}: {expr.name} holds {noun(expr.kind)}, which is no single value.")
        found[alias] = expr
    return found


def _named_text(alias: str, value: str) -> Any:
    raise FieldError(f"{alias}={value!r} is a text: F({value!r}) is the field, Value({value!r}) the text.")


def check_alias(model: type[Model], alias: str) -> None:
    """Raise `FieldError` for a name that is taken by a field, a relation or a method of the model."""
    if alias in model._meta.names or hasattr(model, alias):
        raise FieldError(
            f"{alias!r} is a name of {model.__name__} already: give the value another one, such as {alias}_."
        )
    if "__" in alias or alias.startswith("_"):
        raise FieldError(f"{alias!r} is no name for a value: it holds '__' or starts with '_'.")


def from_comparable(kind: Kind, value: Any) -> Any:
    """A comparable as a Python value: a moment is a datetime again, revenue of 1200 an int."""
    if kind in (DATETIME, DAY):
        return kind.load(value)
    return neat(value) if kind in (NUMBER, INTEGER, ANY) else value


def neat(value: Any) -> Any:
    """A whole float as an int: revenue adds up to 1200, not 1200.0."""
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < EXACT else value


def unknown(model: type[Model], known: Mapping[str, Any], name: str) -> FieldError:
    """The error for a name that is neither a field nor an annotation."""
    names = [*model._meta.names, *known]
    return FieldError(f"{model.__name__} has no field {quoted(name)}.{did_you_mean(name, names)}")


def attach(record: Model, values: dict[str, Any], kinds: Mapping[str, Kind], aliases: Aliases) -> None:
    """Give a record the values that came with it."""
    show_annotations(type(record))
    origin = record._origin
    origin.aliases = tuple(dict.fromkeys((*origin.aliases, *aliases)))
    held = origin.annotated.setdefault(record.id, {})
    held.update({name: from_comparable(kinds[name], value) for name, value in values.items()})


def is_expression(value: Any) -> bool:
    """Whether something is an expression as users write them."""
    return isinstance(value, Expression)
