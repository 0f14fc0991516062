"""The readings that must agree: Python's, the API's over a server in memory or an emulator, and a mirror's."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator
from typing import Any
from unittest.mock import patch

from planhat_orm.client import evaluation
from planhat_orm.client.cache import ListCache
from planhat_orm.client.relation_filters import without_relations
from planhat_orm.client.source import ApiSource
from planhat_orm.http.effects import Emit, Request, Response, RunBlocking, Start, Wait
from planhat_orm.query import kinds, predicate
from planhat_orm.query.query import ANNOTATIONS, Query
from planhat_orm.wire.resources import resource, resources

from .oracle import records, value_of
from .tenants import WIRES, Row, Tenant


def run(flow: Any, answer: Callable[[Request], Response] | None = None) -> tuple[list[Any], Any]:
    """What a flow emits and returns, with `answer` in the place of a server."""
    emitted: list[Any] = []
    reply: Any = None
    while True:
        try:
            effect = flow.send(reply)
        except StopIteration as stop:
            return emitted, stop.value
        match effect:
            case Emit(item):
                emitted += item
                reply = None
            case RunBlocking(call):
                reply = call()
            case Request():
                assert answer is not None
                reply = answer(effect)


class Server:
    """Answers GETs of lists and records as Planhat does: it knows the documented parameters and nothing else."""

    def __init__(self, tenant: Tenant) -> None:
        self.tenant = tenant
        self.requests: list[Request] = []

    def __call__(self, request: Request) -> Response:
        self.requests.append(request)
        _, path, *rest = request.path.split("/")
        name = next(item for item in resources() if resource(item).path == path)
        rows = self.tenant[name]
        if rest:
            found = [row for row in rows if row["_id"] == rest[0]]
            return Response(200, {}, data=found[0]) if found else _missing()
        params = dict(request.params)
        assert params["sort"] in ("_id", "-_id")
        backwards = params["sort"] == "-_id"
        shown = (row for row in rows if self._shown(name, row, params))
        rows = sorted(shown, key=lambda row: row["_id"], reverse=backwards)
        start = int(params["offset"])
        rows = rows[start : start + int(params["limit"])]
        if "select" in params:
            chosen = {*params["select"].split(","), "_id"}
            rows = [{key: value for key, value in row.items() if key in chosen} for row in rows]
        return Response(200, {}, data=[dict(row) for row in rows])

    @staticmethod
    def _shown(name: str, row: Row, params: dict[str, str]) -> bool:
        for param in resource(name).params.values():
            asked = params.get(param.name)
            if param.hides and asked != "true" and row.get(param.hides) is True:
                return False
            if asked is None or param.field is None:
                continue
            raw = row.get(param.field)
            held = {value_of("ref", value) for value in (raw if isinstance(raw, list) else [raw])}
            if not held & set(asked.split(",") if param.many else [asked]):
                return False
        return True


def _missing() -> Response:
    from planhat_orm.errors import NotFound

    raise NotFound("no such record")


class LocalSource:
    """The Python reading as a source, so that relations, values and groups are worked out over it."""

    name = "python"

    def __init__(self, tenant: Tenant) -> None:
        self.tenant = tenant

    def pages(self, query: Query) -> Iterator[Any]:
        source: Any = self
        if query.groups is not None:
            if evaluation.sliced_records(query) is None:
                query = yield from without_relations(query, source)
            yield Emit((yield from evaluation.grouped_rows(query, source)))
            return
        query = yield from without_relations(query, source)
        if evaluation.is_linked(query):
            yield from evaluation.linked_pages(query, source)
            return
        environment = predicate.Environment(query.zone)
        test = predicate.predicate(query.where, environment)
        hidden = resource(query.resource).hidden_by
        rows = [
            row
            for row in records(self.tenant, query.resource)
            if (query.hidden or hidden is None or row.get(str(hidden.hides)) is not True) and test(row)
        ]
        yield Emit(evaluation.annotated(evaluation.chosen_rows(rows, query, environment), query, environment))


def results(rows: list[Row], query: Query) -> list[Any]:
    """Rows as the oracle gives them: ids with annotations, or groups."""
    if query.groups is not None:
        return rows
    return [(row["_id"], row.get(ANNOTATIONS, {})) for row in rows]


def by_python(query: Query, tenant: Tenant) -> list[Any]:
    return results(run(LocalSource(tenant).pages(query))[0], query)


def by_api(query: Query, tenant: Tenant) -> list[Any]:
    cache = ListCache(None, time.monotonic)
    server = Server(tenant)

    def answer(request: Request) -> Response:
        return server(request)

    return results(_caught(ApiSource(cache).pages(query), answer), query)


def _caught(flow: Any, answer: Callable[[Request], Response]) -> list[Row]:
    """Like `run`, for a server whose errors are thrown into the flow."""
    emitted: list[Row] = []
    reply: Any = None
    error: Exception | None = None
    while True:
        try:
            effect = flow.throw(error) if error is not None else flow.send(reply)
        except StopIteration:
            return emitted
        reply = error = None
        if isinstance(effect, Emit):
            emitted += effect.item
            continue
        if isinstance(effect, Start):
            reply = effect.request  # answered when it is waited for
            continue
        try:
            reply = answer(effect.begun if isinstance(effect, Wait) else effect)
        except Exception as failure:
            error = failure


def _reference(value: Any) -> Any:
    """The id in a reference; what holds none stays as it is."""
    id = kinds.REF.load(value)
    return id if isinstance(id, str) else value


def _references(value: Any) -> Any:
    return [_reference(item) for item in value] if isinstance(value, list) else _reference(value)


class Emulated:
    """The API's reading over real requests: an emulator that holds the tenant, and a client of it."""

    def __init__(self) -> None:
        from planhat_orm import Planhat
        from planhat_orm.emulator import Emulator

        nothing: dict[str, Any] = dict.fromkeys(("companies", "licenses", "endusers", "conversations", "tasks"), 0)
        self.emulator = Emulator(**nothing).start()
        self.planhat = Planhat(self.emulator.api_token, api_url=self.emulator.url, calls_per_min=1e9)

    def fill(self, tenant: Tenant) -> None:
        for name, rows in tenant.items():
            table = self.emulator.store.table(name)
            for id in table.ids():
                table.remove(id)
            # A server's records refer by id; only its lists make objects of that.
            refs = [wire for wire, kind in WIRES[name].items() if kind in (kinds.REF, kinds.REFS)]
            plain = [{**row, **{ref: _references(row[ref]) for ref in refs if ref in row}} for row in rows]
            self.emulator.store.load(name, copy.deepcopy(plain))

    def __call__(self, query: Query, tenant: Tenant) -> list[Any]:
        rows: list[Row] = []
        for page in self.planhat.iterate(self.planhat.source("api").pages(query)):
            rows += page
        return results(rows, query)

    def close(self) -> None:
        self.planhat.close()
        self.emulator.stop()


class Mirrored:
    """The SQL reading: one mirror, filled anew for each tenant.

    Half of the tenants are asked without a look at what their columns of numbers hold, as if the first had no fraction.
    """

    def __init__(self, path: Any) -> None:
        from planhat_orm.mirror import Mirror

        self.mirror = Mirror(path)

    def fill(self, tenant: Tenant) -> None:
        from sqlalchemy import delete

        self._looks = len(repr(tenant)) % 2 == 0

        from planhat_orm.mirror.db import state, tables
        from planhat_orm.mirror.db.layout import layout_for
        from planhat_orm.mirror.db.store import Store

        with self.mirror.database.writing() as connection:
            for name, rows in tenant.items():
                connection.execute(delete(tables.records(layout_for(name))))
                Store(connection, layout_for(name), postgres=self.mirror.database.postgres).put(rows)
                state.save(connection, state.State(name, complete=True))

    def __call__(self, query: Query, tenant: Tenant) -> list[Any]:
        from planhat_orm.mirror.reading import sqlite_values

        with patch.object(sqlite_values, "SAMPLE", sqlite_values.SAMPLE if self._looks else 0):
            return results(run(self.mirror.source.pages(query))[0], query)

    def close(self) -> None:
        self.mirror.close()
