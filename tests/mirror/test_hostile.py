"""Servers that are not what the documentation hopes for: the sync notices, and ends equal or says why it cannot."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from planhat_orm.emulator import Emulator, Switches, listing
from planhat_orm.errors import BadAnswer, RequestError, ServerError
from planhat_orm.http.retry import Retry
from planhat_orm.mirror import Mirror
from planhat_orm.mirror.db import state
from planhat_orm.mirror.sync import incremental, paging, thresholds
from planhat_orm.query.kinds import iso
from tests.scale import sized

from .conftest import Runner, assert_equal, mirror_rows
from .test_full import companies, interrupted
from .test_incremental import LONG_AGO, seeded


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(thresholds, "SMALL", 0)
    monkeypatch.setattr(incremental, "FIRST", 10)
    yield


def at(hour: int) -> dict[str, str]:
    """A time of last change of its own for a record."""
    return {"updatedAt": iso(LONG_AGO + timedelta(hours=hour))}


def online(emulator: Emulator) -> Runner:
    run = Runner(emulator.url)
    run.session.retry = Retry(attempts=3, floor=0.001)
    return run


# --- pages ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(sized(2, 40)))
def test_pages_that_vary_in_length_lose_nothing(
    make_emulator: Callable[..., Emulator], mirror: Mirror, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """As of a server that cuts pages by bytes, or by its mood."""
    chance = random.Random(seed)
    emulator = make_emulator()
    ids = companies(emulator, 120)
    monkeypatch.setattr(listing, "_limit", lambda *_: chance.choice([3, 8, 20, 21, 50]))
    run = online(emulator)
    run(mirror.sync("Company"))
    assert_equal(mirror, emulator, "company")
    for id in chance.sample(ids, 9):
        emulator.store.delete("company", id)
    report = run(mirror.sync("Company", full=True))
    assert report.deleted == 9
    assert_equal(mirror, emulator, "company")


def test_pages_longer_than_asked_are_read_to_their_end(
    make_emulator: Callable[..., Emulator], mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    emulator = make_emulator()
    for n in range(4_500):
        emulator.store.insert("campaign", {"name": f"C{n}"})
    monkeypatch.setattr(listing, "_limit", lambda *_: 3_000)
    online(emulator)(mirror.sync("Campaign"))
    assert_equal(mirror, emulator, "campaign")


@pytest.mark.parametrize("left", [0, 1, 2])
def test_the_last_records_of_a_model_can_be_deleted(
    make_emulator: Callable[..., Emulator], mirror: Mirror, left: int
) -> None:
    emulator = make_emulator()
    ids = companies(emulator, 4)
    run = online(emulator)
    run(mirror.sync("Company"))
    for id in ids[left:]:
        emulator.store.delete("company", id)
    run(mirror.sync("Company", full=True))
    assert_equal(mirror, emulator, "company")


def test_an_offset_that_is_ignored_while_changes_are_read(
    make_emulator: Callable[..., Emulator], mirror: Mirror
) -> None:
    emulator = make_emulator()
    ids = seeded(emulator, 60)
    run = online(emulator)
    run(mirror.sync("Company"))
    emulator.store.switches = replace(emulator.switches, honours_offset=False)
    for n, id in enumerate(ids[:40]):
        emulator.store.update("company", id, {"phase": "Live", **at(1000 + n)})
    report = run(mirror.sync("Company"))["company"]
    assert "offset" in report.why
    assert_equal(mirror, emulator, "company")


# --- order ------------------------------------------------------------------------------------------------


def test_a_list_that_comes_newest_first_whatever_is_asked(
    make_emulator: Callable[..., Emulator], mirror: Mirror
) -> None:
    """The order of creation looks like the order of change until somebody changes an old record."""
    emulator = make_emulator(switches=Switches(sort="ignored", default_order="newest"))
    ids = seeded(emulator, 60)
    run = online(emulator)
    run(mirror.sync("Company"))
    emulator.store.update("company", ids[3], {"phase": "Live"})
    run(mirror.sync("Company"))
    assert_equal(mirror, emulator, "company")


def test_only_the_order_of_stamps_is_a_lie(
    make_emulator: Callable[..., Emulator], mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`sort=_id` works and `sort=-updatedAt` gives the newest ids first: nothing on the first page shows it."""
    emulator = make_emulator()
    ids = seeded(emulator, 60)
    run = online(emulator)
    run(mirror.sync("Company"))
    ordered = listing._ordered
    monkeypatch.setattr(
        listing,
        "_ordered",
        lambda store, table, name, query: ordered(
            store,
            table,
            name,
            {**query, "sort": "-_id" if query.get("sort") == "-updatedAt" else query.get("sort", "")},
        ),
    )
    emulator.store.update("company", ids[3], {"phase": "Live"})
    report = run(mirror.sync("Company"))["company"]
    assert report.method == "scan" and "did not show" in report.why
    assert_equal(mirror, emulator, "company")


