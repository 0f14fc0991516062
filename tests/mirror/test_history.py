"""The memory: every change is told once, and the past is what it was."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from planhat_orm.emulator import Emulator
from planhat_orm.errors import MirrorIncomplete, ValidationError
from planhat_orm.mirror import Mirror
from planhat_orm.models.resources import Company
from planhat_orm.query import kinds
from planhat_orm.query.query import Query
from planhat_orm.query.tree import Hop, Related, Target
from planhat_orm.query.tree import Test as Leaf
from tests.scale import sized

from .conftest import Runner, mirror_rows


@pytest.fixture
def story(make_emulator: Callable[..., Emulator], mirror: Mirror) -> Any:
    """Three companies; one changes, one goes, one comes."""
    emulator = make_emulator()
    ids = [
        emulator.store.insert("company", {"name": f"C{n}", "phase": "Trial", "custom": {"Tier": "A", "Seats": 3}})[
            "_id"
        ]
        for n in range(3)
    ]
    run = Runner(emulator.url)
    run(mirror.sync("Company"))
    before = datetime.now(UTC)
    time.sleep(0.005)
    emulator.store.update("company", ids[0], {"phase": "Live", "custom": {"Tier": "B", "Seats": 3}})
    emulator.store.delete("company", ids[1])
    ids.append(emulator.store.insert("company", {"name": "New"})["_id"])
    run(mirror.sync("Company"))
    return ids, before, run


def test_history_tells_which_fields_moved_from_what_to_what(story: Any, mirror: Mirror) -> None:
    ids, before, _ = story
    [change] = mirror.history(Company.from_wire({"_id": ids[0]}))
    assert (change.kind, change.origin, change.model) == ("updated", "theirs", "company")
    assert change.fields["phase"] == ("Trial", "Live")
    assert change.fields["custom.Tier"] == ("A", "B")
    assert "custom.Seats" not in change.fields and change.at > before
    assert "Live" not in repr(change)


def test_changes_since_tells_all_kinds_in_order(story: Any, mirror: Mirror) -> None:
    ids, before, _ = story
    found = {change.id: change for change in mirror.changes(since=before)}
    assert {id: found[id].kind for id in found} == {ids[0]: "updated", ids[1]: "deleted", ids[3]: "created"}
    assert found[ids[3]].fields["name"] == (None, "New") and found[ids[1]].fields["name"] == ("C1", None)
    assert mirror.changes(since=datetime.now(UTC) + timedelta(seconds=1)) == []
    assert mirror.changes(until=before) == []
    assert [change.id for change in mirror.changes(fields=["phase"], origin="theirs") if change.kind == "updated"] == [
        ids[0]
    ]
    assert mirror.changes(origin="mine") == []


def test_the_first_load_is_no_change(story: Any, mirror: Mirror) -> None:
    assert len(mirror.changes()) == 3


def test_own_writes_are_told_apart(story: Any, mirror: Mirror) -> None:
    ids, _, _ = story
    mirror.store("company", [{"_id": ids[0], "phase": "Won"}])
    assert [change.fields["phase"] for change in mirror.changes(origin="mine")] == [("Live", "Won")]
    mirror.remove("company", [ids[2]])
    assert mirror.changes(origin="mine")[-1].kind == "deleted"


def test_the_past_answers_queries(story: Any, mirror: Mirror, run: Runner) -> None:
    ids, before, _ = story
    past = mirror.as_of(before)
    rows = {row["_id"]: row for row in run.rows(past.pages(Query("company")))}
    assert rows.keys() == set(ids[:3]) and rows[ids[0]]["phase"] == "Trial"
    trial = Query("company", where=Leaf(Target("phase", ("phase",), kinds.TEXT), "exact", "Trial"))
    assert run(past.count(trial)) == 3 and run(mirror.source.count(trial)) == 1
    tier = Query("company", where=Leaf(Target("Tier", ("custom", "Tier"), kinds.TEXT), "exact", "A"))
    assert run(past.count(tier)) == 3
    assert mirror_rows(mirror, "company").keys() == {ids[0], ids[2], ids[3]}


def test_the_past_joins_with_the_past(story: Any, mirror: Mirror, make_emulator: Callable[..., Emulator]) -> None:
    _, before, run = story
    run(mirror.sync("License"))
    query = Query(
        "company",
        where=Related(
            "licenses", Hop("license", "_id", "companyId"), Leaf(Target("v", ("value",), kinds.NUMBER), "gt", 0.0)
        ),
    )
    with pytest.raises(MirrorIncomplete, match="remembers license from"):
        run.rows(mirror.as_of(before).pages(query))
    assert run.rows(mirror.as_of(datetime.now(UTC)).pages(query)) == []


def test_a_moment_before_the_memory_is_refused(story: Any, mirror: Mirror, run: Runner) -> None:
    with pytest.raises(MirrorIncomplete, match="remembers company from"):
        run.rows(mirror.as_of(date(2020, 1, 1)).pages(Query("company")))
    with pytest.raises(ValidationError):
        mirror.as_of("last tuesday")


def test_pruning_forgets_and_says_so(story: Any, mirror: Mirror, run: Runner) -> None:
    _, before, _ = story
    assert mirror.prune(timedelta(days=1)) == 0
    assert mirror.prune(timedelta(0)) == 3
    assert mirror.changes() == []
    with pytest.raises(MirrorIncomplete):
        run.rows(mirror.as_of(before).pages(Query("company")))


def test_without_a_memory_nothing_is_kept_and_the_past_is_refused(
    make_emulator: Callable[..., Emulator], make_mirror: Callable[..., Mirror]
) -> None:
    emulator, mirror = make_emulator(), make_mirror(history=False)
    id = emulator.store.insert("company", {"name": "C"})["_id"]
    run = Runner(emulator.url)
    run(mirror.sync("Company"))
    between = datetime.now(UTC)
    time.sleep(0.005)
    emulator.store.update("company", id, {"name": "D"})
    run(mirror.sync("Company"))
    assert mirror.changes() == []
    with pytest.raises(MirrorIncomplete):
        run.rows(mirror.as_of(between).pages(Query("company")))


@pytest.mark.parametrize("seed", range(sized(3, 30)))
def test_every_sync_of_a_random_history_can_be_returned_to(
    make_emulator: Callable[..., Emulator], mirror: Mirror, seed: int
) -> None:
    chance = random.Random(seed)
    emulator = make_emulator()
    run = Runner(emulator.url)
    alive: list[str] = []
    snapshots = []
    for _ in range(8):
        for _ in range(chance.randrange(12)):
            verb = chance.choice(["create", "create", "update", "update", "update", "delete"])
            value = chance.choice(["a", "b", None, True, 1, [1, {"x": 1}]])
            fields = {
                "description": str(value),
                "custom": {chance.choice("AB"): value, chance.choice("BC"): 1},
                "tags": [str(value)],
            }
            if verb == "create" or not alive:
                alive.append(emulator.store.insert("company", {"name": "N", **fields})["_id"])
            elif verb == "update":
                emulator.store.update("company", chance.choice(alive), fields)
            else:
                emulator.store.delete("company", alive.pop(chance.randrange(len(alive))))
        run(mirror.sync("Company"))
        if alive and chance.random() < 0.5:
            mirror.store("company", [{"_id": chance.choice(alive), "phase": f"mine {chance.random()}"}])
        time.sleep(0.003)
        snapshots.append((datetime.now(UTC), mirror_rows(mirror, "company")))
        time.sleep(0.003)
    for moment, expected in snapshots:
        rows = run.rows(mirror.as_of(moment).pages(Query("company")))
        found = {row["_id"]: {k: v for k, v in row.items() if k not in ("licenses", "sales")} for row in rows}
        assert found == expected
