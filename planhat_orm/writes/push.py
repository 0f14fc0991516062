"""Push: send what waits in the outbox, and find out what became of what may have been sent before.

An entry is marked before it travels and forgotten only after its acknowledgement is on disk, so a process
that dies in between leaves it `inflight`. Such an entry is never sent again blindly: an update is compared
with what the server holds, a keyed create is an upsert that finds what it made, a keyless create is looked
for, and a delete that finds nothing has succeeded. What the server did not look at stays pending.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from ..errors import (
    AmbiguousWrite,
    AuthenticationError,
    BulkError,
    ConnectionFailed,
    NotFound,
    PlanhatError,
    RateLimited,
    RequestError,
)
from ..http.effects import Flow, RunBlocking
from ..http.flows import counted
from ..runtime import TEMPORARY, Source
from ..wire import bulk, find_by_keys, records
from ..wire.outcomes import STORED, Outcome
from ..wire.patches import renamed, texts
from ..wire.resources import BULK_MAX_ROWS, Resource, resource
from . import server_state
from .conflicts import Policy
from .preflight import Triage
from .push_outcomes import EntryOutcome, Ledger, OutboxEntry, OutboxSession, Raw
from .results import BatchResult, RowResult

_DELETES = 50
"""So many deletions are noted in one transaction."""


class Pushing:
    """One run over entries. `check` compares updates with the server's values before they are sent."""

    def __init__(
        self,
        box: OutboxSession,
        source: Source,
        *,
        check: Policy | None = "raise",
        keep_failed: bool = True,
        chunk_size: int = BULK_MAX_ROWS,
    ) -> None:
        self.ledger = Ledger(box, keep_failed)
        self.triage = Triage(self.ledger, source, check)
        self.chunk_size = chunk_size
        self.refused = ""

    def run(self, entries: Sequence[OutboxEntry]) -> Flow[None]:
        """Send all entries, or find out that they were sent."""
        triage = self.triage
        writes = yield from triage.ready(entries)
        while writes or triage.late:
            unborn = {write.record: write.seq for write in (*writes, *triage.late) if write.makes}
            ready = [write for write in writes if not self._waits(write, unborn)]
            if not ready and triage.late:
                writes += yield from triage.look_again()
                continue
            order = min((resource(write.resource).write_order for write in ready), default=None)
            if order is None:
                error = "it refers to a record that was not created"
                yield from self.ledger.fail({write.seq: error for write in writes})
                break
            wave = [write for write in ready if resource(write.resource).write_order == order]
            for name in dict.fromkeys(write.resource for write in wave):
                yield from self._write(resource(name), [write for write in wave if write.resource == name])
            writes = [write for write in writes if write.seq not in self.ledger.outcome]
        yield from self._delete([entry for entry in entries if entry.op == "delete"])

    def _waits(self, entry: OutboxEntry, unborn: dict[str, int]) -> bool:
        """Whether an entry refers to a record that is still to be created here, by another entry."""
        names = [*texts(entry.patch), *([entry.record] if entry.op == "update" else [])]
        return any(unborn.get(name, entry.seq) != entry.seq for name in names)

    def _write(self, known: Resource, entries: list[OutboxEntry]) -> Flow[None]:
        rows: dict[int, Raw] = {}
        orphans: dict[int, str] = {}
        for entry in entries:
            entry.patch = renamed(entry.patch, self.ledger.aliases)
            record = self.ledger.aliases.get(entry.record, entry.record)
            names = [*texts(entry.patch), *([record] if entry.op == "update" else [])]
            if any(name.startswith(TEMPORARY) for name in names):
                orphans[entry.seq] = "the record it refers to was not created"
            else:
                rows[entry.seq] = {"_id": record, **entry.patch} if entry.op == "update" else {
                    **known.implied, **entry.patch}  # fmt: skip
        yield from self.ledger.fail(orphans)
        ready = [entry for entry in entries if entry.seq in rows]
        for start in range(0, len(ready), self.chunk_size):
            part = ready[start : start + self.chunk_size]
            if self.refused:
                self.ledger.postpone(part, self.refused)
                continue
            yield from self._send(known, part, rows)

    def _send(self, known: Resource, entries: list[OutboxEntry], rows: dict[int, Raw]) -> Flow[None]:
        granted: set[int] = yield RunBlocking(
            lambda: self.ledger.box.send(
                {entry.seq: (entry.patch, entry.base, self.triage.said.get(entry.seq)) for entry in entries}
            )
        )
        mine = [entry for entry in entries if entry.seq in granted]
        for entry in entries:
            if entry.seq not in granted:
                self.ledger.outcome[entry.seq] = EntryOutcome("unknown", "another process took it over")
        if not mine:
            return
        chosen = [rows[field.seq] for field in mine]
        if "bulk_upsert" in known.operations:
            answer = yield from bulk.upsert(known, chosen, chunk_size=self.chunk_size)
            outcomes = answer.outcomes
        else:
            outcomes = yield from _alone(known, mine, chosen)
        yield from self._settle(mine, chosen, outcomes)

    def _settle(self, entries: list[OutboxEntry], rows: list[Raw], outcomes: list[Outcome]) -> Flow[None]:
        ids = yield from self._ids(entries, outcomes)
        acked, unknown, failed, not_processed = [], {}, {}, []
        for entry, row, outcome in zip(entries, rows, outcomes, strict=True):
            status, error = server_state.outcome_of(resource(entry.resource), row, outcome)
            if status in STORED:
                id = outcome.id or ids.get(entry.seq) or row.get("_id")
                acked.append((entry, status, id, {**row, **({"_id": id} if id else {})}))
            elif status == "unknown":
                unknown[entry.seq] = error
            elif outcome.not_processed:
                not_processed.append(entry)
            else:
                failed[entry.seq] = error
        yield from self.ledger.ack(acked)
        yield from self.ledger.unknown(unknown)
        dropped = {entry.seq for entry, item in zip(entries, outcomes, strict=True) if item.status == "dropped"}
        yield from self.ledger.fail(failed, dropped)
        if not_processed:
            error = next(outcome.error for outcome in outcomes if outcome.not_processed)
            yield from self.ledger.give_back(not_processed, error)
            if len(not_processed) == len(entries):
                self.refused = error

    def _ids(self, entries: list[OutboxEntry], outcomes: list[Outcome]) -> Flow[dict[int, str]]:
        """The ids of records that an upsert found equal: the answer does not name them."""
        nameless = [
            entry
            for entry, outcome in zip(entries, outcomes, strict=True)
            if outcome.status in STORED and outcome.id is None and entry.record.startswith(TEMPORARY)
        ]
        if not nameless:
            return {}
        found = yield from find_by_keys.find(resource(nameless[0].resource), [entry.patch for entry in nameless])
        return {entry.seq: row["_id"] for entry, row in zip(nameless, found, strict=True) if row is not None}

    def _delete(self, entries: list[OutboxEntry]) -> Flow[None]:
        """Delete one by one, what hangs on a company before it."""
        ready = sorted(entries, key=lambda one: -resource(one.resource).write_order)
        for start in range(0, len(ready), _DELETES):
            part = ready[start : start + _DELETES]
            if self.refused:
                self.ledger.postpone(part, self.refused)
                continue
            travelling: dict[int, tuple[Raw, Raw, Raw | None]] = {item.seq: ({}, item.base, None) for item in part}
            granted: set[int] = yield RunBlocking(partial(self.ledger.box.send, travelling))
            acked: list[tuple[OutboxEntry, str, str | None, Raw | None]] = []
            unknown, failed, back = {}, {}, []
            for entry in part:
                if entry.seq not in granted:
                    self.ledger.outcome[entry.seq] = EntryOutcome("unknown", "another process took it over")
                    continue
                record = self.ledger.aliases.get(entry.record, entry.record)
                if record.startswith(TEMPORARY):
                    failed[entry.seq] = "the record was not created, or it is not known yet whether it was"
                    continue
                try:
                    if self.refused:
                        back.append(entry)
                        continue
                    yield from records.delete(resource(entry.resource), record)
                except NotFound:
                    # Deleted by an earlier try, or by somebody else: it is gone either way.
                    acked.append((entry, "deleted", None, None))
                except PlanhatError as failure:
                    if lost(failure):
                        unknown[entry.seq] = str(failure)
                    elif not_processed(failure):
                        self.refused = str(failure)
                        back.append(entry)
                    else:
                        failed[entry.seq] = getattr(failure, "detail", "") or str(failure)
                else:
                    acked.append((entry, "deleted", None, None))
            yield from self.ledger.ack(acked)
            yield from self.ledger.unknown(unknown)
            yield from self.ledger.fail(failed)
            yield from self.ledger.give_back(back, self.refused)


