"""What refers to records on the server now: a list of each model whose declaration says that it may."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from msgspec import Struct

from ..errors import NotFound, PermissionDenied
from ..fields.base import Field
from ..http.effects import Flow
from ..http.flows import collected
from ..models.base import Model
from ..models.reference_fields import referring_fields
from ..models.state import Origin
from ..query.kinds import LISTS
from ..query.query import Query
from ..query.raw_values import on_the_wire
from ..query.tree import Any, Node, Target, Test
from ..runtime import Client


@dataclass(frozen=True, slots=True)
class Reference:
    """A record that refers to another one, by which field, and the id that it names."""

    record: Model
    field: Field[str] | Field[list[str]]
    target: str


class Referring(Struct):
    """What was found. `unread` are the models whose list the token may not read, or the tenant does not have."""

    found: list[Reference] = []
    unread: list[type[Model]] = []


def referring(
    client: Client, resource: str, ids: Collection[str], *, only: Collection[str] = (), whole: Collection[str] = ()
) -> Flow[Referring]:
    """What refers to records of a resource: one list of each model that may.

    `only` are the resources to look at, where not all are meant; of those in `whole` all fields come.
    """
    result = Referring()
    for model, fields in referring_fields(resource).items() if ids else ():
        if only and model._meta.resource.name not in only:
            continue
        try:
            result.found += yield from _of(client, model, fields, frozenset(ids), model._meta.resource.name in whole)
        except (PermissionDenied, NotFound):
            result.unread.append(model)
    return result


def _of(
    client: Client,
    model: type[Model],
    fields: Collection[Field[str] | Field[list[str]]],
    ids: frozenset[str],
    whole: bool,
) -> Flow[list[Reference]]:
    meta, values = model._meta, tuple(sorted(ids))
    tests: list[Node] = [
        Test(Target(item.name, item.keys, item.kind), "overlap" if item.kind in LISTS else "in", values)
        for item in fields
    ]
    labels = (meta.fields[name].wire for name in meta.label_fields)
    wires = meta.by_wire.keys() if whole else {*labels, *(item.wire for item in fields), *meta.resource.sent_always}
    select = frozenset({"_id", *on_the_wire(item.wire for item in fields), *(wires & meta.by_wire.keys())})
    query = Query(
        meta.resource.name, tests[0] if len(tests) == 1 else Any(tuple(tests)), select=select, hidden=True, fresh=True
    )
    rows = yield from collected(client.source("api").pages(query))
    origin = Origin(client, "api", select)
    found = []
    for record in (model.from_wire(row, origin) for row in rows):
        for item in fields:
            value = getattr(record, item.name)
            named = dict.fromkeys(value if isinstance(value, list) else [value])
            found += [Reference(record, item, id) for id in named if id in ids and id != record.id]
    return found
