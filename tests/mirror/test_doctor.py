"""A mirror is looked at as a whole; a damaged one is told, never answered from, and saved as far as it can be read."""

from __future__ import annotations

import random
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, text

from planhat_orm.emulator import Emulator
from planhat_orm.errors import ConfigurationError, MirrorError
from planhat_orm.mirror import Diagnosis, Mirror
from planhat_orm.mirror.db import state, tables
from planhat_orm.mirror.db.changes import ChangeLog
from planhat_orm.mirror.db.layout import layout_for
from planhat_orm.mirror.db.store import Store
from planhat_orm.query.query import Query
from planhat_orm.runtime import WriteIntent
from tests.scale import sized

from .conftest import Runner, assert_equal, mirror_rows

COPIES = sized(4, 200)
LONG = "x" * 700


def found(diagnosis: Diagnosis, what: str) -> str:
    return "; ".join(finding.result for finding in diagnosis if finding.what == what)


def wrong(diagnosis: Diagnosis) -> list[str]:
    return [finding.what for finding in diagnosis if finding.wrong]


def fill(mirror: Mirror) -> None:
    """Records, a memory, waiting writes and a search index."""
    with mirror.database.writing() as connection:
        for name in ("company", "license"):
            state.save(connection, state.State(name, complete=True, as_of="2026-06-01T00:00:00.000Z"))
            store = Store(connection, layout_for(name), postgres=mirror.database.postgres)
            rows = [{"_id": f"{name}{n:04d}", "name": f"N {n}", "description": LONG, "mrr": n} for n in range(300)]
            store.put(rows)
            store.put([{**row, "phase": "Live", "sourceId": LONG} for row in rows], log=ChangeLog(1))
    wishes = [WriteIntent("update", "company", f"company{n:04d}", {"description": LONG[:-1]}, {}) for n in range(100)]
    mirror.outbox.record(wishes, "pending")
    mirror.search("n")


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A filled mirror whose last sync died."""
    path = tmp_path_factory.mktemp("sound") / "mirror.db"
    with Mirror(path) as mirror:
        fill(mirror)
        with mirror.database.writing() as connection:
            connection.execute(
                insert(tables.leases).values(name="sync", holder="process 1 on elsewhere x", fence=1, beat=0.0)
            )
    yield path


def pages_of(path: Path, table: str) -> list[int]:
    """The offsets of the pages that hold rows of a table: those where its long texts stand."""
    with closing(sqlite3.connect(path)) as connection:
        size = connection.execute("PRAGMA page_size").fetchone()[0]
        root = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (table,)).fetchone()[0]
    data = path.read_bytes()
    page = data[(root - 1) * size : root * size]
    assert page[0] == 5, "an inner page of a table"
    count = int.from_bytes(page[3:5], "big")
    cells = [int.from_bytes(page[12 + 2 * n : 14 + 2 * n], "big") for n in range(count)]
    return [(int.from_bytes(page[cell : cell + 4], "big") - 1) * size for cell in cells]


def damage(path: Path, at: int, data: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        file.write(data)


def test_a_sound_mirror_is_sound(either: Mirror) -> None:
    assert found(either.doctor(), "models") == "none yet"
    fill(either)
    diagnosis = either.doctor()
    assert diagnosis.ok and "600, all of them whole" in str(diagnosis)
    assert found(diagnosis, "outbox") == "pending 100"
    if not either.database.postgres:
        assert (found(diagnosis, "structure"), found(diagnosis, "search")) == (
            "sound",
            "1 of 1 indexes agree with their tables",
        )


def test_values_of_another_type_are_counted(either: Mirror) -> None:
    with either.database.writing() as connection:
        state.save(connection, state.State("company", complete=True))
        rows = [{"_id": "a", "mrr": "odd"}, {"_id": "b", "mrr": {"x": 1}}, {"_id": "c", "mrr": None}]
        Store(connection, layout_for("company"), postgres=either.database.postgres).put(rows)  # type: ignore[arg-type]
    diagnosis = either.doctor()
    assert diagnosis.ok and "company.mrr 2" in found(diagnosis, "odd values")


def test_what_others_can_read_is_wrong(mirror: Mirror) -> None:
    path = mirror.database.path
    assert path is not None
    path.chmod(0o644)
    diagnosis = mirror.doctor()
    assert wrong(diagnosis) == ["file"] and f"chmod 600 {path}" in str(diagnosis)


def test_an_interrupted_first_sync_is_told(either: Mirror) -> None:
    with either.database.writing() as connection:
        state.save(connection, state.State("company", complete=False))
    assert wrong(either.doctor()) == ["models"]


def test_a_search_index_that_differs_is_made_anew(mirror: Mirror) -> None:
    fill(mirror)
    with mirror.database.writing() as connection:
        connection.execute(text("DROP TRIGGER search__company_set"))
        connection.execute(text("UPDATE company SET name = 'Renamed' WHERE id = 'company0001'"))
    assert mirror.search("renamed") == []
    assert "company was wrong" in found(mirror.doctor(), "search")
    assert [hit.id for hit in mirror.search("renamed")] == ["company0001"]
    assert "agree" in found(mirror.doctor(), "search")


def test_a_damaged_file_is_told_and_not_answered_from_after_a_crash(sound: Path, tmp_path: Path) -> None:
    path = shutil.copy(sound, tmp_path / "mirror.db")
    damage(path, pages_of(path, "company")[3], b"\0" * 200)  # type: ignore[arg-type]
    with pytest.raises(MirrorError, match=r"mirror.db is damaged.*planhat doctor --rescue"):
        Mirror(path).status()
    diagnosis = Mirror(path).doctor()
    assert {"structure", "records"} <= set(wrong(diagnosis)) and "rescue" in str(diagnosis)


def test_a_query_that_meets_a_damaged_page_says_what_to_do(sound: Path, tmp_path: Path) -> None:
    path = shutil.copy(sound, tmp_path / "mirror.db")
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DELETE FROM mirror_lease")
        connection.commit()
    damage(path, pages_of(path, "company")[3], b"\0" * 200)  # type: ignore[arg-type]
    with Mirror(path) as mirror:
        with pytest.raises(MirrorError, match=r"malformed.*planhat doctor"):
            mirror_rows(mirror, "company")
        assert len(mirror_rows(mirror, "license")) == 300


def test_a_rescue_saves_what_can_be_read_and_tells_the_rest(sound: Path, tmp_path: Path) -> None:
    path = shutil.copy(sound, tmp_path / "mirror.db")
    for table in ("company", "mirror_outbox", "mirror_change"):
        damage(path, pages_of(path, table)[1], b"\0" * 200)  # type: ignore[arg-type]
    before = path.read_bytes()  # type: ignore[union-attr]
    saved = Mirror(path).rescue(tmp_path / "saved.db")
    assert path.read_bytes() == before  # type: ignore[union-attr]
    assert saved.again == ("company",) and saved.lost.keys() == {"mirror_outbox", "mirror_change"}
    assert 50 < saved.saved["mirror_outbox"] < 100 and 100 < saved.saved["mirror_change"] < 300
    assert "lost: at least" in str(saved) and "to be fetched again by the next sync: company" in str(saved)
    with Mirror(tmp_path / "saved.db") as mirror, Mirror(sound) as original:
        assert mirror_rows(mirror, "license") == mirror_rows(original, "license")
        there = {entry.record: entry.patch for entry in original.outbox}
        assert all(there[entry.record] == entry.patch for entry in mirror.outbox)
        with pytest.raises(MirrorError, match="does not hold all of company"):
            Runner().rows(mirror.source.pages(Query("company")))
        assert len(mirror.changes()) == saved.saved["mirror_change"]
        assert wrong(mirror.doctor()) == ["models"]
    with pytest.raises(ConfigurationError, match="exists"):
        Mirror(path).rescue(tmp_path / "saved.db")


def test_a_file_without_its_first_page_cannot_be_saved(sound: Path, tmp_path: Path) -> None:
    path = shutil.copy(sound, tmp_path / "mirror.db")
    damage(path, 100, b"\xff" * 2000)  # type: ignore[arg-type]
    assert wrong(Mirror(path).doctor()) == ["file"]
    with pytest.raises(MirrorError, match="Nothing can be read"):
        Mirror(path).rescue(tmp_path / "saved.db")
    assert not (tmp_path / "saved.db").exists()


@pytest.mark.parametrize("part", range(4))
def test_random_damage_is_never_answered_from(sound: Path, tmp_path: Path, part: int) -> None:
    """In random places: what SQLite can see makes opening fail after a crash; looking and saving fail never."""
    with Mirror(sound) as mirror:
        outbox = [(entry.seq, entry.patch) for entry in mirror.outbox]
    size, seen = sound.stat().st_size, 0
    for number in range(part, COPIES, 4):
        chance = random.Random(number)
        path = shutil.copy(sound, tmp_path / f"{number}.db")
        for _ in range(chance.choice([1, 4, 16])):
            length = chance.choice([1, 8, 100])
            damage(path, chance.randrange(100, size - length), chance.randbytes(length))  # type: ignore[arg-type]
        with closing(sqlite3.connect(path)) as connection:
            sees = _sees(connection)
        seen += sees
        if sees:
            with pytest.raises((MirrorError, ConfigurationError)):
                Mirror(path).status()
        assert Mirror(path).doctor().ok is False or not sees
        try:
            saved = Mirror(path).rescue(tmp_path / f"saved{number}.db")
        except (MirrorError, ConfigurationError):
            continue
        with Mirror(tmp_path / f"saved{number}.db") as mirror:
            found = [(entry.seq, entry.patch) for entry in mirror.outbox]
        changed = sum(record not in outbox for record in found)
        assert changed <= 2 and (len(found) == len(outbox) or "mirror_outbox" in saved.lost), (number, str(saved))
        path.unlink()  # type: ignore[union-attr]
    assert seen >= sized(0, 1)


def _sees(connection: sqlite3.Connection) -> bool:
    try:
        return connection.execute("PRAGMA quick_check").fetchall() != [("ok",)]
    except (sqlite3.DatabaseError, UnicodeDecodeError):
        return True


WRITTEN = {"name": "another", "mrr": 5, "custom": '{"Tier":"Z"}', "renewal_date": "2020-01-01T00:00:00.000Z"}


@pytest.mark.parametrize("column", WRITTEN)
def test_what_somebody_wrote_into_the_tables_is_seen_and_mended(
    make_emulator: Callable[..., Emulator], either: Mirror, column: str
) -> None:
    emulator = make_emulator(companies=0)
    values: dict[str, Any] = {
        "custom": {"b": 1, "a": [1.5, 1e20, None]},
        "mrr": 7.0,
        "renewalDate": "2026-01-01T00:00:00.000Z",
        "arr": 1e17,
        "shareable": {"x": 2},
    }
    ids = [emulator.store.insert("company", {"name": f"C{n}", "odd": "x", **values})["_id"] for n in range(5)]
    run = Runner(emulator.url)
    run(either.sync("Company"))
    assert either.doctor().ok
    value = f"'{WRITTEN[column]}'" if isinstance(WRITTEN[column], str) else WRITTEN[column]
    with either.database.writing() as connection:
        connection.exec_driver_sql(f"UPDATE company SET {column} = {value} WHERE id = '{ids[2]}'")
    assert not any(run(either.sync("Company"))["company"].notes)
    finding = next(finding for finding in either.doctor() if finding.what == "records")
    assert finding.wrong and finding.result == "1 of company do not hold what Planhat said"
    report = run(either.sync("Company", full=True))["company"]
    assert "1 rows did not hold what their records say, and were written anew" in report.notes
    assert (report.changed, report.unchanged) == (1, 4)
    assert either.doctor().ok
    assert_equal(either, emulator, "company")
