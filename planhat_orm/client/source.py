"""The API as a source: which requests answer a query, and what is left to do here.

Everything the API filters is checked here again, so a server that ignores a parameter costs requests and
never gives wrong rows. Ordering and everything beyond the few documented parameters is done here.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import TYPE_CHECKING, Any

from ..http.effects import Emit, Flow
from ..http.flows import collected, mapped
from ..query import kinds
from ..query.plan import Plan
from ..query.predicate import Environment, Predicate, predicate
from ..query.query import Query
from ..query.raw_values import columns_of
from ..queryset.unseen_labels import Watch
from ..wire import listing, paths, records
from ..wire.resources import Resource
from .account_fields import RESOURCE, AccountFields
from .evaluation import (
    annotator,
    chosen_rows,
    emitted,
    grouped_rows,
    is_linked,
    linked_pages,
    sliced_records,
)
from .explain import explained
from .relation_filters import without_relations
from .strategy import Strategy, selected, strategy

if TYPE_CHECKING:
    from .cache import ListCache


class _Enough(Exception):
    """All that was wanted has come."""


class ApiSource:
    """Rows from Planhat itself."""

    name = "api"

    def __init__(
        self,
        cache: ListCache,
        fields: AccountFields | None = None,
        noting: Callable[[Resource, str, Flow[dict[str, Any] | None]], Flow[dict[str, Any] | None]] | None = None,
    ) -> None:
        self.cache = cache
        self.fields = fields
        self._noting = noting

    # --- rows -------------------------------------------------------------------------------------------

    def pages(self, query: Query) -> Flow[None]:
        """Emit the rows of a query; in the order of `_id` page by page, in another order all at once."""
        if query.limit == 0:
            return
        if query.groups is not None:
            yield from emitted((yield from self._groups(query)))
            return
        if is_linked(query):
            query = yield from without_relations(query, self)
            if is_linked(query):
                yield from linked_pages(query, self)
                return
        environment = Environment(query.zone)
        rows = self._chosen(query, environment)
        if not query.annotations:
            yield from rows
            return
        annotate = annotator(query, environment)

        def add(page: list[dict[str, Any]]) -> Flow[None]:
            yield Emit(annotate(page))

        yield from mapped(rows, add)

    def records(self, query: Query) -> Flow[None]:
        """Emit the rows of a query: what came as JSON is all read by then."""
        yield from self.pages(query)

    def columns(self, query: Query, wires: Collection[str]) -> Flow[None]:
        """Emit the values of fields by wire name, page by page."""

        def turn(rows: list[dict[str, Any]]) -> Flow[None]:
            yield Emit(columns_of(rows, wires))

        yield from mapped(self.pages(query), turn)

    def _groups(self, query: Query) -> Flow[list[dict[str, Any]]]:
        if sliced_records(query) is None:
            query = yield from without_relations(query, self)
        return (yield from grouped_rows(query, self))

    def _chosen(self, query: Query, environment: Environment) -> Flow[None]:
        """Emit the rows that a query without relations chooses, in its order, within its slice."""
        way = strategy(query)
        test = self._test(way, query)
        if self.cache.covers(query.resource):
            rows = yield from self._cached(query)
            yield from emitted(chosen_rows(filter(test, rows), query, environment))
        elif query.order or query.distinct:
            found: list[dict[str, Any]] = []

            def keep(rows: list[dict[str, Any]]) -> Flow[None]:
                found.extend(row for row in rows if test(row))
                return
                yield

            yield from mapped(self._rows(way, query, None), keep)
            yield from emitted(chosen_rows(found, query, environment))
        else:
            yield from self._stream(way, query, test)

    def _cached(self, query: Query) -> Flow[list[dict[str, Any]]]:
        """The whole list of a cached resource, hidden rows included."""
        cache = self.cache
        rows = None if query.fresh else cache.get(query.resource)
        if rows is None:
            writes = cache.writes(query.resource)
            whole = Query(query.resource, hidden=True)
            rows = yield from collected(self._rows(strategy(whole), whole, None))
            cache.put(query.resource, rows, writes)
        return rows

    def _stream(self, way: Strategy, query: Query, test: Predicate) -> Flow[None]:
        passed = 0
        # Only where nothing is filtered here does the server's row n correspond to ours.
        wanted = query.stop if way.whole else None

        def pick(rows: list[dict[str, Any]]) -> Flow[None]:
            nonlocal passed
            good = [row for row in rows if test(row)]
            begin = max(0, query.start - passed)
            end = None if query.stop is None else query.stop - passed
            passed += len(good)
            good = good[begin:end]
            if good:
                yield Emit(good)
            if query.stop is not None and passed >= query.stop:
                raise _Enough

        try:
            yield from mapped(self._rows(way, query, wanted), pick)
        except _Enough:
            return

    def _rows(self, way: Strategy, query: Query, wanted: int | None) -> Flow[None]:
        """Emit rows, a superset of what the query asks for, each once, in the order of `_id`."""
        rows, watch = self._raw_rows(way, query, wanted), Watch(query)
        yield from watch.over(rows) if watch.labels else rows

    def _raw_rows(self, way: Strategy, query: Query, wanted: int | None) -> Flow[None]:
        if way.parts.impossible or way.ids == ():
            return
        if way.ids is not None:
            yield from self._by_ids(way.resource, way.ids)
            return
        select = selected(way, query)
        lists = list(way.parts.lists)
        hidden = way.resource.hidden_by
        if query.hidden and hidden is not None:
            # Whether this shows the hidden rows too, or only them, is open: ask for both and drop repeats.
            both_ways = way.resource.name == "task"
            lists = [
                {**params, **extra}
                for params in lists
                for extra in (({}, {hidden.name: "true"}) if both_ways else ({hidden.name: "true"},))
            ]
        if len(lists) == 1:
            rows = self._list(way, lists[0], select, wanted)
            whole = wanted is None and query.select is None and lists == [{}] and way.parts.ids is None
            known = whole and way.resource.name == RESOURCE
            yield from self.fields.learnt(rows) if known and self.fields is not None else rows
            return
        seen: dict[str, dict[str, Any]] = {}

        def keep(rows: list[dict[str, Any]]) -> Flow[None]:
            for row in rows:
                seen.setdefault(row["_id"], row)
            return
            yield

        for params in lists:
            yield from mapped(self._list(way, params, select, None), keep)
        if seen:
            yield Emit([seen[key] for key in sorted(seen)])

    def _list(
        self, way: Strategy, params: dict[str, str], select: tuple[str, ...] | None, wanted: int | None
    ) -> Flow[None]:
        """One list, which ends early when every id that was asked for has come."""
        by_id = next((param.name for param in way.resource.params.values() if param.field == "_id"), "")
        asked = params[by_id].split(",") if by_id in params else way.parts.ids
        sought = tuple(asked) if asked is not None else None
        rows = listing.pages(way.resource, select=select, params=params, wanted=wanted, may_stop=sought is not None)
        yield from self._until_found(rows, sought)

    def _until_found(self, flow: Flow[None], sought: tuple[str, ...] | None) -> Flow[None]:
        """Stop a list as soon as every id that was sought has come."""
        if sought is None:
            yield from flow
            return
        missing = set(sought)

        def strike(rows: list[dict[str, Any]]) -> Flow[None]:
            yield Emit(rows)
            missing.difference_update(row.get("_id") for row in rows)
            if not missing:
                raise _Enough

        try:
            yield from mapped(flow, strike)
        except _Enough:
            return

    def _by_ids(self, known: Resource, ids: Iterable[str]) -> Flow[None]:
        rows = []
        for id in sorted(ids):
            row = yield from self._find(known, id)
            if row is not None:
                rows.append(row)
        if rows:
            yield Emit(rows)

    def _find(self, known: Resource, key: str) -> Flow[dict[str, Any] | None]:
        read = records.find(known, key)
        return read if self._noting is None else self._noting(known, key, read)

    def _test(self, way: Strategy, query: Query) -> Predicate:
        test = predicate(way.test, Environment(query.zone))
        hidden = way.resource.hidden_by
        if query.hidden or hidden is None:
            return test
        wire = str(hidden.hides)
        return lambda row: row.get(wire) is not True and test(row)

    # --- figures ----------------------------------------------------------------------------------------

    def count(self, query: Query) -> Flow[int]:
        """Count by listing with the fewest fields that can tell."""
        total = 0

        def add(rows: list[dict[str, Any]]) -> Flow[None]:
            nonlocal total
            total += len(rows)
            return
            yield

        narrowed = query if query.groups is not None else query.changed(select=frozenset({"_id"}), annotations=())
        yield from mapped(self.pages(narrowed if query.picks else narrowed.changed(order=())), add)
        return total

    def get(self, known: Resource, form: str, value: str) -> Flow[dict[str, Any] | None]:
        """One GET; None when there is no such record."""
        if self.cache.covers(known.name):
            rows = yield from self._cached(Query(known.name))
            wire = known.field_for(form)
            return next((row for row in rows if kinds.ID.comparable(row.get(str(wire))) == value), None)
        if known.read_as and form != "_id":
            return (yield from records.by_key(known, str(known.field_for(form)), value))
        row = yield from self._find(known, paths.join_key(form, value))
        if row is not None and any(row.get(wire) != wanted for wire, wanted in known.implied.items()):
            return None
        return row

    # --- words ------------------------------------------------------------------------------------------

    def explain(self, query: Query) -> Plan:
        """Say what answering takes."""
        return explained(query, self.cache)
