"""Moments on the command line: in full, or relative to now."""

from __future__ import annotations

import json
from typing import Any

import pytest
import typer

from planhat_orm import Company, Planhat, days, month_start, months, now, today
from planhat_orm.cli.moments import moment
from planhat_orm.emulator import Emulator
from planhat_orm.query.moments import Span

from .conftest import TENANT, TOKEN, Run


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-10-01", "2026-10-01"),
        ("2026-10-01T09:30", "2026-10-01T09:30"),
        ("7d", now() + days(-7)),
        ("-7d", now() + days(-7)),
        ("+7d", now() + days(7)),
        ("90min", now() + Span(seconds=-5400)),
        ("today", today()),
        ("today-7d", today() + days(-7)),
        ("Month_start - 1mo + 2d", month_start() + months(-1) + days(2)),
        ("", None),
    ],
)
def test_a_moment_is_read_as_people_write_it(text: str, expected: Any) -> None:
    assert moment(text) == expected


@pytest.mark.parametrize("text", ["yesterday", "7", "7 days", "d", "today-", "-"])
def test_what_is_no_moment_says_how_to_write_one(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="write 2026-10-01"):
        moment(text)


def test_history_is_asked_for_since_so_long_ago(synced: Run, tenant: Emulator) -> None:
    with Planhat(TOKEN, TENANT, api_url=tenant.url, mirror="planhat.db") as planhat:
        company = Company.objects.get(id=tenant.store.all("company")[0]["_id"])
        company.phase = "Mine"
        company.save()
        seen = planhat.mirror.changes(since=days(-1))
        assert {change.kind for change in seen} == {"updated"}
        assert planhat.mirror.changes(since=now() + days(1)) == []
        assert Company.objects.as_of(days(0)).get(id=company.id).phase == "Mine"
    assert len(json.loads(synced("history", "Company", "--since", "1h", "--json").out)) == len(seen)
    assert json.loads(synced("history", "Company", "--since", "+1h", "--json").out) == []
