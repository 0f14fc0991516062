"""What records are grouped by: fields, parts of dates, elements of lists, and the names of what references lead to."""

from __future__ import annotations

from typing import Any

from ..errors import FieldError
from ..names import quoted
from ..query.expressions import Max
from ..query.kinds import ANY, LISTS, OBJECT, REF, REFS
from ..query.lookups import noun
from ..query.tree import Expr, Item, Target
from .namespace import Namespace
from .paths import LABEL, walk, words


def key_of(namespace: Namespace, name: Any) -> tuple[str, Expr]:
    """The name and value of one key of `group_by()`."""
    if isinstance(name, str):
        return name, grouped(_value(namespace, name))
    shown = getattr(name, "name", None)
    if not isinstance(shown, str):
        raise FieldError(f"group_by() takes names, or values by name: group_by(month={quoted(name)}).")
    return shown, grouped(namespace.value(name))


def _value(namespace: Namespace, name: str) -> Expr:
    if not name:
        raise FieldError("group_by() needs a field: group_by('phase').")
    return namespace.value(name)


def grouped(expr: Expr) -> Expr:
    """A list is grouped by its elements."""
    if isinstance(expr, Target) and expr.kind in LISTS and not expr.hops:
        return Item(expr, REF if expr.kind is REFS else ANY)
    if expr.kind in (*LISTS, OBJECT):
        raise FieldError(f"{expr.name} cannot be grouped by: it holds {noun(expr.kind)}.")
    return expr


def label_of(namespace: Namespace, key: str, expr: Expr) -> Expr | None:
    """The name of the record that a group's reference leads to, where the group is by a relation."""
    if key in namespace.known or not isinstance(expr, Target):
        return None
    place = walk(namespace.model, words(key))
    if place.relation is None or place.rest:
        return None
    return Namespace(namespace.model, {}, namespace).value(Max("__".join((*words(key), LABEL))))


def name_of_label(key: str) -> str:
    """What the name of a record is called beside its id: `owner__label`, or `company.owner.label`."""
    return f"{key}.{LABEL}" if "." in key and "__" not in key else f"{key}__{LABEL}"
