"""A list that does not go on is an error after a bounded number of requests, in every order and in the mirror."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from planhat_orm import BadAnswer, Company, Planhat

from .server import Answer, Asked, HostileServer, Step, respond

RECORDS = [{"_id": f"65f0c1a2912265b1f50{number:05}", "name": f"c{number}"} for number in range(40)]


def _page(records: list[dict[str, Any]], asked: Asked, most: int) -> tuple[list[dict[str, Any]], int]:
    asks = {name: values[0] for name, values in parse_qs(urlsplit(asked.target).query).items()}
    rows = sorted(records, key=lambda row: row["_id"], reverse=asks.get("sort", "").startswith("-"))
    offset = int(asks.get("offset", "0"))
    return rows[offset : offset + min(most, int(asks.get("limit", "100")))], offset


def _nothing_past(edge: int) -> Answer:
    """Pages of ten, and nothing at all from some offset on, though the page before went beyond it."""

    def answer(asked: Asked) -> Iterator[Step]:
        rows, offset = _page(RECORDS, asked, 10)
        yield respond(json.dumps([] if offset >= edge else rows).encode())

    return answer


def _always_another(_: Asked) -> Iterator[Step]:
    """A page of ten records that nobody saw before, at every offset."""
    _always_another.number += 10  # type: ignore[attr-defined]
    first = _always_another.number  # type: ignore[attr-defined]
    yield respond(json.dumps([{"_id": f"{number:024}"} for number in range(first, first + 10)]).encode())


_always_another.number = 0  # type: ignore[attr-defined]

READ: dict[str, Callable[[Planhat], Any]] = {
    "by _id": lambda p: list(p.company.get_list()),
    "by name": lambda p: list(p.company.get_list(sort="name")),
    "in the mirror": lambda p: p.sync(Company),
    "by a query": lambda p: list(Company.objects.using(p).all()),
}


@pytest.mark.parametrize("read", READ.values(), ids=READ)
@pytest.mark.parametrize("edge", [11, 15, 19])
def test_a_list_that_shows_nothing_past_some_offset_is_given_up(read: Any, edge: int, tmp_path: Path) -> None:
    with HostileServer(_nothing_past(edge)) as server:
        planhat = Planhat("token", api_url=server.url, mirror=tmp_path / "p.db", calls_per_min=100_000, scan="allow")
        with planhat, pytest.raises(BadAnswer):
            read(planhat)
        assert planhat.calls < 200


def test_a_list_of_always_other_records_goes_on_only_as_far_as_it_is_read() -> None:
    with HostileServer(_always_another) as server:
        planhat = Planhat("token", api_url=server.url, calls_per_min=100_000)
        with planhat, pytest.raises(BadAnswer):
            list(planhat.company.get_list())
        assert planhat.calls < 200