def _alone(known: Resource, entries: list[OutboxEntry], rows: list[Raw]) -> Flow[list[Outcome]]:
    """Write records of a resource that has no bulk upsert, one by one."""
    found = []
    for place, (entry, row) in enumerate(zip(entries, rows, strict=True)):
        try:
            if entry.op == "update":
                answer = yield from records.update(known, row["_id"], row)
                found.append(Outcome(place, "updated", answer.get("_id")))
            else:
                answer = yield from records.create(known, row)
                found.append(Outcome(place, "created", answer.get("_id")))
        except PlanhatError as failure:
            status: Any = "unknown" if lost(failure) else "failed"
            error = getattr(failure, "detail", "") or str(failure)
            found.append(
                Outcome(place, status, None, error, not_processed=status == "failed" and not_processed(failure))
            )
    return found


def lost(failure: PlanhatError) -> bool:
    """Whether a failed write may have been carried out all the same."""
    if isinstance(failure, BulkError):
        return bool(failure.result.unknown)
    return isinstance(failure, AmbiguousWrite) or (isinstance(failure, RequestError) and records.may_be_done(failure))


def not_processed(failure: PlanhatError) -> bool:
    """Whether a write failed for no reason of its own: the server did not look at it."""
    return isinstance(failure, (AuthenticationError, RateLimited, ConnectionFailed))


def push(box: Any, source: Source, on_conflict: Policy = "raise") -> Flow[BatchResult]:
    """Send everything that waits and return an outcome for each entry; the objects are the entries.

    Raises `MirrorError` while another process pushes. With another policy than "raise" the entries that were
    held back as conflicts are settled too.
    """
    result = BatchResult()

    def count(requests: int) -> None:
        result.requests += requests

    mine = box.claim_session()
    try:
        yield RunBlocking(mine.reserve)
        states = ("pending", "inflight", "unknown", *(() if on_conflict == "raise" else ("conflict",)))
        entries = yield RunBlocking(lambda: mine.claim(*states))
        run = Pushing(mine, source, check=on_conflict)
        yield from counted(run.run(entries), count)
    finally:
        mine.release()
    result.rows = [row_result(entry, entry, run) for entry in entries]
    return result


def row_result(entry: OutboxEntry, object: Any, run: Pushing) -> RowResult:
    """The outcome of an entry as that of an object."""
    found = run.ledger.outcome[entry.seq]
    entry.record = run.ledger.aliases.get(entry.record, entry.record)
    return RowResult(object, found.status, found.error, found.conflicts, entry.seq)
