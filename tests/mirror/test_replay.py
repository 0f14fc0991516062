"""History equals an independent replay, whatever way a change came in: by a save, a batch, an upsert by any key, a push,
a discard, a sync, somebody else's edits, offline or online, from two clients of one mirror, with a clock that goes back.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, create_engine, text

from planhat_orm import Company, Planhat, PlanhatError
from planhat_orm.mirror.db import clock
from planhat_orm.mirror.db.database import Database
from planhat_orm.mirror.db.layout import layout_for
from planhat_orm.runtime import TEMPORARY
from tests.other_server import OtherServer
from tests.scale import sized

from .conftest import mirror_rows
from .replay_oracle import EVERYTHING, Oracle, flat

SEQUENCES = sized(8, 500)
STEPS = sized(16, 25)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
VALUES = ("A", "B", "C", None)


class World:
    """A server, two clients of one mirror, and the oracle that looks at the mirror after each of its transactions."""

    def __init__(self, server: OtherServer, where: str, chance: random.Random) -> None:
        self.server, self.chance = server, chance
        self.clients = [Planhat(**server.settings(), mirror=where, calls_per_min=1e9, scan="allow") for _ in range(2)]
        self.oracle = Oracle()
        self.sent: dict[str, set[str]] = {}
        self.existing: set[str] = set()
        self.kept: list[dict[str, Any]] = []
        self.number = 0
        self.steps: list[str] = []

    def close(self) -> None:
        for client in self.clients:
            client.close()

    @property
    def client(self) -> Planhat:
        return self.chance.choice(self.clients)

    # --- looking ----------------------------------------------------------------------------------------

    def rows(self) -> dict[str, dict[str, Any]]:
        return mirror_rows(self.clients[0].mirror, "company")

    def look(self, connection: Connection) -> None:
        """Tell the oracle what the mirror shows, after a transaction."""
        rows, before = self.rows(), {row["_id"] for row in self.oracle.rows().values()}
        known = connection.execute(text("SELECT temporary, id FROM mirror_alias")).all()
        # A record that others made is another one than the row that stood for a create of ours with its key.
        own = [(old, new) for old, new in known if new not in self.existing]
        renamed = {old: new for old, new in own if new in rows and not self.oracle.knows(new) and old in before}
        at = connection.execute(text("SELECT at FROM mirror_clock")).scalar_one()
        ours: dict[str, set[str]] = {}
        for id in before | rows.keys():
            names = set().union(*(names for key, names in self.sent.items() if key in (id, self.key(id, rows))))
            made = names and id not in {*before, *renamed.values(), *self.existing}
            if names and id not in renamed:
                ours[id] = {EVERYTHING} if made or id not in rows else {*names, "_id"}
        self.oracle.see(at, rows.values(), ours, renamed)

    def key(self, id: str, rows: dict[str, dict[str, Any]]) -> str:
        row = rows.get(id) or next((row for row in self.oracle.rows().values() if row["_id"] == id), {})
        return str(row.get("externalId"))

    # --- doing ------------------------------------------------------------------------------------------

    def new_key(self) -> str:
        self.number += 1
        return f"k{self.number}"

    def patch(self) -> dict[str, Any]:
        """Some fields of a company and their values, in Planhat's words."""
        names = self.chance.sample(["phase", "description", "tags", "custom.L", "custom.M"], self.chance.randint(1, 3))
        return {name: [self.chance.choice("ab")] if name == "tags" else self.chance.choice(VALUES) for name in names}

    def new_here(self, id: str, patch: dict[str, Any]) -> set[str]:
        """What the mirror does not hold already: only that is a change of the record that was read from it.

        Of one that waits to be created, null is one, too, as Planhat may have a record with its key.
        """
        row, waits = flat(self.rows()[id]), id.startswith(TEMPORARY)
        return {name for name, value in patch.items() if row.get(name) != value or (waits and name not in row)}

    def new_to(self, id: str, patch: dict[str, Any]) -> set[str]:
        """What the server does not hold already: only that is sent by a write that looks first, and so is ours."""
        row = flat(self.server.record("company", id))
        return {name for name, value in patch.items() if name not in row or row[name] != value}

    def live(self) -> list[str]:
        there = {row["_id"] for row in self.server.records("company")}
        return sorted(there & self.rows().keys())

    def record(self, client: Planhat, id: str, patch: dict[str, Any]) -> Company:
        record = Company.objects.using(client).using("mirror").get(id)
        return self.edited(record, patch)

    def edited(self, record: Company, patch: dict[str, Any]) -> Company:
        for name, value in patch.items():
            if name.startswith("custom."):
                record.custom[name[7:]] = value
            else:
                setattr(record, name, value)
        return record

    def nested(self, patch: dict[str, Any]) -> dict[str, Any]:
        custom = {name[7:]: value for name, value in patch.items() if name.startswith("custom.")}
        plain = {name: value for name, value in patch.items() if not name.startswith("custom.")}
        return {**plain, "custom": custom} if custom else plain

    def save(self) -> None:
        for id in self.chance.sample(self.live(), min(1, len(self.live()))):
            patch, client = self.patch(), self.client
            self.sent = {id: self.new_here(id, patch)}
            self.record(client, id, patch).save(using=client)

    def batch(self) -> None:
        client, ids = self.client, self.chance.sample(self.live(), min(3, len(self.live())))
        with client.batch():
            for id in ids:
                patch = self.patch()
                self.sent[id] = self.new_here(id, patch)
                self.record(client, id, patch).save(using=client)
            if self.chance.random() < 0.5:
                self.create(client)

    def create(self, client: Planhat) -> None:
        key, patch = self.new_key(), self.patch()
        self.sent[key] = {"name", "externalId", *patch}
        self.edited(Company(name="new", external_id=key), patch).save(using=client)

    def online(self) -> None:
        self.create(self.client)

    def upsert(self) -> None:
        """Rows of known and of new records, by each of the keys."""
        rows: list[dict[str, Any]] = []
        for id in self.chance.sample(self.live(), min(2, len(self.live()))):
            # A null of a row that may be a new record says nothing, and is not sent.
            patch = {name: value for name, value in self.patch().items() if value is not None}
            key = self.chance.choice(["_id", "externalId"])
            row = self.rows()[id]
            if row.get(key):
                self.sent[id] = self.sent[str(row.get("externalId"))] = {*patch, key}
                rows.append({key: row[key], **self.nested(patch)})
        if self.chance.random() < 0.4:
            key = self.new_key()
            self.sent[key] = {"name", "externalId"}
            rows.append({"externalId": key, "name": "upserted"})
        if rows:
            Company.objects.using(self.client).bulk_upsert(rows, raise_on_error=False)

    def update_or_create(self) -> None:
        key = self.chance.choice([row.get("externalId") for row in self.server.records("company")] + [self.new_key()])
        if key:
            patch = {"name": "ours", "phase": self.chance.choice("ABC")}
            self.sent[key] = {"externalId", *patch}
            Company.objects.using(self.client).update_or_create(patch, external_id=key)

    def reconcile(self) -> None:
        rows = [
            {"key": row["externalId"], "phase": self.chance.choice("ABC")}
            for row in self.server.records("company")
            if row.get("externalId")
        ][:3]
        ids = {row.get("externalId"): row["_id"] for row in self.server.records("company")}
        self.sent = {row["key"]: self.new_to(ids[row["key"]], {"phase": row["phase"]}) for row in rows}
        if rows:
            mapping: Any = {"key": "external_id", "phase": "phase"}
            Company.objects.using(self.client).reconcile(rows, "external_id", mapping).apply()

    def raw(self) -> None:
        """The plain calls: dict in, dict out."""
        verb, ids = self.chance.choice(["create", "update", "delete"]), self.live()
        if verb == "create":
            key = self.new_key()
            self.sent[key] = {EVERYTHING}
            self.client.company.create({"name": "raw", "externalId": key})
        elif ids:
            id, patch = self.chance.choice(ids), self.patch()
            self.sent[id] = set(patch)
            if verb == "update":
                self.client.company.update(id, self.nested(patch))
            else:
                self.client.company.delete(id)

    def delete(self) -> None:
        for id in self.chance.sample(self.live(), min(1, len(self.live()))):
            client = self.client
            self.sent = {id: {EVERYTHING}}
            Company.objects.using(client).using("mirror").get(id).delete(using=client)

    def offline(self) -> None:
        """Edit, create or delete without a connection."""
        client, ids = self.client, sorted(self.rows())
        verb = self.chance.choice(["create", "edit", "edit", "delete"])
        with client.offline():
            if verb == "create":
                self.create(client)
            elif ids:
                id, patch = self.chance.choice(ids), self.patch()
                self.sent[id] = self.new_here(id, patch) if verb == "edit" else {EVERYTHING}
                if verb == "edit":
                    self.record(client, id, patch).save(using=client)
                else:
                    Company.objects.using(client).get(id).delete(using=client)

    def waiting(self, client: Planhat) -> dict[str, set[str]]:
        fields: dict[str, set[str]] = {}
        for entry in client.mirror.outbox:
            for key in (entry.record, str(entry.patch.get("externalId"))):
                fields.setdefault(key, set()).update(flat(entry.patch), {"_id"} if not entry.patch else ())
        return fields

    def push(self) -> None:
        client = self.client
        self.sent = self.waiting(client)
        client.push(on_conflict=self.chance.choice(["ours", "theirs", "raise"]))

    def discard(self) -> None:
        box = self.client.mirror.outbox
        seqs = [entry.seq for entry in box]
        if seqs:
            # A record whose deletion is given up is there again: that is ours.
            self.sent, self.existing = self.waiting(self.client), set()
            box.discard(self.chance.choice(seqs))

    def sync(self) -> None:
        self.client.sync(Company, full=self.chance.random() < 0.3)

    def pull(self) -> None:
        for id in self.chance.sample(sorted(self.rows()), min(1, len(self.rows()))):
            if not id.startswith("tmp:"):
                self.client.mirror.pulled("company", {id: self.server.record("company", id)})

    def foreign(self) -> None:
        """Somebody else edits, makes, deletes, or brings back under the same id or another."""
        rows, verb = self.server.records("company"), self.chance.choice(["edit", "edit", "make", "delete", "again"])
        if verb == "make" or not rows:
            self.server.write("company", {"name": "theirs", "externalId": self.new_key()})
            return
        row = self.chance.choice(rows)
        if verb == "edit":
            self.server.write("company", {"_id": row["_id"], **self.nested(self.patch())})
        elif verb == "delete":
            self.kept.append(row)
            self.server.delete("company", row["_id"])
        elif self.kept:
            gone = self.kept.pop()
            same = self.chance.random() < 0.5
            self.server.write("company", gone if same else {"name": "again", "externalId": gone.get("externalId")})

    def step(self) -> None:
        verbs = [self.save, self.batch, self.online, self.upsert, self.update_or_create, self.reconcile, self.raw,
                 self.delete, self.offline, self.offline, self.push, self.discard, self.sync, self.sync, self.pull,
                 self.foreign, self.foreign]  # fmt: skip
        verb = self.chance.choice(verbs)
        self.steps.append(verb.__name__)
        self.sent, self.existing = {}, {row["_id"] for row in self.server.records("company")}
        try:
            verb()
        except PlanhatError as error:
            self.steps[-1] += f" ({type(error).__name__}: {str(error)[:90]})"
        self.sent = {}


