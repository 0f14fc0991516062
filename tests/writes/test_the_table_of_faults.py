"""Each kind of write under each kind of fault: what the caller gets, and what the server then holds.

The table in docs/reference/faults.md is what this test saw; `make docs` writes it anew. While it runs, every log,
exception and repr is kept and searched for the two tokens.
"""

from __future__ import annotations

import logging
import os
import pickle
import random
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from planhat_orm import AmbiguousWrite, Planhat, PlanhatError
from planhat_orm.emulator import Emulator
from planhat_orm.http.clock import Clock
from planhat_orm.http.retry import Retry

from ..hostile.table import part_of_the_page
from ..other_server import stand_in
from .conftest import WAYS

TOKEN, TENANT = "secret-api-token-5f1c", "secret-tenant-token-77ab"
TIMEOUT = 0.3
TORTURE = bool(os.environ.get("PLANHAT_TORTURE"))

FAULTS: dict[str, dict[str, Any]] = {
    "500, nothing done": {"kind": "status", "status": 500},
    "502, but done": {"kind": "status", "status": 502, "done": True},
    "reset before it is done": {"kind": "reset_before"},
    "reset after it is done": {"kind": "reset_after"},
    "timeout, but done": {"kind": "timeout_after", "delay": TIMEOUT * 3},
    "timeout, done after it": {"kind": "late", "delay": TIMEOUT * 2},
    "504, but done": {"kind": "status", "status": 504, "done": True},
    "429": {"kind": "rate_limit"},
    "429 with Retry-After": {"kind": "rate_limit", "retry_after": 2},
    "HTML on 200, but done": {"kind": "html", "done": True},
    "body that breaks off, but done": {"kind": "truncated"},
    "truncated JSON on 200, but done": {"kind": "cut_json"},
    "nothing on 200, but done": {"kind": "empty"},
    "500 every time, nothing done": {"kind": "status", "status": 500, "times": None},
    "reset after it is done, then 503 to everything": {"kind": "reset_after"},
}


@dataclass(frozen=True)
class Write:
    """One kind of write: where it goes, how it is made, and how often the server holds its effect."""

    name: str
    method: str
    path: str
    make: Callable[[Planhat, Emulator], Any]
    held: Callable[[Emulator], int]
    wanted: int = 1


def _company(emulator: Emulator) -> dict[str, Any]:
    return emulator.store.all("company")[0]


def _rows(name: str, **values: Any) -> Callable[[Emulator], int]:
    def count(emulator: Emulator) -> int:
        return sum(all(row.get(key) == value for key, value in values.items()) for row in emulator.store.all(name))

    return count


WRITES = [
    Write("create with a key", "POST", "/companies$",
          lambda p, e: p.company.create({"name": "New", "externalId": "new-1"}), _rows("company", externalId="new-1")),
    Write("create without a key", "POST", "/conversations$",
          lambda p, e: p.conversation.create({"companyId": _company(e)["_id"], "subject": "Just this", "type": "note"}),
          _rows("conversation", subject="Just this")),
    Write("update", "PUT", "/companies/.+",
          lambda p, e: p.company.update(_company(e)["_id"], {"phase": "Moved"}), _rows("company", phase="Moved")),
    Write("bulk upsert with keys", "PUT", "/companies$",
          lambda p, e: p.company.bulk_upsert([{"name": f"B{n}", "externalId": f"b-{n}"} for n in range(3)]).outcomes,
          lambda e: sum(_rows("company", externalId=f"b-{n}")(e) for n in range(3)), 3),
    Write("bulk upsert without keys", "PUT", "/conversations$",
          lambda p, e: p.conversation.bulk_upsert(
              [{"companyId": _company(e)["_id"], "subject": f"K{n}", "type": "note"} for n in range(3)]).outcomes,
          lambda e: sum(_rows("conversation", subject=f"K{n}")(e) for n in range(3)), 3),
    Write("delete", "DELETE", "/companies/.+",
          lambda p, e: p.company.delete(_company(e)["_id"]), lambda e: int(not e.store.all("company"))),
    Write("metrics", "POST", "/dimensiondata/.+",
          lambda p, e: p.metrics.bulk_insert_metrics([{"dimensionId": "m", "value": 7, "externalId": "first"}]),
          _rows("metric", dimensionId="m")),
    Write("activity", "POST", "/analytics/.+",
          lambda p, e: p.user_activity.create_activity({"email": "ada@first.example", "action": "login"}),
          _rows("user_activity", action="login")),
]  # fmt: skip


