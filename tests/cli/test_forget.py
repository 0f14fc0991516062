"""`planhat forget` shows what is held of a person, and removes it when told to."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from planhat_orm.emulator import Emulator

from .conftest import Run


@pytest.fixture
def email(synced: Run, tenant: Emulator, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    assert synced("sync", "Enduser").code == 0
    return str(next(row["email"] for row in tenant.store.all("enduser") if row.get("email")))


def test_a_plan_is_shown_and_nothing_removed_until_it_is_agreed_to(synced: Run, email: str) -> None:
    shown = synced("forget", email)
    assert shown.code == 1 and ["records", "Enduser", "1"] in shown.rows
    assert "Planhat has this person until DELETE /endusers/" in shown.err and "--yes does it" in shown.err
    assert email.encode() in Path("planhat.db").read_bytes()
    done = synced("forget", email, "--yes")
    assert done.code == 0 and "Removed" in done.err
    assert email.encode() not in b"".join(path.read_bytes() for path in Path().glob("planhat.db*"))
    assert synced("forget", email).code == 0


def test_a_program_gets_counts_and_what_is_left_to_do(synced: Run, email: str, tenant: Emulator) -> None:
    pytest.importorskip("pyarrow")
    assert synced("export", "out", "--since", "last").code == 0
    told = json.loads(synced("forget", email, "--export", "out", "--yes", "--json").out)
    assert told["done"] and {"place": "records", "model": "enduser", "count": 1} in told["found"]
    assert told["copies"] == ["out"] and len(told["server"]) == 1
    # Also where nothing is found: files were written anew.
    assert json.loads(synced("forget", email, "--yes", "--json").out)["done"]
    wrong = synced("forget", "nobody")
    assert wrong.code == 2 and "takes one email address" in wrong.err
    assert tenant.store.all("enduser"), "what Planhat has stays"
