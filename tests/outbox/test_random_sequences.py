"""Random sequences over eight models against the second server: faults, kills, foreign writers and syncs between.

Whatever happens, at the end no record is there twice, no value is lost, the outbox is empty, the mirror is what the
server has, it remembers what it showed before, and `doctor` finds nothing. Each sequence has a seed, which its failure names.
"""

from __future__ import annotations

import random
import shutil
import tempfile
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest

from planhat_orm import (
    Asset,
    Company,
    Conversation,
    Enduser,
    License,
    Objective,
    Opportunity,
    Planhat,
    PlanhatError,
    Project,
)
from planhat_orm.http.clock import Clock
from planhat_orm.http.retry import Retry
from planhat_orm.models.base import Model
from planhat_orm.query.query import Query
from planhat_orm.writes import server_state
from tests.mirror.conftest import Runner
from tests.other_server import OtherServer, faults, on
from tests.scale import sized

MODELS: tuple[type[Model], ...] = (Company, Enduser, License, Asset, Objective, Opportunity, Project, Conversation)
TEXT = {Company: "name", Enduser: "first_name", License: "product", Opportunity: "title", Conversation: "subject"}
"""The field that says which record one is; `name` where it is not here."""
BEHAVIOURS: list[dict[str, Any]] = [
    {},
    {"put_answer": "partial", "duplicates": "store"},
    {"names": "ids", "page_rows": 7},
    {"names": "none", "shuffled": True},
    {"error_shapes": ("message", "text"), "put_answer": "id"},
    {"page_bytes": 3_000, "bulk_order": "reversed", "touch_unchanged": True},
]
SEQUENCES = sized(6, 2_000)
STEPS = 14
LOOKS = 3
"""How many of the moments between the steps are looked back at."""

Rows = dict[str, dict[str, Any]]


class Killed(BaseException):
    """The process is gone."""


