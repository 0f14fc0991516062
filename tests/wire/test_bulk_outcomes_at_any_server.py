"""What a bulk upsert tells of its rows, at servers that describe failures in any shape: no row is told stored that is not.

The server is small and shares nothing with the emulator. Its errors quote values, count rows from 0, from 1 or within
their own list, hold keys of other rows or none; it may refuse a call as a whole, drop rows without a word, make a new
record of a row whose record is gone, and leave out the keys of what it stored.
"""

from __future__ import annotations

import json
import os
import random
from collections import Counter
from typing import Any

import pytest

from planhat_orm.errors import NotFound
from planhat_orm.http.effects import Flow, Request, Response, Sleep
from planhat_orm.wire import outcomes
from planhat_orm.wire.bulk import upsert
from planhat_orm.wire.bulk_sender import BulkAnswer
from planhat_orm.wire.outcomes import Outcome, Reading
from planhat_orm.wire.resources import resource

CALLS = 10_000 if os.environ.get("PLANHAT_TORTURE") else 1_000
PROJECT = resource("project")
KEYS = ("_id", "sourceId", "externalId")
SHAPES = ("string", "index", "object", "keys", "nokey", "other")

Row = dict[str, Any]


class Server:
    """A server of one resource, with habits drawn from a seed."""

    def __init__(self, seed: int) -> None:
        self.rng = rng = random.Random(seed)
        self.records: dict[str, Row] = {}
        self.requests = 0
        self.made = 0
        self.shapes = rng.choice([(shape,) for shape in SHAPES] + [SHAPES])
        self.base = rng.choice([0, 0, 1, "own list"])
        self.inserts_unknown = rng.random() < 0.5
        self.names = rng.choice(["all", "all", "all", "inserts", "ids", "none"])
        self.refuses_whole = rng.random() < 0.15
        self.drops = rng.random() < 0.3

    def insert(self, row: Row) -> Row:
        self.made += 1
        record = {**{name: value for name, value in row.items() if name != "_id"}, "_id": f"{self.made:024x}"}
        self.records[record["_id"]] = record
        return record

    def find(self, row: Row) -> Row | None:
        for key in KEYS:
            if row.get(key):
                for record in self.records.values():
                    if record.get(key) == row[key]:
                        return record
        return None

    def bulk(self, rows: list[Row]) -> tuple[int, Any]:
        bad = [row for row in rows if row.get("name") == "BAD"]
        if self.refuses_whole and bad:
            return 400, {"error": f'Cast to ObjectId failed for value "{bad[0]["companyId"]}" at path "companyId"'}
        told: dict[str, Any] = {name: [] for name in ("createdErrors", "updatedErrors", "permissionErrors")}
        told |= {name: [] for name in ("insertsKeys", "updatesKeys", "modified", "upsertedIds")}
        told |= {"created": 0, "updated": 0, "nonupdates": 0}
        for at, row in enumerate(rows):
            self._apply(at, row, rows, told)
        for name in ("insertsKeys", "updatesKeys", "createdErrors", "updatedErrors"):
            self.rng.shuffle(told[name])
        if self.names == "none":
            told["insertsKeys"] = told["updatesKeys"] = []
        failed = len(told["createdErrors"]) + len(told["updatedErrors"])
        return (200 if not failed else 206 if failed < len(rows) else 400), told

    def _apply(self, at: int, row: Row, rows: list[Row], told: dict[str, Any]) -> None:
        record = self.find(row)
        if row.get("name") == "BAD" or (record is None and row.get("_id") and not self.inserts_unknown):
            told_in = told["updatedErrors" if record else "createdErrors"]
            told_in.append(self._error(at if self.base == 0 else at + 1 if self.base == 1 else len(told_in), row, rows))
        elif self.drops and row.get("name") == "DROP":
            pass
        elif record is None:
            record = self.insert(row)
            told["created"] += 1
            told["insertsKeys"].append(self._entry(record, self.names == "ids"))
            told["upsertedIds"].append(record["_id"])
        elif any(record.get(name) != value for name, value in row.items()):
            record.update(row)
            told["updated"] += 1
            told["modified"].append(record["_id"])
            told["updatesKeys"].append(self._entry(record, self.names != "all"))
        else:
            told["nonupdates"] += 1

    def _entry(self, record: Row, ids_only: bool) -> Row:
        return {key: record[key] for key in KEYS if key in record and (key == "_id" or not ids_only)}

    def _error(self, at: int, row: Row, rows: list[Row]) -> Any:
        text = self.rng.choice(
            [
                f'Cast to ObjectId failed for value "{row.get("companyId")}" (type string) at path "companyId"',
                "name is not allowed",
                f'E11000 dup key: {{ externalId: "{self.rng.choice(rows).get("externalId")}" }}',
            ]
        )
        other = self.rng.choice(rows).get("externalId")
        return {
            "string": text,
            "index": {"index": at, "message": text},
            "object": {"message": text, "item": row},
            "keys": {**{key: row[key] for key in KEYS if row.get(key)}, "message": text},
            "nokey": {"code": 11, "errmsg": text},
            "other": {"message": text, "keyValue": {"externalId": other}, "externalId": row.get("companyId")},
        }[self.rng.choice(self.shapes)]

    def answer(self, request: Request) -> Response:
        self.requests += 1
        if request.method == "PUT":
            status, data = self.bulk(json.loads(request.body or b""))
            return Response(status, {}, json.dumps(data).encode(), data)
        key = request.path.rsplit("/", 1)[-1]
        if key == "projects":
            limit = int(dict(request.params)["limit"])
            newest = [self.records[id] for id in sorted(self.records, reverse=True)]
            offset = int(dict(request.params).get("offset", 0))
            if dict(request.params).get("sort") != "-_id":
                newest.reverse()
            page = newest[offset : offset + limit]
            return Response(200, {}, json.dumps(page).encode(), page)
        wire = {"extid-": "externalId", "srcid-": "sourceId"}.get(key[:6], "_id")
        record = self.find({wire: key.removeprefix("extid-").removeprefix("srcid-")})
        if record is None:
            raise NotFound("not there", request=request)
        return Response(200, {}, json.dumps(record).encode(), record)


