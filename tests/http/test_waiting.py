"""Waiting is told: what for, and how long yet; retries, syncs and their pages are told too, and logged."""

from __future__ import annotations

import asyncio
import io
import logging
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from planhat_orm import Company, ConfigurationError, Planhat
from planhat_orm.cli.progress import Bars
from planhat_orm.http.clock import Clock
from planhat_orm.http.effects import Request
from planhat_orm.http.events import RetryEvent, WaitEvent
from planhat_orm.http.retry import Retry

from ..hostile.server import HostileServer, always, respond
from ..online import Online


def heard(planhat: Planhat, *events: Any) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {event: [] for event in events}
    for event, items in found.items():
        planhat.on(event, items.append)  # type: ignore[call-overload]
    return found


@pytest.mark.parametrize("in_tasks", [False, True])
def test_a_wait_for_the_quota_counts_down_once_a_second(online: Online, in_tasks: bool) -> None:
    emulator, _ = online()
    planhat = Planhat(emulator.api_token, api_url=emulator.url, calls_per_min=1, clock=Clock(100))
    told = heard(planhat, "wait")["wait"]

    async def main() -> None:
        async with planhat:
            await planhat.company.aget_lean_list()
            await planhat.company.aget_lean_list()

    if in_tasks:
        asyncio.run(main())
    else:
        with planhat:
            planhat.company.get_lean_list()
            planhat.company.get_lean_list()
    waits = [event for event in told if event.reason == "quota"]
    assert 55 <= waits[0].seconds <= 60
    assert len(waits) >= 55
    assert all(before.seconds > after.seconds > 0 for before, after in pairwise(waits))
    assert waits[0].request.path == "/leancompanies"


def test_a_wait_for_an_answer_is_told_with_what_is_left_of_the_timeout() -> None:
    with HostileServer(always(2.2, respond(b"[]"))) as server, Planhat("token", api_url=server.url) as planhat:
        told = heard(planhat, "wait")["wait"]
        assert planhat.company.get_lean_list() == []
    assert [(event.reason, round(event.seconds)) for event in told] == [("answer", 59), ("answer", 58)]


def test_a_retry_is_told_with_the_error_and_the_pause() -> None:
    with HostileServer(always(respond(b"", "503 Unavailable"))) as server:
        planhat = Planhat("token", api_url=server.url, retry=Retry(attempts=3, floor=0.01))
        told = heard(planhat, "retry")["retry"]
        with planhat, pytest.raises(Exception, match="503"):
            planhat.company.get_lean_list()
    assert [(event.attempt, type(event.error).__name__) for event in told] == [(1, "ServerError"), (2, "ServerError")]
    assert all(event.seconds > 0 for event in told)


def test_a_rate_limit_is_a_pause_of_its_own_kind(online: Online) -> None:
    emulator, planhat = online()
    emulator.faults.add("rate_limit", retry_after=20)
    told = heard(planhat, "wait", "retry")
    planhat.company.get_lean_list()
    assert {event.reason for event in told["wait"]} == {"rate limit"}
    assert told["wait"][0].seconds == 20
    assert len(told["retry"]) == 1


def test_a_sync_is_told_page_by_page_and_at_its_end(online: Online, tmp_path: Path) -> None:
    _, planhat = online(companies=3, mirror=tmp_path / "p.db")
    told = heard(planhat, "progress", "sync")
    given: list[Any] = []
    report = planhat.sync(Company, progress=given.append)
    assert told["progress"] == given
    assert given
    assert told["sync"] == [report]

    async def main() -> Any:
        async with planhat:
            return await planhat.a_sync(Company)

    assert told["sync"] == [report, asyncio.run(main())]


def test_the_log_has_a_line_at_info_for_each_sync_pause_and_retry(
    online: Online, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    emulator, planhat = online(companies=3, mirror=tmp_path / "p.db")
    emulator.faults.add("status", status=503)
    planhat.sync(Company)
    with Planhat(emulator.api_token, api_url=emulator.url, calls_per_min=1, clock=Clock(100)) as slow:
        slow.company.get_lean_list()
        slow.company.get_lean_list()
    lines = [record.getMessage() for record in caplog.records]
    assert [line for line in lines if re.match(r"Synced \d models: \d+ new, 0 changed, 0 deleted, \d requests", line)]
    assert [line for line in lines if re.match(r"GET /\w+ is sent again in 0\.\d s, after ServerError", line)]
    assert [line for line in lines if line.startswith("Waiting ") and "quota of 1 calls a minute" in line]
    assert all(record.name.startswith("planhat_orm") for record in caplog.records)


def test_there_is_no_other_event() -> None:
    with pytest.raises(ConfigurationError, match="Did you mean 'wait'"):
        Planhat().on("waits", print)  # type: ignore[call-overload]


def test_neither_event_shows_what_a_request_holds() -> None:
    request = Request("GET", "/companies/extid-m4rker", params=(("email", "m4rker"),), body=b"m4rker")
    error: Any = ValueError("m4rker")
    assert "m4rker" not in repr(WaitEvent(request, "quota", 1.0)) + repr(RetryEvent(request, 1, 1.0, error))


@pytest.mark.parametrize(
    ("path", "route"),
    [
        ("/companies", "/companies"),
        ("/companies/65f0c1a2912265b1f5000001", "/companies/65f0c1a2912265b1f5000001"),
        ("/companies/extid-ada%40example.org", "/companies/extid-..."),
        ("/companies/srcid-7", "/companies/srcid-..."),
        ("/endusers/ada%40example.org", "/endusers/..."),
        ("/timeentries/duplicate", "/timeentries/duplicate"),
        ("/analytics/bulk/{tenant}", "/analytics/bulk/{tenant}"),
    ],
)
def test_a_logged_path_has_no_key_of_the_customer_in_it(path: str, route: str) -> None:
    assert Request("GET", path).route == route
    assert repr(Request("GET", path)) == f"<Request GET {route}>"


@pytest.mark.parametrize("is_terminal", [True, False])
def test_the_command_line_says_what_a_sync_waits_for(is_terminal: bool) -> None:
    text = io.StringIO()
    request = Request("GET", "/companies")
    with Bars(Console(file=text, force_terminal=is_terminal, width=140)) as bars:
        from planhat_orm.mirror.report import Progress

        bars(Progress("company", 0, None, 1, "starting"))
        for seconds in (42.0, 41.0, 40.0):
            bars.waiting(WaitEvent(request, "quota", seconds))
    assert "waiting for the quota, 4" in text.getvalue()
    assert is_terminal or text.getvalue().count("waiting") == 1
