"""The journal: writes go through the outbox where there is one, so that a crash loses none and repeats none."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

from ..errors import PlanhatError
from ..http.effects import Flow, Work
from ..models.base import Model
from ..runtime import Source, Wish
from ..wire.resources import BULK_MAX_ROWS
from .push import TEMPORARY, Pushing, lost
from .results import RowResult

T = TypeVar("T")


def wish(record: Model, payload: dict[str, Any], *, op: str | None = None) -> Wish:
    """A record's change as the outbox keeps it: what is sent, and what the server said of that before."""
    if op is None:
        op = "create" if record.id is None else "update"
    base = {name: record._wire[name] for name in payload if name in record._wire}
    if isinstance(payload.get("custom"), dict):
        before = record._wire.get("custom")
        before = before if isinstance(before, dict) else {}
        base["custom"] = {label: before[label] for label in payload["custom"] if label in before}
    return Wish(op, record._meta.resource.name, record.id, payload, base)


def deletion(record: Model) -> Wish:
    """A deletion as the outbox keeps it: with the whole record, so that it can be undone."""
    return Wish("delete", record._meta.resource.name, record.id, {}, dict(record._wire))


def through(box: Any, one: Wish, record: Model, act: Flow[T]) -> Flow[T]:
    """Do one write with an entry in the outbox around it: before it travels, and until it is acknowledged.

    Where the answer is lost the entry stays `unknown`, for `push()` to find out; where the server refuses,
    it goes, and the mirror shows the server's values again.
    """
    ((seq, _),) = yield Work(lambda: box.record([one], "inflight"))
    try:
        result = yield from act
    except PlanhatError as failure:
        text = str(failure)
        if lost(failure):
            yield Work(lambda: box.mark([seq], "unknown", {seq: text}))
        else:
            yield Work(lambda: box.cancel([seq]))
        raise
    row = None if one.op == "delete" else dict(record._wire)
    yield Work(lambda: box.done([(seq, record.id, row)]))
    return result


def queue(box: Any, wishes: Sequence[tuple[Wish, Model, dict[str, Any]]]) -> Flow[None]:
    """Only write down what is wanted; new records get a temporary id until they are pushed."""
    found = yield Work(lambda: box.record([one for one, _, _ in wishes], "pending"))
    for (one, record, payload), (_, id) in zip(wishes, found, strict=True):
        if one.op == "delete":
            record._origin = record._origin.alone(deleted=True)
        else:
            record._saved({"_id": id}, payload)


def send_through(
    box: Any,
    source: Source,
    changed: Sequence[Model],
    only: dict[int, Any],
    *,
    chunk_size: int = BULK_MAX_ROWS,
    offline: bool = False,
) -> Flow[tuple[dict[int, RowResult], int]]:
    """Write many records down, send them, and return their outcomes by `id(record)` and the requests."""
    new = [record for record in changed if record.id is None]
    for record in new:
        # A child names its unsaved parent by this id, in the outbox and until the parent has a real one.
        record._wire = {"_id": f"{TEMPORARY}{uuid.uuid4().hex}"}
    fresh = {id(record) for record in new}
    try:
        payloads = {id(record): record._payload(only.get(id(record))) for record in changed}
        wishes = [
            (wish(record, payloads[id(record)], op="upsert" if id(record) in fresh else "update"), record)
            for record in changed
        ]
        if offline:
            yield from queue(box, [(one, record, payloads[id(record)]) for one, record in wishes])
            return {id(record): RowResult(record, "queued") for record in changed}, 0
        found = yield Work(lambda: box.record([one for one, _ in wishes], "inflight"))
    except BaseException:
        _nameless(new)
        raise
    seqs = {seq: record for (seq, _), record in zip(found, changed, strict=True)}
    run = Pushing(box, source, check=None, keep_failed=False, chunk_size=chunk_size)
    entries = yield Work(lambda: [one for one in box.entries("inflight") if one.seq in seqs])
    for entry in entries:
        # Written down as in flight, in case we die; but nothing was sent yet.
        entry.state = "pending"
    try:
        yield from run.run(entries)
    finally:
        _nameless([record for record in new if record._wire["_id"] not in run.aliases])
    results = {}
    for entry in entries:
        record = seqs[entry.seq]
        status, error, id_ = run.outcome[entry.seq]
        if status in ("created", "updated", "unchanged"):
            sent = {name: run.aliases.get(value, value) if isinstance(value, str) else value
                    for name, value in payloads[id(record)].items()}  # fmt: skip
            record._saved({"_id": id_ or record.id}, payloads[id(record)])
            record._wire = {**record._wire, **{name: value for name, value in sent.items() if name != "custom"}}
        results[id(record)] = RowResult(record, status, error)
    return results, run.requests


def _nameless(records: Iterable[Model]) -> None:
    for record in records:
        if str(record._wire.get("_id", "")).startswith(TEMPORARY):
            record._wire = {}
