"""The audit of the locked versions: it fails for what is known, and never for a network."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest

from ..hostile.server import Answer, HostileServer, always, respond
from . import audit

LOCK = Path(__file__).parents[2] / "requirements-dev.lock"
CLEAN: list[dict[str, Any]] = [{}] * len(audit.locked(LOCK.read_text("utf-8")))
KNOWN: list[dict[str, Any]] = [{"vulns": [{"id": "GHSA-1"}, {"id": "PYSEC-2"}]}, *CLEAN[1:]]


@pytest.fixture(autouse=True)
def as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)


def results(known: list[dict[str, Any]]) -> Answer:
    return always(respond(json.dumps({"results": known}).encode()))


@pytest.mark.parametrize(
    ("answer", "status", "told"),
    [
        (results(CLEAN), 0, f"the {len(CLEAN)} locked versions: 0 known."),
        (results(KNOWN), 1, ": GHSA-1, PYSEC-2"),
        (results(CLEAN[1:]), 0, "is not reached"),
        (always(respond(b"<html>", "502 Bad Gateway")), 0, "is not reached"),
        (always(respond(b"<html>")), 0, "is not reached"),
        (always(60.0), 0, "is not reached"),
    ],
    ids=["clean", "known", "too few results", "failing", "a page", "silent"],
)
def test_only_what_is_known_fails(answer: Answer, status: int, told: str, capsys: pytest.CaptureFixture[str]) -> None:
    with HostileServer(answer) as server:
        assert audit.main(str(LOCK), server.url, seconds=0.5 if told == "is not reached" else 5.0) == status
        if status or "0 known" in told:
            asked = json.loads(server.asked[0].body)["queries"]
            assert {"ecosystem": "PyPI", "name": "certifi"} in [query["package"] for query in asked]
    assert told in capsys.readouterr().out


def test_what_is_accepted_is_not_told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(audit, "ACCEPTED", {"GHSA-1": "a test", "PYSEC-2": "a test"})
    with HostileServer(results(KNOWN)) as server:
        assert audit.main(str(LOCK), server.url) == 0
    assert "0 known" in capsys.readouterr().out
