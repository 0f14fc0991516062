"""References by another system's keys: `AccountId` goes to `company__source_id`, and is an id before it is compared."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any

from msgspec import Struct

from ..errors import ConfigurationError, MirrorError
from ..fields import ManyToMany
from ..fields.base import Field
from ..http.effects import Flow
from ..http.flows import collected
from ..query.query import Query
from ..queryset.columns import Binding, RelatedKey, RowValues, normal
from ..runtime import Client, Source
from ..wire import list_page
from ..wire.keys import fold
from ..wire.resources import Resource

_LEAN = ("externalId", "sourceId")
"""What the lean list of companies has beside ids: one request, whatever their number."""

Row = dict[str, Any]
Ids = dict[str, list[str]]
"""The ids of the records that have a key, by the key as it compares."""


class Unresolved(Struct, frozen=True):
    """A key that names no record, or more than one: its row is left out. `row` is how the row is called."""

    row: str
    column: str
    model: str
    field: str
    key: str
    records: int = 0

    def __str__(self) -> str:
        what = f"no {self.model} has" if not self.records else f"{self.records} {self.model} records have"
        return f"{self.row}, column {self.column!r}: {what} {self.field} {self.key!r}"


def resolve(client: Client, rows: Iterable[RowValues], bindings: Iterable[Binding]) -> Flow[list[Unresolved]]:
    """Put ids in the place of keys of related records, and return what names none.

    The keys are looked up in the mirror, where it holds all records of that model; those that it does not have, in one
    list of the API: for companies by your own ids that is one request.
    """
    rows = list(rows)
    unresolved: list[Unresolved] = []
    for binding in bindings:
        related = binding.target.related
        if related is None:
            continue
        given = [row for row in rows if row.values.get(binding) is not None]
        ids = yield from _ids(client, related, {key for row in given for key in _keys(related, row.values[binding])})
        for row in given:
            unresolved += _replace(binding, related, row, ids)
    return unresolved


def _keys(related: RelatedKey, value: Any) -> list[str]:
    """The keys in a cell, as they compare."""
    return [fold(related.field.wire, normal(key)) for key in (value if isinstance(value, list) else [value])]


def _replace(binding: Binding, related: RelatedKey, row: RowValues, ids: Mapping[str, list[str]]) -> list[Unresolved]:
    given = row.values[binding]
    matches = [ids.get(key, []) for key in _keys(related, given)]
    wrong = [
        Unresolved(row.label, binding.column, related.relation.model.__name__, related.field.name, str(key), len(some))
        for key, some in zip(given if isinstance(given, list) else [given], matches, strict=True)
        if len(some) != 1
    ]
    if not wrong:
        chosen = [some[0] for some in matches]
        row.values[binding] = chosen if isinstance(related.relation, ManyToMany) else chosen[0]
    return wrong


def keys_of(client: Client, related: RelatedKey, ids: set[str]) -> Flow[dict[str, str]]:
    """The keys of related records by their ids: from the mirror where it has them, else from one list of the API."""

    def named(rows: Iterable[Row]) -> dict[str, str]:
        return {str(row["_id"]): key for row in rows if (key := _key(row, related.field))}

    def suffice(rows: Iterable[Row]) -> bool:
        return ids <= {str(row["_id"]) for row in rows}

    return named((yield from _rows(client, related, suffice)) if ids else ())


def _ids(client: Client, related: RelatedKey, wanted: set[str]) -> Flow[Ids]:
    def keyed(rows: Iterable[Row]) -> Ids:
        return _by_key(rows, related.field)

    return keyed((yield from _rows(client, related, lambda rows: wanted <= keyed(rows).keys())) if wanted else ())


def _rows(client: Client, related: RelatedKey, suffice: Callable[[list[Row]], bool]) -> Flow[list[Row]]:
    """The ids and keys of the related model's records: the mirror's where they suffice, else the API's."""
    resource, field = related.relation.model._meta.resource, related.field
    rows: list[Row] = []
    mirror = _mirror(client)
    if mirror is not None:
        with suppress(MirrorError):  # it does not hold that model, or not all of it
            rows = yield from _listed(mirror, resource, field)
    if client.is_offline or suffice(rows):
        return rows
    if resource.name == "company" and field.wire in _LEAN:
        return (yield from list_page.lean_companies(resource))
    return (yield from _listed(client.source("api"), resource, field))


def _mirror(client: Client) -> Source | None:
    try:
        return client.source("mirror")
    except ConfigurationError:
        return None


def _listed(source: Source, resource: Resource, field: Field[Any]) -> Flow[list[Row]]:
    query = Query(resource.name, hidden=True, select=frozenset({"_id", field.wire}))
    return (yield from collected(source.pages(query)))


def _key(row: Row, field: Field[Any]) -> str | None:
    key = field.kind.load(row.get(field.wire))
    return key if isinstance(key, str) and key else None


def _by_key(rows: Iterable[Row], field: Field[Any]) -> Ids:
    ids: Ids = {}
    for row in rows:
        key = _key(row, field)
        if key is not None:
            ids.setdefault(fold(field.wire, normal(key)), []).append(str(row["_id"]))
    return ids
