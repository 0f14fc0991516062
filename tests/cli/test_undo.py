"""`planhat undo`: the plan, the question, and what it exits with."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from io import StringIO

import pytest

from planhat_orm import Company, Planhat
from planhat_orm.emulator import Emulator
from planhat_orm.mirror.db import clock

from .conftest import TENANT, TOKEN, Run


@pytest.fixture
def since(synced: Run, tenant: Emulator) -> Iterator[str]:
    """A moment after which two companies were written, and one of them by a colleague, too."""
    with Planhat(TOKEN, TENANT, api_url=tenant.url, mirror="planhat.db", scan="allow") as planhat:
        before = planhat.mirror.mark()
        for record in Company.objects.order_by("id")[:2]:
            record.phase = "Mine"
            record.save()
    tenant.store.update("company", str(record.id), {"phase": "Theirs"})
    yield clock.moment(clock.micros(before) + 1).isoformat()


def phases(tenant: Emulator) -> list[str]:
    return [row["phase"] for row in sorted(tenant.store.all("company"), key=lambda row: str(row["_id"]))[:2]]


def test_it_shows_the_plan_asks_and_sends_nothing_without_a_yes(
    since: str, synced: Run, tenant: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", StringIO("n\n"))
    calls = tenant.log.count("PUT")
    shown = synced("undo", "--since", since)
    assert shown.code == 1 and "Nothing was sent." in shown.err
    assert "Mine" in shown.out and "left alone" in shown.out and "Theirs" in shown.out
    # Nobody answers: that is no yes.
    assert synced("undo", "--since", since, "--plan").code == 0
    assert tenant.log.count("PUT") == calls and phases(tenant) == ["Mine", "Theirs"]


def test_yes_sends_it_and_a_second_time_there_is_nothing_to_send(since: str, synced: Run, tenant: Emulator) -> None:
    sent = synced("undo", "--since", since, "--model", "Company", "--yes", "--json")
    told = json.loads(sent.out)
    assert sent.code == 0 and told["result"]["statuses"] == {"updated": 1}
    assert [row["why"] for row in told["plan"]["left"]] == ["it changed since, to Theirs"]
    first, second = phases(tenant)
    assert first not in ("Mine", "Theirs") and second == "Theirs"
    assert [(row["old"], row["new"]) for row in told["plan"]["changes"]] == [("Mine", first)]
    again = synced("undo", "--since", since, "--yes")
    assert again.code == 0 and "nothing to send" in again.out


def test_one_write_is_undone_by_its_number(since: str, synced: Run, tenant: Emulator) -> None:
    first = json.loads(synced("history", "Company", "--since", since, "--json").out)[0]
    assert synced("undo", "--op", first["op"], "--yes").code == 0
    assert phases(tenant)[0] not in ("Mine", "Theirs")


def test_a_wrong_command_line_is_told_in_one_line(synced: Run) -> None:
    for arguments, text in (((), "since"), (("--since", "yesterday"), "moment"), (("--model", "Compny"), "'Company'")):
        shown = synced("undo", *arguments)
        assert shown.code == 2 and text in shown.err, shown.err
    assert synced("undo", "--since", "2026-01-01", "--mirror", "none.db").code == 1


def test_the_help_has_an_example_and_fits_a_terminal(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    shown = run("undo", "--help")
    lines = shown.out.rstrip().splitlines()
    assert len(lines) <= 24 and max(map(len, lines)) <= 100
    assert "planhat undo --since 2026-10-01" in shown.out