def difference(world: World) -> list[Any]:
    """What the mirror says of the past, and should not."""
    mirror, wrong = world.clients[0].mirror, list[Any]()
    before: dict[int, Any] | None = None
    for at, rows in world.oracle.states:
        if rows == before:
            continue
        before, moment = rows, EPOCH + timedelta(microseconds=at)
        then = Company.objects.using(world.clients[0]).as_of(moment)
        shown = {record.id: bare(record.to_wire()) for record in then}
        expected = {row["_id"]: row for row in rows.values()}
        if world.oracle.at(at) == expected and shown != expected:
            wrong.append(("as_of", at, [(shown.get(id), expected.get(id)) for id in {*shown, *expected}
                                        if shown.get(id) != expected.get(id)][:1]))  # fmt: skip
    changes = mirror.changes()
    if [change.at for change in changes] != sorted(change.at for change in changes):
        wrong.append("time goes back")
    told = [
        (world.oracle.number(change.id), change.kind.replace("silent", "updated"), change.origin, name, old, new)
        for change in changes
        for name, (old, new) in by_wire(change.fields).items()
    ]
    expected_changes = sorted(world.oracle.changes, key=str)
    if sorted(told, key=str) != expected_changes:
        wrong.append(("too much", [change for change in told if change not in expected_changes][:3]))
        wrong.append(("missing", [change for change in expected_changes if change not in told][:3]))
    return wrong


