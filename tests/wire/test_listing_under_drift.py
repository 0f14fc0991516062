"""Lists read while others insert and delete: thousands of schedules against a simulated server."""

from __future__ import annotations

import random

import pytest

from planhat_orm.http.effects import Flow
from planhat_orm.wire.listing import pages, sorted_pages
from planhat_orm.wire.resources import resource

from .simulated import ListServer, Writers, numbered, read

LICENSE = resource("license")


@pytest.mark.parametrize("block", range(10))
def test_what_was_there_throughout_comes_exactly_once(block: int) -> None:
    for seed in range(block * 300, block * 300 + 300):
        rng = random.Random(seed)
        server = ListServer(numbered(rng.randint(2, 60)), cap=rng.choice([2, 3, 5, 7, 10_000]))
        writers = Writers(server, rng, busy=rng.choice([1, 3, 12]))
        limit = rng.choice([1, 2, 3, 5, 20, 2000])
        got = [row for page in read(pages(LICENSE, limit=limit), server, writers.write) for row in page]
        note = f"seed {seed}"
        assert got == sorted(set(got)), note
        assert writers.stayed <= set(got), note


@pytest.mark.parametrize("sort", ["-_id", "name", "-name"])
def test_what_was_there_throughout_comes_exactly_once_in_any_order(sort: str) -> None:
    for seed in range(300):
        rng = random.Random(seed)
        server = ListServer(numbered(rng.randint(2, 60)), cap=rng.choice([2, 3, 5, 7, 10_000]))
        writers = Writers(server, rng, busy=rng.choice([1, 3, 12]))
        left = rng.randint(1, 12)  # others stop some time, or a list in the order of names never settles

        def write(writers: Writers = writers) -> None:
            nonlocal left
            left -= 1
            if left > 0:
                writers.write()

        flow = sorted_pages(LICENSE, sort, limit=rng.choice([1, 2, 3, 5, 20, 2000]))
        got = [row for page in read(flow, server, write) for row in page]
        note = f"seed {seed}"
        assert len(got) == len(set(got)), note
        assert writers.stayed <= set(got), note


def test_a_record_that_moves_to_the_front_while_it_is_waited_for_comes_all_the_same() -> None:
    server = ListServer(numbered(40))
    last = max(server.ids, key=server.name)

    def rename() -> None:
        server.names[last] = "0"

    got = [row for page in read(sorted_pages(LICENSE, "name", limit=10), server, rename) for row in page]
    assert sorted(got) == numbered(40)


def test_records_that_others_make_all_the_time_do_not_keep_a_list_from_ending() -> None:
    server = ListServer(numbered(200))
    fresh = iter(range(10**6, 10**7))
    flow = sorted_pages(LICENSE, "name", limit=10)
    got = [row for page in read(flow, server, lambda: server.ids.append(f"{next(fresh):08d}")) for row in page]
    assert set(numbered(200)) <= set(got)
    assert len(got) == len(set(got))


def test_an_order_that_never_settles_is_read_all_the_same() -> None:
    server = ListServer(numbered(40))
    older = iter(range(10**5, 0, -1))

    def insert() -> None:
        server.ids += [f"{next(older):08d}" for _ in range(3)]

    got = [row for page in read(sorted_pages(LICENSE, "name", limit=10), server, insert) for row in page]
    assert set(numbered(40)) <= set(got)
    assert len(server.requests) < 100
    quiet = ListServer(numbered(500))
    read(sorted_pages(LICENSE, "name", limit=50), quiet)
    assert len(quiet.requests) == 13  # eleven pages, the ids, and the proof of their end


def test_a_server_of_one_record_a_page_is_read_too() -> None:
    server = ListServer(numbered(20), cap=1)
    assert sorted(row for page in read(pages(LICENSE), server) for row in page) == numbered(20)


def test_a_quiet_list_costs_its_pages_and_one_request_more() -> None:
    for count, cap, limit in [(0, 50, 2000), (10, 50, 50), (100, 50, 50), (101, 50, 50), (500, 50, 2000), (7, 7, 2000)]:
        server = ListServer(numbered(count), cap=cap)
        got = read(pages(LICENSE, limit=limit), server)
        assert sum(map(len, got)) == count
        # Every page but the first shows one record of the page before it.
        pages_read = max(1, -(-(count - 1) // (min(cap, limit) - 1)))
        assert len(server.requests) == pages_read + 1, (count, cap, limit)


@pytest.mark.parametrize("flow", [pages(LICENSE, limit=5), sorted_pages(LICENSE, "name", limit=5)])
def test_pages_are_as_long_as_was_asked(flow: Flow[None]) -> None:
    assert [len(page) for page in read(flow, ListServer(numbered(12)))] == [5, 5, 2]


def test_records_deleted_to_the_left_are_looked_for_further_back() -> None:
    server = ListServer(numbered(40))
    first = numbered(40)[:15]

    def delete_what_was_read() -> None:
        for item in first:
            if item in server.ids and len(server.requests) == 2:  # the first page, and the list read backwards
                server.ids.remove(item)

    got = read(pages(LICENSE, limit=10), server, delete_what_was_read)
    assert [row for page in got for row in page] == numbered(40)[:10] + numbered(40)[15:]
    asked = [int(params["offset"]) for params in server.requests if params["sort"] == "_id"]
    assert asked[:3] == [0, 9, 4]