def test_stamps_that_go_back_are_noticed(make_emulator: Callable[..., Emulator], mirror: Mirror) -> None:
    emulator = make_emulator()
    ids = seeded(emulator, 60)
    run = online(emulator)
    run(mirror.sync("Company"))
    emulator.store.update("company", ids[50], {"phase": "Live", "updatedAt": "2024-01-01T00:00:00.000Z"})
    emulator.store.update("company", ids[3], {"phase": "Live", "updatedAt": "2024-01-01T00:00:00.000Z"})
    report = run(mirror.sync("Company"))["company"]
    assert report.method == "scan"
    assert_equal(mirror, emulator, "company")


def test_a_stamp_from_the_future_hides_nothing_after_it(make_emulator: Callable[..., Emulator], mirror: Mirror) -> None:
    emulator = make_emulator()
    ids = seeded(emulator, 60)
    run = online(emulator)
    run(mirror.sync("Company"))
    emulator.store.update("company", ids[9], {"phase": "Live", "updatedAt": "2099-01-01T00:00:00.000Z"})
    assert run(mirror.sync("Company"))["company"].method == "incremental"
    for id in ids[20:50]:
        emulator.store.update("company", id, {"phase": "Live"})
    assert run(mirror.sync("Company"))["company"].method == "incremental"
    assert_equal(mirror, emulator, "company")


def test_a_record_that_comes_with_an_old_stamp_is_found(make_emulator: Callable[..., Emulator], mirror: Mirror) -> None:
    emulator = make_emulator()
    seeded(emulator, 60)
    run = online(emulator)
    run(mirror.sync("Company"))
    seeded(emulator, 1)
    report = run(mirror.sync("Company"))["company"]
    assert report.method == "full" and "old updatedAt" in report.why
    assert_equal(mirror, emulator, "company")


def test_more_records_with_one_stamp_than_a_page_holds_cost_one_full_pass(
    make_emulator: Callable[..., Emulator], mirror: Mirror
) -> None:
    emulator = make_emulator(page_cap=20)
    ids = seeded(emulator, 60)
    run = online(emulator)
    run(mirror.sync("Company"))
    with emulator.store.moments.still():
        for id in ids[:40]:
            emulator.store.update("company", id, {"phase": "Live"})
    report = run(mirror.sync("Company"))["company"]
    assert report.method == "full" and "have one updatedAt" in report.why
    assert_equal(mirror, emulator, "company")
    emulator.store.update("company", ids[50], {"phase": "Live"})
    report = run(mirror.sync("Company"))["company"]
    assert "not sort" not in report.why
    assert_equal(mirror, emulator, "company")


@pytest.mark.parametrize("where", ["sqlite", "postgres"])
def test_a_stamp_that_nobody_documented_is_used(
    make_emulator: Callable[..., Emulator],
    make_mirror: Callable[..., Mirror],
    request: pytest.FixtureRequest,
    where: str,
) -> None:
    emulator = make_emulator(switches=Switches(unknown_keys="store"))
    mirror = make_mirror(request.getfixturevalue("postgres")() if where == "postgres" else None)
    now = emulator.store.moments.now()
    ids = [
        emulator.store.insert("objective", {"name": f"L{n}", "updatedAt": iso(now - timedelta(hours=n))})["_id"]
        for n in range(40)
    ]
    run = online(emulator)
    run(mirror.sync("Objective"))
    emulator.store.update("objective", ids[30], {"name": "other", "updatedAt": iso(now + timedelta(seconds=1))})
    emulator.store.delete("objective", ids[20])
    report = run(mirror.sync("Objective"))["objective"]
    assert (report.method, report.changed, report.deleted) == ("incremental", 1, 1)
    assert_equal(mirror, emulator, "objective")


# --- answers ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["wrong_shape", "cut_json", "truncated", "html", "status", "reset_after"])
def test_a_bad_answer_now_and_then_costs_a_request(
    make_emulator: Callable[..., Emulator], mirror: Mirror, kind: Any
) -> None:
    emulator = make_emulator(page_cap=10)
    companies(emulator, 40)
    for after in (0, 2, 3):
        emulator.faults.add(kind=kind, path="/companies", after=after)
    report = online(emulator)(mirror.sync("Company"))
    assert report.requests == emulator.calls
    assert_equal(mirror, emulator, "company")


@pytest.mark.parametrize(("kind", "error"), [("wrong_shape", BadAnswer), ("status", ServerError)])
def test_one_model_that_cannot_be_read_keeps_no_other_from_being_current(
    make_emulator: Callable[..., Emulator], mirror: Mirror, kind: Any, error: type[RequestError]
) -> None:
    emulator = make_emulator(companies=5)
    emulator.faults.add(kind=kind, path="/endusers", times=None)
    with pytest.raises(error) as caught:
        online(emulator)(mirror.sync())
    assert "but these: enduser" in str(caught.value.__notes__)
    assert_equal(mirror, emulator, "company", "license", "conversation", "task")
    assert "enduser" not in {model_status.model for model_status in mirror.status() if model_status.complete}


