"""The finding verbs of a queryset: one record by its id or by conditions, the first, the last, many by a key."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import TYPE_CHECKING, Any, TypeVar

from .. import arguments
from ..errors import ValidationError
from ..fields import gate
from ..fields.base import Field
from ..fields.scalars import described
from ..http.effects import Flow
from ..models.base import Model
from ..query.expressions import Expression
from ..query.kinds import ID, REF, TEXT
from ..query.predicate import Environment, predicate
from ..query.query import Query
from ..query.split import GET_EACH
from ..query.tree import EVERYTHING
from ..query.walk import needs_relations
from ..scopes.chain import innermost
from ..wire.paths import split_key
from ..wire.resources import Resource
from ..wire.values import dict_of
from . import prefetch
from .paths import field_of, target

if TYPE_CHECKING:
    from .queryset import QuerySet

M = TypeVar("M", bound=Model)
K = TypeVar("K", bound=Hashable)


def get(queryset: QuerySet[M], args: tuple[Any, ...], lookups: dict[str, Any]) -> Flow[M]:
    """The one record; `DoesNotExist` or `MultipleObjectsReturned` when it is not one."""
    model = queryset.model
    if args and args[0] is None:
        raise ValidationError("The id is None: get() needs the id of one record.")
    if args and isinstance(args[0], str):
        form, value = split_key(args[0])
        args = args[1:]
        lookups = {**lookups, _key_name(queryset, form): value}
    direct = _direct(queryset, lookups)
    if direct is not None:
        form, value, rest = direct
        record = yield from _by_id(queryset, form, value, args, rest)
    else:
        narrowed = queryset.filter(*args, **lookups)
        narrowed._before_fetch()
        found = yield from narrowed[:2]._all()
        if len(found) > 1:
            raise model.MultipleObjectsReturned(
                f"get() found more than one {model.__name__}: add a condition, or use filter()."
            )
        record = found[0] if found else None
    if record is None:
        names = ", ".join(lookups)
        what = f"this {names}" if names and not args else "these conditions"
        raise model.DoesNotExist(f"There is no {model.__name__} with {what}.")
    return record


def get_or_none(queryset: QuerySet[M], args: tuple[Any, ...], lookups: dict[str, Any]) -> Flow[M | None]:
    """The one record, or None."""
    try:
        return (yield from get(queryset, args, lookups))
    except queryset.model.DoesNotExist:
        return None


def first(queryset: QuerySet[M]) -> Flow[M | None]:
    """The first record, or None."""
    queryset._check_bound()
    complete, rows = queryset._complete, queryset._rows
    if rows or complete:
        return rows[0] if rows else None
    queryset._before_fetch()
    found = yield from queryset[:1]._all()
    return found[0] if found else None


def last(queryset: QuerySet[M]) -> Flow[M | None]:
    """The last record, or None."""
    queryset._check_bound()
    if not queryset._complete:
        queryset._before_fetch()
    found: list[M] = queryset._rows if queryset._complete else (yield from queryset._all())
    return found[-1] if found else None


def extreme(queryset: QuerySet[M], name: str, *, greatest: bool) -> Flow[M]:
    """The record with the least or greatest value of a field."""
    queryset._refuse_slice("latest" if greatest else "earliest")
    target(queryset.model, name)
    queryset._before_fetch()
    ordered = queryset.order_by(f"-{name}" if greatest else name)
    found = yield from ordered.exclude(**{f"{name}__isnull": True})[:1]._all()
    if not found:
        raise queryset.model.DoesNotExist(f"No {queryset.model.__name__} of this queryset has a value in {name}.")
    return found[0]


def count(queryset: QuerySet[Any]) -> Flow[int]:
    """How many records there are."""
    queryset._check_bound()
    if queryset._complete:
        return len(queryset._rows)
    queryset._before_fetch()
    return (yield from queryset._from().count(queryset._asked()))


def exists(queryset: QuerySet[Any]) -> Flow[bool]:
    """Whether there is any record."""
    queryset._check_bound()
    complete, rows = queryset._complete, queryset._rows
    if rows or complete:
        return bool(rows)
    queryset._before_fetch()
    return bool((yield from queryset[:1].only()._all()))


def in_bulk(queryset: QuerySet[M], keys: Iterable[K], key: str) -> Flow[dict[K, M]]:
    """The records of many keys, by key."""
    if isinstance(keys, str):
        raise ValidationError("in_bulk() takes a list of ids: in_bulk([...]).")
    field = field_of(queryset.model, key)
    asked = _asked(field, list(arguments.many("in_bulk()", keys)))
    if not asked:
        return {}
    narrowed = queryset.filter(**{f"{key}__in": list(asked.values())})
    form = _forms(queryset.model._meta.resource).get(field.wire, "_id")
    if form == "_id" or len(asked) > GET_EACH or queryset._from().name != "api":
        found = yield from narrowed._all()
    else:
        found = yield from _by_keys(queryset, form, list(dict.fromkeys(asked.values())))
    by_key = {field.__get__(record, type(record)): record for record in found}
    return {given: by_key[value] for given, value in asked.items() if value in by_key}


def _asked(field: Field[Any], keys: list[Any]) -> dict[Any, Any]:
    """The keys as they were given, and as the field holds them."""
    asked = {}
    for place, given in enumerate(keys):
        value = field.check(gate.key(field.name, given) if field.kind in (TEXT, ID, REF) else given)
        if value is None:
            raise ValidationError(f"in_bulk() needs a {field.name} in place {place}, not {described(given)}.")
        asked[value if isinstance(given, str) or not isinstance(given, Hashable) else given] = value
    return asked


def _by_keys(queryset: QuerySet[M], form: str, keys: list[str]) -> Flow[list[M]]:
    """The records of a few keys, one GET each, without those that a list would hide."""
    hidden = queryset.model._meta.resource.hidden_by
    found = []
    for key in keys:
        record = yield from _by_id(queryset, form, key, (), {})
        if record is None or (hidden and not queryset._query.hidden and record._came.get(hidden.hides) is True):
            continue
        found.append(record)
    return found


# --- by id ----------------------------------------------------------------------------------------------


def _forms(resource: Resource) -> dict[str, str]:
    """The id forms that the path of one record takes, by wire field."""
    if not resource.is_readable:
        return {}
    return {str(resource.field_for(form)): form for form in resource.read_forms}


def _direct(queryset: QuerySet[Any], lookups: dict[str, Any]) -> tuple[str, str, dict[str, Any]] | None:
    """The id form and value when one of the lookups is an id that the path takes."""
    if queryset._query.is_sliced:
        return None
    for wire, form in _forms(queryset.model._meta.resource).items():
        field = queryset.model._meta.by_wire.get(wire)
        if field is None:
            continue
        for name in (field.name, f"{field.name}__exact"):
            if name not in lookups or isinstance(lookups[name], (Expression, Field, Model)):
                continue
            value = gate.key(name, lookups[name])
            if value is None:
                shown = "None" if lookups[name] is None else "empty"
                raise ValidationError(f"{name} is {shown}: get() needs the id of one record.")
            return form, value, {key: lookup for key, lookup in lookups.items() if key != name}
    return None


def _key_name(queryset: QuerySet[Any], form: str) -> str:
    """The field that a key such as `extid-5` stands for."""
    resource = queryset.model._meta.resource
    wire = resource.field_for(form)
    if wire is None:
        raise ValidationError(f"{queryset.model.__name__} records have no {form}...: give a field and its value.")
    name: str = queryset.model._meta.by_wire[wire].name
    return name


def _by_id(queryset: QuerySet[M], form: str, value: str, args: tuple[Any, ...], rest: dict[str, Any]) -> Flow[M | None]:
    """The record of an id, unless it does not satisfy the conditions; None then."""
    narrowed = queryset.filter(*args, **rest) if args or rest else queryset
    source, scope = queryset._from(), innermost() or queryset._scope
    if queryset._query.max_age is not None and source.name != "api":
        rows = yield from narrowed.include_hidden().filter(**{_key_name(queryset, form): value})[:1]._all()
        return rows[0] if rows else None
    # Before the record is read: what is read may be newer than the origin says, not older.
    origin = queryset._origin(queryset._using(), source, Query(queryset._query.resource), scope)
    row = yield from source.get(queryset.model._meta.resource, form, value)
    if row is None:
        return None
    if narrowed._query.where is not EVERYTHING or narrowed._query.annotations:
        asked = narrowed._asked()
        if needs_relations(asked.where) or asked.annotations:
            found: list[M] = yield from narrowed.include_hidden().filter(id=row.get("_id"))._all()
            return found[0] if found else None
        if not predicate(asked.where, Environment(asked.zone))(dict_of(row)):
            return None
    record: M = queryset._using().writer.unify([queryset.model._made_of(row, origin)])[0]
    origin.add_peers([record])
    for name in queryset._prefetch:
        yield from prefetch.load_path([record], name, source)
    return record
