"""A person who is forgotten: nothing of him is left in the mirror's files, and everything of others is."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from planhat_orm.emulator import Emulator
from planhat_orm.errors import ConfigurationError, MirrorError, ValidationError
from planhat_orm.mirror import Mirror
from planhat_orm.mirror.db import tables
from planhat_orm.mirror.inbox import Event
from planhat_orm.mirror.sync import guarded
from planhat_orm.runtime import WriteIntent

from .conftest import Runner, mirror_rows
from .test_export import put

Row = dict[str, Any]

EMAIL = "ingrid.halvorsen@customer.example"
OTHER = "ingrid@private.example"
ID, OTHERS = "65f0c1a2912265b1f5000019", "65f0c1a2912265b1f5000020"
TRACES = ("halvorsen", "private.example", "+46 70 123", "ingrid", "secret of hers")
"""What no file may hold afterwards."""


def person(**more: Any) -> Row:
    return {
        "_id": ID, "email": EMAIL, "otherEmails": [OTHER], "firstName": "Ingrid", "lastName": "Halvorsen",
        "name": "Ingrid Halvorsen", "phone": "+46 70 123", "companyId": "c1", "emailMd5": "5f0c", **more,
    }  # fmt: skip


def fill(mirror: Mirror) -> None:
    """A person in every place of a mirror, and a colleague of hers of whom nothing may go."""
    put(mirror, "company")
    put(mirror, "conversation")
    put(mirror, "user", {"_id": "u1", "email": "owner@us.example", "nickName": "owner"})
    put(mirror, "enduser")
    mirror.pulled(
        "enduser", {ID: person(position="secret of hers"), OTHERS: {"_id": OTHERS, "email": "olav@customer.example"}}
    )
    mirror.pulled("enduser", {ID: person(position="CFO")})
    talk = {
        "_id": "t1", "subject": f"Fwd: from {EMAIL.upper()}", "companyId": "c1", "enduserIds": [ID, OTHERS],
        "endusers": [{"id": ID, "name": "Ingrid H."}, {"id": OTHERS, "name": "Olav"}],
        "description": f"Ingrid Halvorsen <{EMAIL}> wrote to Olav",
        "custom": {"Asked by": EMAIL, "Score": 7, "Another": f"x{EMAIL}"},
    }  # fmt: skip
    mirror.pulled("conversation", {"t1": {**talk, "snippet": f"{OTHER} says no"}})
    mirror.pulled("conversation", {"t1": {**talk, "snippet": "New"}, "t2": {"_id": "t2", "subject": "Of nobody"}})
    mirror.pulled("company", {"c1": {"_id": "c1", "name": "Customer", "custom": {"Champion": ID}}})
    mirror.search("halvorsen")
    mirror.outbox.record(
        [
            WriteIntent("update", "enduser", ID, {"position": "CEO"}, {"position": "CFO"}),
            WriteIntent("create", "task", None, {"action": f"Call {EMAIL}"}, {}),
            WriteIntent("update", "company", "c1", {"phase": "Kept"}, {}),
        ],
        "pending",
    )
    mirror.inbox.add([Event("enduser", ID, body=person()), Event("conversation", "t1", body=talk)])
    with mirror.database.writing() as connection:
        connection.execute(tables.stage.insert(), [{"resource": "enduser", "record": ID, "body": json.dumps(person())}])
        connection.execute(tables.runs.insert(), [{"started_at": "x", "report": json.dumps({"notes": [EMAIL]})}])


def held(mirror: Mirror) -> str:
    """All that the tables of a mirror hold, as text."""
    with mirror.database.reading() as connection:
        rows = [
            str(list(connection.execute(text(f'SELECT * FROM "{name}"')).all()))
            for name in sorted(mirror.database.tables())
            if not name.startswith("search__")
        ]
    return "\n".join(rows).casefold()


def bytes_of(mirror: Mirror) -> bytes:
    """All that the files of a mirror hold: of SQLite beside each other, of PostgreSQL those of the mirror's tables."""
    if not mirror.database.postgres:
        path = Path(str(mirror.database.path))
        return b"".join(part.read_bytes() for part in path.parent.glob(f"{path.name}*")).lower()
    with mirror.database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("CHECKPOINT")
        folder = Path(connection.exec_driver_sql("SHOW data_directory").scalar_one())
        names = connection.exec_driver_sql(
            "SELECT pg_relation_filepath(oid) FROM pg_class WHERE relkind IN ('r', 'i', 't') AND "
            "(relnamespace = current_schema()::regnamespace OR relkind = 't')"
        ).scalars()
        return b"".join((folder / name).read_bytes() for name in names if name and (folder / name).is_file()).lower()


