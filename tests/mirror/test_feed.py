"""Exports of what changed: the files of a folder, read in their order, are the server's records, whatever happened."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from planhat_orm import files, runtime
from planhat_orm.errors import ConfigurationError, FieldError, MirrorIncomplete
from planhat_orm.fields import Custom
from planhat_orm.mirror import Mirror
from planhat_orm.mirror.db import state, tables
from planhat_orm.mirror.db.changes import write_reset
from planhat_orm.mirror.db.layout import layout_for
from planhat_orm.mirror.db.store import Store
from planhat_orm.mirror.feed import folder as feed_folder
from planhat_orm.mirror.feed import model_feed
from planhat_orm.models.resources import Company
from planhat_orm.runtime import WriteIntent
from planhat_orm.wire.patches import merged, same
from tests.scale import sized

from ..registry import no_classes
from .test_export import back, from_parquet, put

Row = dict[str, Any]

pytest.importorskip("pyarrow")


def last(folder: Path) -> Any:
    return json.loads((folder / "last.json").read_bytes())


def exported(folder: Path, name: str = "company") -> dict[str, Row]:
    """The records of a model that the files of a folder come to."""
    rows: dict[str, Row] = {}
    for file in last(folder)["models"][name]["files"]:
        for row in from_parquet(folder / file["path"]):
            if row["_deleted"]:
                assert {key for key, value in row.items() if value is not None} == {"id", "_deleted", "_export"}
                rows.pop(row["id"], None)
            else:
                rows[row["id"]] = row
    return back(name, rows.values())


def new_rows(folder: Path, name: str = "company") -> int:
    """How many rows the last export wrote."""
    manifest = json.loads((folder / f"manifest-{last(folder)['export']}.json").read_bytes())
    return sum(file["rows"] for file in manifest["models"][name]["files"])


def mode(folder: Path, name: str = "company") -> tuple[str, str | None]:
    found = last(folder)["models"][name]
    return found["mode"], found["why"]


def assert_equal(found: dict[str, Row], expected: dict[str, Row]) -> None:
    assert found.keys() == expected.keys()
    for id, row in expected.items():
        assert same(found[id], row), (found[id], row)


class Tenant:
    """A server of companies, its mirror, and writes on their way; each step is drawn by lot."""

    def __init__(self, mirror: Mirror, seed: int) -> None:
        self.mirror, self.random, self.rows = mirror, random.Random(seed), dict[str, Row]()
        self.number = 0
        put(mirror, "company")

    def step(self) -> None:
        steps = (self.see, self.see, self.lose, self.wish, self.wish, self.settle, self.settle, self.discard, self.rest)
        self.random.choice(steps)()

    def _any(self) -> str | None:
        return self.random.choice(sorted(self.rows)) if self.rows else None

    def _row(self, id: str) -> Row:
        self.number += 1
        return {"_id": id, "name": f"n{self.number}", "mrr": self.number % 3, "custom": {"a": self.number % 2}}

    def see(self) -> None:
        id = self.random.choice([self._any(), f"c{self.number:03}"]) or "c000"
        self.rows[id] = self._row(id)
        self.mirror.pulled("company", {id: self.rows[id]})

    def lose(self) -> None:
        if (id := self._any()) is not None:
            del self.rows[id]
            self.mirror.pulled("company", {id: None})

    def wish(self) -> None:
        self.number += 1
        id, op = self._any(), self.random.choice(["create", "update", "update", "delete"])
        if op == "create" or id is None:
            intent = WriteIntent("create", "company", None, {"name": f"n{self.number}"}, {})
        elif op == "update":
            intent = WriteIntent("update", "company", id, {"mrr": self.number}, {"mrr": self.rows[id].get("mrr")})
        else:
            intent = WriteIntent("delete", "company", id, {}, {})
        self.mirror.outbox.record([intent], "pending")

    def settle(self) -> None:
        entries = self.mirror.outbox.entries("pending")
        if not entries:
            return
        entry = self.random.choice(entries)
        if entry.op == "delete":
            self.rows.pop(entry.record, None)
            self.mirror.outbox.acknowledge([(entry.seq, None, None)])
            return
        id = f"m{self.number:03}{entry.seq}" if entry.record.startswith(runtime.TEMPORARY) else entry.record
        if entry.op == "update" and id not in self.rows:
            self.mirror.outbox.cancel([entry.seq])
            return
        self.rows[id] = merged(self.rows.get(id, {"_id": id}), entry.patch)
        self.mirror.outbox.acknowledge([(entry.seq, id, self.rows[id])])

    def discard(self) -> None:
        if entries := self.mirror.outbox.entries("pending"):
            self.mirror.outbox.discard(self.random.choice(entries).seq)

    def rest(self) -> None:
        if self.random.random() < 0.2:
            self.mirror.prune(timedelta(0))


@pytest.mark.parametrize("seed", range(sized(2, 400)))
def test_the_files_come_to_the_rows_of_the_server_whatever_happened(
    seed: int, either: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_feed, "_MOST_CHANGED", 5)
    tenant = Tenant(either, seed)
    modes = set()
    for _ in range(6):
        for _ in range(tenant.random.randrange(8)):
            tenant.step()
        either.export(tmp_path / "out", models=[Company], since="last")
        assert_equal(exported(tmp_path / "out"), tenant.rows)
        modes.add(mode(tmp_path / "out")[0])
    assert len(modes) > 1


# --- what the next export goes on from ---------------------------------------------------------------------


@pytest.fixture
def tenant(mirror: Mirror) -> dict[str, Row]:
    """A hundred companies that were synced, with a memory of what changes."""
    rows = {f"c{n:03}": {"_id": f"c{n:03}", "name": f"n{n}"} for n in range(100)}
    put(mirror, "company")
    mirror.pulled("company", rows)
    return rows


def change(mirror: Mirror, rows: dict[str, Row], *ids: str) -> None:
    for id in ids:
        rows[id] = {**rows.get(id, {"_id": id}), "phase": rows.get(id, {}).get("phase", "") + "x"}
    mirror.pulled("company", {id: rows[id] for id in ids})


def test_the_second_export_writes_what_changed_and_the_third_nothing(
    mirror: Mirror, tenant: dict[str, Row], tmp_path: Path
) -> None:
    *files, manifest = mirror.export(tmp_path, models=[Company], since="last")
    assert [path.relative_to(tmp_path).as_posix() for path in files] == ["company/000001-full.parquet"]
    assert manifest == tmp_path / "manifest-1.json" and mode(tmp_path) == ("full", "nothing was read before")
    change(mirror, tenant, "c007")
    del tenant["c050"]
    mirror.pulled("company", {"c050": None})
    *files, _ = mirror.export(tmp_path, since="last")
    assert mode(tmp_path) == ("changes", None) and new_rows(tmp_path) == 2
    [file] = last(tmp_path)["models"]["company"]["files"][1:]
    assert (file["path"], file["rows"], file["deleted"]) == ("company/000002-changes.parquet", 2, 1)
    assert_equal(exported(tmp_path), tenant)
    assert [path.name for path in mirror.export(tmp_path, since="last")] == ["manifest-3.json"]
    assert mode(tmp_path)[0] == "unchanged" and len(list((tmp_path / "company").iterdir())) == 2
    assert_equal(exported(tmp_path), tenant)


def test_a_manifest_says_of_when_the_files_are_and_what_is_in_them(
    mirror: Mirror, tenant: dict[str, Row], tmp_path: Path
) -> None:
    hashlib = pytest.importorskip("hashlib")
    put(mirror, "license", {"_id": "l1"})
    with mirror.database.writing() as connection:
        state.save(connection, state.State("license", complete=True, as_of="2026-05-01T00:00:00.000Z"))
    mirror.export(tmp_path, since="last")
    manifest = last(tmp_path)
    assert manifest["as_of"] == "2026-05-01T00:00:00.000Z"
    assert manifest["models"]["company"]["as_of"] == "2026-06-01T00:00:00.000Z"
    for model in manifest["models"].values():
        [file] = model["files"]
        content = (tmp_path / file["path"]).read_bytes()
        assert (hashlib.sha256(content).hexdigest(), len(content)) == (file["sha256"], file["bytes"])
        assert (tmp_path / file["path"]).stat().st_mode & 0o777 == 0o600
    assert json.loads((tmp_path / "manifest-1.json").read_bytes()) == manifest


def test_models_that_are_not_named_stay_as_they_are_and_go_on_later(
    mirror: Mirror, tenant: dict[str, Row], tmp_path: Path
) -> None:
    put(mirror, "license", {"_id": "l1"})
    mirror.export(tmp_path, since="last")
    change(mirror, tenant, "c001")
    assert [path.name for path in mirror.export(tmp_path, models="license", since="last")] == ["manifest-2.json"]
    assert json.loads((tmp_path / "manifest-2.json").read_bytes())["models"].keys() == {"license"}
    mirror.export(tmp_path, since="last")
    assert new_rows(tmp_path) == 1
    assert_equal(exported(tmp_path), tenant)


def test_a_write_that_waits_is_not_in_the_files_and_its_record_is_written_again_when_it_was_sent(
    mirror: Mirror, tenant: dict[str, Row], tmp_path: Path
) -> None:
    mirror.export(tmp_path, since="last")
    mirror.outbox.record(
        [
            WriteIntent("update", "company", "c001", {"name": "wish"}, {"name": "n1"}),
            WriteIntent("delete", "company", "c002", {}, {}),
            WriteIntent("create", "company", None, {"name": "new"}, {}),
        ],
        "pending",
    )
    mirror.export(tmp_path, since="last")
    assert_equal(exported(tmp_path), tenant)
    assert last(tmp_path)["models"]["company"]["cursor"]["held"] == ["c001", "c002"]
    for entry in mirror.outbox.entries():
        if entry.op == "delete":
            del tenant["c002"]
            mirror.outbox.acknowledge([(entry.seq, None, None)])
        else:
            id = "c001" if entry.op == "update" else "c900"
            tenant[id] = {**tenant.get(id, {}), **entry.patch, "_id": id}
            mirror.outbox.acknowledge([(entry.seq, id, tenant[id])])
    mirror.export(tmp_path, since="last")
    assert new_rows(tmp_path) == 3 and last(tmp_path)["models"]["company"]["cursor"]["held"] == []
    assert_equal(exported(tmp_path), tenant)


def prune(mirror: Mirror, rows: dict[str, Row], _: Path) -> None:
    change(mirror, rows, "c001")
    mirror.prune(timedelta(0))


def write_without_memory(mirror: Mirror, rows: dict[str, Row], _: Path) -> None:
    rows["c001"] = {"_id": "c001", "name": "reset"}
    with mirror.database.writing() as connection:
        Store(connection, layout_for("company")).put([rows["c001"]])
        write_reset(connection, "company")


def name_a_custom_field(mirror: Mirror, rows: dict[str, Row], _: Path) -> None:
    rows["c001"] = {"_id": "c001", "name": "n1", "custom": {"Feed: Region": "EU"}}
    mirror.pulled("company", {"c001": rows["c001"]})
    type("FeedCompany", (Company,), {"__module__": __name__, "region": Custom("Feed: Region", str)})


def be_another_mirror(mirror: Mirror, rows: dict[str, Row], _: Path) -> None:
    with mirror.database.writing() as connection:
        connection.execute(update(tables.meta).where(tables.meta.c.key == "feed").values(value="another"))


def lose_a_file(mirror: Mirror, rows: dict[str, Row], folder: Path) -> None:
    (folder / "company/000001-full.parquet").unlink()


def change_all(mirror: Mirror, rows: dict[str, Row], _: Path) -> None:
    change(mirror, rows, *list(rows)[:60])


def be_of_an_older_version(mirror: Mirror, rows: dict[str, Row], folder: Path) -> None:
    manifest = last(folder)
    manifest["models"]["company"]["cursor"]["tables"] = "0003"
    (folder / "last.json").write_text(json.dumps(manifest))


@pytest.mark.parametrize(
    ("event", "why"),
    [
        (prune, "changes since then were pruned"),
        (write_without_memory, "it was written without a history"),
        (name_a_custom_field, "it has other columns than before"),
        (be_another_mirror, "it was read from another mirror"),
        (be_of_an_older_version, "the mirror was upgraded"),
        (lose_a_file, "a file of it is missing"),
        (change_all, "most of it changed"),
    ],
    ids=lambda item: getattr(item, "__name__", "why"),
)
def test_all_rows_are_written_where_the_changes_are_not_known_or_no_fewer(
    mirror: Mirror, tenant: dict[str, Row], tmp_path: Path, event: Callable[..., None], why: str
) -> None:
    with no_classes():
        mirror.export(tmp_path, since="last")
        event(mirror, tenant, tmp_path)
        mirror.export(tmp_path, since="last")
        assert mode(tmp_path) == ("full", why)
        assert_equal(exported(tmp_path), tenant)
        # What the whole took the place of is gone, and the next export goes on from it.
        assert [path.name for path in (tmp_path / "company").iterdir()] == ["000002-full.parquet"]
        assert not (tmp_path / "manifest-1.json").exists()
        change(mirror, tenant, "c003")
        mirror.export(tmp_path, since="last")
        assert mode(tmp_path)[0] == "changes" and new_rows(tmp_path) == 1
        assert_equal(exported(tmp_path), tenant)


@pytest.mark.parametrize("changes", [0, 2])
def test_a_copy_of_the_mirror_that_was_put_back_is_noticed(
    make_mirror: Callable[..., Mirror], tmp_path: Path, changes: int
) -> None:
    """Its next changes get the numbers of those that it does not have."""
    mirror, rows = make_mirror(tmp_path / "a.db"), {f"c{n}": {"_id": f"c{n}"} for n in range(30)}
    put(mirror, "company")
    mirror.pulled("company", rows)
    old = mirror.backup(tmp_path / "copy.db")
    kept = dict(rows)
    change(mirror, rows, "c1", "c2")
    mirror.export(tmp_path / "out", since="last")
    restored = make_mirror(old)
    for number in range(changes):
        change(restored, kept, f"c{10 + number}")
    restored.export(tmp_path / "out", since="last")
    assert mode(tmp_path / "out") == ("full", "the mirror was replaced by an older copy")
    assert_equal(exported(tmp_path / "out"), kept)


def test_many_small_changes_are_put_together_in_the_end(
    mirror: Mirror, tenant: dict[str, Row], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed_folder, "MOST_FILES", 3)
    for number in range(4):
        change(mirror, tenant, f"c{number:03}")
        mirror.export(tmp_path, since="last")
    assert mode(tmp_path) == ("full", "its changes had become more than its rows")
    assert_equal(exported(tmp_path), tenant)


# --- whole or not at all -----------------------------------------------------------------------------------


class Died(BaseException):
    """The process is gone at this line."""


@pytest.mark.parametrize("cut", sized((0, 2, 5, 7), range(9)))
def test_an_export_that_is_cut_off_leaves_what_was_there_and_the_next_one_goes_on(
    mirror: Mirror, tenant: dict[str, Row], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cut: int
) -> None:
    put(mirror, "license", {"_id": "l1"})
    folder = tmp_path / "out"
    mirror.export(folder, since="last")
    before = dict(tenant)
    shutil.copytree(folder, tmp_path / "before")
    change(mirror, tenant, "c001")
    mirror.pulled("license", {"l1": {"_id": "l1", "product": "x"}})
    count, flush = 0, files.flush

    def die(path: Path) -> None:
        nonlocal count
        count += 1
        if count > cut:
            raise Died
        flush(path)

    monkeypatch.setattr(files, "flush", die)
    died = False
    try:
        mirror.export(folder, since="last")
    except Died:
        died = True
    monkeypatch.setattr(files, "flush", flush)
    if last(folder)["export"] == 1:
        assert died
        for file in (tmp_path / "before").rglob("*.parquet"):
            assert (folder / file.relative_to(tmp_path / "before")).read_bytes() == file.read_bytes()
        assert_equal(exported(folder), before)
    else:
        assert_equal(exported(folder), tenant)
    # What a killed process leaves, which takes nothing back.
    (folder / "company" / ".000002-changes.parquet.1234abcd").write_bytes(b"half")
    shutil.copy(folder / "company/000001-full.parquet", folder / "company/000009-full.parquet")
    mirror.export(folder, since="last")
    assert_equal(exported(folder), tenant)
    named = {file["path"] for model in last(folder)["models"].values() for file in model["files"]}
    assert {path.relative_to(folder).as_posix() for path in folder.glob("*/*")} == named


def test_files_of_others_in_the_folder_stay(mirror: Mirror, tenant: dict[str, Row], tmp_path: Path) -> None:
    (tmp_path / "company").mkdir()
    ours, named_alike = tmp_path / "company" / "notes.txt", tmp_path / "company" / "000001-full.parquet"
    ours.write_text("mine")
    named_alike.write_text("mine")
    with pytest.raises(ConfigurationError, match=r"000001-full\.parquet exists"):
        mirror.export(tmp_path, since="last")
    assert named_alike.read_text() == "mine" and not (tmp_path / "last.json").exists()
    named_alike.rename(tmp_path / "company" / "000007-full.parquet")
    for _ in range(2):
        mirror.export(tmp_path, since="last")
    assert ours.read_text() == (tmp_path / "company" / "000007-full.parquet").read_text() == "mine"


def test_overwrite_begins_anew_and_uses_no_number_twice(mirror: Mirror, tenant: dict[str, Row], tmp_path: Path) -> None:
    mirror.export(tmp_path, since="last")
    (tmp_path / "last.json").write_text("{")
    with pytest.raises(ConfigurationError, match=r"last\.json cannot be read: it is no manifest\. overwrite=True"):
        mirror.export(tmp_path, since="last")
    mirror.export(tmp_path, since="last", overwrite=True)
    assert [file["path"] for file in last(tmp_path)["models"]["company"]["files"]] == ["company/000002-full.parquet"]
    assert_equal(exported(tmp_path), tenant)
    manifest = last(tmp_path)
    (tmp_path / "last.json").write_text(json.dumps({**manifest, "format": 2}))
    with pytest.raises(ConfigurationError, match="written by another release"):
        mirror.export(tmp_path, since="last")


def test_two_exports_into_one_folder_do_not_meet(mirror: Mirror, tenant: dict[str, Row], tmp_path: Path) -> None:
    with (
        feed_folder._only_one(tmp_path),
        pytest.raises(ConfigurationError, match="Another export writes into"),
    ):
        mirror.export(tmp_path, since="last")
    mirror.export(tmp_path, since="last")


def test_what_cannot_be_exported_so_is_refused(mirror: Mirror, tenant: dict[str, Row], tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="written as parquet, not as 'csv'"):
        mirror.export(tmp_path, "csv", since="last")
    with pytest.raises(FieldError, match="Did you mean 'last'"):
        mirror.export(tmp_path, since="lats")  # type: ignore[arg-type]
    with pytest.raises(MirrorIncomplete, match="task"):
        mirror.export(tmp_path, models=[Company, "task"], since="last")
    assert not list(tmp_path.rglob("*.parquet"))