@pytest.fixture(scope="module", params=[*WAYS, "on the second server"])
def table(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[list[tuple[str, str, str, int, str]], str]]:
    """Run every pair once, with a mirror a quarter of them by a fixed seed, and on the second server a tenth.

    Also everything that was logged, raised, shown or pickled meanwhile, as one text.
    """
    rows, seen = [], _Seen()
    kind = "emulator" if request.param in WAYS else "other server"
    pairs = [pair for pair in product(WRITES, FAULTS.items()) if kind == "emulator" or pair[1][1]["kind"] != "late"]
    folder = None
    if request.param == "with a mirror":
        folder = tmp_path_factory.mktemp("mirrors")
    if request.param != WAYS[0] and not TORTURE:
        pairs = random.Random(7).sample(pairs, len(pairs) // (4 if folder else 10))
    root, level = logging.getLogger(), logging.getLogger().level
    root.addHandler(seen)
    root.setLevel(logging.DEBUG)
    try:
        for place, (write, (fault, rule)) in enumerate(pairs):
            rows.append(_run(kind, write, fault, rule, seen, folder and folder / f"{place}.db"))
    finally:
        root.removeHandler(seen)
        root.setLevel(level)
    yield rows, "\n".join(seen.texts)


class _Seen(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(record.getMessage())


def _run(
    kind: str, write: Write, fault: str, rule: dict[str, Any], seen: _Seen, mirror: Path | None
) -> tuple[str, str, str, int, str]:
    with stand_in.server(kind, api_token=TOKEN, tenant_token=TENANT, speed=100) as emulator:
        emulator.store.insert("company", {"name": "First", "externalId": "first", "domains": ["first.example"]})
        emulator.faults.add(method=write.method, path=write.path, **rule)
        retry = Retry(attempts=3, floor=0.5, ceiling=2.0, deadline=120.0)
        planhat = Planhat(api_token=TOKEN, tenant_token=TENANT, api_url=emulator.url, timeout=TIMEOUT, retry=retry,
                          clock=Clock(100), mirror=mirror)  # fmt: skip
        if "503 to everything" in fault:
            planhat.on("request", lambda sent: sent.method == write.method
                       and emulator.faults.add(status=503, times=None))  # fmt: skip
        try:
            answer = write.make(planhat, emulator)
        except PlanhatError as failure:
            got = type(failure).__name__
            seen.texts += [str(failure), repr(failure), *traceback.format_exception(failure)]
            seen.texts.append(pickle.dumps(failure).decode("latin-1"))
            assert isinstance(pickle.loads(pickle.dumps(failure)), type(failure))
        else:
            got = _told(answer)
            seen.texts.append(repr(answer))
        seen.texts.append(repr(planhat))
        planhat.close()
        if rule["kind"] == "late":
            time.sleep(TIMEOUT * 2)  # what the caller gave up is done meanwhile
        sent = emulator.log.count(write.method, write.path.rstrip("$").removesuffix("/.+"))
        held = write.held(emulator)
    return write.name, fault, got, sent, f"{held} of {write.wanted}"


def _told(answer: Any) -> str:
    if isinstance(answer, list):
        return ", ".join(dict.fromkeys(outcome.status for outcome in answer))
    return "success"


def test_no_write_is_doubled_and_no_success_is_lost(table: Any) -> None:
    for write, fault, got, sent, held in table[0]:
        stored, wanted = map(int, held.split(" of "))
        case = f"{write}, {fault}: {got}, sent {sent} times, {held}"
        assert stored <= wanted, case
        if got in ("success", "created", "updated", "unchanged", "created, updated"):
            assert stored == wanted, case
        elif got not in (AmbiguousWrite.__name__, "unknown") and write not in ("update", "delete"):
            assert stored == 0, case  # an update or a delete may be done once more, whatever became of the first


def test_what_may_have_been_done_and_has_no_key_is_sent_once(table: Any) -> None:
    for write, fault, got, sent, _ in table[0]:
        if write in ("create without a key", "bulk upsert without keys", "metrics", "activity") and "429" not in fault:
            assert sent == 1, f"{write}, {fault}: {got}, sent {sent} times"


def test_neither_token_shows_in_any_log_error_repr_or_pickle(table: Any) -> None:
    assert "send_request_headers.started" in table[1], "httpcore's own log lines are among what was searched"
    assert TOKEN not in table[1]
    assert TENANT not in table[1]


@pytest.mark.parametrize("table", WAYS[:1], indirect=True)
def test_the_page_in_the_reference_says_what_was_seen(table: Any) -> None:
    part_of_the_page(0, _lines(table[0]))


def _lines(rows: list[tuple[str, str, str, int, str]]) -> list[str]:
    lines = [
        "# Faults",
        "",
        "What the caller gets, how often the request is sent, and what the server holds afterwards, when one fault meets one",
        "write. A test causes each of them on the emulator and writes this page (`make docs`). The rules behind it are in",
        "[what may be sent twice](../explanation/exactly-once.md). `unchanged` means that the second try found what the first one",
        "had stored. An update or a delete that ends in an error may be done once more, whatever became of it.",
    ]
    for name in dict.fromkeys(row[0] for row in rows):
        lines += ["", f"## {name[0].upper()}{name[1:]}", "", "| fault | the caller gets | sent | the server holds |",
                  "|---|---|---|---|"]  # fmt: skip
        lines += [f"| {fault} | {got} | {sent} | {held} |" for write, fault, got, sent, held in rows if write == name]
    return lines
