"""An acknowledged write is kept until every page that was asked for before it is applied.

The real sync is driven by hand, up to seven pages ahead, against a server in memory whose lists lag, while this mirror's
own writes and those of others come between any two of its steps.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import delete, select

from planhat_orm.errors import NotFound
from planhat_orm.http.effects import Emit, Flow, Request, Response, RunBlocking, Sleep, Start, Wait
from planhat_orm.json_encoding import rewrite
from planhat_orm.mirror import Mirror
from planhat_orm.mirror.db import clock, guards, state, tables
from planhat_orm.mirror.db.layout import layout_for
from planhat_orm.mirror.sync import guarded, incremental, job, thresholds
from planhat_orm.query.kinds import iso
from planhat_orm.runtime import WriteIntent
from tests.scale import sized

from .conftest import mirror_rows

SEEDS = sized(4, 100)
RECORDS, PAGE = 30, 6
EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
Row = dict[str, Any]


class Server:
    """Companies and what they were; a list is computed when it is asked for, by a server that may be behind."""

    def __init__(self, chance: random.Random, lag: int) -> None:
        self.chance, self.lag, self.now, self.made = chance, lag, 100, 0
        self.past: dict[str, list[tuple[int, Row | None]]] = {}
        for _ in range(RECORDS):
            self.make("first", at=-1000)

    def moment(self, at: int) -> datetime:
        return EPOCH + timedelta(seconds=at)

    def row(self, id: str, at: int | None = None) -> Row | None:
        states = [row for when, row in self.past.get(id, []) if at is None or when <= at]
        return states[-1] if states else None

    def make(self, name: str, at: int | None = None) -> str:
        self.made += 1
        id = f"{self.made:024x}"
        self.write(id, name, at)
        return id

    def write(self, id: str, name: str | None, at: int | None = None) -> None:
        when = self.now if at is None else at
        states = self.past.setdefault(id, [])
        # Two changes of one record have two stamps: what moves no stamp is seen by full passes only.
        stamp = self.moment(when) + timedelta(milliseconds=len(states))
        states.append((when, None if name is None else {"_id": id, "name": name, "updatedAt": iso(stamp)}))

    def live(self) -> list[str]:
        return [id for id in self.past if self.row(id) is not None]

    def answer(self, request: Request) -> Response | Exception:
        id = request.path.strip("/").partition("/")[2]
        if not id:
            return self._response(self._page(dict(request.params)), request)
        row = self.row(id)
        if row is None:
            return NotFound("gone")
        body = rewrite(row)
        return Response(200, {}, body, msgspec.json.decode(body))

    def _page(self, asked: dict[str, str]) -> list[Row]:
        at = self.now - self.chance.randint(0, self.lag)
        rows = [row for id in self.past if (row := self.row(id, at)) is not None]
        key = asked["sort"].lstrip("-")
        rows.sort(key=lambda row: (row[key], row["_id"]), reverse=asked["sort"].startswith("-"))
        select = asked.get("select", "").split(",")
        wanted = PAGE if len(select) > 3 or select == [""] else RECORDS * 3
        part = rows[int(asked["offset"]) :][: min(int(asked["limit"]), wanted)]
        return [{name: row[name] for name in row if select == [""] or name in select} for row in part]

    def _response(self, rows: list[Row], request: Request) -> Response:
        parts = [rewrite(row) for row in rows]
        body = b"[" + b",".join(parts) + b"]"
        data = [msgspec.Raw(part) for part in parts] if request.raw_items else msgspec.json.decode(body)
        headers = {"date": format_datetime(self.moment(self.now), usegmt=True)}
        return Response(200, headers, body, data, seconds=2.0)


class World:
    """A mirror that syncs and writes at once. `lost` are acknowledged writes that it showed, and then did not."""

    def __init__(self, mirror: Mirror, seed: int, lag: int) -> None:
        self.chance = random.Random(seed)
        self.mirror, self.server = mirror, Server(self.chance, lag)
        self.waiting: list[Callable[[], None]] = []
        self.last: dict[str, str | None] = {}
        self.shown: set[str] | None = None
        self.lost: list[Any] = []
        self.late: list[Any] = []
        self.open: set[str] = set()
        self.acknowledged = 0
        self.quiet = False

    def sync(self, *, full: bool = False) -> None:
        flow: Flow[Any] = self.mirror.sync(["Company"], full=full)
        answer: Any = None
        try:
            while True:
                effect = flow.throw(answer) if isinstance(answer, Exception) else flow.send(answer)
                answer = self._perform(effect)
                if not self.quiet:
                    self.happen()
                if isinstance(effect, RunBlocking):
                    self.look()
        except StopIteration as stop:
            # A first load that is written into all the time is seen at last, and says so.
            if not any("looked at by the next sync" in note for note in stop.value["company"].notes):
                self.lost += self.late
            self.late.clear()

    def _perform(self, effect: Any) -> Any:
        match effect:
            case Request() | Start():
                return self.server.answer(effect.request if isinstance(effect, Start) else effect)
            case Wait(begun):
                return begun
            case RunBlocking(call):
                return call()
            case Sleep(seconds):
                self.server.now += int(seconds)
                return float(self.server.now)
            case Emit():
                return None
        raise AssertionError(effect)

    def happen(self) -> None:
        """What may come between two steps of a sync."""
        self.server.now += self.chance.random() < 0.4
        luck = self.chance.random()
        if luck < 0.1:
            self.ours()
        elif luck < 0.14:
            self.others()
        while self.waiting and self.chance.random() < 0.4:
            self.waiting.pop(0)()

    def others(self) -> None:
        id = self.chance.choice(self.server.live())
        name = None if self.chance.random() < 0.2 else f"other{self.server.now}"
        self.server.write(id, name)
        self.last.pop(id, None)
        if self.chance.random() < 0.3:
            self.server.make(f"other{self.server.now}")

    def ours(self) -> None:
        """The server has it at once; the acknowledgement may come steps later."""
        mirror, luck = self.mirror, self.chance.random()
        if luck < 0.2:
            id = self.server.make("made")
            row = dict(self.server.row(id) or {})
            self._written(id, "made", lambda: mirror.store("company", [row], made=True))
            return
        id = self.chance.choice([id for id in self.server.live() if id not in self.open])
        if luck < 0.4:
            self.server.write(id, None)
            self._written(id, None, lambda: mirror.remove("company", [id]))
            return
        name = f"ours{self.server.now}"
        if luck < 0.7 or not mirror.holds("company"):
            self.server.write(id, name)
            row = dict(self.server.row(id) or {})
            self._written(id, name, lambda: mirror.store("company", [row], sent={"name": name}))
            return
        intent = WriteIntent("update", "company", id, {"name": name}, {})
        box = mirror.outbox.claim_session()
        ((seq, _),) = box.record([intent], "inflight")
        self.server.write(id, name)
        row = {} if self.chance.random() < 0.3 else dict(self.server.row(id) or {})

        def acknowledge() -> None:
            box.acknowledge([(seq or 0, id, row or {"_id": id, "name": name})])
            box.release()

        self._written(id, name, acknowledge)

    def _written(self, id: str, name: str | None, acknowledge: Callable[[], None]) -> None:
        def told() -> None:
            acknowledge()
            self.acknowledged += 1
            self.open.discard(id)
            if self.server.past[id][-1] is state:  # type: ignore[comparison-overlap]
                self.last[id] = name

        state = self.server.past[id][-1]
        self.waiting.append(told)
        self.open.add(id)
        self.last.pop(id, None)

    def look(self) -> None:
        names = self._names()
        right = {id for id, name in self.last.items() if names is not None and names.get(id) == name}
        if names is not None:
            wanted, lost = (self.last.keys(), self.late) if self.shown is None else (self.shown, self.lost)
            lost += [(id, self.last[id], names.get(id)) for id in self.last.keys() & wanted - right]
        self.shown = None if names is None else right

    def _names(self) -> dict[str, str] | None:
        """What the mirror shows, by id; None before it is complete."""
        with self.mirror.database.reading() as connection:
            if not state.load(connection, "company").complete:
                return None
            table = tables.records(layout_for("company"))
            return {row.id: row.name for row in connection.execute(select(table.c.id, table.c.name))}

    def finish(self) -> None:
        """Everything quiet, and later than any lag: the mirror is the server."""
        self.quiet = True
        while self.waiting:
            self.waiting.pop(0)()
        self.server.now += 60
        self.sync()
        there = {id: self.server.row(id) for id in self.server.live()}
        assert mirror_rows(self.mirror, "company") == there


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(incremental, "FIRST", PAGE)
    monkeypatch.setattr(thresholds, "SMALL", 0)


def play(mirror: Mirror, seed: int, lag: int, monkeypatch: pytest.MonkeyPatch) -> World:
    world = World(mirror, seed, lag)
    monkeypatch.setattr(clock, "wall", lambda: clock.micros(world.server.moment(world.server.now)))
    for turn in range(6):
        world.sync(full=turn % 2 == 0)
        for _ in range(4):
            world.happen()
        world.look()
    return world


@pytest.mark.parametrize("lag", [0, 9])
@pytest.mark.parametrize("seed", range(SEEDS))
def test_no_page_takes_back_what_was_acknowledged(
    tmp_path: Path, seed: int, lag: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Mirror(tmp_path / "mirror.db") as mirror:
        world = play(mirror, seed, lag, monkeypatch)
        assert not world.lost, world.lost[:3]
        assert world.acknowledged > 10
        world.finish()


def test_a_partial_answer_does_not_make_an_older_page_look_newer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two writes whose answers hold no time of change; a list that lags shows the first one, with its own."""
    monkeypatch.setattr(thresholds, "SMALL", 500)
    with Mirror(tmp_path / "mirror.db") as mirror:
        world = World(mirror, 1, 0)
        world.quiet = True
        monkeypatch.setattr(clock, "wall", lambda: clock.micros(world.server.moment(world.server.now)))
        world.sync()
        id = world.server.live()[0]
        for name in ("first of ours", "second of ours"):
            world.server.now += 20
            world.server.write(id, name)
            mirror.store("company", [{"_id": id, "name": name}], sent={"name": name})
        late = world.server.past[id][:-1]
        whole, world.server.past[id] = world.server.past[id], late
        world.server.now += 2
        answer = world.server.answer

        def current(request: Request) -> Any:
            if id in request.path:
                world.server.past[id] = whole
            return answer(request)

        monkeypatch.setattr(world.server, "answer", current)
        world.sync()
        assert mirror_rows(mirror, "company")[id]["name"] == "second of ours"


