"""Records that a webhook spoke of are read again, in the fewest requests, and go into the mirror."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..errors import (
    AuthenticationError,
    ConnectionFailed,
    MirrorError,
    NotFound,
    PlanhatError,
    RateLimited,
    ServerError,
)
from ..http.effects import Flow, RunBlocking
from ..http.flows import collected, counted
from ..mirror.db.clock import Instant
from ..mirror.db.layout import layout_for
from ..mirror.inbox import PendingRecord
from ..query import kinds
from ..query.query import Query
from ..query.tree import Target, Test
from ..wire import listing, records
from ..wire.resources import Resource

if TYPE_CHECKING:
    from ..client.planhat import Planhat

Row = dict[str, Any]
IDS_IN_A_LIST = 80
"""How many ids an address holds: 24 letters each, and what is between them."""


@dataclass(slots=True)
class Pulled:
    """What a round of reading came to, by record: dealt with, or the error that was in the way."""

    done: list[PendingRecord] = field(default_factory=list)
    failed: list[tuple[PendingRecord, PlanhatError]] = field(default_factory=list)
    removed: int = 0
    requests: int = 0

    @property
    def is_outage(self) -> bool:
        """Whether nothing could be read, for a reason that lies with the server and not with a record."""
        return not self.done and all(isinstance(error, OUTAGE) for _, error in self.failed)


OUTAGE = (ConnectionFailed, ServerError, AuthenticationError, RateLimited)
_HOPELESS = (ConnectionFailed, AuthenticationError, RateLimited)


def pull(planhat: Planhat, waiting: Sequence[PendingRecord]) -> Flow[Pulled]:
    """Read records again and put them into the mirror; those that Planhat does not have are taken out.

    One record costs a GET; many cost lists of 80, where the resource is listed by id, or a sync of the model, where
    that takes fewer requests than a GET each.
    """
    result = Pulled()

    def count(requests: int) -> None:
        result.requests += requests

    by_resource: dict[str, list[PendingRecord]] = {}
    for item in waiting:
        by_resource.setdefault(item.resource, []).append(item)
    for resource, items in by_resource.items():
        yield from counted(_resource(planhat, layout_for(resource).resource, items, result), count)
    return result


def _resource(planhat: Planhat, resource: Resource, items: list[PendingRecord], result: Pulled) -> Flow[None]:
    left = {item.record: item for item in items}
    certain = {id: item for id, item in left.items() if not item.deleted}
    try:
        if len(certain) > 1:
            for id in (yield from _together(planhat, resource, sorted(certain))):
                result.done.append(left.pop(id))
    except PlanhatError as error:
        if isinstance(error, _HOPELESS):
            result.failed += [(item, error) for item in left.values()]
            return
    yield from _each(planhat, resource, left, result)


def _together(planhat: Planhat, resource: Resource, ids: list[str]) -> Flow[Iterable[str]]:
    """Read many at once, where that costs less than one by one; return those that are certainly up to date."""
    by_id = next((param.name for param in resource.params.values() if param.field == "_id" and param.many), None)
    lists = -(-len(ids) // IDS_IN_A_LIST) if by_id else len(ids)
    if lists > 2 and (yield RunBlocking(lambda: _sync_cost(planhat, resource))) < lists:
        try:
            return (yield from _synced(planhat, resource, ids))
        except MirrorError:
            pass  # somebody else is syncing, and what he read may be older than what was said
    return (yield from _listed(planhat, resource, by_id, ids)) if by_id else ()


def _sync_cost(planhat: Planhat, resource: Resource) -> int:
    return planhat.mirror.plan([resource.name]).requests


def _listed(planhat: Planhat, resource: Resource, by_id: str, ids: list[str]) -> Flow[Iterable[str]]:
    rows: dict[str, Row | None] = {}
    asked: Instant | None = yield RunBlocking(lambda: planhat.mirror.asked_at(resource))
    for start in range(0, len(ids), IDS_IN_A_LIST):
        part = ids[start : start + IDS_IN_A_LIST]
        flow = listing.pages(resource, params={by_id: ",".join(part)}, wanted=len(part))
        found = yield from collected(flow)
        rows |= {row["_id"]: row for row in found if row.get("_id") in part}
    yield from _store(planhat, resource, rows, asked)
    return rows


def _synced(planhat: Planhat, resource: Resource, ids: list[str]) -> Flow[Iterable[str]]:
    """Sync the model. A record that it did not change may be gone, or late in the list: that is not certain."""
    before = yield from rows_of(planhat, resource.name, ids)
    yield from planhat.mirror.sync([resource.name])
    after = yield from rows_of(planhat, resource.name, ids)
    return [id for id in ids if after.get(id) != before.get(id)]


def _each(planhat: Planhat, resource: Resource, left: Mapping[str, PendingRecord], result: Pulled) -> Flow[None]:
    rows: dict[str, Row | None] = {}
    asked: Instant | None = yield RunBlocking(lambda: planhat.mirror.asked_at(resource))
    lost: PlanhatError | None = None
    for id, item in left.items():
        if lost is None:
            try:
                rows[id] = yield from _get(resource, id)
                continue
            except PlanhatError as error:
                lost = error if isinstance(error, _HOPELESS) else None
                result.failed.append((item, error))
        else:
            result.failed.append((item, lost))
    yield from _store(planhat, resource, rows, asked)
    result.done += [left[id] for id in rows]
    result.removed += sum(row is None for row in rows.values())


def _get(resource: Resource, id: str) -> Flow[Row | None]:
    try:
        return (yield from records.get(resource, id))
    except NotFound:
        return None


def _store(planhat: Planhat, resource: Resource, rows: Mapping[str, Row | None], asked: Instant | None) -> Flow[None]:
    if rows:
        yield RunBlocking(lambda: planhat.mirror.pulled(resource, rows, asked=asked))


def rows_of(planhat: Planhat, resource: str, ids: Iterable[str]) -> Flow[dict[str, Row]]:
    """The mirror's records of some ids, by id. Makes no request."""
    test = Test(Target("id", ("_id",), kinds.ID), "in", tuple(ids))
    rows = yield from collected(planhat.mirror.source.pages(Query(resource, test, hidden=True)))
    return {row["_id"]: row for row in rows}
