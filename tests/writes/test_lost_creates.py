"""Records without a key whose create got no answer: found whatever the clocks say, and never made twice.

Against the second server, whose `Date`, ObjectIds and stamps may be minutes apart, and whose pages may be short.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from planhat_orm import AmbiguousWrite, BulkError, Company, Planhat
from planhat_orm.http.retry import Retry
from planhat_orm.writes import server_state
from tests.other_server import OtherServer, faults, on

Start = Callable[..., tuple[OtherServer, Planhat]]
CLOCKS = [{"date_offset": 300}, {"date_offset": -300}, {"id_offset": 300}, {"id_offset": -300}, {"date_header": False}]


@pytest.fixture
def start(mirror: Path | None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    monkeypatch.setattr(server_state, "QUIET", 0.0)
    with ExitStack() as stack:

        def begin(**behaviour: Any) -> tuple[OtherServer, Planhat]:
            server = stack.enter_context(OtherServer(page_rows=20, **behaviour))
            retry = Retry(attempts=1, floor=0.001)
            planhat = stack.enter_context(Planhat(**server.settings(), mirror=mirror, calls_per_min=1e6, retry=retry))
            server.fill("company", 30, lambda number: {"name": "older"})
            assert list(Company.objects.all()), "what is there before is seen"
            return server, planhat

        yield begin


def made(server: OtherServer, name: str) -> list[str]:
    return [record["_id"] for record in server.records("company") if record["name"] == name]


@pytest.mark.parametrize("clocks", CLOCKS, ids=str)
@pytest.mark.parametrize("stored", [True, False], ids=["stored", "lost on the way"])
def test_a_batch_whose_answer_was_lost_makes_each_record_once(
    start: Start, clocks: dict[str, Any], stored: bool
) -> None:
    server, planhat = start(**clocks)
    server.fault(faults.close_after() if stored else faults.close_before(), on("PUT", "/companies"))
    names = [f"N{number}" for number in range(45)]
    with pytest.raises(BulkError), planhat.batch() as batch:
        for name in names:
            Company(name=name).save()
    server.fill("company", 25, lambda number: {"name": "somebody else's"})
    assert batch.retry().ok
    assert all(len(made(server, name)) == 1 for name in names)
    assert {row.object.name: [row.object.id] for row in batch.result} == {name: made(server, name) for name in names}


def test_a_record_of_a_batch_is_not_taken_for_a_lost_one(start: Start) -> None:
    server, planhat = start()
    with planhat.batch():
        Company(name="Same").save()
    server.fault(faults.close_before(), on("POST"), times=None)
    with pytest.raises(AmbiguousWrite):
        Company.objects.create(name="Same")
    assert len(made(server, "Same")) == 1


def test_a_lost_record_behind_many_newer_ones_is_found(start: Start) -> None:
    server, _ = start()

    def others(request: Any) -> None:
        if request.method == "GET" and made(server, "Mine") and not made(server, "theirs"):
            server.fill("company", 70, lambda number: {"name": "theirs"})

    server.fault(faults.close_after(), on("POST"))
    server.before(others)
    assert [Company.objects.create(name="Mine").id] == made(server, "Mine")


def test_two_that_look_alike_are_not_told_apart_by_guessing(start: Start) -> None:
    server, _ = start()

    def twin(request: Any) -> None:
        if request.method == "POST":
            server.write("company", {"name": "Twin"})

    server.fault(faults.close_after(), on("POST"))
    server.before(twin)
    with pytest.raises(AmbiguousWrite, match="2 new records look like it"):
        Company.objects.create(name="Twin")
