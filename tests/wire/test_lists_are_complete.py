"""The proof that a list is complete, against servers of many manners: whole, or an error where it cannot be told.

Both who read whole lists are driven: the API's lists, and the walk of a sync, which asks for pages ahead.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from itertools import takewhile
from typing import Any

import pytest

from planhat_orm.errors import BadAnswer
from planhat_orm.http.effects import Emit, Flow
from planhat_orm.mirror.sync.paging import RequestCounter, read_unsorted, walk_ahead
from planhat_orm.wire.list_reader import NotSortedById
from planhat_orm.wire.list_walk import ListWalk
from planhat_orm.wire.listing import pages, sorted_pages
from planhat_orm.wire.proved_page import Page
from planhat_orm.wire.raw_records import RawRecord
from tests.scale import sized

from .list_servers import MANNERS, MOST, RESOURCE, ListServer, Manner, drive

LISTS = sized(4, 200)


def from_api(server: ListServer) -> list[str]:
    return [row["_id"] for rows in drive(pages(RESOURCE), server) for row in rows]


def in_an_order(server: ListServer) -> list[str]:
    return [row["_id"] for rows in drive(sorted_pages(RESOURCE, "name"), server) for row in rows]


def in_a_sync(server: ListServer) -> list[str]:
    """As a full pass reads: sorted lists with proof, others until nothing new shows."""

    def apply(page: Page[RawRecord]) -> Flow[None]:
        yield Emit(page.rows)

    def read() -> Flow[None]:
        counter = RequestCounter()
        try:
            yield from walk_ahead(RESOURCE, counter, {}, expected=len(server.rows)).run(apply)
        except NotSortedById:
            yield from read_unsorted(RESOURCE, counter, {}, apply)
        assert counter.requests == len(server.requests)

    return [row["_id"] for rows in drive(read(), server) for row in rows]


READERS: dict[str, Callable[[ListServer], list[str]]] = {"the API": from_api, "a sync": in_a_sync}


def hidden_at(server: ListServer) -> tuple[int, int]:
    """How many rows are hidden at the beginning of a list, and at its end."""
    flags = [row.is_hidden for row in server.rows]
    return tuple(len(list(takewhile(bool, part))) for part in (flags, flags[::-1]))  # type: ignore[return-value]


def cannot_be_read(server: ListServer) -> bool:
    """Whether a server shows too little of this list: no order, one page for all, or its end hidden by a page."""
    manner = server.manner
    too_long = not manner.honours_offset and len(server.rows) > MOST
    return manner.order == "none" or too_long or manner.hidden > 0.9 or hidden_at(server)[1] >= MOST


def looks_empty(server: ListServer) -> bool:
    """Whether a page is hidden at either end, so that neither shows anything."""
    return min(hidden_at(server)) >= MOST


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("name", MANNERS)
def test_every_list_is_whole_or_an_error(name: str, reader: str) -> None:
    for seed in range(LISTS):
        server = ListServer(seed, MANNERS[name])
        try:
            got = READERS[reader](server)
        except BadAnswer:
            assert cannot_be_read(server), f"seed {seed}"
            continue
        assert server.required() <= set(got) or looks_empty(server), f"seed {seed}"
        if MANNERS[name].order not in ("stable", "none"):
            assert len(got) == len(set(got)), f"seed {seed}"


@pytest.mark.parametrize(
    "name", ["churn", "cut by bytes, churn", "hidden after the limit", "all of that at once", "lag"]
)
def test_a_list_in_an_order_of_the_callers_is_as_complete(name: str) -> None:
    for seed in range(LISTS):
        server = ListServer(seed, MANNERS[name])
        got = in_an_order(server)
        assert server.required() <= set(got), f"seed {seed}"
        assert len(got) == len(set(got)), f"seed {seed}"


@pytest.mark.parametrize("growth", [10, MOST])
@pytest.mark.parametrize("reader", READERS)
def test_a_list_that_grows_as_fast_as_it_is_read_ends(reader: str, growth: int) -> None:
    server = ListServer(1, Manner(rows=100, growth=growth))
    assert server.required() <= set(READERS[reader](server))
    assert len(server.requests) < 20


def test_a_quiet_list_costs_its_pages_and_one_request_that_proves_its_end() -> None:
    for rows, requests in ((0, 2), (1, 3), (2, 2), (MOST - 1, 2), (MOST, 2), (MOST + 1, 3), (100, 4), (400, 12)):
        server = ListServer(0, Manner(rows=rows))
        assert len(from_api(server)) == rows
        # Every page but the first shows one record of the page before it.
        assert len(server.requests) == requests, rows


@pytest.mark.parametrize(
    ("name", "most"),
    [
        ("plain", 1.8),
        ("churn", 3.5),
        ("cut by bytes", 2.2),
        ("hidden after the limit", 2.2),
        ("all of that at once", 4.0),
    ],
)
def test_no_manner_costs_many_times_what_a_reader_needs_who_knows_all(name: str, most: float) -> None:
    asked = needed = 0
    for seed in range(max(20, LISTS)):
        server = ListServer(seed, MANNERS[name])
        needed += fewest(ListServer(seed, MANNERS[name]))
        from_api(server)
        asked += len(server.requests)
    assert asked <= most * needed


def fewest(server: ListServer) -> int:
    """The requests of a reader who knows the places of all rows and where the list ends."""
    manner, offset, requests = server.manner, 0, 0
    shown = [place for place, row in enumerate(server.rows) if not row.is_hidden]
    while True:
        requests += 1
        size = rows = 0
        for row in server.rows[offset : offset + manner.most]:
            size += 0 if row.is_hidden else row.weight
            if rows and manner.size_limit and size > manner.size_limit:
                break
            rows += 1
        offset += max(1, rows)
        if not shown or offset > shown[-1]:
            return requests


# --- mutants ----------------------------------------------------------------------------------------------


def short_page_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ListWalk, "_reached_newest", lambda walk: walk._length < MOST)


def nothing_new_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    def is_at_end(walk: Any, asked: Any, ids: Any) -> Flow[bool]:
        yield from ()
        return True

    monkeypatch.setattr(ListWalk, "_is_at_end", is_at_end)


def backwards_is_not_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    read = ListWalk._read_backwards

    def believe(walk: Any, answer: Any) -> None:
        with suppress(NotSortedById):
            read(walk, answer)
        walk._end.came_backwards = True

    monkeypatch.setattr(ListWalk, "_read_backwards", believe)


def pages_need_not_meet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ListWalk, "_meets", lambda walk, asked, ids: True)


MUTANTS = [
    (short_page_ends, "cut by bytes"),
    (short_page_ends, "a maximum drawn anew"),
    (nothing_new_ends, "hidden in long runs"),
    (nothing_new_ends, "cut by bytes, churn"),
    (backwards_is_not_checked, "never backwards"),
    (backwards_is_not_checked, "sort ignored, by insertion, cut by bytes"),
    (pages_need_not_meet, "churn"),
    (pages_need_not_meet, "much churn"),
]


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize(("mutate", "name"), MUTANTS)
def test_a_weaker_proof_misses_records(
    mutate: Callable[[pytest.MonkeyPatch], None], name: str, reader: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    mutate(monkeypatch)
    short = 0
    for seed in range(30):
        server = ListServer(seed, MANNERS[name])
        try:
            short += not server.required() <= set(READERS[reader](server))
        except (BadAnswer, AssertionError):
            continue
    assert short
