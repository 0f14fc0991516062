"""Lists read while others insert and delete: thousands of schedules against a simulated server."""

from __future__ import annotations

import random

import pytest

from planhat_orm.wire.listing import pages
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
        got = [one for page in read(pages(LICENSE, limit=limit), server, writers.write) for one in page]
        note = f"seed {seed}"
        assert got == sorted(set(got)), note
        assert writers.stayed <= set(got), note


def test_a_server_of_one_record_a_page_is_read_too() -> None:
    server = ListServer(numbered(20), cap=1)
    assert sorted(one for page in read(pages(LICENSE), server) for one in page) == numbered(20)


def test_a_quiet_list_costs_its_pages_and_at_most_one_request_more() -> None:
    for count, cap, limit in [(0, 50, 50), (10, 50, 50), (100, 50, 50), (101, 50, 50), (500, 50, 2000), (7, 7, 2000)]:
        server = ListServer(numbered(count), cap=cap)
        got = read(pages(LICENSE, limit=limit), server)
        assert sum(map(len, got)) == count
        # Every page but the first shows one record of the page before it.
        assert len(server.requests) <= -(-max(0, count - 1) // (min(cap, limit) - 1)) + 1, (count, cap, limit)


def test_records_deleted_to_the_left_are_looked_for_further_back() -> None:
    server = ListServer(numbered(40))
    first = numbered(40)[:15]

    def delete_what_was_read() -> None:
        for one in first:
            if one in server.ids and len(server.requests) == 1:
                server.ids.remove(one)

    got = read(pages(LICENSE, limit=10), server, delete_what_was_read)
    assert [one for page in got for one in page] == numbered(40)[:10] + numbered(40)[15:]
    assert [int(params["offset"]) for params in server.requests[:3]] == [0, 9, 6]
