"""The journal: writes go through the outbox where there is one, so that a crash loses none and repeats none."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

from ..errors import PlanhatError
from ..http.effects import Flow, RunBlocking
from ..models.base import Model
from ..runtime import TEMPORARY, Source, WriteIntent
from ..wire.outcomes import STORED
from ..wire.patches import renamed, texts
from ..wire.resources import BULK_MAX_ROWS
from .conflicts import known_base
from .push import Pushing, lost, row_result
from .results import RowResult

T = TypeVar("T")


def wish(record: Model, payload: dict[str, Any], *, op: str | None = None) -> WriteIntent:
    """A record's change as the outbox keeps it: what is sent, and what the server said of that before."""
    if op is None:
        op = "create" if record.id is None else "update"
    return WriteIntent(op, record._meta.resource.name, record.id, payload, known_base(record, payload))


def deletion(record: Model) -> WriteIntent:
    """A deletion as the outbox keeps it."""
    return WriteIntent("delete", record._meta.resource.name, record.id, {}, {})


def through(box: Any, one: WriteIntent, record: Model, act: Flow[T]) -> Flow[T]:
    """Do one write with an entry in the outbox around it: before it travels, and until it is acknowledged.

    Where the answer is lost the entry stays `unknown`, for `push()` to find out; where the server refuses,
    it goes, and the mirror shows the server's values again.
    """
    mine = box.claim_session()
    try:
        ((seq, _),) = yield RunBlocking(lambda: mine.record([one], "inflight"))
        try:
            result = yield from act
        except PlanhatError as failure:
            text = str(failure)
            if lost(failure):
                yield RunBlocking(lambda: mine.mark({seq: text}, "unknown"))
            else:
                yield RunBlocking(lambda: mine.cancel([seq]))
            raise
        row = None if one.op == "delete" else dict(record._wire)
        yield RunBlocking(lambda: mine.acknowledge([(seq, record.id, row)]))
    finally:
        mine.release()
    return result


def queue(box: Any, wishes: Sequence[tuple[WriteIntent, Model]]) -> Flow[None]:
    """Only write down what is wanted; new records get a temporary id until they are pushed."""
    found = yield RunBlocking(lambda: box.record([wish for wish, _ in wishes], "pending"))
    for (wish, record), (_, id) in zip(wishes, found, strict=True):
        if wish.op == "delete":
            record._origin = record._origin.alone(deleted=True)
        else:
            record._saved({"_id": id}, wish.patch)


def send_through(
    box: Any,
    source: Source,
    changed: Sequence[Model],
    only: Mapping[int, Any],
    *,
    chunk_size: int = BULK_MAX_ROWS,
    offline: bool = False,
) -> Flow[dict[int, RowResult]]:
    """Write many records down, send them, and return their outcomes by `id(record)`."""
    new = [record for record in changed if record.id is None]
    for record in new:
        # A child names its unsaved parent by this id, in the outbox and until the parent has a real one.
        record._wire = {"_id": f"{TEMPORARY}{uuid.uuid4().hex}"}
    fresh = set(map(id, new))
    mine = box if offline else box.claim_session()
    try:
        wishes = [
            wish(record, record._payload(only.get(id(record))), op="upsert" if id(record) in fresh else "update")
            for record in changed
        ]
        if offline:
            yield from queue(box, list(zip(wishes, changed, strict=True)))
            return {id(record): RowResult(record, "queued") for record in changed}
        found = yield RunBlocking(lambda: mine.record(wishes, "pending"))
        records = {seq: record for (seq, _), record in zip(found, changed, strict=True)}
        return (yield from _carry(mine, source, records, ("pending",), chunk_size))
    finally:
        if not offline:
            mine.release()
        for record in new:
            if not offline and str(record._wire.get("_id", "")).startswith(TEMPORARY):
                record._wire = {}


def recover_through(box: Any, source: Source, records: Mapping[int, Model]) -> Flow[dict[int, RowResult]]:
    """Find out what became of entries whose answer was lost, and send again what was not carried out."""
    mine = box.claim_session()
    try:
        return (yield from _carry(mine, source, records, ("unknown", "inflight"), BULK_MAX_ROWS))
    finally:
        mine.release()


def delete_through(
    box: Any, source: Source, records: Sequence[Model], *, offline: bool = False
) -> Flow[dict[int, RowResult]]:
    """Write deletions down, carry them out, and return their outcomes by `id(record)`."""
    wishes = [deletion(record) for record in records]
    if offline:
        yield from queue(box, list(zip(wishes, records, strict=True)))
        return {id(record): RowResult(record, "queued") for record in records}
    mine = box.claim_session()
    try:
        found = yield RunBlocking(lambda: mine.record(wishes, "pending"))
        seqs = {seq: record for (seq, _), record in zip(found, records, strict=True)}
        return (yield from _carry(mine, source, seqs, ("pending",), BULK_MAX_ROWS))
    finally:
        mine.release()


def _carry(
    mine: Any, source: Source, records: Mapping[int, Model], states: tuple[str, ...], chunk_size: int
) -> Flow[dict[int, RowResult]]:
    """Send entries in hand, and tell the records they are about what became of them."""
    entries = yield RunBlocking(lambda: mine.claim(*states, seqs=records))
    patches = {entry.seq: entry.patch for entry in entries}
    run = Pushing(mine, source, check=None, keep_failed=False, chunk_size=chunk_size)
    yield from run.run(entries)
    stored = [entry for entry in entries if run.ledger.outcome[entry.seq].status in STORED]
    for entry in stored:
        # All ids before the values: a child's reference is saved when it is its parent's real id.
        record = records[entry.seq]
        record._wire = {**record._wire, "_id": run.ledger.outcome[entry.seq].id or record.id}
    for entry in stored:
        record = records[entry.seq]
        record._saved({"_id": record.id}, renamed(patches[entry.seq], run.ledger.aliases))
    for entry in entries:
        if run.ledger.outcome[entry.seq].status == "deleted":
            record = records[entry.seq]
            record._origin = record._origin.alone(deleted=True)
    found = {id(records[entry.seq]): row_result(entry, records[entry.seq], run) for entry in entries}
    for record in records.values():
        # Somebody else had it in hand, and settled it.
        found.setdefault(id(record), RowResult(record, "unknown", "another push took it over: read it again"))
    return found


def take_names(box: Any, records: Iterable[Model]) -> Flow[None]:
    """Give records that were created offline, and pushed since, their real ids, also where others name them."""
    named = [record for record in records if temporaries(record)]
    if not named:
        return
    wanted = {name for record in named for name in temporaries(record)}
    known = yield RunBlocking(lambda: box.aliases(wanted))
    for record in named:
        record._wire = renamed(record._wire, known)
        if record._live:
            record._live = {
                name: known.get(value, value) if isinstance(value, str) else value
                for name, value in record._live.items()
            }


def temporaries(record: Model) -> list[str]:
    """The temporary ids that a record has, and names in what it would send."""
    return [text for text in [record.id or "", *texts(record._live or {})] if text.startswith(TEMPORARY)]
