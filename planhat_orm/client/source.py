"""The API as a source: which requests answer a query, and what is left to do here.

Everything the API filters is checked here again, so a server that ignores a parameter costs requests and
never gives wrong rows. Ordering and everything beyond the few documented parameters is done here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import PlanhatError
from ..http.effects import Emit, Flow
from ..http.flows import collected, mapped
from ..query import kinds
from ..query.plan import Plan, Step, describe
from ..query.predicate import Predicate, fetch, ordered, predicate
from ..query.query import Query
from ..query.split import GET_EACH, Split, ids_in, split
from ..query.tree import EVERYTHING, All, Node, Related, Target, Test, both
from ..queryset.aggregates import Tally, Wanted
from ..queryset.unseen_labels import watched
from ..wire import list_page, listing, paths, records
from ..wire.aliases import spellings_of
from ..wire.resources import Resource, resource
from .account_fields import RESOURCE, AccountFields
from .relation_filters import is_narrowed, readings, wires, without_hops

if TYPE_CHECKING:
    from .cache import ListCache

PAGE = 2000


class _Enough(Exception):
    """All that was wanted has come."""


@dataclass(frozen=True, slots=True)
class Strategy:
    """How a query without relations is answered: by ids, or by lists."""

    resource: Resource
    ids: tuple[str, ...] | None
    parts: Split
    test: Node

    @property
    def whole(self) -> bool:
        """Whether every condition is expressed by ids or parameters, so that no row is fetched in vain."""
        tests = self.test.children if isinstance(self.test, All) else (self.test,)
        served = len(self.parts.served) + (self.ids is not None)
        return len(tests) == served and self.resource.hidden_by is None


def strategy(query: Query, where: Node) -> Strategy:
    """Choose how to ask for a query whose relations were resolved."""
    known = resource(query.resource)
    if "list" not in known.operations:
        raise PlanhatError(f"Planhat's API lists no {known.name} records: it takes them in and gives none back.")
    implied = known.implied
    test = where
    for wire, value in implied.items():
        test = both(test, Test(Target(wire, (wire,), kinds.TEXT), "exact", value))
    ids = ids_in(where)
    if ids is not None and (not known.is_readable or len(ids) > GET_EACH):
        ids = None
    return Strategy(known, ids, split(where, known), test)


class ApiSource:
    """Rows from Planhat itself."""

    name = "api"

    def __init__(self, cache: ListCache, fields: AccountFields | None = None) -> None:
        self.cache = cache
        self.fields = fields

    # --- rows -------------------------------------------------------------------------------------------

    def pages(self, query: Query) -> Flow[None]:
        """Emit the rows of a query; in the order of `_id` page by page, in another order all at once."""
        if query.limit == 0:
            return
        where = yield from without_hops(query.where, self)
        way = strategy(query, where)
        test = self._test(way, query)
        if self.cache.covers(query.resource):
            rows = yield from self._cached(query)
            chosen = ordered(filter(test, rows), query.order)[query.start : query.stop]
            if chosen:
                yield Emit(chosen)
            return
        if query.order:
            found: list[dict[str, Any]] = []

            def keep(rows: list[dict[str, Any]]) -> Flow[None]:
                found.extend(row for row in rows if test(row))
                return
                yield

            yield from mapped(self._rows(way, query, None), keep)
            chosen = ordered(found, query.order)[query.start : query.stop]
            for start in range(0, len(chosen), PAGE):
                yield Emit(chosen[start : start + PAGE])
            return
        yield from self._stream(way, query, test)

    def _cached(self, query: Query) -> Flow[list[dict[str, Any]]]:
        """The whole list of a cached resource, hidden rows included."""
        cache = self.cache
        rows = None if query.fresh else cache.get(query.resource)
        if rows is None:
            writes = cache.writes(query.resource)
            whole = Query(query.resource, hidden=True)
            rows = yield from collected(self._rows(strategy(whole, whole.where), whole, None))
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
        yield from watched(self._raw_rows(way, query, wanted), query)

    def _raw_rows(self, way: Strategy, query: Query, wanted: int | None) -> Flow[None]:
        if way.parts.impossible or way.ids == ():
            return
        if way.ids is not None:
            yield from self._by_ids(way.resource, way.ids)
            return
        select = self._select(way, query)
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
            whole = wanted is None and query.select is None and lists == [{}] and ids_in(way.test) is None
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
        asked = params[by_id].split(",") if by_id in params else ids_in(way.test)
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
            row = yield from records.find(known, id)
            if row is not None:
                rows.append(row)
        if rows:
            yield Emit(rows)

    def _test(self, way: Strategy, query: Query) -> Predicate:
        test = predicate(way.test)
        hidden = way.resource.hidden_by
        if query.hidden or hidden is None:
            return test
        wire = str(hidden.hides)
        return lambda row: row.get(wire) is not True and test(row)

    def _select(self, way: Strategy, query: Query) -> tuple[str, ...] | None:
        """The fields to name: those wanted, and those looked at here."""
        if query.select is None:
            return None
        needed = wires(way.test) | {target.keys[0] for target, _ in query.order}
        hidden = way.resource.hidden_by
        if hidden is not None and hidden.hides:
            needed.add(hidden.hides)
        return ("_id", *sorted(spellings_of(way.resource, query.select | needed) - {"_id"}))

    # --- figures ----------------------------------------------------------------------------------------

    def count(self, query: Query) -> Flow[int]:
        """Count by listing with the fewest fields that can tell."""
        total = 0

        def add(rows: list[dict[str, Any]]) -> Flow[None]:
            nonlocal total
            total += len(rows)
            return
            yield

        yield from mapped(self.pages(query.changed(select=frozenset({"_id"}), order=())), add)
        return total

    def aggregate(self, query: Query, wanted: Wanted, by: tuple[Target, ...] = ()) -> Flow[list[dict[str, Any]]]:
        """Add up page by page; only the fields that are looked at are listed."""
        fields = {target.keys[0] for _, target in wanted.values() if target is not None}
        fields |= {target.keys[0] for target in by}
        groups: dict[tuple[Any, ...], Tally] = {} if by else {(): Tally(wanted)}

        def add(rows: list[dict[str, Any]]) -> Flow[None]:
            for row in rows:
                key = tuple(target.kind.comparable(fetch(row, target.keys)) for target in by)
                if key not in groups:
                    groups[key] = Tally(wanted)
                groups[key].add(row)
            return
            yield

        narrowed = query.changed(select=frozenset(fields | {"_id"}))
        if not query.is_sliced:
            narrowed = narrowed.changed(order=())
        yield from mapped(self.pages(narrowed), add)
        return [
            {**{target.name: value for target, value in zip(by, key, strict=True)}, **tally.result()}
            for key, tally in groups.items()
        ]

    def get(self, known: Resource, form: str, value: str) -> Flow[dict[str, Any] | None]:
        """One GET; None when there is no such record."""
        if self.cache.covers(known.name):
            rows = yield from self._cached(Query(known.name))
            wire = known.field_for(form)
            return next((row for row in rows if kinds.ID.comparable(row.get(str(wire))) == value), None)
        if known.read_as and form != "_id":
            return (yield from records.by_key(known, str(known.field_for(form)), value))
        row = yield from records.find(known, paths.join_key(form, value))
        if row is not None and any(row.get(wire) != wanted for wire, wanted in known.implied.items()):
            return None
        return row

    # --- words ------------------------------------------------------------------------------------------

    def explain(self, query: Query) -> Plan:
        """Say what answering takes."""
        way = strategy(query, query.where)
        known = way.resource
        page = known.max_limit
        tests = _tests(query)
        served: list[Node] = list(way.parts.served)
        requests: int | None = None
        cost = f"ceil(rows / {page}), and one to prove the end"
        select: tuple[str, ...] = ()
        steps = [
            Step(f"GET /{resource(name).path} for the ids of: {'; '.join(map(describe, over))}")
            for name, over in readings(query.where)
        ]
        related = bool(steps)
        if self.cache.covers(known.name):
            kept = not query.fresh and self.cache.get(known.name) is not None
            steps.append(Step(f"the list of {known.path} in memory" if kept else f"GET {paths.collection(known)}"))
            requests, cost, served = 0 if kept else None, "" if kept else cost, []
        elif way.ids is not None:
            steps.append(Step(f"GET {paths.collection(known)}/<id>", f"{len(way.ids)} times"))
            served = [test for test in tests if isinstance(test, Test) and test.target.keys == ("_id",)]
            requests, cost = len(way.ids), ""
        elif way.parts.impossible or query.limit == 0:
            steps.append(Step("nothing can match, so nothing is asked"))
            requests, cost = 0, ""
        else:
            for params in way.parts.lists:
                shown = "&".join(f"{name}={_short(value)}" for name, value in params.items())
                steps.append(Step(f"GET {paths.collection(known)}{'?' + shown if shown else ''}", f"{page} a page"))
            select = self._select(way, query) or list_page.full_select(known) or ()
            if way.whole and not query.order and query.stop is not None and query.stop <= page and len(steps) == 1:
                requests, cost = 1, ""
        here = [describe(test) for test in tests if test not in served and test != EVERYTHING]
        if query.order:
            here.append("order by " + ", ".join(f"{'-' if down else ''}{item.name}" for item, down in query.order))
        if related:
            requests, cost = None, cost or "the pages of the related lists, and of this one"
        return Plan(
            source="api",
            resource=known.name,
            steps=tuple(steps),
            select=tuple(select),
            served=tuple(map(describe, served)),
            here=tuple(here),
            requests=requests,
            cost=cost,
            full_scan=self._scans(query, way) and not served,
        )

    def _scans(self, query: Query, way: Strategy) -> bool:
        """Whether there are conditions, and no list can be narrowed down by any of them."""
        if query.where == EVERYTHING or way.ids is not None or self.cache.covers(query.resource):
            return False
        return not any(isinstance(test, Related) and is_narrowed(test) for test in _tests(query))


def _tests(query: Query) -> tuple[Node, ...]:
    return query.where.children if isinstance(query.where, All) else (query.where,)


def _short(value: str) -> str:
    return value if len(value) <= 30 else f"{value.count(',') + 1} ids"
