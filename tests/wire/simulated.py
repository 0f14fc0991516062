"""A list endpoint without a network: it answers the requests of a flow, and lets others write in between."""

from __future__ import annotations

import random
from collections.abc import Callable
from hashlib import md5
from typing import Any

from planhat_orm.http.effects import Emit, Flow, Request, Response, Sleep, Start, Wait


class ListServer:
    """Ids behind `limit` and `offset`, as Planhat serves them. `cap` is the longest page it gives."""

    def __init__(self, ids: list[str], *, cap: int = 10_000, sort: bool = True, offset: bool = True) -> None:
        self.ids = list(ids)
        self.cap = cap
        self.sort = sort
        self.offset = offset
        self.names: dict[str, str] = {}
        self.requests: list[dict[str, str]] = []

    def answer(self, request: Request) -> Response:
        params = dict(request.params)
        self.requests.append(params)
        ids = self._ordered(params.get("sort", "")) if self.sort else list(self.ids)
        start = int(params["offset"]) if self.offset else 0
        rows = [{"_id": id} for id in ids[start : start + min(int(params["limit"]), self.cap)]]
        return Response(200, {}, b"", rows)

    def _ordered(self, sort: str) -> list[str]:
        if sort.lstrip("-") not in ("_id", "name"):
            return list(self.ids)
        key = self.name if sort.endswith("name") else str
        return sorted(self.ids, key=key, reverse=sort.startswith("-"))

    def name(self, id: str) -> str:
        """The name of a record, whose order has nothing to do with that of the ids; `names` has changed ones."""
        return self.names.get(id) or md5(id.encode(), usedforsecurity=False).hexdigest()


def read(flow: Flow[Any], server: ListServer, between: Callable[[], None] = lambda: None) -> list[list[str]]:
    """Drive a list flow by hand; return the ids of each emitted page. `between` runs before every request but one."""
    pages: list[list[str]] = []
    effect = next(flow)
    while True:
        answer = None
        if isinstance(effect, Emit):
            pages.append([row["_id"] for row in effect.item])
        elif isinstance(effect, Wait):
            answer = effect.begun
        elif not isinstance(effect, Sleep):
            assert isinstance(effect, Request | Start)
            assert len(server.requests) < 2_000, "the list does not end"
            if server.requests:
                between()
            # What is begun is answered at once: the moment is the server's to choose.
            answer = server.answer(effect.request if isinstance(effect, Start) else effect)
        try:
            effect = flow.send(answer)
        except StopIteration:
            return pages


class Writers:
    """Others who insert and delete at random; `stayed` are the ids that were there throughout."""

    def __init__(self, server: ListServer, rng: random.Random, *, busy: int) -> None:
        self.server = server
        self.rng = rng
        self.busy = busy
        self.stayed = set(server.ids)

    def write(self) -> None:
        rng, ids = self.rng, self.server.ids
        for _ in range(rng.randint(0, self.busy)):
            if ids and rng.random() < 0.6:
                # Often the oldest: that moves everything after it to the left.
                gone = min(ids) if rng.random() < 0.4 else rng.choice(ids)
                ids.remove(gone)
                self.stayed.discard(gone)
            else:
                # Mostly at the end, as ObjectIds grow; sometimes anywhere.
                number = rng.randint(0, 10**6) if rng.random() < 0.3 else 10**6 + rng.randint(0, 10**6)
                ids.append(f"{number:08d}")


def numbered(count: int) -> list[str]:
    return [f"{number * 7:08d}" for number in range(count)]
