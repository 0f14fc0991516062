"""Each call under each hostile answer, once: what the caller gets, how long it takes, how often it is sent."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from planhat_orm import ConnectionFailed, Planhat, PlanhatError
from planhat_orm.http.clock import Clock
from planhat_orm.http.retry import Retry

from . import answers
from .server import Answer, Asked, HostileServer, Step, respond

TOKEN, TENANT = "secret-api-token-a1b2", "secret-tenant/token+c3d4"
LIMIT = 1_000_000
DEADLINE = 2.5
SLOW = "Too slow"
PAGE = Path(__file__).parents[2] / "docs" / "reference" / "faults.md"
SECTION = "## A server that misbehaves"
"""The heading that parts the page: above it the faults of each write, below it this table."""

CALLS: dict[str, Callable[[Planhat], Any]] = {
    "list": lambda p: [row for page in p.company.get_list() for row in page],
    "get": lambda p: p.company.get_by_id(answers.ID),
    "create": lambda p: p.conversation.create({"companyId": answers.ID, "type": "note", "subject": "s"}),
    "update": lambda p: p.company.update(answers.ID, {"phase": "Live"}),
    "bulk upsert": lambda p: p.company.bulk_upsert([{"name": "Acme", "externalId": "a"}]).outcomes,
    "metrics": lambda p: p.metrics.bulk_insert_metrics([{"dimensionId": "m", "value": 1, "externalId": "a"}]),
}


@dataclass(frozen=True, slots=True)
class Case:
    """A hostile answer: the group it belongs to, its name, and what is sent."""

    group: str
    name: str
    answer: Answer


@dataclass(frozen=True, slots=True)
class Seen:
    """What came of one call: an error, or what was returned; how long it took; how often it was sent."""

    case: Case
    call: str
    error: BaseException | None
    value: Any
    seconds: float
    sent: int

    @property
    def told(self) -> str:
        """In words, for the table."""
        if self.error is not None:
            kind = f" ({self.error.kind})" if isinstance(self.error, ConnectionFailed) else ""
            return f"{type(self.error).__name__}{kind}"
        if self.call == "bulk upsert":
            return ", ".join(dict.fromkeys(outcome.status for outcome in self.value))
        return "success"


def cases() -> Iterator[Case]:
    """All of them, group by group."""
    for name, answer in answers.SLOW.items():
        yield Case(SLOW, name, answer)
    for name, answer in answers.ENDLESS.items():
        yield Case("Too much", name, answer)
    for name, answer in answers.BROKEN.items():
        yield Case("Broken HTTP", name, answer)
    for name, answer in answers.STATUSES.items():
        yield Case("Statuses", name, answer)
    for name, headers in answers.HEADERS.items():
        yield Case("Headers, on a good answer", name, _with_headers(headers))
    for name, body in answers.BODIES.items():
        yield Case("Bodies of 200", name, _always(body))
    for name, record in answers.RECORDS.items():
        yield Case("Records", name, _record(record))
    for name, rows in answers.LISTS.items():
        yield Case("Lists", name, _list(rows))
    for name, envelope in answers.ENVELOPES.items():
        yield Case("Answers to bulk upserts", name, _envelope(envelope))


def call(case: Case, name: str) -> Seen:
    """Make one call of a server that answers so, and say what came of it."""
    slow = case.group == SLOW
    retry = Retry(attempts=2 if slow else 3, floor=0.01, ceiling=0.1, deadline=DEADLINE if slow else 30.0)
    clock = Clock() if slow else Clock(50)
    with (
        HostileServer(case.answer) as server,
        Planhat(
            TOKEN, TENANT, api_url=server.url, retry=retry, clock=clock, timeout=0.6 if slow else 10.0, max_answer=LIMIT
        ) as planhat,
    ):
        began = time.monotonic()
        error, value = None, None
        try:
            value = CALLS[name](planhat)
        except PlanhatError as failure:
            error = failure
        return Seen(case, name, error, value, time.monotonic() - began, planhat.calls)


_ONLY = {"Answers to bulk upserts": ("bulk upsert",), "Lists": ("list",)}
"""The calls that can meet the answers of a group, where not all can."""


@cache
def seen() -> tuple[Seen, ...]:
    """Every call under every answer that it can meet."""
    pairs = [(case, name) for case in cases() for name in CALLS if name in _ONLY.get(case.group, CALLS)]
    waiting = [pair for pair in pairs if pair[0].group in (SLOW, "Statuses")]
    with ThreadPoolExecutor(2 * len(CALLS)) as pool:
        waited = dict(zip(waiting, pool.map(lambda pair: call(*pair), waiting), strict=True))
    return tuple(waited[pair] if pair in waited else call(*pair) for pair in pairs)


def section() -> list[str]:
    """The part of docs/reference/faults.md that is about such servers."""
    lines = [
        SECTION,
        "",
        "A server made for the purpose gives one answer to everything, and a test notes what the caller gets: with three tries, a",
        f"deadline of {DEADLINE:g} seconds for what is slow, and `max_answer` of {LIMIT:,} bytes. What `ConnectionFailed.kind` says",
        "is in brackets. A create has no key here, so a lost answer leaves its fate open. A 429 ends with the deadline.",
    ]
    found: dict[str, dict[str, dict[str, str]]] = {}
    for outcome in seen():
        found.setdefault(outcome.case.group, {}).setdefault(outcome.case.name, {})[outcome.call] = outcome.told
    for group, rows in found.items():
        names = list(next(iter(rows.values())))
        lines += ["", f"### {group}", "", f"| the answer | {' | '.join(names)} |", f"|---{'|---' * len(names)}|"]
        lines += [f"| {name} | {' | '.join(told[call_name] for call_name in names)} |" for name, told in rows.items()]
    return lines


def part_of_the_page(number: int, lines: list[str]) -> None:
    """Compare a part of the page with what was seen, or write it where `make docs` asks for it."""
    page = PAGE.read_text("utf-8")
    above, heading, below = page.partition(f"\n{SECTION}\n")
    parts = [above, heading[1:] + below]
    parts[number] = "\n".join(lines) + "\n"
    if os.environ.get("PLANHAT_WRITE_DOCS"):
        PAGE.write_text(parts[0] + "\n" + parts[1], "utf-8")
    assert PAGE.read_text("utf-8") == parts[0] + "\n" + parts[1], "run make docs"


# --- answers that look at what was asked ----------------------------------------------------------------


def _always(body: bytes) -> Answer:
    return lambda asked: iter([respond(body)])


def _is_list(asked: Asked) -> bool:
    return asked.method == "GET" and asked.path.count("/") == 1


def _beyond(asked: Asked) -> bool:
    """Whether a page after the first is asked for."""
    return parse_qs(urlsplit(asked.target).query).get("offset", ["0"]) != ["0"]


def _good(asked: Asked) -> bytes:
    if _is_list(asked):
        return b"[]" if _beyond(asked) else b'[{"_id":"%b","name":"Acme"}]' % answers.ID.encode()
    if asked.method == "PUT" and asked.path.count("/") == 1:
        return (
            b'{"created":1,"createdErrors":[],"insertsKeys":[{"_id":"%b","externalId":"a"}],"updated":0,'
            b'"updatedErrors":[],"updatesKeys":[],"nonupdates":0,"modified":[],"upsertedIds":["%b"]}'
            % (answers.ID.encode(), answers.ID.encode())
        )
    if "dimensiondata" in asked.path:
        return b'{"processed":1,"errors":[]}'
    return b'{"_id":"%b","name":"Acme"}' % answers.ID.encode()


def _with_headers(headers: Mapping[str, str]) -> Answer:
    def answer(asked: Asked) -> Iterator[Step]:
        yield respond(_good(asked), **{name.replace("-", "_"): value for name, value in headers.items()})  # type: ignore[arg-type]

    return answer


def _record(record: bytes) -> Answer:
    def answer(asked: Asked) -> Iterator[Step]:
        if _is_list(asked):
            yield respond(b"[]" if _beyond(asked) else b"[" + record + b"]")
        elif asked.method == "PUT" and asked.path.count("/") == 1:
            yield respond(_good(asked))
        else:
            yield respond(record)

    return answer


def _list(rows: bytes) -> Answer:
    def answer(asked: Asked) -> Iterator[Step]:
        yield respond(cut(rows, asked) if _is_list(asked) else _good(asked))

    return answer


def cut(rows: bytes, asked: Asked) -> bytes:
    """The page of a list that `offset` and `limit` ask for."""
    asks = {name: values[0] for name, values in parse_qs(urlsplit(asked.target).query).items()}
    offset = int(asks.get("offset", "0"))
    try:
        return json.dumps(json.loads(rows)[offset : offset + int(asks.get("limit", "100"))]).encode()
    except ValueError:
        return b"[]" if offset else rows  # what is no JSON as it stands is one page


def _envelope(envelope: bytes) -> Answer:
    def answer(asked: Asked) -> Iterator[Step]:
        is_bulk = asked.method == "PUT" and asked.path.count("/") == 1
        yield respond(envelope if is_bulk else _good(asked))

    return answer
