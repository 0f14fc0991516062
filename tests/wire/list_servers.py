"""List endpoints as no two servers have them: pages cut by rows, bytes or mood, rows hidden behind the limit, lag, churn.

One request is one tick of the clock. Numbers are small and in proportion: a page is 40 rows at most.
"""

from __future__ import annotations

import json
import random
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from msgspec.structs import replace

from planhat_orm.http.effects import Emit, Flow, Request, Response, Sleep, Start, Wait
from planhat_orm.wire.resources import Resource, resource

MOST = 40
RESOURCE: Resource = replace(resource("project"), max_limit=MOST)
SIZES = (0, 1, 2, 7, 39, 40, 41, 80, 100, 173, 400)
LONG_AGO, NEVER = -(10**6), 10**9


@dataclass(frozen=True)
class Manner:
    """What a server does. `size_limit` cuts bodies by their weight, ids alone weigh next to nothing."""

    rows: int | None = None
    most: int = MOST
    is_uneven: bool = False
    size_limit: float = 0
    has_large_rows: bool = False
    hidden: float = 0
    hidden_runs: int = 0
    order: Literal["id", "insertion", "stable", "none"] = "id"
    sorts_backwards: bool = True
    honours_offset: bool = True
    churn: int = 0
    lag: int = 0
    growth: int = 0


MANNERS: dict[str, Manner] = {
    "plain": Manner(),
    "churn": Manner(churn=3),
    "much churn": Manner(churn=12),
    "cut by bytes": Manner(size_limit=70, has_large_rows=True),
    "cut by bytes, churn": Manner(size_limit=70, has_large_rows=True, churn=3),
    "cut to a row or two": Manner(size_limit=1, rows=23),
    "hidden after the limit": Manner(hidden=0.3),
    "hidden, churn": Manner(hidden=0.3, churn=3),
    "hidden in long runs": Manner(hidden=0.1, hidden_runs=2),
    "nineteen of twenty hidden": Manner(hidden=0.95, rows=400),
    "a maximum below the documented one": Manner(most=25),
    "a maximum drawn anew": Manner(is_uneven=True),
    "a maximum drawn anew, churn": Manner(is_uneven=True, churn=3),
    "all of that at once": Manner(is_uneven=True, size_limit=70, has_large_rows=True, hidden=0.2, churn=2),
    "never backwards": Manner(sorts_backwards=False),
    "sort ignored, by insertion, cut by bytes": Manner(order="insertion", size_limit=70, has_large_rows=True),
    "sort ignored, churn": Manner(order="insertion", churn=3),
    "an order of its own": Manner(order="stable"),
    "an order of its own, cut by bytes": Manner(order="stable", size_limit=70, has_large_rows=True),
    "no order": Manner(order="none", rows=173),
    "offset ignored": Manner(honours_offset=False),
    "lag": Manner(lag=6, churn=3),
    "lag, cut by bytes": Manner(lag=6, churn=2, size_limit=70, has_large_rows=True),
}
MAY_FAIL = {"no order", "nineteen of twenty hidden", "offset ignored", "hidden in long runs", "all of that at once"}
"""Where some lists cannot be read to their end: no order, hidden at an end by more than a page, one page for all."""


@dataclass
class Row:
    """A record: visible from `born` until `gone`."""

    id: str
    weight: int
    is_hidden: bool
    born: int = LONG_AGO
    gone: int = NEVER


class ListServer:
    """One list of a server of some manner."""

    def __init__(self, seed: int, manner: Manner) -> None:
        self.manner = manner
        self.rng = random.Random(seed)
        self.now = 0
        self.requests: list[dict[str, str]] = []
        self.rows: list[Row] = []
        self._last, self._salt = 10, f"salt {seed}"
        count = self.rng.choice(SIZES) if manner.rows is None else manner.rows
        for _ in range(count):
            self._insert(LONG_AGO)
        for _ in range(manner.hidden_runs):
            start = self.rng.randrange(max(1, count))
            for row in self.rows[start : start + self.rng.randint(5, MOST * 3)]:
                row.is_hidden = True
        self._at_start = self._visible(-manner.lag)

    def required(self) -> set[str]:
        """The ids that were visible from before the first request to after the last."""
        return self._at_start & self._visible(self.now)

    def answer(self, request: Request) -> Response:
        """Answer a request of a flow."""
        params = dict(request.params)
        self.requests.append(params)
        assert len(self.requests) < 3000, "the list does not end"
        self._tick()
        rows = self._page(params)
        body = [json.dumps({"_id": row.id}).encode() for row in rows]
        data: Any = body if request.raw_items else [{"_id": row.id} for row in rows]
        return Response(200, {}, b"[" + b",".join(body) + b"]", data, seconds=0.35)

    def _insert(self, born: int) -> None:
        self._last += self.rng.randint(1, 3)
        weight = self.rng.choice([1, 1, 1, 60]) if self.manner.has_large_rows else 1
        self.rows.append(Row(f"{self._last:024x}", weight, self.rng.random() < self.manner.hidden, born))

    def _tick(self) -> None:
        self.now += 1
        for _ in range(self.manner.growth):
            self._insert(self.now)
        for _ in range(self.rng.randint(0, self.manner.churn)):
            living = [row for row in self.rows if row.gone > self.now]
            if self.rng.random() >= 0.6:
                self._insert(self.now)
            elif living:
                # Mostly to the left of the reader: that moves everything after it.
                self.rng.choice(living[: max(1, len(living) * 2 // 3)]).gone = self.now

    def _visible(self, moment: int) -> set[str]:
        return {row.id for row in self.rows if row.born <= moment < row.gone and not row.is_hidden}

    def _page(self, params: dict[str, str]) -> list[Row]:
        manner = self.manner
        moment = self.now - (self.rng.randint(0, manner.lag) if manner.lag else 0)
        rows = self._ordered([row for row in self.rows if row.born <= moment < row.gone], params.get("sort", ""))
        most = self.rng.randint(max(1, manner.most // 3), manner.most) if manner.is_uneven else manner.most
        start = int(params["offset"]) if manner.honours_offset else 0
        window = rows[start:][: min(int(params["limit"]), most)]
        shown = [row for row in window if not row.is_hidden]
        return list(self._cut(shown, params.get("select") == "_id")) if manner.size_limit else shown

    def _ordered(self, rows: list[Row], sort: str) -> list[Row]:
        manner = self.manner
        if manner.order == "stable":
            return sorted(rows, key=lambda row: zlib.crc32(f"{self._salt}{row.id}".encode()))
        if manner.order == "none":
            self.rng.shuffle(rows)
        return rows[::-1] if sort == "-_id" and manner.order == "id" and manner.sorts_backwards else rows

    def _cut(self, rows: list[Row], are_ids: bool) -> Iterator[Row]:
        size = 0.0
        for number, row in enumerate(rows):
            size += 1 / 30 if are_ids else row.weight
            if number and size > self.manner.size_limit:
                return
            yield row


def drive(flow: Flow[Any], server: ListServer) -> list[Any]:
    """Run a flow against a server; return what it emits."""
    emitted: list[Any] = []
    begun: dict[int, Response] = {}
    answer: Any = None
    while True:
        try:
            effect = flow.send(answer)
        except StopIteration:
            return emitted
        answer = None
        if isinstance(effect, Request):
            answer = server.answer(effect)
        elif isinstance(effect, Start):
            answer = len(server.requests)
            begun[answer] = server.answer(effect.request)
        elif isinstance(effect, Wait):
            answer = begun.pop(effect.begun)
        elif isinstance(effect, Emit):
            emitted.append(effect.item)
        else:
            assert isinstance(effect, Sleep)
