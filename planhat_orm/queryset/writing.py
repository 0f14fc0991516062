"""The writing verbs of a queryset: they make records and hand them to the writer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal, TypeVar, cast

from .. import arguments
from ..errors import AlreadyExists, FieldError, PlanhatError, ReadOnlyError, ValidationError
from ..fields import gate
from ..fields.account import custom_label
from ..fields.relations import Many, ManyToMany
from ..fields.scalars import is_missing
from ..http.effects import Flow
from ..models.base import Model
from ..models.results import BatchResult, SaveResult
from ..query.kinds import LISTS
from ..tabular.frame_rows import Frame, frame_table
from ..tabular.table import Table
from ..wire.resources import BULK_MAX_ROWS
from . import retrieval
from .columns import Binding, RowOptions, RowReader, RowValues, bindings_of, fetch_account_fields, is_key_field, normal
from .duplicates import Duplicates, merge_duplicates, with_merged
from .paths import field_of

if TYPE_CHECKING:
    from .queryset import QuerySet

M = TypeVar("M", bound=Model)


def create(queryset: QuerySet[M], values: Mapping[str, object]) -> tuple[M, Flow[SaveResult]]:
    """A new record and the flow that saves it."""
    record: M = queryset.model(**values)
    if record.id is not None:
        raise ValidationError(f"create() makes a new {queryset.model.__name__}: leave the id out; Planhat gives it.")
    _join_scope(queryset, record)
    relate(queryset, [record])
    return record, queryset._using().writer.save(record)


def relate(queryset: QuerySet[M], records: Iterable[M]) -> None:
    """Set the relation of new records through which they are made: `company.licenses.create()` sets `company_id`.

    Raises `ValidationError` for a record that names another one, and where the other side holds the relation.
    """
    if queryset._through is None:
        return
    owner, relation = queryset._through
    for record in records:
        if record.id is None:
            _set_relation(record, owner, relation)


def _set_relation(record: Model, owner: Model, relation: Many[Any] | ManyToMany[Any]) -> None:
    made, through = type(record).__name__, f"{type(owner).__name__}.{relation.name}"
    if isinstance(relation, ManyToMany):
        raise ValidationError(
            f"{through} is the list {type(owner).__name__}.{relation.via}: save the {made} by itself, then put its id "
            f"into that list and save the {type(owner).__name__}."
        )
    field = record._meta.fields[relation.via]
    given = (record._live or {}).get(field.name)
    if field.kind in LISTS:
        if owner.id not in (given or ()):
            setattr(record, field.name, [*(given or ()), owner.id])
    elif given is None:
        setattr(record, field.name, owner)
    elif given is not owner and (not isinstance(given, str) or given not in _references(owner)):
        raise ValidationError(
            f"A {made} that is made through {through} belongs to that {type(owner).__name__}, and this one names "
            f"another: leave {field.name} out."
        )


def _references(record: Model) -> set[str]:
    """How a reference can name a record."""
    forms = record._meta.resource.id_forms
    wires = {form: record._meta.resource.field_for(form) for form in forms if form != "_id"}
    keys = {form: record._came.get(wire) for form, wire in wires.items() if wire is not None}
    return {str(record.id), *(f"{form}{key}" for form, key in keys.items() if key)}


def _join_scope(queryset: QuerySet[Any], record: Model) -> None:
    """Have a record that was made outside of every scope belong to the one that the queryset was made in."""
    origin = record._origin
    if origin.scope is None and origin.client is None:
        origin.scope = queryset._scope


def get_or_create(
    queryset: QuerySet[M], defaults: Mapping[str, object], key: Mapping[str, object]
) -> Flow[tuple[M, bool]]:
    """Get by the key, or create; when somebody else is faster, get after all."""
    arguments.mapping("defaults", defaults)
    _keyable(queryset, key, "get_or_create")
    # Wrong values are refused before anything is asked.
    relate(queryset, [queryset.model(**{**key, **defaults})])
    found = yield from retrieval.get_or_none(queryset, (), dict(key))
    if found is not None:
        return found, False
    record, flow = create(queryset, {**key, **defaults})
    try:
        yield from flow
    except AlreadyExists:
        found = yield from retrieval.get_or_none(queryset, (), dict(key))
        if found is None:
            raise  # It is not among the records of this queryset.
        return found, False
    return record, True


def update_or_create(
    queryset: QuerySet[M], defaults: Mapping[str, object], key: Mapping[str, object]
) -> Flow[tuple[M, bool]]:
    """One upsert by key, and the record with what was sent; the rest of one that was there is not loaded."""
    arguments.mapping("defaults", defaults)
    _keyable(queryset, key, "update_or_create")
    record = queryset.model(**key, **{name: value for name, value in defaults.items() if name not in key})
    for name in set(defaults) & set(key):
        if gate.key(name, defaults[name]) != gate.key(name, key[name]):
            raise ValidationError(f"{name} is the key, so defaults cannot give it another value.")
    relate(queryset, [record])
    result = yield from _upsert(queryset, [record])
    result.raise_for_failures()
    return record, bool(result.created)


def bulk_upsert(
    queryset: QuerySet[Any],
    rows: Iterable[Model | Mapping[str, object]] | Frame,
    chunk_size: int,
    raise_on_error: bool,
    must: Literal["create", "update"] | None = None,
    duplicates: Duplicates = "raise",
) -> Flow[BatchResult]:
    """Upsert records, dicts or the rows of a frame; every one is checked before the first is sent."""
    arguments.whole("chunk_size", chunk_size, 1, BULK_MAX_ROWS)
    arguments.flag("raise_on_error", raise_on_error)
    table = frame_table(rows)
    if table is not None:
        records = yield from _records_of(queryset, table)
    else:
        listed = arguments.many("A bulk write", cast("Iterable[Any]", rows))
        records = [_record(queryset.model, row, number) for number, row in enumerate(listed)]
    for number, record in enumerate(records):
        if must == "create" and record.id is not None:
            raise ValidationError(f"Row {number} of bulk_create() has an id, so it exists: use bulk_update().")
        if must == "update" and record.id is None:
            raise ValidationError(f"Row {number} of bulk_update() has no id: use bulk_create() or bulk_upsert().")
        with _naming_row(number):
            record._payload()
    relate(queryset, records)
    sent_as = merge_duplicates(records, duplicates)
    distinct = list({id(record): record for record in sent_as}.values())
    result = with_merged((yield from _upsert(queryset, distinct, chunk_size=chunk_size)), records, sent_as)
    if raise_on_error:
        result.raise_for_failures()
    return result


def _records_of(queryset: QuerySet[Any], table: Table) -> Flow[list[Model]]:
    """The rows of a frame as records; an empty cell says nothing."""
    client, model = queryset._using(), queryset.model
    bindings = bindings_of(model, table.columns, None, (yield from fetch_account_fields(client, model)))
    _refuse_columns(model, bindings)
    reader = RowReader(table, bindings, client.zone, RowOptions())
    records = [_filled(model, row) for row in reader.rows()]
    reader.raise_for_problems()
    return records


def _refuse_columns(model: type[Model], bindings: Iterable[Binding]) -> None:
    computed = [binding.column for binding in bindings if binding.target.is_readonly and binding.target.name != "id"]
    if computed:
        raise FieldError(
            f"Planhat computes {', '.join(computed)} of a {model.__name__}: leave the columns out, or use reconcile()."
        )
    related = [binding.column for binding in bindings if binding.target.related is not None]
    if related:
        raise FieldError(f"{related[0]!r} is a key of related records, whose ids reconcile() looks up.")


def _filled(model: type[Model], row: RowValues) -> Model:
    """A record with what a row says."""
    fields = {binding.target.field.name: value for binding, value in row.values.items() if binding.target.field}
    record = model(**fields)
    for binding, value in row.values.items():
        if binding.target.field is None:
            record.custom[binding.target.label] = value  # type: ignore[attr-defined]  # the binding found `custom`
    return record


def _upsert(queryset: QuerySet[Any], records: list[Model], chunk_size: int = 5000) -> Flow[BatchResult]:
    """Send records. Of one that was there already only what was sent is known: its other fields are not loaded."""
    for record in records:
        _join_scope(queryset, record)
    keys = {"_id", *queryset.model._meta.resource.keys}
    known = {id(record): keys | record._payload().keys() for record in records if record.id is None}
    result = yield from queryset._using().writer.send(records, upsert=True, chunk_size=chunk_size)
    for row in result.rows:
        record = row.object
        if row.status in ("updated", "unchanged") and record._wire.keys() <= known.get(id(record), frozenset()):
            record._origin.selected = frozenset(record._wire)
    return result


def update(queryset: QuerySet[Any], values: Mapping[str, object], max_requests: int) -> Flow[BatchResult]:
    """Read the records, set the values, send the changed ones."""
    arguments.whole("max_requests", max_requests, 0)
    if not values:
        raise FieldError("update() needs values: update(phase='Live').")
    _set(queryset.model.from_wire({"_id": ""}), values)  # wrong values are refused before anything is asked
    queryset._before_fetch()
    records = yield from queryset._all()
    writes = -(-len(records) // 5000)
    if writes > max_requests:
        raise PlanhatError(
            f"update() of {len(records)} records takes {writes} bulk upserts, more than max_requests={max_requests}."
        )
    for record in records:
        _set(record, values)
    result = yield from queryset._using().writer.send(records)
    result.raise_for_failures()
    return result


def _set(record: Model, values: Mapping[str, object]) -> None:
    """Set values; of `custom` the labels that are named, as Planhat merges them."""
    for name, value in values.items():
        if name == "custom" and isinstance(value, dict):
            value = {**getattr(record, name), **value}
        record._assign(name, value)


def delete(queryset: QuerySet[Any], max_requests: int) -> Flow[int]:
    """Read the ids, then delete one by one."""
    arguments.whole("max_requests", max_requests, 0)
    queryset._before_fetch()
    records = yield from queryset.only()._all()
    if len(records) > max_requests:
        raise PlanhatError(
            f"delete() of {len(records)} records takes as many requests, more than max_requests={max_requests}. "
            f"Pass delete(max_requests={len(records)}) if you mean it."
        )
    for record in records:
        yield from queryset._using().writer.delete(record)
    return len(records)


def _keyable(queryset: QuerySet[Any], key: Mapping[str, object], verb: str) -> None:
    model = queryset.model
    for name in key:
        field_of(model, name)
    names = [model._meta.by_wire[wire].name for wire in model._meta.resource.keys if wire in model._meta.by_wire]
    if len(key) != 1 or next(iter(key)) not in names:
        raise FieldError(
            f"{verb}() finds one {model.__name__} by one of its keys ({', '.join(names)}), not by "
            f"{', '.join(key) or 'nothing'}: two callers could not tell that they mean the same record otherwise."
        )
    (name,) = key
    if gate.key(name, key[name]) is None:
        raise ValidationError(f"{name} is empty: {verb}() needs a key.")


def _record(model: type[Model], row: object, place: int) -> Model:
    if isinstance(row, Model):
        if row._meta.resource is not model._meta.resource:
            raise ValidationError(f"Row {place} is a {type(row).__name__}, not a {model.__name__}.")
        return row
    if not isinstance(row, Mapping):
        raise ValidationError(f"Row {place} is a {type(row).__name__}: give records, or dicts.")
    # Rows of a frame have NaN, NaT or `pd.NA` in empty cells, as its `to_dict("records")` leaves them. They may have
    # None, too, which is a wish to clear in a row with an id only.
    said = {name: value for name, value in row.items() if value is None or not is_missing(value)}
    fields = model._meta.fields
    with _naming_row(place):
        named = _python_names(model, said)
        if named.get("id") is None:
            named = {name: value for name, value in named.items() if value is not None}
        return model(
            **{name: normal(value) if is_key_field(fields.get(name)) else value for name, value in named.items()}
        )


@contextmanager
def _naming_row(place: int) -> Iterator[None]:
    """Errors of a row say which one."""
    try:
        yield
    except (FieldError, ReadOnlyError, ValidationError) as wrong:
        raise type(wrong)(f"Row {place}: {wrong}") from None


def _python_names(model: type[Model], row: Mapping[str, Any]) -> dict[str, Any]:
    """A row with Planhat's own names, as its endpoints and other clients have it, in those of the model.

    A row in which some name is Planhat's alone is read as one of Planhat's; one with names of both may still have those
    that are the model's alone.
    """
    fields, by_wire = model._meta.fields, model._meta.by_wire
    is_wire = any(name in by_wire and name not in fields for name in row)
    named: dict[str, Any] = {}
    spelled: dict[str, str] = {}
    for given, value in row.items():
        name, field = _python_name(model, given), by_wire.get(given) if is_wire else None
        if field is not None:
            name, value = field.name, field.kind.load(value)
        if name in named:
            raise FieldError(f"The row says {name} twice, as {spelled[name]!r} and as {given!r}.")
        named[name], spelled[name] = value, given
    return named


def _python_name(model: type[Model], name: str) -> str:
    """A name as the model has it: a custom field's own one, or `custom.Label` for `custom__Label`."""
    label = custom_label(model._meta, name) if isinstance(name, str) else None
    if label is None:
        return name
    return model._meta.customs[label].name if label in model._meta.customs else f"custom.{label}"
