"""Exports: every form gives back what went in, typed as other programs expect it, of one moment, whole or not at all."""

from __future__ import annotations

import csv
import json
import stat
import threading
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, text

from planhat_orm.emulator import Emulator
from planhat_orm.errors import ConfigurationError, MirrorIncomplete
from planhat_orm.fields import Custom
from planhat_orm.mirror import Mirror
from planhat_orm.mirror.db import state, tables
from planhat_orm.mirror.db.layout import layout_for
from planhat_orm.mirror.db.store import Store
from planhat_orm.models.resources import Company
from planhat_orm.query.kinds import DATETIME, DAY, LISTS
from planhat_orm.wire.patches import same
from tests.scale import LONG, sized

from .conftest import Runner, mirror_rows
from .test_rows import records

Row = dict[str, Any]


class Exported(Company):
    our_segment = Custom("Export: Segment", str)
    our_goals = Custom("Export: Goals", list)
    our_share = Custom("Export: Share", float)
    our_seen = Custom("Export: Seen", datetime)
    our_go = Custom("Export: Go", date)
    our_pilot = Custom("Export: Pilot", bool)


def put(mirror: Mirror, name: str, *rows: Row) -> None:
    with mirror.database.writing() as connection:
        connection.execute(delete(tables.records(layout_for(name))))
        state.save(connection, state.State(name, complete=True, as_of="2026-06-01T00:00:00.000Z"))
        Store(connection, layout_for(name), postgres=mirror.database.postgres).put(rows)


def back(name: str, sheet: Iterable[Row]) -> dict[str, Row]:
    """The records that the rows of an export stand for."""
    return {raw["_id"]: raw for raw in (_raw(name, row) for row in sheet)}


def _raw(name: str, row: Row) -> Row:
    raw = {}
    for column in layout_for(name).columns:
        value = row[column.name]
        if value is None:
            continue
        if column.kind is DATETIME:
            value = DATETIME.comparable(value.isoformat() if isinstance(value, datetime) else value)
        elif column.kind is DAY:
            value = (value - date(1970, 1, 1)).days
        elif column.storage == "json" and column.kind not in LISTS:
            value = json.loads(value)
        raw[column.wire] = value
    return {**raw, **json.loads(row["extra"] or "{}")}


def from_parquet(file: Path) -> list[Row]:
    return pytest.importorskip("pyarrow.parquet").read_table(file).to_pylist()  # type: ignore[no-any-return]


def from_duckdb(file: Path, name: str) -> list[Row]:
    duckdb = pytest.importorskip("duckdb")
    with duckdb.connect(str(file), read_only=True) as connection:
        found = connection.execute(f'SELECT * FROM "{name}"')
        names = [column[0] for column in found.description]
        return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def from_csv(name: str, file: Path) -> list[Row]:
    """CSV has texts only, and none for nothing."""
    columns = {column.name: column for column in layout_for(name).columns}
    with file.open(encoding="utf-8", newline="") as stream:
        rows = []
        for row in csv.DictReader(stream):
            typed: Row = {}
            for key, cell in row.items():
                column = columns.get(key)
                if cell == "" or column is None or column.storage == "text":
                    typed[key] = cell or None
                elif column.kind is DAY:
                    typed[key] = date.fromisoformat(cell)
                elif column.kind in LISTS or column.storage in ("number", "boolean"):
                    typed[key] = json.loads(cell)
                else:
                    typed[key] = cell
            rows.append(typed)
        return rows


def assert_same(found: dict[str, Row], expected: dict[str, Row]) -> None:
    assert found.keys() == expected.keys()
    for id, raw in expected.items():
        assert same(found[id], raw), (found[id], raw)


names = st.sampled_from(["company", "license", "invoice", "enduser", "task"])
cases = names.flatmap(lambda name: st.tuples(st.just(name), st.lists(records(name), min_size=1, max_size=6)))