def bare(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in ("licenses", "sales")}


def by_wire(fields: dict[str, tuple[Any, Any]]) -> dict[str, tuple[Any, Any]]:
    """The fields of a change by their wire names, custom fields one by one."""
    wires = {column.name: column.wire for column in layout_for("company").columns}
    found: dict[str, tuple[Any, Any]] = {}
    for name, (old, new) in fields.items():
        if wires.get(name) == "custom":
            was, now = flat({"custom": old}), flat({"custom": new})
            found.update((label, (was.get(label), now.get(label))) for label in {*was, *now})
        elif name not in ("embedded_licenses", "embedded_sales"):
            found[wires.get(name, name)] = (old, new)
    return found


@contextmanager
def watched(monkeypatch: pytest.MonkeyPatch, world: World, url: str) -> Iterator[None]:
    """Have the oracle look after every transaction that writes; and let the machine's clock go back now and then."""
    engine = create_engine(url)
    writing, skew = Database.writing, [0]

    @contextmanager
    def seen(self: Database, **options: Any) -> Iterator[Any]:
        with writing(self, **options) as connection:
            yield connection
        with engine.connect() as after:
            world.look(after)

    def wall() -> int:
        skew[0] += world.chance.choice([0, 0, 0, 1, 40, -25])
        return real() + skew[0] * 1_000_000

    real = clock.wall
    with monkeypatch.context() as patched:
        patched.setattr(Database, "writing", seen)
        patched.setattr(clock, "wall", wall)
        yield
    engine.dispose()


