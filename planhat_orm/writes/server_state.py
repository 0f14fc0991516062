"""What the server holds now: of records by id, and of rows that may have been stored though no answer came.

Planhat has no conditional write and no idempotency key (docs/reference/planhat-api.md sections 5 and 7), so both
questions are answered by reading, for as few requests as possible.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from ..http.effects import Flow, Response
from ..http.flows import at_most, mapped
from ..query.kinds import ID
from ..query.query import Query
from ..query.tree import Target, Test
from ..runtime import Source
from ..wire import creating, find_by_keys, records
from ..wire.content_match import pair, places
from ..wire.keys import comparable_keys
from ..wire.newest import made_above, newest
from ..wire.outcomes import Outcome
from ..wire.references import unexpanded
from ..wire.resources import Resource, resource

Raw = dict[str, Any]
QUIET = 30.0
"""Seconds after which a server has done what it was sent, if it does it at all."""
_PAGE = 500
_SLACK = 5.0
"""How far the clocks may have drifted apart since the write, in seconds."""


def current(source: Source, name: str, ids: Collection[str], wires: Iterable[str]) -> Flow[dict[str, Raw]]:
    """What the server holds now of some fields of records, by id; a record that is gone is not among them.

    A list, for as long as its pages are fewer than a GET each would be; so at most twice the fewest requests. What it
    lacks is asked for by its id, fifty records at most: a list may not show yet what was made a moment ago.
    """
    found: dict[str, Raw] = {}
    left = set(ids)
    known = resource(name)
    single = known.is_readable
    if left and (len(left) > find_by_keys.FEW or not single):
        test = Test(Target("id", ("_id",), ID), "in", tuple(sorted(left)))
        query = Query(name, where=test, select=frozenset({"_id", *wires}), hidden=True, fresh=True)

        def keep(rows: list[Raw]) -> Flow[None]:
            found.update((row["_id"], unexpanded(known, row)) for row in rows)
            return
            yield

        pages = source.pages(query)
        whole = yield from mapped(at_most(len(left), pages) if single else _all(pages), keep)
        left -= found.keys()
        if whole:
            # What a list lacks may have been made a moment ago: the newest first, as far as that is cheap.
            left = set(sorted(left, reverse=True)[: find_by_keys.SURE if single else 0])
    for id in sorted(left):
        row = yield from records.find(known, id)
        if row is not None:
            found[id] = unexpanded(known, row)
    return found


def outcome_of(known: Resource, row: Raw, outcome: Outcome) -> tuple[str, str]:
    """The status and error of a row that was sent, as its object is to know them.

    A new record without a key whose id could not be read is like one whose answer was lost: written once more, as
    an object without an id would be, it were there twice. It has to be looked for.
    """
    if outcome.status == "created" and outcome.id is None and not comparable_keys(known, row):
        return "unknown", "it was created, and its id could not be read: what retries looks for it"
    return outcome.status, outcome.error


def _all(flow: Flow[None]) -> Flow[bool]:
    yield from flow
    return True


def look_for(
    known: Resource, rows: Sequence[Raw], since: float, ours: Collection[str], floor: str | None = None
) -> Flow[tuple[dict[int, Raw], set[int]]]:
    """Look for keyless rows that were sent once, and got no answer, among the records above the id `floor`.

    Without one, among those made at or after `since`, by this machine's clock. Returns the records made of them, by the
    place of the row, and the places of rows that cannot be told from other new records; the rest is not there. `ours`
    are ids that are known to be other rows' records.
    """

    def bound(response: Response) -> Flow[float]:
        if floor is not None:
            return made_above(floor)
        return creating.server_time(response) - (time.time() - since) - _SLACK
        yield

    recent = yield from newest(known, bound, limit=_PAGE)
    others = {floor, *ours, *creating.made_here(row["_id"] for row in recent)}
    candidates = [row for row in recent if row["_id"] not in others]
    pairs = pair(candidates, rows, known)
    by_id = {row["_id"]: row for row in candidates}
    left = [row for row in candidates if row["_id"] not in pairs.values()]
    doubtful = {place for fitting in places(left, rows, known) for place in fitting}
    return {place: by_id[id] for place, id in pairs.items() if place not in doubtful}, doubtful