def no_guards(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(guards, "load", lambda *_: {})


def the_number_alone(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(guards.Guard, "may_lag", lambda *_: False)


def dropped_early(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(guards, "drop", lambda connection, *_: connection.execute(delete(tables.guards)))


def asked_when_applied(patch: pytest.MonkeyPatch) -> None:
    def stage(self: Any, connection: Any, bodies: Any, asked: Any) -> None:
        staged(self, connection, bodies, clock.present(connection))

    staged = job.ModelSync.stage
    patch.setattr(job.ModelSync, "stage", stage)


def absence_unguarded(patch: pytest.MonkeyPatch) -> None:
    def shown(*args: Any) -> Any:
        return {id: (page, row) for id, (page, row) in staged(*args).items() if row is not None}

    staged = guarded._staged
    patch.setattr(guarded, "_staged", shown)


LATE = pytest.param(dropped_early, marks=pytest.mark.torture)
"""It takes many sequences to be found out."""


@pytest.mark.parametrize("mutant", [no_guards, the_number_alone, LATE, asked_when_applied, absence_unguarded])
def test_a_wrong_rule_is_found_out(
    tmp_path: Path, mutant: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    mutant(monkeypatch)
    for seed in range(100):
        with Mirror(tmp_path / f"{seed}.db") as mirror:
            if play(mirror, seed, 9, monkeypatch).lost:
                return
    pytest.fail("a hundred runs looked right")
