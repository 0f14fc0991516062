"""From names to a tree: what `filter(company__status="customer")` means on a model.

Every name, lookup and value is checked here, before any request, and wrong ones are answered with the
nearest right word.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any as Anything

from .. import runtime
from ..errors import FieldError, ValidationError
from ..fields import Many, ManyToMany, One, Ref
from ..fields.account import kind_of, spelled
from ..fields.base import Field
from ..fields.gate import operand
from ..fields.likely import warn_of_unlikely
from ..models.base import Model
from ..names import did_you_mean, quoted
from ..query.combine import conjunction, disjunction
from ..query.kinds import ANY, BOOLEAN, DATETIME, DAY, ID, INTEGER, LISTS, NUMBER, OBJECT, REF, TEXT, Kind
from ..query.lookups import LOOKUPS, check_lookup, noun
from ..query.tree import EVERYTHING, Any, F, Hop, Node, Not, Q, Related, Target, Test
from ..wire.resources import Resource
from .results import Results

_OF_RELATIONS = ("exact", "in", "isnull")
_FIELD_TO_FIELD = frozenset({"exact", "gt", "gte", "lt", "lte"})
_MAX_HOPS = 4


def conditions(model: type[Model], args: tuple[Anything, ...], lookups: dict[str, Anything]) -> Node:
    """The tree of `filter(*args, **lookups)`."""
    for condition in args:
        if not isinstance(condition, Q):
            raise FieldError(
                f"{model.__name__}.objects.filter() takes conditions such as Q(...) or {model.__name__}.name == ..., "
                f"and lookups by name, not a {type(condition).__name__}."
            )
    return resolve(model, Q(*args, **lookups))


def resolve(model: type[Model], condition: Q) -> Node:
    """The tree of a `Q` on `model`."""
    children = [
        resolve(model, child) if isinstance(child, Q) else _leaf(model, child[0], child[1])
        for child in condition.children
    ]
    node = disjunction(children) if condition.connector == "or" else conjunction(children)
    return Not(node) if condition.negated else node


def target(model: type[Model], name: str) -> Target:
    """The value that a name such as `mrr`, `custom__Tier` or `company__name` stands for."""
    found, rest = _walk(model, spelled((*name.split("__"),), lookup=False))
    if rest or not isinstance(found, Target):
        raise FieldError(f"{name!r} is not a field of {model.__name__}: it cannot be sorted by, compared or added up.")
    return found


def order(model: type[Model], names: tuple[str, ...]) -> tuple[tuple[Target, bool], ...]:
    """The `(target, descending)` pairs of `order_by("-mrr", "name")`."""
    pairs = []
    for name in names:
        if not isinstance(name, str):
            raise FieldError(f"order_by() takes names such as 'mrr' or '-mrr', not a {type(name).__name__}.")
        found = target(model, name.removeprefix("-"))
        if found.kind in (ANY, *LISTS, OBJECT):
            hint = f"; declare it with Custom({found.keys[-1]!r}, str)" if found.kind is ANY else ""
            raise FieldError(f"{name.removeprefix('-')} has no order: it holds {noun(found.kind)}{hint}.")
        if found.hops:
            raise FieldError(f"order_by({name!r}) goes over a relation; sort by a field of {model.__name__}.")
        pairs.append((found, name.startswith("-")))
    return tuple(pairs)


def field_of(model: type[Model], name: str) -> Field[Anything]:
    """The field called `name`, or `FieldError` with the nearest one."""
    try:
        return model._meta.fields[name]
    except KeyError:
        relation = model._meta.relations.get(name)
        if relation is not None and relation.via in model._meta.fields:
            raise FieldError(f"{name!r} is a relation of {model.__name__}: its field is {relation.via!r}.") from None
        raise FieldError(
            f"{model.__name__} has no field {quoted(name)}.{did_you_mean(name, model._meta.fields)}"
        ) from None


def _leaf(model: type[Model], path: tuple[str, ...], value: Anything) -> Node:
    if isinstance(value, Field):
        value = _own(model, value)
    path = spelled(path)
    found, rest = _walk(model, path)
    warn_of_unlikely(model, path, value)
    op = rest[0] if rest else "exact"
    shown = "__".join(path[: len(path) - len(rest)])
    if isinstance(found, Target):
        if op != "exact" or value is not None:
            check_lookup(found.kind, op, shown)
            value = _plain(value, lambda: _referred(model, path), shown)
        own = Target("__".join(path[len(found.hops) : len(path) - len(rest)]), found.keys, found.kind)
        return _over(path, found.hops, _test(model, found, own, op, value))
    relation, hops = found
    return _relation_test(relation, hops, op, value, path[: len(path) - len(rest)])


def _over(path: tuple[str, ...], hops: tuple[Hop, ...], node: Node) -> Node:
    """A condition on the records that the first steps of a path lead to."""
    for name, hop in zip(reversed(path[: len(hops)]), reversed(hops), strict=True):
        node = Related(name, hop, node)
    return node


def _own(model: type[Model], field: Field[Anything]) -> F:
    """`Company.arr` as a value: that field of the same record."""
    if model._meta.fields.get(field.name) is not field:
        raise FieldError(f"{field!r} is a field of another model: two fields of one {model.__name__} can be compared.")
    return F(field.name)


def _walk(
    model: type[Model], path: tuple[str, ...]
) -> tuple[Target | tuple[One[Anything] | Many[Anything] | ManyToMany[Anything], tuple[Hop, ...]], tuple[str, ...]]:
    """Follow a path over relations to a field or a relation; what is left is the lookup."""
    hops: tuple[Hop, ...] = ()
    owner = model
    for place, part in enumerate(path):
        rest = path[place + 1 :]
        shown = "__".join(path[: place + 1])
        meta = owner._meta
        if part == "custom" and rest and "custom" in meta.fields and not (len(rest) == 1 and rest[0] == "isnull"):
            label, rest = rest[0], rest[1:]
            return Target(f"{shown}__{label}", ("custom", label), kind_of(meta, label), hops), _lookup(rest, shown)
        if part in meta.fields:
            field = meta.fields[part]
            return Target(shown, field.keys, field.kind, hops), _lookup(rest, shown)
        relation = meta.relations.get(part)
        if relation is None:
            known = [*meta.names, *(_OF_RELATIONS if hops and not rest else ())]
            raise FieldError(f"{owner.__name__} has no field {quoted(part)}.{did_you_mean(part, known)}")
        if not rest or (len(rest) == 1 and rest[0] in LOOKUPS and rest[0] not in relation.model._meta.names):
            return (relation, hops), rest  # type: ignore[return-value]
        hops = (*hops, relation.hop(owner))  # type: ignore[attr-defined]
        if len(hops) > _MAX_HOPS:
            raise FieldError(f"{'__'.join(path)!r} goes over more than {_MAX_HOPS} relations.")
        owner = relation.model
    raise FieldError(f"{model.__name__}.objects.filter() needs a field name, not {'__'.join(path)!r}.")


def _lookup(rest: tuple[str, ...], shown: str) -> tuple[str, ...]:
    if len(rest) > 1:
        raise FieldError(f"{shown} is a field, so only one lookup can follow, not {'__'.join(rest)!r}.")
    return rest


def _test(model: type[Model], found: Target, own: Target, op: str, value: Anything) -> Node:
    """The test of a value: `found` is where it is from the model, `own` where it is in its record."""
    if isinstance(value, F):
        other = target(model, value.name)
        if op not in _FIELD_TO_FIELD:
            raise FieldError(f"F({value.name!r}) can be compared by {', '.join(sorted(_FIELD_TO_FIELD))}, not {op!r}.")
        if other.hops or found.hops:
            raise FieldError("F() compares two fields of one record: it does not go over relations.")
        if not _comparable(found.kind, other.kind):
            raise FieldError(
                f"{found.name} and {other.name} cannot be compared: one holds {noun(found.kind)}, "
                f"the other {noun(other.kind)}."
            )
        return Test(own, op, other)
    if op == "exact" and value is None:
        return Test(own, "isnull", True)
    if op == "in" and not isinstance(value, (str, bytes)) and hasattr(value, "__iter__"):
        value = list(value)
        test = Test(own, op, operand(found.kind, op, value, found.name))
        return Any((test, Test(own, "isnull", True))) if any(element is None for element in value) else test
    return Test(own, op, operand(found.kind, op, value, found.name))


def _relation_test(
    relation: One[Anything] | Many[Anything] | ManyToMany[Anything],
    hops: tuple[Hop, ...],
    op: str,
    value: Anything,
    path: tuple[str, ...],
) -> Node:
    """A condition on a relation itself: `company=acme`, `company__in=[...]`, `licenses__isnull=True`."""
    shown = "__".join(path)
    value = _plain(value, lambda: relation.model._meta.resource, shown)
    if isinstance(relation, One):
        ref = relation.owner._meta.fields[relation.via]
        found = Target(shown, ref.keys, ref.kind, hops)
        if op not in _OF_RELATIONS:
            raise FieldError(f"{shown} is a relation, which takes exact, in and isnull, not {op!r}.")
        own = Target(path[-1], ref.keys, ref.kind)
        return _over(path, hops, _test(relation.model, found, own, op, value))
    hops = (*hops, relation.hop(relation.owner))
    key = Target("id", ("_id",), relation.model._meta.fields["id"].kind)
    if op == "exact" and value is None:
        op, value = "isnull", True
    if op == "isnull":
        if not isinstance(value, bool):
            raise ValidationError(f"{shown}__isnull needs True or False, not {type(value).__name__}.")
        exists = _over(path, hops, EVERYTHING)
        return Not(exists) if value else exists
    if op in ("exact", "in", "contains"):
        whole = Target(f"{shown}__id", key.keys, key.kind, hops)
        return _over(path, hops, _test(relation.model, whole, key, "exact" if op == "contains" else op, value))
    raise FieldError(f"{shown} is a relation, which takes exact, in and isnull, not {op!r}.")


def _plain(value: Anything, there: Callable[[], Resource | None], shown: str) -> Anything:
    """A value with ids in the place of records, which must be of the resource that is referred to."""
    if isinstance(value, Results):
        raise FieldError(
            f"{shown}: a condition makes no request, so it takes no queryset. Give list(queryset), or follow the "
            f"relation: {shown}__<field>=..."
        )
    if isinstance(value, Iterable) and not isinstance(value, (str, bytes, dict)) and getattr(value, "ndim", 1) != 0:
        return [_plain(element, there, shown) for element in value]
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


_FAMILIES = ((TEXT, ID, REF), (NUMBER, INTEGER), (BOOLEAN,), (DATETIME,), (DAY,))


def _comparable(left: Kind, right: Kind) -> bool:
    """Whether values of two kinds can be equal; those of an undeclared custom field may be anything."""
    if any(kind in (*LISTS, OBJECT) for kind in (left, right)):
        return False
    return ANY in (left, right) or any(left in family and right in family for family in _FAMILIES)
