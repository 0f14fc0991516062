"""The incremental sync and the search for deletions: equal to the server at the end, at the price that was promised."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from planhat_orm.emulator import Emulator, Switches
from planhat_orm.mirror import Mirror
from planhat_orm.mirror.sync import incremental, thresholds
from planhat_orm.query.kinds import iso
from tests.scale import sized

from .conftest import Runner, assert_equal, mirror_rows
from .test_full import interrupted

LONG_AGO = datetime(2025, 1, 1, tzinfo=UTC)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Make small models worth an incremental sync, and pages small."""
    monkeypatch.setattr(thresholds, "SMALL", 0)
    monkeypatch.setattr(incremental, "FIRST", 10)
    yield


def seeded(emulator: Emulator, count: int, **fields: Any) -> list[str]:
    """Companies that last changed at different hours long ago."""
    return [
        emulator.store.insert("company", {"name": f"C{n}", "updatedAt": iso(LONG_AGO + timedelta(hours=n)), **fields})[
            "_id"
        ]
        for n in range(count)
    ]


def synced(make_emulator: Callable[..., Emulator], mirror: Mirror, count: int, **options: Any) -> Any:
    emulator = make_emulator(**options)
    ids = seeded(emulator, count)
    run = Runner(emulator.url)
    run(mirror.sync("Company"))
    return emulator, ids, run


def test_an_idle_refresh_costs_two_requests(make_emulator: Callable[..., Emulator], mirror: Mirror) -> None:
    _, _, run = synced(make_emulator, mirror, 200)
    assert mirror.plan("Company").requests == 2
    report = run(mirror.sync("Company"))["company"]
    assert (report.method, report.requests, report.changed) == ("incremental", 2, 0)
    assert report.why == "sorted by updatedAt"


def test_an_idle_refresh_costs_two_requests_where_much_has_changed_lately(
    make_emulator: Callable[..., Emulator], mirror: Mirror
) -> None:
    emulator, ids, run = synced(make_emulator, mirror, 200)
    for id in ids[:60]:
        emulator.store.update("company", id, {"phase": "Live"})
    for _ in range(5):
        report = run(mirror.sync("Company"))["company"]
    assert (report.method, report.requests, report.changed) == ("incremental", 2, 0)
    assert 60 <= report.unchanged < 200, "not the whole list"


def test_only_what_changed_is_read(make_emulator: Callable[..., Emulator], mirror: Mirror) -> None:
    emulator, ids, run = synced(make_emulator, mirror, 300, page_cap=50)
    for id in ids[::50]:
        emulator.store.update("company", id, {"phase": "Live"})
    new = seeded(emulator, 1)
    emulator.store.update("company", new[0], {"name": "New"})
    for id in ids[10:12]:
        emulator.store.delete("company", id)
    report = run(mirror.sync("Company"))["company"]
    assert (report.method, report.new, report.changed, report.deleted) == ("incremental", 1, 6, 2)
    assert report.requests <= 8
    assert_equal(mirror, emulator, "company")


@pytest.mark.parametrize("cap", [10, 12])
def test_stamps_that_tie_across_pages_lose_nothing(
    make_emulator: Callable[..., Emulator], mirror: Mirror, cap: int
) -> None:
    emulator, ids, run = synced(make_emulator, mirror, 100, page_cap=cap)
    moment = "2026-07-01T00:00:00.000Z"
    for n, id in enumerate(ids[:60]):
        stamp = moment if n % 6 else f"2026-07-0{2 + n // 20}T00:00:00.000Z"
        emulator.store.update("company", id, {"phase": "Live", "updatedAt": stamp})
    run(mirror.sync("Company"))
    assert_equal(mirror, emulator, "company")


