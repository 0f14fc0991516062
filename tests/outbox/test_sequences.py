"""Random sequences of all that writes, syncs, fails and dies, against a simple model: nothing lost, nothing doubled.

The model knows of each record what the server must hold, and which values are on their way. A value that was written
down and is not in the outbox any more must be on the server; one that was refused or never written down must not be.
In the end everything is pushed, and server, mirror and model are equal.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from planhat_orm import Company, Conversation, PlanhatError
from planhat_orm.mirror.outbox import outbox
from planhat_orm.query.kinds import iso
from planhat_orm.wire import creating
from planhat_orm.writes import preflight, server_state
from tests.scale import sized

from .inprocess import Client, Killed, Tenant

FIELDS = ("phase", "description", "custom.A", "custom.B")
HOW = st.sampled_from(["offline", "online", "batch"])
FAULTS = st.lists(
    st.sampled_from([None, None, "reset before", "reset after", "500", "502, but done", "429"]), max_size=4
)
KILL = st.none() | st.integers(0, 14)
VALUES = st.sampled_from(["a", "b", "c", "refused"])


@dataclass
class Wanted:
    """One record: what the server holds, and what is on its way there."""

    kind: Any
    server: dict[str, Any] | None = None
    open: dict[str, Any] = field(default_factory=dict)
    making: bool = False
    deleting: bool = False
    parent: str | None = None


class Sequences(RuleBasedStateMachine):
    names: Bundle[str] = Bundle("names")
    template: Path
    now: Callable[[], datetime]
    """This machine's clock, which runs as the tenant's does."""

    @initialize()
    def begin(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        shutil.copy(self.template, self.folder / "planhat.db")
        self.tenant = Tenant()
        type(self).now = self.tenant.store.moments.now
        self.tenant.store.refusals["company"] = [_refuse]
        self.client: Client = self.tenant.client(self.folder / "planhat.db")
        self.wanted: dict[str, Wanted] = {}

    # --- looking ----------------------------------------------------------------------------------------

    def stored(self, name: str) -> dict[str, Any] | None:
        kind, key = ("company", "name") if self.wanted[name].kind is Company else ("conversation", "subject")
        rows = [row for row in self.tenant.store.all(kind) if row.get(key) == name]
        assert len(rows) <= 1, f"{name} was made {len(rows)} times"
        return rows[0] if rows else None

    def waiting(self, name: str) -> list[Any]:
        """The outbox's entries about a record."""
        entries = self.client.mirror.outbox.entries()
        row = self.stored(name)
        ids = {entry.record for entry in entries if name in (entry.patch.get("name"), entry.patch.get("subject"))}
        ids |= {row["_id"]} if row is not None else set()
        return [entry for entry in entries if entry.record in ids]

    def find(self, name: str) -> Any:
        """The record as the mirror shows it, or None."""
        key = "name" if self.wanted[name].kind is Company else "subject"
        return self.wanted[name].kind.objects.using(self.client).using("mirror").filter(**{key: name}).first()

    # --- doing ------------------------------------------------------------------------------------------

    def act(self, work: Callable[[], Any], faults: list[str | None], kill_in: int | None) -> tuple[bool, bool]:
        """Do something under faults, dying after some effects. Return whether it raised, and whether it was recorded."""
        self.tenant.faults = list(faults)
        client = self.client
        client.kill_in, client.recorded, client.recorded_more = kill_in, len(client.mirror.outbox), False
        raised = False
        try:
            work()
        except PlanhatError:
            raised = True
        except Killed:
            raised = True
            client.close()
            creating._made_here.clear()  # what the process knew is gone with it
            self.client = self.tenant.client(self.folder / "planhat.db")
        self.tenant.faults, client.kill_in = [], None
        return raised, client.recorded_more

    def save(self, record: Any, how: str) -> None:
        if how == "offline":
            with self.client.offline():
                record.save(using=self.client)
        elif how == "online":
            record.save(using=self.client)
        else:
            with self.client.batch():
                record.save(using=self.client)

    def settle(self, name: str, *, fresh: dict[str, Any] | None = None, refused: bool = True) -> None:
        """Bring the model up to date: what is open and not in the outbox must be on the server.

        `fresh` are values of a write just made, which may also have been refused, or never written down.
        """
        wanted, row, entries = self.wanted[name], self.stored(name), self.waiting(name)
        patches = [_flat(entry.patch) for entry in entries]
        if wanted.making and not any(entry.makes for entry in entries):
            wanted.making = False
            if row is None:
                assert fresh is not None and refused, f"the making of {name} is lost"
                wanted.open = {}
                return
            wanted.server = wanted.server or {}
        if wanted.deleting and not any(entry.op == "delete" for entry in entries):
            wanted.deleting = False
            if row is None:
                wanted.server, wanted.open = None, {}
            else:
                assert fresh is not None and refused, f"the deletion of {name} is lost"
        if wanted.server is None and not wanted.making:
            return
        for item, value in list(wanted.open.items()):
            noted = [patch[item] for patch in patches if item in patch]
            if noted:
                # An edit that died before it was written down leaves what was noted before.
                assert noted[-1] == value or (fresh is not None and item in fresh and refused), f"{name}.{item}"
                wanted.open[item] = noted[-1]
                continue
            held = _flat(row or {}).get(item)
            if held == value:
                # The making may still be open: a sync has shown the record that it made.
                wanted.server = {**(wanted.server or {}), item: wanted.open.pop(item)}
                continue
            assert fresh is not None and item in fresh and refused, f"{name}.{item} = {value} is lost: {held} is there"
            assert wanted.server is None or held == wanted.server.get(item), f"{name}.{item} was refused, and changed"
            del wanted.open[item]

    # --- rules ------------------------------------------------------------------------------------------

    @rule(target=names, keyed=st.booleans(), how=HOW, note=st.booleans(), faults=FAULTS, kill_in=KILL, value=VALUES,
          pick=st.integers(0, 9))  # fmt: skip
    def create(self, keyed: bool, how: str, note: bool, faults: Any, kill_in: Any, value: str, pick: int) -> str:
        name = f"r{len(self.wanted)}"
        parents = [name for name, it in self.wanted.items() if it.kind is Company and not it.deleting]
        parent = parents[pick % len(parents)] if note and parents else None
        parent = parent if parent is not None and self.find(parent) else None
        wanted = self.wanted[name] = Wanted(Conversation if parent else Company, parent=parent, making=True)
        if parent:
            record: Any = Conversation(company_id=self.find(parent).id, subject=name, type="note")
        else:
            record = Company(name=name, phase=value, **({"external_id": name} if keyed else {}))
            wanted.open = {"phase": value}
        raised, recorded = self.act(lambda: self.save(record, how), faults, kill_in)
        self.settle(name, fresh=dict(wanted.open), refused=raised or not recorded)
        return name

    @rule(name=names, values=st.dictionaries(st.sampled_from(FIELDS), VALUES, min_size=1, max_size=2), how=HOW,
          faults=FAULTS, kill_in=KILL)  # fmt: skip
    def edit(self, name: str, values: dict[str, str], how: str, faults: Any, kill_in: Any) -> None:
        wanted = self.wanted[name]
        record = self.find(name) if wanted.kind is Company and not wanted.deleting else None
        if record is None or (how != "offline" and wanted.open.keys() & values.keys()):
            return  # two writes of one field on their way are told apart by nobody
        shown = _flat(record._wire)
        values = {item: value for item, value in values.items() if shown.get(item) != value}
        for item, value in values.items():
            if item.startswith("custom."):
                record.custom[item[7:]] = value
            else:
                setattr(record, item, value)
        bases = [_flat(entry.base) for entry in self.waiting(name)]
        wanted.open.update(values)
        raised, _ = self.act(lambda: self.save(record, how), faults, kill_in)
        if not raised:
            for item, value in values.items():
                # Set back to what it was: then there is nothing to send.
                if any(item in base and base[item] == value for base in bases) and not any(
                    item in _flat(entry.patch) for entry in self.waiting(name)
                ):
                    del wanted.open[item]
        self.settle(name, fresh=values, refused=raised)

    @rule(name=names, how=HOW, faults=FAULTS, kill_in=KILL)
    def delete(self, name: str, how: str, faults: Any, kill_in: Any) -> None:
        wanted = self.wanted[name]
        record = self.find(name)
        children = [item for item in self.wanted.values() if item.parent == name]
        if record is None or wanted.making or wanted.server is None or wanted.open or wanted.deleting or children:
            return

        def work() -> None:
            if how == "offline":
                with self.client.offline():
                    record.delete(using=self.client)
            elif how == "online":
                record.delete(using=self.client)
            else:
                with self.client.batch():
                    record.delete(using=self.client)

        wanted.deleting = True
        raised, _ = self.act(work, faults, kill_in)
        self.settle(name, fresh={}, refused=raised)

    @rule(name=names, one=st.sampled_from(FIELDS), value=VALUES)
    def colleague(self, name: str, one: str, value: str) -> None:
        """Somebody else edits the record: also a field that we are about to send."""
        wanted, row = self.wanted[name], self.stored(name)
        sent = [_flat(entry.patch) for entry in self.waiting(name) if entry.state in ("inflight", "unknown")]
        if row is None or wanted.kind is not Company or wanted.making or wanted.server is None:
            return
        if any(one in patch for patch in sent):
            return
        custom = {**(row.get("custom") or {}), one[7:]: value}
        self.tenant.store.update("company", row["_id"], {"custom": custom} if one[:7] == "custom." else {one: value})
        wanted.server[one] = value

    @rule(faults=FAULTS, kill_in=st.none() | st.integers(0, 60))
    def push(self, faults: Any, kill_in: Any) -> None:
        self.act(self.client.push, faults, kill_in)
        for name in self.wanted:
            self.settle(name)

    @rule(faults=FAULTS, kill_in=st.none() | st.integers(0, 60), full=st.booleans())
    def sync(self, faults: Any, kill_in: Any, full: bool) -> None:
        self.act(lambda: self.client.sync(Company, Conversation, full=full), faults, kill_in)

    @rule(seconds=st.integers(1, 2000))
    def wait(self, seconds: int) -> None:
        self.tenant.clock.pass_by(seconds)

    # --- the end ----------------------------------------------------------------------------------------

    def teardown(self) -> None:
        if not hasattr(self, "client"):
            return
        try:
            self.end()
        finally:
            self.client.close()
            shutil.rmtree(self.folder)

    def end(self) -> None:
        self.tenant.store.refusals.clear()
        box = self.client.mirror.outbox
        for _ in range(4):
            box.retry()
            self.client.push(on_conflict="ours")
        assert not len(box), [(item.op, item.state, item.error) for item in box]
        for name, wanted in self.wanted.items():
            row = self.stored(name)
            if wanted.deleting or (wanted.server is None and not wanted.making):
                assert row is None, f"{name} is there"
                continue
            assert row is not None, f"{name} is not there"
            for item, value in {**(wanted.server or {}), **wanted.open}.items():
                assert _flat(row).get(item) == value, f"{name}.{item}"
            if wanted.parent is not None:
                assert row["companyId"] == (self.stored(wanted.parent) or {})["_id"]
        for _ in range(2):  # the first one may only finish a pass that was cut off
            self.client.sync(Company, Conversation, full=True)
        for kind in (Company, Conversation):
            resource = kind._meta.resource.name
            mirrored = {
                record.id: {key: value for key, value in record._wire.items() if key not in ("licenses", "sales")}
                for record in kind.objects.using(self.client).using("mirror")
            }
            there = {row["_id"]: row for row in self.tenant.store.all(resource)}
            assert mirrored.keys() == there.keys(), resource
            for id, row in there.items():
                odd = {key: (mirrored[id].get(key), row.get(key)) for key in {*mirrored[id], *row}
                       if key not in mirrored[id] or key not in row or mirrored[id][key] != row[key]}  # fmt: skip
                assert not odd, (resource, id, odd)


