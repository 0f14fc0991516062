"""`planhat doctor` finds what is wrong, says what to do, and exits accordingly."""

from __future__ import annotations

from pathlib import Path

import pytest

from planhat_orm.emulator import Emulator
from tests.mirror.test_doctor import damage, pages_of

from .conftest import Result, Run


def wrong(shown: Result) -> list[str]:
    return [row[1] for row in shown.rows if row[0] == "wrong"]


def test_all_is_well_with_a_token_and_without_a_mirror(connected: Run, tenant: Emulator) -> None:
    shown = connected("doctor")
    assert (shown.code, wrong(shown)) == (0, [])
    assert "Everything is in place." in shown.out
    assert tenant.calls == 1
    assert not Path("planhat.db").exists()


def test_it_looks_into_the_mirror(synced: Run) -> None:
    shown = synced("doctor")
    assert shown.code == 0
    assert "planhat.db: 132 records" in shown.out


def test_it_looks_at_the_whole_mirror(synced: Run) -> None:
    shown = synced("doctor")
    assert "mirror: records" in shown.out and "132, all of them whole" in shown.out
    assert "mirror: structure" in shown.out and "sound" in shown.out
    Path("planhat.db").chmod(0o644)
    shown = synced("doctor")
    assert (shown.code, wrong(shown)) == (1, ["mirror: file"])
    assert f"chmod 600 {Path('planhat.db').absolute()}" in shown.out


def test_a_damaged_mirror_is_told_and_saved(synced: Run) -> None:
    path = Path("planhat.db")
    damage(path, pages_of(path, "license")[0], bytes(200))
    shown = synced("doctor")
    assert shown.code == 1 and "mirror: structure" in wrong(shown)
    assert "planhat doctor --rescue NEW.db" in shown.out
    assert synced("doctor", "--rescue", "new.db").code == 0
    assert synced("sync", "Company", "License", "--mirror", "new.db").code == 0
    assert synced("doctor", "--mirror", "new.db").code == 0


def test_no_token_is_wrong(run: Run) -> None:
    shown = run("doctor")
    assert (shown.code, wrong(shown)) == (1, ["API token"])
    assert "Set PLANHAT_API_TOKEN" in shown.out


def test_a_refused_token_is_wrong(connected: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLANHAT_API_TOKEN", "wrong-token")
    shown = connected("doctor")
    assert (shown.code, wrong(shown)) == (1, ["a call"])
    assert "wrong-token" not in shown.out
    assert "region" in shown.out


def test_a_token_in_quotes_is_wrong(connected: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLANHAT_API_TOKEN", "'wrong-token'\n")
    shown = connected("doctor")
    assert wrong(shown) == ["API token"]
    assert "quotes" in shown.out
    assert "wrong-token" not in shown.out


def test_a_token_that_may_not_list_users_is_fine(connected: Run, tenant: Emulator) -> None:
    tenant.forbid("user")
    assert connected("doctor").code == 0


def test_an_address_where_nobody_answers_is_wrong(connected: Run) -> None:
    shown = connected("doctor", "--api-url", "http://127.0.0.1:9")
    assert (shown.code, wrong(shown)) == (1, ["a call"])
    assert "no answer from http://127.0.0.1:9" in shown.out


@pytest.mark.parametrize(("name", "value"), [("PLANHAT_API_URL", "planhat"), ("PLANHAT_CALLS_PER_MIN", "many")])
def test_settings_that_cannot_be_used_are_wrong(
    connected: Run, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    shown = connected("doctor")
    assert (shown.code, wrong(shown)) == (1, ["settings"])


def test_a_server_that_is_ill_is_wrong(connected: Run, tenant: Emulator) -> None:
    tenant.faults.add("status", path="/users", status=503, times=None)
    shown = connected("doctor")
    assert (shown.code, wrong(shown)) == (1, ["a call"])
    assert "503" in shown.out
