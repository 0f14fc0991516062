"""How far a pass reads ahead: as far as answers are slow, and as the memory for the pages in flight goes."""

from __future__ import annotations

import msgspec
import pytest

from planhat_orm.http.effects import Emit, Flow, Response, Start, Wait
from planhat_orm.json_encoding import rewrite
from planhat_orm.mirror.sync import paging
from planhat_orm.mirror.sync.paging import RequestCounter, walk_ahead
from planhat_orm.wire.proved_page import Page
from planhat_orm.wire.raw_records import RawRecord
from planhat_orm.wire.resources import resource

PER_PAGE, PAGES = 50, 40
BACKWARDS = -1
IDS = [f"{n:024x}" for n in range(PER_PAGE * PAGES)]


def most_ahead(seconds: float) -> int:
    """How many pages were on their way while one was written, of a list whose every page takes so long."""
    return read(seconds)[0]


def read(seconds: float, rows: int = PAGES * PER_PAGE) -> tuple[int, int, int]:
    """Run a pass by hand over a list of so many rows: the most on their way, answers waited for in turn, requests."""
    ids, seen = IDS[:rows], list[str]()

    def apply(page: Page[RawRecord]) -> Flow[None]:
        seen.extend(row["_id"] for row in page.rows)
        yield Emit(len(seen))

    flow = walk_ahead(resource("company"), RequestCounter(), {}, longest=PER_PAGE).run(apply)
    out: dict[int, int] = {}
    most, requests, rounds, answer = 0, 0, 0, None
    while True:
        try:
            effect = flow.send(answer)
        except StopIteration:
            assert seen == ids
            return most, rounds, requests
        answer = None
        if isinstance(effect, Start):
            asks = dict(effect.request.params)
            answer = BACKWARDS if asks["sort"] == "-_id" else int(asks["offset"])
            requests += 1
            out[answer] = rounds + 1
        elif isinstance(effect, Emit):
            most = max(most, len(out))
        elif isinstance(effect, Wait):
            rounds = max(rounds, out.pop(effect.begun))
            answer = newest(ids) if effect.begun == BACKWARDS else page(ids, effect.begun, seconds)  # type: ignore[assignment]
        else:
            raise AssertionError(f"all is asked for ahead: {effect}")


def newest(ids: list[str]) -> Response:
    return Response(200, {}, b"", [{"_id": id} for id in ids[: -PER_PAGE - 1 : -1]])


def page(ids: list[str], offset: int, seconds: float) -> Response:
    body = b"[" + b",".join(rewrite({"_id": id}) for id in ids[offset : offset + PER_PAGE]) + b"]"
    return Response(200, {}, body, msgspec.json.decode(body, type=list[msgspec.Raw]), seconds=seconds)


def test_a_fast_server_is_read_page_by_page() -> None:
    assert most_ahead(0.05) == 0


def test_a_slow_server_is_asked_for_seven_pages_while_one_is_written() -> None:
    assert most_ahead(2.0) == paging.AHEAD


@pytest.mark.parametrize(("pages", "rounds", "requests"), [(1, 1, 2), (2, 2, 7), (4, 2, 11), (15, 5, 28), (40, 10, 64)])
def test_a_slow_list_of_which_nobody_knows_how_long_it_is(pages: int, rounds: int, requests: int) -> None:
    """Few answers are waited for one after the other. A page of 50 shows 34 new records: 4 pages are read as 6."""
    assert read(0.5, pages * PER_PAGE)[1:] == (rounds, requests)


@pytest.mark.parametrize(("rows", "pages"), [(51, 2), (84, 2), (85, 3), (99, 3)])
def test_nothing_is_asked_for_behind_an_end_that_is_in_sight(rows: int, pages: int) -> None:
    """The list was read backwards beside its first page: where both show the same record, its length is known."""
    assert read(0.5, rows)[1:] == (2, 1 + pages)


@pytest.mark.parametrize(("budget", "most"), [(4, 3), (0, 1)])
def test_fewer_where_they_are_large(budget: int, most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    page = len(b"[" + b",".join(rewrite({"_id": id}) for id in IDS[:PER_PAGE]) + b"]")
    monkeypatch.setattr(paging, "MOST_BYTES", budget * page)
    assert most_ahead(2.0) == most
