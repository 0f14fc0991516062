"""Whatever others write while a sync runs, cut off or not: nothing is lost, and nothing that lives is taken for dead.

No change shows late, so the sync's overlap is switched off: what keeps these mirrors right is the proof of each page,
and not a wide margin. Time moves when a schedule says so, for both sides alike: often it stands still between a
write, a page and the next write, so that the stamps tie. `make torture` runs 200 schedules.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from planhat_orm.emulator import Emulator, Switches
from planhat_orm.emulator.times import TODAY, Moments
from planhat_orm.http.clock import Clock
from planhat_orm.mirror import Mirror
from planhat_orm.mirror.db import state
from planhat_orm.mirror.db.layout import layout_for
from planhat_orm.mirror.sync import incremental, paging, thresholds
from planhat_orm.query.kinds import iso
from tests.scale import sized

from .conftest import Near, assert_equal, mirror_rows
from .test_full import interrupted

NAMES = ("company", "enduser", "conversation", "license")


class Steps(Clock):
    """A clock that moves when it is told to; the client's is as many hours wrong as computers' clocks are."""

    def __init__(self) -> None:
        super().__init__()
        self.elapsed = 0.0
        self.begun = datetime.now(UTC) - timedelta(hours=1)

    def now(self) -> float:
        return self.elapsed

    def client(self) -> str:
        return iso(self.begun + timedelta(seconds=self.elapsed))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Steps:
    clock = Steps()
    monkeypatch.setattr(thresholds, "SMALL", 0)
    monkeypatch.setattr(incremental, "FIRST", 10)
    monkeypatch.setattr(state, "LATE", timedelta(0))
    monkeypatch.setattr(state, "now", clock.client)
    return clock


class World:
    """A tenant, and colleagues who work in it."""

    def __init__(self, emulator: Emulator, clock: Steps, chance: random.Random) -> None:
        self.emulator = emulator
        self.clock = clock
        self.chance = chance
        self.alive: dict[str, set[str]] = {name: set() for name in NAMES}
        self.deleted: set[str] = set()
        # A schedule in which time mostly stands still is a server whose stamps are coarse.
        self.pauses = chance.choice([[0, 0, 0.001, 0.001, 0.04, 3], [*[0] * 12, 0.001, 1]])
        self.home = emulator.store.insert("company", {"name": "Home"})["_id"]
        for name in NAMES:
            for _ in range(chance.randrange(12, 45)):
                self.insert(name)

    def insert(self, name: str) -> None:
        fields: dict[str, Any] = {"name": f"N{self.chance.random()}", "companyId": self.home}
        if name == "company":
            del fields["companyId"]
        if name == "enduser":
            fields["archived"] = self.chance.random() < 0.3
        if name == "conversation":
            fields = {**fields, "type": "email", "subject": fields.pop("name"), "description": "text"}
        self.alive[name].add(self.emulator.store.insert(name, fields)["_id"])

    def pass_time(self) -> None:
        self.clock.elapsed += self.chance.choice(self.pauses)

    def write(self) -> None:
        """A few writes; those that no time passes before get the stamp of the one before."""
        store = self.emulator.store
        self.pass_time()
        for _ in range(self.chance.choice([0, 0, 1, 2, 5])):
            name = self.chance.choice(NAMES)
            living = sorted(self.alive[name])
            verb = self.chance.choice(["insert", "update", "update", "delete", "bulk", "bulk", "purge", "recall"])
            self.pass_time()
            if verb == "insert":
                self.insert(name)
            elif living and verb in ("delete", "purge", "recall"):
                # A purge takes the oldest and a recall what was changed last: all pages after them move up at once.
                if verb == "recall":
                    stamps = {row["_id"]: row.get(layout_for(name).resource.stamp, "") for row in store.all(name)}  # type: ignore[arg-type]
                    living.sort(key=stamps.__getitem__, reverse=True)
                for id in living[:6] if verb != "delete" and len(living) > 15 else [self.chance.choice(living)]:
                    self.alive[name].remove(id)
                    self.deleted.add(id)
                    store.delete(name, id)
            elif living:
                count = 1 if verb == "update" else self.chance.choice([2, 5, 12])
                for id in self.chance.sample(living, min(count, len(living))):
                    self.update(name, id)

    def update(self, name: str, id: str) -> None:
        field = {"enduser": "position", "conversation": "description"}.get(name, "currency")
        fields: dict[str, Any] = {"phase" if name == "company" else field: f"P{self.chance.random()}"}
        if name == "enduser" and self.chance.random() < 0.2:
            fields["archived"] = self.chance.random() < 0.5
        self.emulator.store.update(name, id, fields)


def check(world: World, mirror: Mirror, throughout: dict[str, set[str]]) -> None:
    for name in NAMES:
        if mirror.status()[name].complete:
            missing = (throughout[name] & world.alive[name]) - mirror_rows(mirror, name).keys()
            assert not missing, (name, missing)
    buried = {change.id for change in mirror.changes() if change.kind == "deleted"}
    assert buried <= world.deleted


def states(mirror: Mirror) -> list[state.State]:
    with mirror.database.reading() as connection:
        return list(state.load_all(connection).values())


@pytest.mark.parametrize("seed", range(sized(5, 200)))
def test_schedules(
    make_mirror: Callable[..., Mirror],
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    clock: Steps,
    seed: int,
) -> None:
    chance = random.Random(seed)
    if seed % 4:
        # Without the server's clock the stamps alone must do.
        monkeypatch.setattr(paging, "_date", lambda response: None)
    cap, order = chance.choice([5, 9, 20, 60]), chance.choice(["insertion", "newest", "random"])
    emulator = Emulator(companies=0, page_cap=cap, switches=Switches(default_order=order))  # type: ignore[arg-type]
    emulator.store.moments = Moments(clock, TODAY)
    emulator.store.moments.run()
    mirror = make_mirror(request.getfixturevalue("postgres")() if seed % 20 == 3 else None)
    world, run = World(emulator, clock, chance), Near(emulator)
    run(mirror.sync(NAMES))
    for _ in range(4):
        throughout = {name: mirror_rows(mirror, name).keys() & world.alive[name] for name in NAMES}
        flow = mirror.sync(NAMES, full=chance.random() < 0.2)
        interrupted(run, flow, chance.choice([2, 5, 9, 999, 999]), world.write)
        check(world, mirror, throughout)
    if any(state.cursor for state in states(mirror)):
        run(mirror.sync(NAMES))  # ends the pass that was cut off
    run(mirror.sync(NAMES))
    assert_equal(mirror, emulator, *NAMES)