@settings(
    max_examples=sized(3, 100),
    derandomize=not LONG,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(cases)
def test_every_form_gives_back_what_went_in(either: Mirror, tmp_path: Path, case: tuple[str, list[Row]]) -> None:
    name, given_rows = case
    rows = [{**raw, "_id": f"c{n}"} for n, raw in enumerate(given_rows)]
    put(either, name, *rows)
    expected = {raw["_id"]: raw for raw in rows}
    [file] = either.export(tmp_path, "jsonl", models=[name])
    assert_same({raw["_id"]: raw for raw in map(json.loads, file.read_bytes().split(b"\n")[:-1])}, expected)
    [file] = either.export(tmp_path, models=[name])
    assert_same(back(name, from_parquet(file)), expected)
    [file] = either.export(tmp_path / "all.duckdb", "duckdb", models=[name])
    assert_same(back(name, from_duckdb(file, name)), expected)
    [file] = either.export(tmp_path, "csv", models=[name])
    wires = {
        column.wire for column in layout_for(name).columns if column.storage == "text" and column.kind is not DATETIME
    }
    assert_same(
        back(name, from_csv(name, file)),
        {id: {key: v for key, v in raw.items() if not (key in wires and v == "")} for id, raw in expected.items()},
    )


def test_columns_have_the_types_that_other_programs_expect(either: Mirror, tmp_path: Path) -> None:
    custom = {
        "Export: Segment": "SMB", "Export: Goals": ["a", "b"], "Export: Share": 0.5, "Export: Go": 20500,
        "Export: Seen": "2026-01-31T10:00:00.000Z", "Export: Pilot": True, "undeclared": 1,
    }  # fmt: skip
    put(
        either,
        "company",
        {"_id": "c1", "mrr": 7, "tags": ["x", "y"], "renewalDate": "2026-01-31T10:00:00.000Z", "custom": custom},
        {"_id": "c2", "autoRenews": False, "mrr": "odd", "tags": ["x", 1], "custom": {"Export: Share": "odd"}},
    )
    moment = datetime(2026, 1, 31, 10, tzinfo=UTC)
    [file] = either.export(tmp_path, models=[Company])
    facts = pytest.importorskip("pyarrow.parquet").read_schema(file).metadata
    assert (facts[b"as_of"], facts[b"resource"]) == (b"2026-06-01T00:00:00.000Z", b"company")
    [duck] = either.export(tmp_path / "a.duckdb", "duckdb", models=[Company])
    for item, other in (from_parquet(file), from_duckdb(duck, "company")):
        assert (item["mrr"], item["tags"], item["renewal_date"]) == (7.0, ["x", "y"], moment)
        assert (item["our_segment"], item["our_goals"], item["our_share"]) == ("SMB", ["a", "b"], 0.5)
        assert (item["our_seen"], item["our_go"], item["our_pilot"]) == (moment, date(2026, 2, 16), True)
        assert json.loads(item["custom"])["undeclared"] == 1
        assert (other["mrr"], other["auto_renews"], other["our_share"], other["our_segment"]) == (
            None,
            False,
            None,
            None,
        )
        assert json.loads(other["extra"]) == {"mrr": "odd", "tags": ["x", 1]}
    [file] = either.export(tmp_path, "csv", models=[Company])
    with file.open(encoding="utf-8", newline="") as stream:
        cell, _ = csv.DictReader(stream)
    assert (cell["mrr"], cell["tags"], cell["our_go"], cell["our_pilot"]) == ("7", '["x","y"]', "2026-02-16", "true")
    assert cell["renewal_date"] == cell["our_seen"] == "2026-01-31T10:00:00.000Z"


def test_two_custom_fields_of_one_name_are_columns_by_their_labels(mirror: Mirror, tmp_path: Path) -> None:
    class ExportedLeft(Company):
        rank = Custom("Export: Left rank", str)

    class ExportedRight(Company):
        rank = Custom("Export: Right rank", str)

    put(mirror, "company", {"_id": "c1", "custom": {"Export: Left rank": "l", "Export: Right rank": "r"}})
    [file] = mirror.export(tmp_path, models=[Company])
    [row] = from_parquet(file)
    assert (row["export_left_rank"], row["export_right_rank"]) == ("l", "r")
    assert "rank" not in row


def test_a_duckdb_file_is_used_again_beside_its_other_tables(mirror: Mirror, tmp_path: Path) -> None:
    duckdb = pytest.importorskip("duckdb")
    put(mirror, "company", {"_id": "c1"})
    [file] = mirror.export(tmp_path / "deep" / "planhat.duckdb", "duckdb", models=[Company])
    with duckdb.connect(str(file)) as connection:
        connection.execute("CREATE TABLE mine AS SELECT 1 AS x")
    put(mirror, "company", {"_id": "c1"}, {"_id": "c2"})
    mirror.export(file, "duckdb", models=[Company])
    assert len(from_duckdb(file, "company")) == 2 and from_duckdb(file, "mine") == [{"x": 1}]
    (tmp_path / "notes.txt").write_text("no database")
    with pytest.raises(ConfigurationError, match="cannot be written as a DuckDB file"):
        mirror.export(tmp_path / "notes.txt", "duckdb", models=[Company])
    assert (tmp_path / "notes.txt").read_text() == "no database"


def test_exported_files_are_the_owners_unless_the_file_had_other_rights(mirror: Mirror, tmp_path: Path) -> None:
    put(mirror, "company", {"_id": "c1"})
    for form in ("csv", "jsonl", "parquet", "duckdb"):
        where = tmp_path / "x.duckdb" if form == "duckdb" else tmp_path
        [file] = mirror.export(where, form, models=[Company])
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        file.chmod(0o644)
        mirror.export(where, form, models=[Company], overwrite=True)
        assert stat.S_IMODE(file.stat().st_mode) == 0o644


def test_an_export_that_fails_leaves_the_file_that_was_there(
    mirror: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(mirror, "company", {"_id": "c1", "name": "Acme"})
    [file] = mirror.export(tmp_path, "csv", models=[Company])
    before = file.read_bytes()

    def full(_: Any) -> Any:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("planhat_orm.mirror.sharing.export.write_cell", full)
    with pytest.raises(ConfigurationError, match="cannot be written: No space"):
        mirror.export(tmp_path, "csv", models=[Company], overwrite=True)
    assert file.read_bytes() == before and list(tmp_path.glob(".*")) == []


def test_exports_refuse_what_is_not_there(mirror: Mirror, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="Did you mean 'parquet'"):
        mirror.export(tmp_path, "parket")
    put(mirror, "license", {"_id": "l1"})
    with pytest.raises(MirrorIncomplete, match="company"):
        mirror.export(tmp_path / "out", models=["license", "company"])
    assert not list((tmp_path / "out").glob("*"))


def test_a_backup_is_a_mirror(mirror: Mirror, tmp_path: Path) -> None:
    put(mirror, "company", {"_id": "c1", "name": "Acme"})
    with mirror.database.writing() as connection:
        connection.execute(text("UPDATE company SET name = 'half way'"))
        copy = mirror.backup(tmp_path / "copy.db")
        connection.rollback()
    assert copy.stat().st_mode & 0o777 == 0o600
    with Mirror(copy) as other:
        assert mirror_rows(other, "company") == {"c1": {"_id": "c1", "name": "Acme"}}
    with pytest.raises(ConfigurationError, match="exists"):
        mirror.backup(copy)


def test_backups_and_exports_during_syncs_are_of_one_moment(
    make_emulator: Callable[..., Emulator], mirror: Mirror, tmp_path: Path
) -> None:
    """Each sync publishes one round of edits to all companies: a copy has one round, never parts of two."""
    emulator = make_emulator()
    ids = [emulator.store.insert("company", {"name": "round 0"})["_id"] for _ in range(300)]
    run = Runner(emulator.url)
    run(mirror.sync("Company"))
    rounds, failures = (sized(3, 20)), []
    done = threading.Event()

    def syncs() -> None:
        try:
            other = Runner(emulator.url)
            for number in range(1, rounds + 1):
                for id in ids:
                    emulator.store.update("company", id, {"name": f"round {number}"})
                other(mirror.sync("Company", full=True))
        except BaseException as failure:
            failures.append(failure)
        finally:
            done.set()

    thread = threading.Thread(target=syncs)
    thread.start()
    seen, number = set(), 0
    while not done.is_set():
        number += 1
        with Mirror(mirror.backup(tmp_path / f"{number}.db")) as copy:
            found = {row["name"] for row in mirror_rows(copy, "company").values()}
            assert len(found) == 1 and len(mirror_rows(copy, "company")) == len(ids)
        seen |= found
        (tmp_path / f"{number}.db").unlink()
        [file] = mirror.export(tmp_path, "jsonl", models=[Company], overwrite=True)
        lines = file.read_text().splitlines()
        assert len(lines) == len(ids) and len({json.loads(line)["name"] for line in lines}) == 1
    thread.join()
    assert not failures and len(seen) > 1
