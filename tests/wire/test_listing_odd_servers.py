"""Lists from servers that ignore what they are asked: complete, or an error."""

from __future__ import annotations

from itertools import count

import pytest

from planhat_orm.errors import BadAnswer
from planhat_orm.http.effects import Response
from planhat_orm.wire.listing import pages, sorted_pages
from planhat_orm.wire.resources import resource

from .direct import Direct, times
from .simulated import ListServer, numbered, read

LICENSE = resource("license")
JUMBLED = [item for number in range(7) for item in numbered(100)[number::7]]


@pytest.mark.parametrize("cap", [3, 10, 10_000])
def test_a_cap_below_the_limit_asked_is_no_end(cap: int) -> None:
    server = ListServer(numbered(100), cap=cap)
    assert [row for page in read(pages(LICENSE), server) for row in page] == numbered(100)


@pytest.mark.parametrize("flow", [pages, lambda one, **options: sorted_pages(one, "name", **options)])
def test_a_server_that_ignores_the_offset_raises_when_there_may_be_more(flow: object) -> None:
    server = ListServer(numbered(100), offset=False)
    with pytest.raises(BadAnswer, match="ignores the offset"):
        read(flow(LICENSE, limit=20), server)  # type: ignore[operator]
    assert len(server.requests) <= 10


@pytest.mark.parametrize("count", [0, 1, 2, 50])
def test_a_server_that_ignores_the_offset_and_gives_all_it_has_is_read(count: int) -> None:
    server = ListServer(numbered(count), offset=False)
    assert [row for page in read(pages(LICENSE), server) for row in page] == numbered(count)
    assert len(server.requests) <= 4


def test_a_server_that_ignores_limit_and_offset_gave_everything() -> None:
    class Generous(ListServer):
        def answer(self, request):  # type: ignore[no-untyped-def]
            super().answer(request)
            return Response(200, {}, b"", [{"_id": id} for id in self.ids])

    server = Generous(numbered(50))
    assert [row for page in read(pages(LICENSE, limit=10), server) for row in page] == numbered(50)


@pytest.mark.parametrize("cap", [1, 2, 9, 10_000])
@pytest.mark.parametrize("ids", [JUMBLED, numbered(100)[::-1], [*numbered(100)[50:], *numbered(100)[:50]]])
def test_a_server_that_ignores_the_order_is_swept_until_nothing_is_new(ids: list[str], cap: int) -> None:
    server = ListServer(ids, cap=cap, sort=False)
    got = [row for page in read(pages(LICENSE, limit=20), server) for row in page]
    assert sorted(got) == numbered(100)


def test_the_first_of_an_unsorted_list_are_those_with_the_least_ids() -> None:
    server = ListServer(numbered(100)[::-1], sort=False)
    assert [row for page in read(pages(LICENSE, wanted=5), server) for row in page] == numbered(5)


def test_an_unsorted_list_that_never_settles_raises() -> None:
    server = ListServer(JUMBLED, sort=False)
    fresh = iter(range(10**6, 10**7))
    with pytest.raises(BadAnswer, match="in each of 5 readings"):
        read(pages(LICENSE, limit=20), server, lambda: server.ids.append(f"{next(fresh):08d}"))


def test_records_without_an_id_are_an_error_and_no_gap() -> None:
    class Nameless(ListServer):
        def answer(self, request):  # type: ignore[no-untyped-def]
            super().answer(request)
            return Response(200, {}, b"", [{"_id": "1"}, {"name": "x"}])

    with pytest.raises(BadAnswer, match="without an _id"):
        read(pages(LICENSE), Nameless([]))


def test_a_list_that_holds_more_than_objects_is_a_bad_answer() -> None:
    direct = Direct()
    direct.weather = times(1, lambda request, work: Response(200, {}, b'[{"_id": "1"}, 7]'))
    with pytest.raises(BadAnswer, match="a JSON int among its records"):
        direct.run(pages(LICENSE))


def test_wanted_takes_no_more_than_it_must_and_a_page_that_was_cut_is_asked_for_its_end() -> None:
    for wanted, requests in [(1, 1), (20, 1), (100, 1), (150, 3)]:
        server = ListServer(numbered(500), cap=100)
        got = [row for page in read(pages(LICENSE, wanted=wanted), server) for row in page]
        assert got == numbered(wanted)
        assert len(server.requests) == requests


def test_an_order_of_the_callers_is_read_to_its_end_without_repeats() -> None:
    server = ListServer(JUMBLED, cap=9)
    got = [row for page in read(sorted_pages(LICENSE, "name"), server) for row in page]
    assert got == sorted(JUMBLED, key=server.name)
    shifting = ListServer(JUMBLED, cap=9, sort=False)
    numbers = count()

    def insert() -> None:
        shifting.ids.insert(0, f"new {next(numbers):05}")

    got = [row for page in read(sorted_pages(LICENSE, "-_id"), shifting, insert) for row in page]
    assert len(got) == len(set(got))
    assert set(JUMBLED) <= set(got)
