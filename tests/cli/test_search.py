"""`planhat search` finds records by words, `planhat backup` copies the mirror."""

from __future__ import annotations

from pathlib import Path

from planhat_orm.emulator import Emulator

from .conftest import Run


def test_it_shows_the_records_that_hold_the_words(synced: Run, tenant: Emulator) -> None:
    before = tenant.calls
    name = next(iter(tenant.store.all("company")))["name"]
    shown = synced("search", *name.split()[:1], "--model", "Company")
    assert shown.code == 0 and tenant.calls == before
    assert name in shown.out and "Company" in shown.out


def test_nothing_found_is_said(synced: Run) -> None:
    shown = synced("search", "nowhere", '"*')
    assert (shown.code, shown.out.strip()) == (0, "Nothing holds all of these words.")


def test_without_a_mirror_it_says_how_to_make_one(run: Run) -> None:
    assert "planhat sync" in run("search", "x").err
    assert "planhat sync" in run("backup", "copy.db").err


def test_a_backup_is_a_mirror_and_never_written_over(synced: Run) -> None:
    assert synced("backup", "copy.db").code == 0
    assert Path("copy.db").stat().st_mode & 0o777 == 0o600
    assert "30" in synced("status", "--mirror", "copy.db").out
    shown = synced("backup", "copy.db")
    assert shown.code == 1 and "copy.db exists" in shown.err
