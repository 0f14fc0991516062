"""A whole tenant after a day's work of its people: equal again, row by row, for about as few requests as there can be.

`make torture` takes 5,000 companies, 100,000 endusers, 20,000 licences and 100,000 conversations.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from planhat_orm.emulator import Emulator
from planhat_orm.mirror import Mirror
from planhat_orm.mirror.db.layout import layout_for
from planhat_orm.mirror.sync import thresholds
from planhat_orm.mirror.sync.paging import OVERLAP
from tests.scale import LONG, sized

from .conftest import Near, assert_equal

SCALE = sized(50, 1)
SIZES = {"company": 5_000, "enduser": 100_000, "license": 20_000, "conversation": 100_000}
SOME = {
    "company": {"phase": "Live"},
    "enduser": {"position": "Chief"},
    "license": {"product": "Premium"},
    "conversation": {"subject": "Renewal"},
}


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    if not LONG:
        monkeypatch.setattr(thresholds, "SMALL", 0)
    yield


def work(emulator: Emulator, chance: random.Random) -> dict[str, tuple[int, int, int]]:
    """Create, update and delete one in a hundred; return how many of each."""
    done = {}
    store = emulator.store
    for name, fields in SOME.items():
        rows = store.all(name)
        some = chance.sample(rows, len(rows) // 100)
        new, changed, gone = some[::3], some[1::3], some[2::3]
        for row in new:
            store.insert(name, {**{k: v for k, v in row.items() if k not in STAMPED}, **fields})
        for row in changed:
            store.update(name, row["_id"], {**fields, "sourceId": f"x{chance.random()}"})
        for row in gone:
            store.delete(name, row["_id"])
        done[name] = (len(new), len(changed), len(gone))
    return done


STAMPED = ("_id", "updatedAt", "lastUpdated", "createDate", "createdAt")


@pytest.mark.parametrize("where", sized(["sqlite"], ["sqlite", "postgres"]))
def test_one_in_a_hundred(make_mirror: Callable[..., Mirror], request: pytest.FixtureRequest, where: str) -> None:
    sizes: dict[str, Any] = {f"{name}s": size // SCALE for name, size in SIZES.items()}
    cap = sized({"company": 100, "enduser": 200, "license": 200, "conversation": 200}, None)
    companies = sizes.pop("companys")
    emulator = Emulator(companies=companies, page_cap=cap, tasks=0, **sizes)
    mirror = make_mirror(request.getfixturevalue("postgres")() if where == "postgres" else None)
    run, names = Near(emulator), tuple(SIZES)
    first = run(mirror.sync(names))
    assert_equal(mirror, emulator, *names)
    done = work(emulator, random.Random(2))
    plan = {line.model: line for line in mirror.plan(names)}
    report = run(mirror.sync(names))
    assert_equal(mirror, emulator, *names)
    lines = [f"on {where}", "| model | records | new, changed, deleted | requests | fewest | plan | by |"]
    for name in names:
        mine, rows = report[name], len(emulator.store.all(name))
        length = cap[name] if cap else layout_for(name).resource.max_limit
        pages, (new, changed, gone) = -(-rows // length), done[name]
        assert (mine.new, mine.deleted) == (new, gone)
        # Every id, as so many deletions leave no page untouched; and the day's changes, where they come in one place.
        fewest = pages + (-(-(new + changed) // length) if mine.method == "incremental" else 0)
        assert mine.changed >= changed and mine.requests <= fewest + rows // (length - OVERLAP) - pages + 6
        told = f"{new}, {changed}, {gone}"
        lines.append(
            f"| {name} | {rows} | {told} | {mine.requests} | {fewest} | {plan[name].requests} | {mine.method} |"
        )
    lines.append(f"first sync {first.requests} requests, second {report.requests} in {report.seconds:.1f} s")
    third = run(mirror.sync(names))
    lines.append(
        f"nothing changed: {third.requests} requests, planned {sum(line.requests for line in mirror.plan(names))}"
    )
    print("\n".join(lines))