def traces(content: bytes | str) -> list[str]:
    found = content if isinstance(content, str) else content.decode("latin-1")
    return [word for word in TRACES if word in found.replace(f"x{EMAIL}", "")]


def test_nothing_of_a_forgotten_person_is_left_in_the_files(either: Mirror) -> None:
    fill(either)
    assert traces(bytes_of(either)) and set(traces(held(either))) == set(TRACES)
    plan = either.forget(f" {EMAIL.title()} ")
    counts = {(item.place, item.model): item.count for item in plan.found}
    assert counts == {
        ("records", "enduser"): 1, ("mentions", "company"): 1, ("mentions", "conversation"): 1, ("history", None): 4,
        ("waiting writes", None): 2, ("events of webhooks", None): 2, ("kept aside by a sync", None): 1,
        ("reports of syncs", None): 1,
    }  # fmt: skip
    assert plan.server == (f"DELETE /endusers/{ID}",) and not plan.done
    assert not traces(repr(plan.found)) and not traces(str(plan))
    assert set(traces(held(either))) == set(TRACES), "a plan removes nothing"
    done = plan.apply()
    assert done.done and done.found == plan.found
    assert traces(held(either)) == [] and traces(bytes_of(either)) == []
    assert not either.forget(EMAIL) and not either.forget(OTHER)


def test_what_is_of_others_stays(either: Mirror) -> None:
    fill(either)
    either.forget(EMAIL).apply()
    assert mirror_rows(either, "enduser") == {OTHERS: {"_id": OTHERS, "email": "olav@customer.example"}}
    assert mirror_rows(either, "conversation")["t1"] == {
        "_id": "t1", "subject": "Fwd: from [erased]", "companyId": "c1", "enduserIds": [OTHERS],
        "endusers": [{"id": OTHERS, "name": "Olav"}], "custom": {"Asked by": None, "Score": 7, "Another": f"x{EMAIL}"},
        "description": "[erased] <[erased]> wrote to Olav", "snippet": "New",
    }  # fmt: skip
    assert mirror_rows(either, "company")["c1"]["custom"] == {"Champion": None}
    assert [entry.patch for entry in either.outbox.entries()] == [{"phase": "Kept"}]
    assert [hit.id for hit in either.search("olav nobody")] == [] and either.search("nobody")[0].id == "t2"
    assert either.doctor().ok
    assert [change.kind for change in either.changes(models=["conversation"])] == [
        "created",
        "updated",
        "created",
        "erased",
    ]


def test_the_records_of_others_stay_redacted_until_planhat_says_something_new(either: Mirror) -> None:
    fill(either)
    with either.database.reading() as connection:
        before = connection.execute(text("SELECT id, _hash FROM conversation ORDER BY id")).all()
    either.forget(EMAIL).apply()
    with either.database.reading() as connection:
        after = connection.execute(text("SELECT id, _hash FROM conversation ORDER BY id")).all()
    assert [bytes(hash)[:16] for _, hash in after] == [bytes(hash)[:16] for _, hash in before]


def test_a_person_whom_planhat_has_still_comes_back_and_the_sync_says_so(
    make_emulator: Callable[..., Emulator], either: Mirror
) -> None:
    emulator = make_emulator()
    company = emulator.store.insert("company", {"name": "Customer", "domains": ["customer.example"]})["_id"]
    hers = emulator.store.insert("enduser", {"email": EMAIL, "firstName": "Ingrid", "companyId": company})["_id"]
    run = Runner(emulator.url)
    run(either.sync(["Company", "Enduser"]))
    either.forget(EMAIL).apply()
    assert mirror_rows(either, "enduser") == {}
    report = run(either.sync(["Company", "Enduser"], full=True))
    assert mirror_rows(either, "enduser").keys() == {hers}
    [note] = report["enduser"].notes
    assert note.startswith("1 that forget() removed is here again, as Planhat has them")
    emulator.store.delete("enduser", hers)
    run(either.sync(["Company", "Enduser"], full=True))
    plan = either.forget(EMAIL)
    assert [(item.place, item.model) for item in plan.found] == [("history", None)] and plan.server == ()
    plan.apply()
    assert run(either.sync(["Company", "Enduser"], full=True))["enduser"].notes == []
    assert "ingrid" not in held(either)


