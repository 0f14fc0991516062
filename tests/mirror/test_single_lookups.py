"""A record by its key from a mirror: by a statement and a state that are kept, and always what the mirror holds now."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from planhat_orm import Company, MirrorError, MirrorIncomplete, Planhat, StaleMirror
from planhat_orm.emulator import Emulator
from planhat_orm.mirror import Mirror

Write = Callable[[Planhat, str], None]

OTHER_PROCESS = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1])
for statement in sys.argv[2:]:
    connection.execute(statement)
connection.commit()
"""


def own_connection(planhat: Planhat, statement: str) -> None:
    with planhat.mirror.database.writing() as connection:
        connection.execute(text(statement))


def other_connection(planhat: Planhat, statement: str) -> None:
    other = Mirror(planhat.mirror.where)
    with other.database.writing() as connection:
        connection.execute(text(statement))
    other.close()


WRITES = [own_connection, other_connection]


@pytest.fixture
def emulator(make_emulator: Callable[..., Emulator]) -> Emulator:
    emulator = make_emulator()
    for number in range(3):
        emulator.store.insert("company", {"name": f"C{number}", "externalId": f"k{number}", "sourceId": f"s{number}"})
    return emulator


@pytest.fixture
def planhat(emulator: Emulator, either: Mirror) -> Iterator[Planhat]:
    with Planhat("test-token", api_url=emulator.url, mirror=either.where, read="mirror") as planhat:
        planhat.sync(Company)
        yield planhat


def look(*lookups: dict[str, Any]) -> list[str | None]:
    return [Company.objects.get(**lookup).name for lookup in lookups or ({"external_id": "k1"},)]


@pytest.mark.parametrize("write", WRITES)
def test_a_record_is_what_the_mirror_holds_now(planhat: Planhat, write: Write) -> None:
    id = Company.objects.get(external_id="k1").id
    keys: list[dict[str, Any]] = [{"external_id": "k1"}, {"id": id}, {"source_id": "s1"}]
    assert look(*keys) == look(*keys) == ["C1"] * 3
    write(planhat, "UPDATE company SET name = 'New' WHERE external_id = 'k1'")
    assert look(*keys) == look(*keys) == ["New"] * 3


@pytest.mark.parametrize("write", WRITES)
def test_how_far_the_mirror_is_is_known_at_once(planhat: Planhat, write: Write) -> None:
    for _ in range(2):
        assert Company.objects.get(external_id="k1").synced_at != planhat.mirror.source.synced_at("license")
    write(planhat, "UPDATE mirror_model SET synced_at = '2001-02-03T04:05:06.000Z'")
    then = Company.objects.get(external_id="k1").synced_at
    assert then is not None and then.year == 2001
    with pytest.raises(StaleMirror):
        Company.objects.using("mirror", max_age=60).get(external_id="k1")
    write(planhat, "UPDATE mirror_model SET complete = false")
    with pytest.raises(MirrorIncomplete):
        Company.objects.get(external_id="k1")


def test_what_another_process_writes_is_seen(emulator: Emulator, mirror: Mirror) -> None:
    with Planhat("test-token", api_url=emulator.url, mirror=mirror.where, read="mirror") as planhat:
        planhat.sync(Company)
        assert look() == look() == ["C1"]
        written = "UPDATE company SET name = 'New'", "UPDATE mirror_model SET synced_at = '2001-02-03T04:05:06.000Z'"
        command = [sys.executable, "-I", "-S", "-c", OTHER_PROCESS, str(mirror.where)]
        subprocess.run([*command, *written], check=True)
        company = Company.objects.get(external_id="k1")
        assert company.name == "New" and company.synced_at is not None and company.synced_at.year == 2001
        subprocess.run([*command, "UPDATE mirror_model SET complete = 0"], check=True)
        with pytest.raises(MirrorIncomplete):
            look()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks only")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_forked_child_keeps_nothing_of_what_its_parent_knew(planhat: Planhat) -> None:
    assert look() == look() == ["C1"]
    begin, told = os.pipe(), os.pipe()
    pid = os.fork()
    if not pid:  # pragma: no cover
        name = "nothing"
        try:
            os.read(begin[0], 1)
            name = str(look()[0])
            own_connection(planhat, "UPDATE company SET name = 'Newest' WHERE external_id = 'k1'")
        finally:
            os.write(told[1], name.encode())
            os._exit(0)
    own_connection(planhat, "UPDATE company SET name = 'New' WHERE external_id = 'k1'")
    os.write(begin[1], b"!")
    assert os.read(told[0], 100) == b"New"
    os.waitpid(pid, 0)
    assert look() == ["Newest"]
    for end in (*begin, *told):
        os.close(end)


def test_a_record_looked_up_is_the_record_of_a_list(planhat: Planhat) -> None:
    looked, listed = Company.objects.get(external_id="k1"), Company.objects.filter(external_id="k1")[0]
    assert looked.to_wire() == listed.to_wire() and looked.synced_at == listed.synced_at
    assert Company.objects.filter(name="C2").get_or_none(external_id="k1") is None
    assert Company.objects.get_or_none(external_id="none") is None


def test_a_damaged_file_is_said_to_be_one(emulator: Emulator, mirror: Mirror) -> None:
    with Planhat("test-token", api_url=emulator.url, mirror=mirror.where, read="mirror") as planhat:
        planhat.sync(Company)
        assert look() == ["C1"]
        # What others write empties the cache of a connection: it reads the file anew.
        other_connection(planhat, "UPDATE company SET name = 'New'")
        planhat.mirror.database.checkpoint()
        _overwrite_table(Path(mirror.where), "company")
        for _ in range(2):  # the second time what it knows of each resource is kept
            with pytest.raises(MirrorError, match="The file is damaged"):
                look()


def _overwrite_table(path: Path, table: str) -> None:
    """Write nonsense over the first page of a table and of its indexes."""
    connection = sqlite3.connect(path)
    pages = [page for (page,) in connection.execute("SELECT rootpage FROM sqlite_master WHERE tbl_name = ?", (table,))]
    (size,) = connection.execute("PRAGMA page_size").fetchone()
    connection.close()
    with path.open("r+b") as file:
        for page in filter(None, pages):
            file.seek((page - 1) * size)
            file.write(b"\xff" * size)