@pytest.mark.parametrize("status", [403, 404])
def test_a_permission_that_is_lost_in_the_middle_skips_the_model(
    make_emulator: Callable[..., Emulator], mirror: Mirror, status: int
) -> None:
    emulator = make_emulator(companies=5, page_cap=4)
    run = online(emulator)
    run(mirror.sync(["Company", "Enduser"]))
    before = mirror_rows(mirror, "enduser")
    for row in emulator.store.all("enduser"):
        emulator.store.update("enduser", row["_id"], {"position": "Chief"})
    fault = emulator.faults.add(kind="status", status=status, path="/endusers", after=2, times=None)
    report = run(mirror.sync(["Company", "Enduser"], full=True))
    assert fault.met and str(status) in report.skipped["enduser"]
    assert mirror_rows(mirror, "enduser") == before
    emulator.faults.clear()
    run(mirror.sync(["Company", "Enduser"]))
    assert_equal(mirror, emulator, "company", "enduser")


# --- select -----------------------------------------------------------------------------------------------


def test_a_list_that_ignores_select_is_mirrored_thin_and_named(
    make_emulator: Callable[..., Emulator], mirror: Mirror
) -> None:
    emulator = make_emulator(switches=Switches(honours_select=False))
    companies(emulator, 10, description="text")
    run = online(emulator)
    report = run(mirror.sync("Company"))["company"]
    assert "ignores select, so it lacks" in report.notes[0] and "description" in report.notes[0]
    assert run(mirror.sync("Company"))["company"].changed == 0
    assert len(mirror_rows(mirror, "company")) == 10
    emulator.store.switches = replace(emulator.switches, honours_select=True)
    run(mirror.sync("Company"))
    assert_equal(mirror, emulator, "company")


def test_a_list_that_ignores_select_all_of_a_sudden_takes_no_field_away(
    make_emulator: Callable[..., Emulator], mirror: Mirror
) -> None:
    emulator = make_emulator()
    companies(emulator, 10, description="text")
    run = online(emulator)
    run(mirror.sync("Company"))
    before = mirror_rows(mirror, "company")
    emulator.store.switches = replace(emulator.switches, honours_select=False)
    with pytest.raises(BadAnswer, match="ignores select all of a sudden"):
        run(mirror.sync("Company"))
    assert mirror_rows(mirror, "company") == before


# --- records that are not shown ---------------------------------------------------------------------------


@pytest.mark.parametrize("full", [True, False])
@pytest.mark.parametrize("count", [30, 400])
def test_a_list_that_suddenly_shows_little_buries_nobody_who_answers(
    make_emulator: Callable[..., Emulator], mirror: Mirror, monkeypatch: pytest.MonkeyPatch, count: int, full: bool
) -> None:
    emulator = make_emulator()
    ids = seeded(emulator, count)
    run = online(emulator)
    run(mirror.sync("Company"))
    shown, ordered = set(ids[::5]) | set(ids[1::5]), listing._ordered
    monkeypatch.setattr(listing, "_ordered", lambda *args: [id for id in ordered(*args) if id in shown])
    for _ in range(3):
        report = run(mirror.sync("Company", full=full))["company"]
        assert report.deleted == 0 and "can still be read" in report.notes[-1]
    monkeypatch.undo()
    assert run(mirror.sync("Company"))["company"].deleted == 0
    assert_equal(mirror, emulator, "company")
    assert not mirror.changes()


def test_the_second_look_must_agree_with_the_first(make_emulator: Callable[..., Emulator], mirror: Mirror) -> None:
    """A token that loses one role, and then all of them."""
    emulator = make_emulator()
    ids = seeded(emulator, 600)
    run = online(emulator)
    run(mirror.sync("Company"))
    rows = {row["_id"]: row for row in emulator.store.all("company")}
    for seen in (ids[:350], ids[:10]):
        for id in set(ids) - set(seen):
            emulator.store.delete("company", id)
        assert run(mirror.sync("Company"))["company"].deleted == 0
    emulator.store.load("company", [rows[id] for id in ids[10:]])
    run(mirror.sync("Company"))
    assert_equal(mirror, emulator, "company")
    assert not mirror.changes()