def test_one_tie_larger_than_a_page_is_read_in_full(make_emulator: Callable[..., Emulator], mirror: Mirror) -> None:
    emulator, ids, run = synced(make_emulator, mirror, 60, page_cap=10)
    for id in ids[:30]:
        emulator.store.update("company", id, {"phase": "Live", "updatedAt": "2026-07-01T00:00:00.000Z"})
    report = run(mirror.sync("Company"))["company"]
    assert report.method in ("full", "scan") and "have one updatedAt" in report.why
    assert_equal(mirror, emulator, "company")


@pytest.mark.parametrize("changed", [5, 50])
@pytest.mark.parametrize("sort", ["ignored", "lies"])
def test_a_list_that_does_not_sort_is_noticed(
    make_emulator: Callable[..., Emulator], mirror: Mirror, sort: Any, changed: int
) -> None:
    emulator, ids, run = synced(make_emulator, mirror, 100, switches=Switches(sort=sort))
    for id in ids[:changed]:
        emulator.store.update("company", id, {"phase": "Live"})
    emulator.store.delete("company", ids[70])
    report = run(mirror.sync("Company"))["company"]
    assert report.method == ("scan" if (changed, sort) == (5, "ignored") else "full")
    assert "not sort" in report.why
    assert_equal(mirror, emulator, "company")
    assert run(mirror.sync("Company"))["company"].method in ("scan", "full")


def test_a_record_that_is_written_twice_under_one_stamp_is_current_where_a_list_does_not_sort(
    make_emulator: Callable[..., Emulator], mirror: Mirror
) -> None:
    emulator, ids, run = synced(make_emulator, mirror, 100, switches=Switches(sort="ignored"))
    stamp = iso(datetime.now(UTC))
    for phase in ("Live", "Trial"):
        emulator.store.update("company", ids[7], {"phase": phase, "updatedAt": stamp})
        assert run(mirror.sync("Company"))["company"].method == "scan"
        assert_equal(mirror, emulator, "company")
    tied = run(mirror.sync("Company"))["company"].requests
    # A record that was written long before the last sync is not asked for again.
    emulator.store.update("company", ids[7], {"updatedAt": iso(datetime.now(UTC) - timedelta(hours=1))})
    run(mirror.sync("Company"))
    assert run(mirror.sync("Company"))["company"].requests == tied - 1


def test_records_without_a_stamp_keep_a_model_on_full_passes(
    make_emulator: Callable[..., Emulator], mirror: Mirror
) -> None:
    emulator = make_emulator()
    seeded(emulator, 20)
    odd = emulator.store.insert("company", {"name": "odd"})["_id"]
    emulator.store.update("company", odd, {"updatedAt": None, "lastUpdated": None}, touch=False)
    run = Runner(emulator.url)
    run(mirror.sync("Company"))
    emulator.store.update("company", odd, {"phase": "Live"}, touch=False)
    report = run(mirror.sync("Company"))["company"]
    assert report.method == "full" and "no time of change" in report.why
    assert_equal(mirror, emulator, "company")


def test_a_silent_change_is_found_by_the_full_pass_and_remembered(
    make_emulator: Callable[..., Emulator], mirror: Mirror
) -> None:
    emulator, ids, run = synced(make_emulator, mirror, 30)
    full_as_of = mirror.status()["company"].full_as_of
    emulator.store.update("company", ids[3], {"h": 9}, touch=False)
    run(mirror.sync("Company"))
    assert mirror.status()["company"].full_as_of == full_as_of
    assert mirror_rows(mirror, "company")[ids[3]].get("h") != 9
    report = run(mirror.sync("Company", full=True))["company"]
    assert report.silent == 1
    assert mirror.status()["company"].volatile == ("h",)
    assert_equal(mirror, emulator, "company")


def test_a_token_that_suddenly_sees_little_deletes_nothing_at_once(
    make_emulator: Callable[..., Emulator], mirror: Mirror
) -> None:
    emulator, ids, run = synced(make_emulator, mirror, 400)
    for id in ids[:300]:
        emulator.store.delete("company", id)
    report = run(mirror.sync("Company"))["company"]
    assert report.deleted == 0 and "stay until the next sync" in report.notes[0]
    assert len(mirror_rows(mirror, "company")) == 400
    assert run(mirror.sync("Company"))["company"].deleted == 300
    assert_equal(mirror, emulator, "company")


