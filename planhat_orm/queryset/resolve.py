"""From names to a condition tree: what `filter(company__status="customer")` means on a model.

Every name, lookup and value is checked here, before any request, and wrong ones are answered with the
nearest right word.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING
from typing import Any as Anything

from msgspec.structs import replace

from .. import runtime
from ..errors import FieldError, ValidationError
from ..fields import One, Ref, gate
from ..fields.account import spelled
from ..fields.base import Field
from ..fields.likely import warn_of_unlikely
from ..models.base import Model
from ..query.combine import conjunction, disjunction
from ..query.conditions import Exists, Q
from ..query.dates import PARTS
from ..query.expressions import Expression
from ..query.kinds import ANY, DATETIME, ID
from ..query.lookups import COMPARISONS, LOOKUPS, check_lookup, noun
from ..query.tree import EVERYTHING, Any, Expr, Hop, InQuery, Node, Not, Part, Related, Target, Test
from ..wire.resources import Resource
from . import expressions
from .figures import asks_for_hidden
from .operands import operand, part_operand
from .paths import Place, over, walk
from .results import Results

if TYPE_CHECKING:
    from .namespace import Namespace

_OF_RELATIONS = ("exact", "in", "isnull")
_OF_DATES = frozenset({"exact", "in", "gt", "gte", "lt", "lte", "range"})
_FIELD_TO_FIELD = frozenset({"exact", "gt", "gte", "lt", "lte"})


def conditions(namespace: Namespace, args: tuple[Anything, ...], lookups: dict[str, Anything]) -> Node:
    """The tree of `filter(*args, **lookups)`."""
    name = namespace.model.__name__
    for condition in args:
        if not isinstance(condition, Q):
            raise FieldError(
                f"{name}.objects.filter() takes conditions such as Q(...) or {name}.name == ..., "
                f"and lookups by name, not a {type(condition).__name__}."
            )
    return resolve(namespace, Q(*args, **lookups))


def resolve(namespace: Namespace, condition: Q) -> Node:
    """The tree of a `Q` in a namespace."""
    if isinstance(condition, Exists):
        return _exists(namespace, condition)
    children = [
        resolve(namespace, child) if isinstance(child, Q) else _leaf(namespace, child[0], child[1])
        for child in condition.children
    ]
    node = disjunction(children) if condition.connector == "or" else conjunction(children)
    return Not(node) if condition.negated else node


def _exists(namespace: Namespace, condition: Exists) -> Node:
    """A condition on some record behind a relation; each has one of its own."""
    if namespace.records is not None:
        raise FieldError("Exists() is about records: filter() before group_by(), or take a figure with filter=.")
    path = namespace.stripped(tuple(condition.relation.split("__")))
    place = walk(namespace.model, path)
    relation: Anything = place.relation
    if relation is None or place.rest:
        raise FieldError(f"Exists({condition.relation!r}) takes a relation of {namespace.model.__name__}, not a field.")
    where = namespace.of(relation.model).condition(condition.inner)
    steps = list(zip(path, (*place.hops, relation.hop(place.owner)), strict=True))
    for name, hop in reversed(steps):
        where = Related(name, hop, where, hidden=asks_for_hidden(hop.resource, where), shared=False)
    return where


def _leaf(namespace: Namespace, path: tuple[Anything, ...], value: Anything) -> Node:
    if isinstance(path[0], Expression):
        return compared(namespace, namespace.value(path[0]), path[1] if len(path) > 1 else "exact", value)
    for length in range(len(path), 0, -1):
        known = namespace.known.get("__".join(path[:length]))
        if known is not None:
            return _tested(namespace, known, "__".join(path[:length]), path[length:], value)
    if namespace.records is not None:
        ends = sum(1 for word in path[1:] if word in LOOKUPS)
        expressions.by_name(namespace, "__".join(path[: len(path) - ends]))
    own = spelled(namespace.stripped(path))
    place = walk(namespace.model, own)
    warn_of_unlikely(namespace.model, own, value)
    if place.value is None:
        return _relation_test(namespace, place, value)
    if isinstance(value, (Expression, Field)):
        return _against_value(namespace, place, own, value)
    shown = "__".join((*place.names, place.value.name))
    if isinstance(value, Results):
        return _over(
            place, _in_query(namespace, place.value, _op(place.rest), value, _referred(namespace.model, own), shown)
        )
    if place.rest or value is not None:
        value = _plain(value, lambda: _referred(namespace.model, own), shown)
    return _over(place, _tested(namespace, place.value, shown, place.rest, value))


def _over(place: Place, node: Node) -> Node:
    """A condition on the records that the first steps of a path lead to."""
    return _behind(place.names, place.hops, node)


def _behind(names: tuple[str, ...], hops: tuple[Hop, ...], node: Node) -> Node:
    for name, hop in reversed(list(zip(names, hops, strict=True))):
        node = Related(name, hop, node)
    return node


def _op(rest: tuple[str, ...]) -> str:
    return rest[0] if rest else "exact"


def _tested(namespace: Namespace, expr: Expr, shown: str, rest: tuple[str, ...], value: Anything) -> Node:
    """The test of a value by the lookup that follows it, or by that of its part: `month__gte`."""
    if rest and rest[0] in PARTS:
        check_lookup(expr.kind, rest[0], shown)
        return _part_test(namespace, Part(rest[0], expr), shown, rest[1:], value)
    op = _op(rest)
    if isinstance(value, (Expression, Field)):
        return compared(namespace, expr, op, value)
    if op == "exact" and value is None:
        return Test(expr, "isnull", True)
    check_lookup(expr.kind, op, shown)
    if isinstance(expr, Target) and expr.kind is ANY and op in _OF_DATES:
        value, dated = _with_dates(expr, op, value, shown)
        if dated is not None:
            return dated
    if not isinstance(expr, Target) and op == "overlap":
        raise FieldError(f"{shown} is one value, which overlaps nothing.")
    iterable = not isinstance(value, (str, bytes)) and hasattr(value, "__iter__") and getattr(value, "ndim", 1) != 0
    if op == "in" and iterable:
        value = list(value)
        test = Test(expr, op, operand(expr.kind, op, value, shown))
        return Any((test, Test(expr, "isnull", True))) if any(element is None for element in value) else test
    return Test(expr, op, operand(expr.kind, op, value, shown))


def _with_dates(expr: Target, op: str, value: Anything, shown: str) -> tuple[Anything, Node | None]:
    """The value, and where it has dates in it the test of a custom field of unknown kind against them.

    Planhat keeps a date as text and a day as a number: what a record holds is compared as what it is.
    """
    listed = gate.several(value) if op in ("in", "range") else None
    several, values = listed is not None, [value] if listed is None else listed
    dates = [item for item in values if gate.is_date(item)]
    if not dates:
        return (values if hasattr(value, "__next__") else value), None
    if op == "range":
        dates = values
    days = [day for item in dates if (day := gate.day_number(item)) is not None]
    others = [item for item in values if item is not None and not gate.is_date(item)] if op == "in" else []
    tests = [Test(replace(expr, kind=DATETIME), op, operand(DATETIME, op, dates if several else dates[0], shown))]
    if len(days) == len(dates) or (op == "in" and (days or others)):
        tests.append(Test(expr, op, operand(ANY, op, [*days, *others] if several else days[0], shown)))
    if op == "in" and any(item is None for item in values):
        tests.append(Test(expr, "isnull", True))
    return value, Any(tuple(tests))


def _part_test(namespace: Namespace, part: Part, shown: str, rest: tuple[str, ...], value: Anything) -> Node:
    op = _op(rest)
    if op not in COMPARISONS:
        raise FieldError(f"{part.name} takes {', '.join(sorted(COMPARISONS))}, not {op!r}.")
    if isinstance(value, (Expression, Field)):
        return compared(namespace, part, op, value)
    if op == "exact" and value is None:
        return Test(part, "isnull", True)
    return Test(part, op, part_operand(part.part, op, value, shown))


def compared(namespace: Namespace, left: Expr, op: str, value: Anything) -> Node:
    """The comparison of a value with another one, or with a plain one."""
    if not isinstance(value, (Expression, Field)):
        return _tested(namespace, left, left.name, () if op == "exact" else (op,), value)
    right = namespace.value(value)
    if op not in _FIELD_TO_FIELD:
        raise FieldError(f"{value!r} can be compared by {', '.join(sorted(_FIELD_TO_FIELD))}, not {op!r}.")
    if not expressions.comparable(left.kind, right.kind):
        raise FieldError(
            f"{left.name} and {right.name} cannot be compared: one holds {noun(left.kind)}, "
            f"the other {noun(right.kind)}."
        )
    return Test(left, op, right)


def _against_value(namespace: Namespace, place: Place, path: tuple[str, ...], value: Anything) -> Node:
    """A field, perhaps of a related record, against another value of this record."""
    if not place.to_one:
        raise FieldError(
            f"{'__'.join(path)} meets many records, and F() compares values of one: use Exists("
            f"{'__'.join(place.names)!r}, ...), or Max() or Min() of it."
        )
    assert place.value is not None
    left = over(place.value, place.names, place.hops)
    return _tested(namespace, left, left.name, place.rest, value)


# --- relations ------------------------------------------------------------------------------------------


def _relation_test(namespace: Namespace, place: Place, value: Anything) -> Node:
    """A condition on a relation itself: `company=acme`, `company__in=[...]`, `licenses__isnull=True`."""
    relation: Anything = place.relation
    op, shown = _op(place.rest), "__".join((*place.names, relation.name))
    there = relation.model._meta.resource
    if isinstance(relation, One):
        if op not in _OF_RELATIONS:
            raise FieldError(f"{shown} is a relation, which takes exact, in and isnull, not {op!r}.")
        ref = place.owner._meta.fields[relation.via]
        own = Target(relation.name, ref.keys, ref.kind)
        if isinstance(value, Results):
            return _over(place, _in_query(namespace, own, op, value, there, shown))
        return _over(place, _tested(namespace, own, shown, place.rest, _plain(value, lambda: there, shown)))
    names, hops = (*place.names, relation.name), (*place.hops, relation.hop(place.owner))
    if op == "exact" and value is None:
        op, value = "isnull", True
    if op == "isnull":
        if not isinstance(value, bool):
            raise ValidationError(f"{shown}__isnull needs True or False, not {type(value).__name__}.")
        exists = _behind(names, hops, EVERYTHING)
        return Not(exists) if value else exists
    if op not in ("exact", "in", "contains"):
        raise FieldError(f"{shown} is a relation, which takes exact, in and isnull, not {op!r}.")
    key = Target("id", ("_id",), ID)
    if isinstance(value, Results):
        return _behind(names, hops, _in_query(namespace, key, op, value, there, shown))
    rest = ("in",) if op == "in" else ()
    return _behind(names, hops, _tested(namespace, key, f"{shown}__id", rest, _plain(value, lambda: there, shown)))


def _in_query(
    namespace: Namespace, own: Expr, op: str, value: Results[Anything], there: Resource | None, shown: str
) -> Node:
    """A condition that takes another query: `company__in=Company.objects.filter(...)`. It makes no request."""
    if op != "in" or not isinstance(own, Target):
        raise FieldError(f"{shown} takes a queryset by the lookup in: {shown}__in=queryset.")
    query, values, resource = value._as_values(shown)
    namespace.check_source(value, shown)
    if resource is not None and resource is not there:
        raise FieldError(
            f"{shown}__in takes a queryset of {there.name if there else 'values'}, not of {resource.name}."
        )
    if not expressions.comparable(own.kind, values.kind):
        raise FieldError(f"{shown} holds {noun(own.kind)}, and {values.name} {noun(values.kind)}.")
    return InQuery(own, query, values)


def _plain(value: Anything, there: Callable[[], Resource | None], shown: str) -> Anything:
    """A value with ids in the place of records, which must be of the resource that is referred to."""
    if isinstance(value, Iterable) and not isinstance(value, (str, bytes, dict)) and getattr(value, "ndim", 1) != 0:
        return [element if isinstance(element, (list, tuple)) else _plain(element, there, shown) for element in value]
    if not isinstance(value, Model):
        return value
    resource = there()
    if resource is None or value._meta.resource is not resource:
        raise ValidationError(f"{shown} is not compared with a {type(value).__name__}: it refers to no such record.")
    if value.id is None:
        raise ValidationError(f"{shown} is compared with a {type(value).__name__} that was never saved.")
    return value.id


def _referred(model: type[Model], path: tuple[str, ...]) -> Resource | None:
    """The resource whose ids the field at a path holds; None when it holds no ids."""
    for part in path:
        if part in model._meta.fields:
            field = model._meta.fields[part]
            name = field.model if isinstance(field, Ref) else None
            listed = [relation.model for relation in model._meta.relations.values() if relation.via == part]
            found = runtime.model(name) if name else model if field.kind is ID and part == "id" else (*listed, None)[0]
            return found._meta.resource if found is not None else None
        if part not in model._meta.relations:
            return None
        model = model._meta.relations[part].model
    return None