class Sequence:
    """One server, one mirror, and what ought to be there."""

    def __init__(self, seed: int) -> None:
        self.seed, self.dice = seed, random.Random(seed)
        self.folder = Path(tempfile.mkdtemp(prefix="planhat-sequence-"))
        self.server = OtherServer(**self.dice.choice(BEHAVIOURS))
        self.values: dict[str, dict[str, set[str]]] = {}
        self.models: dict[str, type[Model]] = {}
        self.sure: set[str] = set()
        self.kill_in: int | None = None
        self.number = 0
        self.shown: list[tuple[datetime, dict[str, Rows]]] = []

    def run(self) -> None:
        with self.server:
            self.home = self.server.write("company", {"name": "Home", "externalId": "home"})["_id"]
            self.client = self.connect()
            try:
                self.client.sync(*MODELS)
                looks = random.Random(self.seed).sample(range(STEPS), LOOKS)
                for step in range(STEPS):
                    if step in looks:
                        self.remember()
                    self.dice.choice(
                        [
                            self.create,
                            self.create,
                            self.edit,
                            self.edit,
                            self.colleague,
                            self.push,
                            self.sync,
                            self.fault,
                        ]
                    )()
                self.end()
            finally:
                self.client.close()
                shutil.rmtree(self.folder)

    def connect(self) -> Planhat:
        retry = Retry(attempts=2, floor=0.001, ceiling=0.002)
        mirror = self.folder / "m.db"
        client = Planhat(
            **self.server.settings(), mirror=mirror, calls_per_min=1e9, retry=retry, scan="allow", clock=Clock(1000)
        )
        client.on("request", lambda request: self.die())
        return client

    def die(self) -> None:
        if self.kill_in is not None:
            self.kill_in -= 1
            if self.kill_in < 0:
                self.kill_in = None
                raise Killed

    def act(self, work: Any) -> bool:
        """Do something that may be killed; whether it ended well. After a kill another process goes on."""
        self.kill_in = self.dice.choice([None, None, None, 0, 1, 2])
        try:
            work()
        except Killed:
            self.client.close()
            self.client = self.connect()
            return False
        except PlanhatError:
            return False
        finally:
            self.kill_in = None
        return True

    def save(self, record: Model) -> bool:
        how = self.dice.choice(["online", "offline", "batch"])
        if self.dice.random() < 0.4:
            self.fault()

        def work() -> None:
            if how == "online":
                record.save(using=self.client)
            else:
                with self.client.offline() if how == "offline" else self.client.batch():
                    record.save(using=self.client)

        return self.act(work)

    # --- steps ------------------------------------------------------------------------------------------

    def create(self) -> None:
        self.number += 1
        model, name = self.dice.choice(MODELS), f"r{self.number}"
        fields: dict[str, Any] = {TEXT.get(model, "name"): name}
        if model is not Company:
            fields["company_id"] = self.home
        if model is Enduser:
            fields["email"] = f"{name}@home.test"
        elif model is License:
            fields |= {"currency": "EUR", "value": 1, "from_date": date(2026, 1, 1)}
        elif model is Conversation:
            fields["type"] = "note"
        if model is not Enduser and self.dice.random() < 0.5:
            fields["external_id"] = f"key-{name}"
        record = model(**fields)
        record.custom["L"] = value = self.value()  # type: ignore[attr-defined]
        self.models[name], self.values[name] = model, {"L": {value}}
        if self.save(record) or self.waits(name):
            self.sure.add(name)

    def waits(self, name: str) -> bool:
        return any(name in map(str, entry.patch.values()) for entry in self.client.mirror.outbox)

    def edit(self) -> None:
        """Edit the label L of a record: others edit M."""
        name = self.some()
        record = None if name is None else self.find(name)
        if name is None or record is None:
            return
        record.custom["L"] = value = self.value()
        if self.save(record):
            self.values[name]["L"] = {value}
        else:
            # It is there, or it is not.
            self.values[name]["L"].add(value)

    def colleague(self) -> None:
        name = self.some()
        for row in [] if name is None else self.stored(name):
            value = self.value()
            self.server.write(self.resource(str(name)), {"_id": row["_id"], "custom": {"M": value}})
            self.values[str(name)]["M"] = {value}
        self.server.write("company", {"name": "Somebody's", "externalId": f"theirs-{self.value()}"})

    def push(self) -> None:
        self.act(self.client.push)

    def sync(self) -> None:
        chosen = self.dice.sample(MODELS, 3)
        self.act(lambda: self.client.sync(*chosen, full=self.dice.random() < 0.3))

    def fault(self) -> None:
        made: list[faults.Fault] = [
            faults.close_after(), faults.close_before(), faults.status(502, processed=True), faults.status(500)
        ]  # fmt: skip
        fault = self.dice.choice(made)
        self.server.fault(fault, on(self.dice.choice(["POST", "PUT"])), times=self.dice.randint(1, 3))

    # --- looking ----------------------------------------------------------------------------------------

    def value(self) -> str:
        return f"v{self.dice.getrandbits(40):x}"

    def some(self) -> str | None:
        return self.dice.choice(sorted(self.values)) if self.values else None

    def resource(self, name: str) -> str:
        return self.models[name]._meta.resource.name

    def wire(self, name: str) -> str:
        model = self.models[name]
        return model._meta.fields[TEXT.get(model, "name")].wire

    def stored(self, name: str) -> list[dict[str, Any]]:
        return [row for row in self.server.records(self.resource(name)) if row.get(self.wire(name)) == name]

    def find(self, name: str) -> Any:
        model = self.models[name]
        return model.objects.using(self.client).using("mirror").filter(**{TEXT.get(model, "name"): name}).first()

    def rows(self, source: Any) -> dict[str, Rows]:
        names = [model._meta.resource.name for model in MODELS]
        return {name: {row["_id"]: row for row in Runner().rows(source.pages(Query(name, hidden=True)))}
                for name in names}  # fmt: skip

    def at(self, moment: datetime) -> dict[str, Rows]:
        """What the mirror says that it showed at a moment."""
        return self.rows(self.client.mirror.as_of(moment))

    def remember(self) -> None:
        """Keep all that the mirror shows now."""
        mirror = self.client.mirror
        self.shown.append((mirror.mark(), self.rows(mirror.source)))

    def difference(self, model: type[Model]) -> Any:
        """What the mirror shows of a model otherwise than the server."""
        there = {row["_id"]: row.get("custom") for row in self.server.records(model._meta.resource.name)}
        shown = {record.id: record._wire.get("custom") for record in model.objects.using(self.client).using("mirror")}
        return {id: (shown.get(id, "absent"), there.get(id, "absent"))
                for id in {*shown, *there} if shown.get(id, "absent") != there.get(id, "absent")}  # fmt: skip

    # --- the end ----------------------------------------------------------------------------------------

    def end(self) -> None:
        self.server.clear_faults()
        box = self.client.mirror.outbox
        for _ in range(4):
            box.retry()
            self.client.push(on_conflict="ours")
        assert not len(box), [(entry.op, entry.resource, entry.state, entry.error) for entry in box]
        for name, values in self.values.items():
            rows = self.stored(name)
            assert len(rows) <= 1, f"{name} is there {len(rows)} times"
            assert rows or name not in self.sure, f"{name} is lost"
            for row in rows:
                for label, allowed in values.items():
                    held = (row.get("custom") or {}).get(label)
                    assert held in allowed, f"{name}.{label} is {held}, not one of {allowed}"
        for _ in range(2):
            self.client.sync(*MODELS, full=True)
            differences = [difference for model in MODELS if (difference := self.difference(model))]
            if not differences:
                break
        assert not differences, differences
        for moment, shown in self.shown:
            assert self.at(moment) == shown, moment
        found = self.client.mirror.doctor()
        assert found.ok, found


@pytest.mark.filterwarnings("ignore::planhat_orm.errors.UnknownNameWarning")
def test_no_sequence_loses_or_doubles_anything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_state, "QUIET", 0.0)
    for seed in range(SEQUENCES):
        try:
            Sequence(seed).run()
        except AssertionError as wrong:
            raise AssertionError(f"sequence {seed}: {wrong}") from wrong
