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
    """Run a pass by hand over a list whose every page takes so long; how many were on their way while one was written."""
    seen: list[str] = []

    def apply(page: Page[RawRecord]) -> Flow[None]:
        seen.extend(row["_id"] for row in page.rows)
        yield Emit(len(seen))

    flow = walk_ahead(resource("company"), RequestCounter(), {}, longest=PER_PAGE).run(apply)
    out: set[int] = set()
    most, answer = 0, None
    while True:
        try:
            effect = flow.send(answer)
        except StopIteration:
            assert seen == IDS
            return most
        answer = None
        if isinstance(effect, Start):
            asks = dict(effect.request.params)
            answer = BACKWARDS if asks["sort"] == "-_id" else int(asks["offset"])
            out.add(answer)
        elif isinstance(effect, Emit):
            most = max(most, len(out))
        elif isinstance(effect, Wait):
            out.remove(effect.begun)
            answer = newest() if effect.begun == BACKWARDS else page(effect.begun, seconds)  # type: ignore[assignment]
        else:
            raise AssertionError(f"all is asked for ahead: {effect}")


def newest() -> Response:
    return Response(200, {}, b"", [{"_id": id} for id in IDS[: -PER_PAGE - 1 : -1]])


def page(offset: int, seconds: float) -> Response:
    body = b"[" + b",".join(rewrite({"_id": id}) for id in IDS[offset : offset + PER_PAGE]) + b"]"
    return Response(200, {}, body, msgspec.json.decode(body, type=list[msgspec.Raw]), seconds=seconds)


def test_a_fast_server_is_read_page_by_page() -> None:
    assert most_ahead(0.05) == 0


def test_a_slow_server_is_asked_for_seven_pages_while_one_is_written() -> None:
    assert most_ahead(2.0) == paging.AHEAD


@pytest.mark.parametrize(("budget", "most"), [(4, 3), (0, 1)])
def test_fewer_where_they_are_large(budget: int, most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    page = len(b"[" + b",".join(rewrite({"_id": id}) for id in IDS[:PER_PAGE]) + b"]")
    monkeypatch.setattr(paging, "MOST_BYTES", budget * page)
    assert most_ahead(2.0) == most