def run(server: Server, flow: Flow[BulkAnswer]) -> BulkAnswer:
    """Drive a flow by hand."""
    value: Any = None
    error: Exception | None = None
    while True:
        try:
            effect = flow.throw(error) if error else flow.send(value)
        except StopIteration as stop:
            answer: BulkAnswer = stop.value
            return answer
        value, error = None, None
        if isinstance(effect, Request):
            try:
                value = server.answer(effect)
            except NotFound as missing:
                error = missing
        else:
            assert isinstance(effect, Sleep) or value is None
            value = 0.0 if isinstance(effect, Sleep) else None


def scene(seed: int) -> tuple[Server, list[Row]]:
    """A server with some records, and rows for it: new, equal, changed, by id, of records that are gone, bad, dropped."""
    rng, server = random.Random(seed), Server(seed)
    rows: list[Row] = []
    size = rng.choice([2, 3, 5, 12, 40])
    for number in range(size):
        key = f"k{number}" if rng.random() < 0.5 else str(1000 + number)
        kind = rng.choice(["new", "same", "change", "byid", "gone"]) if rng.random() < 0.9 else "new"
        row: Row = {"externalId": key, "name": f"n{number}", "companyId": f"{rng.randrange(10**6):024x}"}
        record = server.insert(row) if kind != "new" else {}
        if kind == "change":
            row["name"] = "new name"
        if kind in ("byid", "gone"):
            row = {"_id": record["_id"], "name": f"by id {number}"}
            row |= {"externalId": key} if rng.random() < 0.7 else {}
        if kind == "gone":
            del server.records[record["_id"]]
        if rng.random() < 0.12:
            at = rng.randrange(size)
            row["name"], row["companyId"] = "BAD", rng.choice([str(1000 + at), f"k{at}"])
        elif rng.random() < 0.05:
            row["name"] = "DROP"
        rows.append(row)
    return server, rows


def wrong(seeds: int) -> Counter[str]:
    """What was told wrongly in so many calls, and what they cost."""
    found: Counter[str] = Counter()
    for seed in range(seeds):
        server, rows = scene(seed)
        before = {id: dict(record) for id, record in server.records.items()}
        answer = run(server, upsert(PROJECT, [dict(row) for row in rows]))
        for row, outcome in zip(rows, answer.outcomes, strict=True):
            found["rows"] += 1
            record = (
                server.records.get(row["_id"]) if row.get("_id") else server.find({"externalId": row["externalId"]})
            )
            stored = record is not None and all(record.get(name) == value for name, value in row.items())
            found["told stored"] += outcome.status in ("created", "updated", "unchanged") and not stored
            found["told failed"] += outcome.status in ("failed", "dropped") and stored
            found["unknown"] += outcome.status == "unknown"
            held = before.get(record["_id"]) if record else None
            if outcome.status in ("created", "updated", "unchanged") and stored:
                assert record is not None
                found["told created"] += outcome.status == "created" and held is not None
                found["told unchanged"] += outcome.status == "unchanged" and held != record
                found["wrong id"] += outcome.id not in (None, record["_id"])
        found["extra"] += server.requests - 1
        found["worst"] = max(found["worst"], server.requests - 1)
        keys = [record["externalId"] for record in server.records.values() if "externalId" in record]
        found["keys twice"] += len(keys) - len(set(keys))
        fragments = [record["name"] for record in server.records.values() if str(record["name"]).startswith("by id")]
        found["fragments twice"] += len(fragments) - len(set(fragments))
    return found


FALSE = (
    "told stored",
    "told failed",
    "told created",
    "told unchanged",
    "wrong id",
    "keys twice",
    "fragments twice",
    "unknown",
)


def test_no_row_is_told_what_is_not_so() -> None:
    found = wrong(CALLS)
    assert {name: found[name] for name in FALSE if found[name]} == {}, found
    assert found["rows"] > 10 * CALLS
    assert found["extra"] <= 12 * CALLS and found["worst"] <= 120, found


# --- rules that are wrong -----------------------------------------------------------------------------------


def suspects_fail(*args: Any) -> Reading:
    """A quoted value, an index or a key in an error decides."""
    reading = outcomes.read(*args)
    for place, said in reading.suspects.items():
        reading.outcomes[place] = Outcome(place, "failed", error=said[0])
        reading.open.remove(place)
    reading.suspects = {}
    return reading


def subtract(self: Any, left: list[Any], suspects: list[Any], *args: Any) -> Flow[None]:
    """What the errors do not speak of is stored."""
    self._settle(suspects, "failed")
    self._settle([row for row in left if row not in suspects], "unchanged")
    return
    yield


def keep_gone(self: Any, left: list[Any], reading: Reading) -> Flow[list[Any]]:
    """A row of a record that is gone is sent again."""
    return left
    yield


@pytest.mark.parametrize(
    ("target", "rule", "breaks"),
    [
        ("read", suspects_fail, "told failed"),
        ("BulkSender._ask_again", subtract, "told stored"),
        ("BulkSender._drop_gone", keep_gone, "fragments twice"),
    ],
)
def test_a_wrong_rule_is_noticed(monkeypatch: pytest.MonkeyPatch, target: str, rule: Any, breaks: str) -> None:
    monkeypatch.setattr(f"planhat_orm.wire.bulk_sender.{target}", rule)
    assert wrong(200)[breaks] > 0