def _refuse(row: dict[str, Any]) -> str | None:
    return "refused" if "refused" in _flat(row).values() else None


def _flat(row: dict[str, Any]) -> dict[str, Any]:
    """The fields that the sequences write, custom ones by label."""
    custom = row.get("custom") if isinstance(row.get("custom"), dict) else {}
    assert isinstance(custom, dict)
    flat = {**row, **{f"custom.{label}": value for label, value in custom.items()}}
    return {field: flat[field] for field in FIELDS if field in flat}


@pytest.fixture
def template(tmp_path: Path) -> Iterator[Path]:
    """A mirror of an empty tenant."""
    client = Tenant().client(tmp_path / "empty.db")
    client.sync(Company, Conversation)
    client.close()
    yield tmp_path / "empty.db"


@pytest.mark.filterwarnings("ignore::planhat_orm.errors.UnknownNameWarning")  # labels are made up on purpose
def test_no_sequence_of_writes_faults_and_crashes_loses_or_doubles_anything(
    template: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_state, "QUIET", 0.0)  # the tenant has done what it was sent at once
    Sequences.template = template
    monkeypatch.setattr(outbox, "now", lambda: iso(Sequences.now()))
    clock = SimpleNamespace(time=lambda: Sequences.now().timestamp())
    monkeypatch.setattr(server_state, "time", clock)
    monkeypatch.setattr(preflight, "time", clock)
    chosen = settings(
        max_examples=sized(12, 2000),
        stateful_step_count=30,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        print_blob=True,
    )
    run_state_machine_as_test(Sequences, settings=chosen)