def test_a_page_from_before_does_not_bring_a_person_back(
    make_emulator: Callable[..., Emulator], mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sync has read its page, and publishes it after she was deleted and forgotten."""
    emulator = make_emulator()
    emulator.store.insert("company", {"name": "Customer", "domains": ["customer.example"]})
    hers = emulator.store.insert("enduser", {"email": EMAIL, "firstName": "Ingrid"})["_id"]
    run = Runner(emulator.url)
    run(mirror.sync("Enduser"))
    emulator.store.update("enduser", hers, {"lastName": "Halvorsen"})
    settle = guarded.settle

    def forget_first(job: Any) -> Any:
        if emulator.store.ids("enduser"):
            emulator.store.delete("enduser", hers)
            mirror.forget(EMAIL).apply()
        return settle(job)

    monkeypatch.setattr("planhat_orm.mirror.sync.run.settle", forget_first)
    run(mirror.sync("Enduser", full=True))
    assert emulator.store.ids("enduser") == [] and mirror_rows(mirror, "enduser") == {}
    assert traces(held(mirror)) == [] and not mirror.forget(EMAIL)


def test_a_write_that_may_be_on_its_way_is_settled_first(mirror: Mirror) -> None:
    put(mirror, "enduser", person())
    intent = WriteIntent("update", "enduser", ID, {"position": "CEO"}, {})
    mirror.outbox.record([intent], "unknown")
    with pytest.raises(MirrorError, match='"planhat push" settles it'):
        mirror.forget(EMAIL)
    assert mirror_rows(mirror, "enduser").keys() == {ID}


def test_exports_are_written_anew_without_the_person(mirror: Mirror, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    fill(mirror)
    folder, plain = tmp_path / "warehouse", tmp_path / "plain"
    names = ["enduser", "conversation"]
    mirror.export(folder, models=names, since="last")
    mirror.pulled("enduser", {ID: person(position="CTO")})
    mirror.export(folder, models=names, since="last")
    for form in ("csv", "jsonl", "parquet"):
        mirror.export(plain, form, models=names)
    with pytest.raises(ConfigurationError, match="no folder of exports"):
        mirror.forget(EMAIL, exports=[tmp_path / "nowhere"])
    mirror.forget(EMAIL, exports=[folder, plain]).apply()
    for file in [*folder.rglob("*.parquet"), *plain.rglob("*.parquet")]:
        assert traces(str(parquet.read_table(file).to_pylist()).casefold()) == [], file
    assert {path.name for path in folder.glob("*/*")} == {"000003-full.parquet"}
    for file in (*plain.glob("*.csv"), *plain.glob("*.jsonl")):
        assert traces(file.read_text().casefold()) == [], file
        assert "olav" in file.read_text().casefold()


def test_the_next_export_of_changes_takes_the_person_out_of_copies_elsewhere(mirror: Mirror, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    put(mirror, "enduser")
    mirror.pulled(
        "enduser", {f"e{n}": {"_id": f"e{n}", "relatedEndusers": [{"id": ID}] if n == 1 else []} for n in range(9)}
    )
    mirror.pulled("enduser", {ID: person()})
    mirror.export(tmp_path, since="last", models=["enduser"])
    mirror.forget(EMAIL).apply()
    [file, _] = mirror.export(tmp_path, since="last", models=["enduser"])
    rows = {row["id"]: row["_deleted"] for row in parquet.read_table(file).to_pylist()}
    assert rows == {ID: True, "e1": False}


def test_files_that_others_read_are_written_anew_when_they_are_done(
    mirror: Mirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("planhat_orm.mirror.db.database.SCRUB_SECONDS", 0.1)
    put(mirror, "enduser", person())
    with Mirror(mirror.where) as other, other.database.reading() as connection:
        connection.execute(text("SELECT count(*) FROM enduser")).all()
        with pytest.raises(MirrorError, match="Others use the mirror, so its files still hold what was deleted"):
            mirror.forget(EMAIL).apply()
    assert not mirror.forget(EMAIL)
    mirror.forget(EMAIL).apply()
    assert traces(bytes_of(mirror)) == []


def test_copies_from_before_an_upgrade_are_named(mirror: Mirror) -> None:
    put(mirror, "enduser", person())
    copy = Path(f"{mirror.database.path}.before-0004")
    copy.write_bytes(b"old")
    assert mirror.forget(EMAIL).left == (copy,)


def test_what_is_no_address_is_refused(mirror: Mirror) -> None:
    for wrong in ("ingrid", "", "a@b", "%@customer.example, x@y.z", "a b@customer.example"):
        with pytest.raises(ValidationError):
            mirror.forget(wrong)
