"""Where a name leads: `mrr`, `custom__Tier`, `company__owner__email`, `renewal_date__month`, checked word by word.

Wrong names are answered with the nearest right one, before any request.
"""

from __future__ import annotations

from itertools import takewhile
from typing import Any

from msgspec import Struct

from .. import arguments
from ..errors import FieldError
from ..fields.account import custom_label, kind_of, spelled
from ..fields.base import Field
from ..fields.relations import One, Relation
from ..models.base import Model
from ..names import did_you_mean, quoted
from ..query.dates import PARTS
from ..query.kinds import TEXT, Kind
from ..query.lookups import LEGAL, LOOKUPS, check_lookup
from ..query.tree import Coalesce, Expr, Hop, Part, Target

_OF_RELATIONS = ("exact", "in", "isnull")
_MAX_HOPS = 4
LABEL = "label"
"""The word after a relation that stands for the name of the record there: `owner__label`."""


def words(name: str) -> tuple[str, ...]:
    """The words of a name, with `__` or, as people write it, with dots: `owner.email`, `custom.Renewal in days`."""
    if "__" in arguments.name(name) or "." not in name:
        return spelled((*name.split("__"),), lookup=False)
    found: list[str] = []
    rest = name
    while rest:
        word, _, rest = rest.partition(".")
        found.append(word)
        if word == "custom" and rest:
            return (*found, rest)
    return tuple(found)


class Place(Struct, frozen=True):
    """Where a path leads: over `hops` (`names` are the relations) to a `value` of the record there, or to a `relation`.

    `value` is without the hops; `rest` is what follows: a lookup, or a part of a date and a lookup. `owner` is the
    model that the last step is of.
    """

    owner: type[Model]
    names: tuple[str, ...]
    hops: tuple[Hop, ...]
    value: Expr | None
    relation: Relation[Any] | None
    rest: tuple[str, ...]

    @property
    def to_one(self) -> bool:
        """Whether the hops lead to one record at most."""
        return all(hop.to_one for hop in self.hops)


def walk(model: type[Model], path: tuple[str, ...]) -> Place:
    """Follow a path over relations to a field or a relation."""
    path = spelled(path)
    hops: tuple[Hop, ...] = ()
    owner = model
    for place, part in enumerate(path):
        before, rest = path[:place], path[place + 1 :]
        meta = owner._meta
        if part == "custom" and rest and "custom" in meta.fields and not (len(rest) == 1 and rest[0] == "isnull"):
            label, rest = rest[0], rest[1:]
            target = Target(f"custom__{label}", ("custom", label), kind_of(meta, label))
            return Place(owner, before, hops, target, None, _checked(rest, target, before))
        if part in meta.fields:
            field = meta.fields[part]
            target = Target(part, field.keys, field.kind)
            return Place(owner, before, hops, target, None, _checked(rest, target, before))
        if part == LABEL and hops and part not in meta.relations:
            label_value = label_of(owner)
            return Place(owner, before, hops, label_value, None, _checked(rest, label_value, before))
        relation: Any = meta.relations.get(part)
        if relation is None:
            known = [*meta.names, *(_OF_RELATIONS if hops and not rest else ())]
            after = takewhile(lambda word: word not in LOOKUPS, rest)
            around = ("".join(f"{word}__" for word in before), "".join(f"__{word}" for word in after))
            raise FieldError(f"{owner.__name__} has no field {quoted(part)}.{did_you_mean(part, known, *around)}")
        if not rest or (len(rest) == 1 and rest[0] in LOOKUPS and rest[0] not in relation.model._meta.names):
            return Place(owner, before, hops, None, relation, rest)
        hops = (*hops, relation.hop(owner))
        if len(hops) > _MAX_HOPS:
            raise FieldError(f"{'__'.join(path)!r} goes over more than {_MAX_HOPS} relations.")
        owner = relation.model
    raise FieldError(f"{model.__name__}.objects.filter() needs a field name, not {'__'.join(path)!r}.")