def test_deletions_are_found_where_archived_records_have_a_list_of_their_own(
    make_emulator: Callable[..., Emulator], mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    emulator = make_emulator(switches=Switches(task_archived="only"), page_cap=7)
    [company] = companies(emulator, 1)
    tasks = [
        emulator.store.insert("task", {"action": f"T{n}", "companyId": company, "isArchived": n % 3 == 0, **at(n)})[
            "_id"
        ]
        for n in range(40)
    ]
    run = online(emulator)
    run(mirror.sync("Task"))
    emulator.store.delete("task", tasks[3])
    emulator.store.delete("task", tasks[4])
    emulator.store.update("task", tasks[5], {"isArchived": True})
    planned = mirror.plan("Task").requests
    report = run(mirror.sync("Task"))["task"]
    assert (report.method, report.changed, report.deleted) == ("incremental", 1, 2)
    assert 5 < planned <= report.requests  # of what changed the plan cannot know
    assert_equal(mirror, emulator, "task")
    emulator.store.delete("task", tasks[7])
    planned = mirror.plan("Task").requests
    report = run(mirror.sync("Task"))["task"]
    assert report.deleted == 0  # swept an hour ago
    assert planned == report.requests
    monkeypatch.setattr(thresholds, "SWEEP_EVERY", timedelta(0))
    assert run(mirror.sync("Task"))["task"].deleted == 1


def test_a_first_page_of_archived_records_proves_no_second_list(
    make_emulator: Callable[..., Emulator], mirror: Mirror
) -> None:
    emulator = make_emulator(page_cap=7)
    [company] = companies(emulator, 1)
    for n in range(30):
        emulator.store.insert("task", {"action": f"T{n}", "companyId": company, "isArchived": n < 20})
    run = online(emulator)
    run(mirror.sync("Task"))
    assert_equal(mirror, emulator, "task")
    assert not any("isArchived" not in call.query for call in emulator.log.matching("GET", "/tasks"))


# --- time -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("full", [True, False])
def test_as_of_is_the_servers_clock_before_it_looked(
    make_emulator: Callable[..., Emulator], mirror: Mirror, full: bool
) -> None:
    """This machine's clock is months ahead of the emulator's, and the answer's `Date` is later than its content."""
    emulator = make_emulator()
    ids = seeded(emulator, 40)
    run = online(emulator)
    run(mirror.sync("Company"))
    started = emulator.store.moments.iso()
    emulator.faults.add(kind="slow", path="/companies", delay=1.6)
    run(mirror.sync("Company", full=full))
    found = mirror.status()["company"]
    changed = iso(state.moment(started) + timedelta(seconds=0.5))
    assert found.as_of is not None and found.as_of <= changed
    assert state.moment(found.as_of) > state.moment(started) - timedelta(seconds=3)
    assert (found.full_as_of == found.as_of) == full
    # Whatever is committed from then on has a later stamp, and the next sync reads from before it.
    emulator.store.update("company", ids[0], {"phase": "Live", "updatedAt": changed})
    run(mirror.sync("Company"))
    assert_equal(mirror, emulator, "company")


def test_a_server_that_shows_no_clock(
    make_emulator: Callable[..., Emulator], mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paging, "_date", lambda response: None)
    emulator = make_emulator(page_cap=10)
    ids = seeded(emulator, 60)
    run = online(emulator)

    def touch() -> None:
        emulator.store.update("company", ids[next(numbers) % 60], {"phase": str(random.random())})

    numbers = iter(range(1000))
    interrupted(run, mirror.sync(["Company", "Campaign"]), 999, touch)
    assert mirror.status()["company"].as_of < emulator.store.moments.iso()  # type: ignore[operator]
    assert mirror.status()["campaign"].as_of is None  # it has neither stamps nor a date
    run(mirror.sync("Company"))
    assert_equal(mirror, emulator, "company")


def test_a_field_that_stops_changing_silently_is_volatile_no_more(
    make_emulator: Callable[..., Emulator], mirror: Mirror
) -> None:
    emulator = make_emulator()
    ids = seeded(emulator, 10)
    run = online(emulator)
    run(mirror.sync("Company"))
    emulator.store.update("company", ids[3], {"h": 9}, touch=False)
    assert run(mirror.sync("Company", full=True))["company"].silent == 1
    assert mirror.status()["company"].volatile == ("h",)
    run(mirror.sync("Company", full=True))
    assert mirror.status()["company"].volatile == ()


def test_a_change_that_the_list_by_stamps_never_showed_ends_the_trust_in_it(
    make_emulator: Callable[..., Emulator], mirror: Mirror
) -> None:
    emulator = make_emulator()
    ids = seeded(emulator, 30)
    run = online(emulator)
    run(mirror.sync("Company"))
    emulator.store.update("company", ids[3], {"h": 9, "updatedAt": iso(state.moment("2025-01-01T05:00:00.000Z"))})
    report = run(mirror.sync("Company", full=True))["company"]
    assert report.silent == 0 and "were not shown" in report.notes[0]
    assert run(mirror.sync("Company"))["company"].method == "scan"