@pytest.mark.parametrize("count", [0, 1, 40])
def test_deletions_are_found_at_the_promised_price(
    make_emulator: Callable[..., Emulator], mirror: Mirror, count: int
) -> None:
    emulator, ids, run = synced(make_emulator, mirror, 600, page_cap=40)
    for id in random.Random(count).sample(ids, count):
        emulator.store.delete("company", id)
    report = run(mirror.sync("Company"))["company"]
    assert report.deleted == count
    sweep = -(-600 // 24) + 1
    assert report.requests - 1 <= (1 if count == 0 else 14 if count == 1 else 2 * sweep)
    assert_equal(mirror, emulator, "company")


@pytest.mark.parametrize("seed", range(sized(3, 40)))
def test_deletions_alone_are_exactly_the_deleted(
    make_emulator: Callable[..., Emulator], mirror: Mirror, seed: int
) -> None:
    chance = random.Random(seed)
    emulator, _, run = synced(make_emulator, mirror, chance.randrange(1, 150), page_cap=chance.choice([9, 20, 50, 500]))
    for _ in range(3):
        alive = list(mirror_rows(mirror, "company"))
        doomed = chance.sample(alive, min(len(alive), chance.choice([0, 1, 2, 9, 30])))
        for id in doomed:
            emulator.store.delete("company", id)
        assert run(mirror.sync("Company"))["company"].deleted == len(doomed)
    assert_equal(mirror, emulator, "company")


def test_an_interrupted_incremental_sync_publishes_nothing(
    make_emulator: Callable[..., Emulator], mirror: Mirror
) -> None:
    emulator, ids, run = synced(make_emulator, mirror, 80, page_cap=12)
    for n, id in enumerate(ids[:40]):
        emulator.store.update("company", id, {"phase": "Live", "updatedAt": f"2026-07-01T00:00:{n:02d}.000Z"})
    before = mirror_rows(mirror, "company")
    assert interrupted(run, mirror.sync("Company"), 2)
    assert mirror_rows(mirror, "company") == before
    run(mirror.sync("Company"))
    assert_equal(mirror, emulator, "company")


@pytest.mark.parametrize("seed", range(sized(6, 200)))
def test_whatever_the_server_does_meanwhile_the_next_sync_is_equal(
    make_emulator: Callable[..., Emulator], mirror: Mirror, seed: int
) -> None:
    """Random writes between the requests of random syncs, some of them cut off."""
    chance = random.Random(seed)
    emulator, ids, run = synced(
        make_emulator, mirror, chance.randrange(20, 120), page_cap=chance.choice([6, 10, 25, 60])
    )
    alive = set(ids)

    def write() -> None:
        for _ in range(chance.choice([0, 0, 1, 3, 8])):
            verb = chance.choice(["create", "update", "update", "delete"])
            if verb == "create":
                alive.add(emulator.store.insert("company", {"name": f"N{chance.random()}"})["_id"])
            elif alive and verb == "update":
                emulator.store.update("company", chance.choice(sorted(alive)), {"phase": f"P{chance.random()}"})
            elif alive:
                id = chance.choice(sorted(alive))
                alive.remove(id)
                emulator.store.delete("company", id)

    for _ in range(4):
        throughout = set(mirror_rows(mirror, "company")) & alive
        full = chance.random() < 0.3
        interrupted(run, mirror.sync("Company", full=full), chance.choice([1, 2, 4, 999]), write)
        assert throughout & alive <= mirror_rows(mirror, "company").keys()
    run(mirror.sync("Company"))
    run(mirror.sync("Company"))
    assert_equal(mirror, emulator, "company")