@pytest.fixture(scope="module")
def server() -> Iterator[OtherServer]:
    with OtherServer(body_id="equal", required="little") as server:
        yield server


@pytest.fixture(scope="module")
def fresh(server: OtherServer, tmp_path_factory: pytest.TempPathFactory) -> Callable[[], str]:
    """A mirror without records, in a new file."""
    folder = tmp_path_factory.mktemp("mirrors")
    empty, made = folder / "empty.db", list[Path]()
    with Planhat(**server.settings(), mirror=empty) as planhat:
        planhat.mirror.status()

    def new() -> str:
        made.append(folder / f"{len(made)}.db")
        shutil.copy(empty, made[-1])
        return str(made[-1])

    return new


def check(server: OtherServer, where: str, url: str, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    for row in server.records("company"):
        server.delete("company", row["_id"])
    world = World(server, where, random.Random(seed))
    try:
        for _ in range(4):
            server.write("company", {"name": "first", "externalId": world.new_key(), "custom": {"L": "A"}})
        world.clients[0].sync(Company)
        moment = int(world.clients[0].mirror.mark().timestamp() * 1_000_000)
        world.oracle.see(moment, world.rows().values(), {}, {})
        world.oracle.changes.clear()
        with watched(monkeypatch, world, url):
            for _ in range(STEPS):
                world.step()
        wrong = difference(world)
        assert not wrong, (seed, world.steps, wrong)
    finally:
        world.close()


@pytest.mark.parametrize("seed", range(SEQUENCES))
def test_history_equals_a_replay(
    server: OtherServer, fresh: Callable[[], str], seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    where = fresh()
    check(server, where, f"sqlite:///{where}", seed, monkeypatch)


@pytest.mark.parametrize("seed", range(10_000, 10_000 + sized(3, 500)))
def test_history_equals_a_replay_in_postgresql(
    server: OtherServer, postgres: Callable[[], str], seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    where = postgres()
    check(server, where, where.replace("postgresql://", "postgresql+psycopg://"), seed, monkeypatch)