def _checked(rest: tuple[str, ...], value: Expr, before: tuple[str, ...]) -> tuple[str, ...]:
    """What follows a field: nothing, a lookup, or a part of a date and a lookup."""
    is_part = bool(rest) and rest[0] in PARTS and rest[0] in LEGAL[value.kind]
    if len(rest) > (2 if is_part else 1):
        shown = "__".join((*before, value.name))
        raise FieldError(f"{shown} is a field, so only one lookup can follow, not {'__'.join(rest)!r}.")
    return rest


def over(expr: Expr, names: tuple[str, ...], hops: tuple[Hop, ...]) -> Expr:
    """A value of the record behind hops, as a value of the record before them."""
    if not hops:
        return expr
    match expr:
        case Target(name, keys, kind):
            return Target("__".join((*names, name)), keys, kind, hops)
        case Coalesce(values, kind):
            return Coalesce(tuple(over(value, names, hops) for value in values), kind)
        case Part(part, of):
            return Part(part, over(of, names, hops))
    raise AssertionError(f"{expr.name} is not reached by a path")


def label_of(model: type[Model]) -> Expr:
    """The name of a record of a model: its first field that says one, else its id."""
    fields = [model._meta.fields[name] for name in (*model._meta.label_fields, "id")]
    targets = tuple(Target(field.name, field.keys, field.kind) for field in fields)
    return targets[0] if len(targets) == 1 else Coalesce(targets, TEXT)


def target(model: type[Model], name: str) -> Target:
    """The field that a name such as `mrr`, `custom__Tier` or `company__name` stands for; it may go over relations."""
    place = walk(model, words(name))
    if place.rest or not isinstance(place.value, Target):
        raise not_a_value(model, name)
    return Target("__".join((*place.names, place.value.name)), place.value.keys, place.value.kind, place.hops)


def not_a_value(model: type[Model], name: str) -> FieldError:
    """The error for a name that stands for no single value."""
    return FieldError(f"{name!r} is not a field of {model.__name__}: it cannot be sorted by, compared or added up.")


def part_of_path(place: Place) -> Expr | None:
    """The value at a place, with the part of a date that follows; None where a lookup follows."""
    if place.value is None or len(place.rest) > 1:
        return None
    if not place.rest:
        return place.value
    part = place.rest[0]
    if part not in PARTS:
        return None
    check_lookup(place.value.kind, part, "__".join((*place.names, place.value.name)))
    return Part(part, place.value)


def field_of(model: type[Model], name: str) -> Field[Any]:
    """The field called `name`, or `FieldError` with the nearest one."""
    label = custom_label(model._meta, arguments.name(name))
    if label in model._meta.customs:
        return model._meta.customs[label]
    try:
        return model._meta.fields[name]
    except KeyError:
        relation = model._meta.relations.get(name)
        if relation is not None and relation.via in model._meta.fields:
            raise FieldError(f"{name!r} is a relation of {model.__name__}: its field is {relation.via!r}.") from None
        raise model._meta.unknown(model, name, model._meta.fields) from None


def selected_field(model: type[Model], name: str) -> Field[Any]:
    """The field to fetch for a name: for a custom field that no class declares it is `custom`, which holds it."""
    label = custom_label(model._meta, arguments.name(name))
    if label is None or label in model._meta.customs:
        return field_of(model, name)
    kind_of(model._meta, label)
    return model._meta.fields["custom"]


def kind_at(model: type[Model], name: str) -> Kind | None:
    """The kind of the value that a name leads to, over relations of any kind; None where it leads to none."""
    try:
        place = walk(model, words(name))
        value = part_of_path(place)
    except FieldError:
        return None
    if value is None and isinstance(place.relation, One) and not place.rest:
        return place.owner._meta.fields[place.relation.via].kind
    return value.kind if value is not None else None
