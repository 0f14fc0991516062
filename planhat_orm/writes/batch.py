"""The batch: saves inside wait, and leave together as bulk upserts.

Only what was saved, created or deleted inside is sent. Leaving by an exception sends nothing.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import Any, Self, TypeVar
from weakref import WeakValueDictionary

from .. import arguments, forks, runtime
from ..errors import BlockError, PlanhatError
from ..http.effects import Flow
from ..models.base import Model
from ..models.results import BatchResult, Policy, RowResult, joined
from ..scopes import blocks
from ..scopes.chain import Scope, enter, innermost
from . import analytics
from .destination import by_block, ended_just_now, sender_for
from .plan import WritePlan, plan_of
from .sender import Fields, Sender

M = TypeVar("M", bound=Model)


class Batch:
    """A unit of work, for `with planhat.batch() as batch:` and `async with` alike.

    `plan()` shows what would be sent; after leaving, `result` says what became of each object. A batch with
    failed rows raises `BulkError`; the failed objects stay changed, and `retry()` sends just them again.
    """

    def __init__(self, sender: Sender, *, dry_run: bool = False, on_conflict: Policy | None = None) -> None:
        self._sender = sender
        self._saves: dict[int, Model] = {}
        self._only: dict[int, tuple[str, ...] | None] = {}
        self._deletes: dict[int, Model] = {}
        self._rows: dict[str, list[tuple[str, dict[str, Any]]]] = {}
        self._lock = forks.Lock(reentrant=True)
        self._made_in = innermost()
        self._around: Scope | None = None
        self._block: Scope | None = None
        self._known: WeakValueDictionary[tuple[type[Model], str | None], Model] = WeakValueDictionary()
        self.dry_run = dry_run
        self.on_conflict = on_conflict
        self.result = BatchResult()

    def add(self, record: Model, fields: tuple[str, ...] | None = None) -> None:
        """Have `record` saved with the batch; the same as `record.save()` inside it."""
        if fields is not None:
            fields = tuple(map(arguments.name, arguments.many("fields", fields)))
        runtime.check_account(record, self._sender.client)
        runtime.bind(record, self._sender.client)
        with self._lock:
            self._add(record, fields)

    def _add(self, record: Model, fields: tuple[str, ...] | None) -> None:
        if id(record) in self._deletes or record._origin.deleted:
            raise PlanhatError(f"{record!r} is deleted and cannot be saved.")
        before = self._only.get(id(record), ())
        known = id(record) in self._saves
        self._saves[id(record)] = record
        if fields is None or (known and before is None):
            self._only[id(record)] = None
        else:
            self._only[id(record)] = tuple(dict.fromkeys((*(before or ()), *fields)))

    def holds(self, record: Model) -> bool:
        """Whether a record is to be saved with the batch."""
        return id(record) in self._saves

    def delete(self, record: Model) -> None:
        """Have `record` deleted with the batch; one that was only created in it is simply forgotten."""
        runtime.check_account(record, self._sender.client)
        with self._lock:
            self._delete(record)

    def _delete(self, record: Model) -> None:
        self._saves.pop(id(record), None)
        self._only.pop(id(record), None)
        if record.id is not None:
            self._deletes[id(record)] = record

    # --- what is written inside -------------------------------------------------------------------------

    def hold(self, record: Model, fields: tuple[str, ...] | None = None) -> None:
        """Hold what was saved inside until the end. Raises `BlockError` when that came this moment."""
        with self._lock:
            self._check_open()
            self._add(record, fields)

    def hold_delete(self, record: Model) -> None:
        """Hold what was deleted inside until the end."""
        with self._lock:
            self._check_open()
            self._delete(record)

    def take(self, records: Iterable[Model], only: Fields | None = None) -> BatchResult:
        """Hold the changed ones of many records, and say of each whether it is held."""
        result = BatchResult()
        with self._lock:
            self._check_open()
            for record in records:
                changed = record.id is None or bool(record.changes())
                if changed:
                    self._add(record, (only or {}).get(id(record)))
                result.rows.append(RowResult(record, "queued" if changed else "unchanged"))
        return result

    def take_deletes(self, records: Iterable[Model]) -> BatchResult:
        """Hold many deletions."""
        with self._lock:
            self._check_open()
            for record in records:
                self._delete(record)
            return BatchResult(RowResult(record, "queued") for record in records)

    def hold_rows(self, name: str, rows: Sequence[tuple[str, dict[str, Any]]]) -> int:
        """Hold metrics or activities that were recorded inside; they wait in the outbox from the end on."""
        with self._lock:
            self._check_open()
            self._rows.setdefault(name, []).extend(rows)
        return len(rows)

    def _check_open(self) -> None:
        assert self._block is not None, "only a batch that was entered holds anything"
        if self._block.ended:
            raise ended_just_now(self._block)

    def unify(self, records: list[M]) -> list[M]:
        """The objects that this batch knows of these records, with what was read just now under their changes.

        One record is one object inside a batch, however often it is read, so that its edits meet.
        """
        with self._lock:
            return [self._unified(record) for record in records]

    def _unified(self, record: M) -> M:
        known = self._known.setdefault((type(record), record.id), record)
        if known is not record and not known._origin.deleted:
            known._reread(record._wire, record._origin)
        return known  # type: ignore[return-value]  # the key holds the type

    def plan(self) -> WritePlan:
        """What would be sent now: a table of old and new, the requests, the time. Makes no request."""
        with self._lock:
            saves, deletes, only = list(self._saves.values()), list(self._deletes.values()), dict(self._only)
            waiting = {name: len(rows) for name, rows in self._rows.items()}
        return plan_of(saves, deletes, self._sender.client.seconds, only, waiting)

    def retry(self) -> BatchResult:
        """Send again what failed, was dropped, or is unknown: only those rows travel.

        What may have been stored is looked for first; a new record without a key is never sent twice blindly.
        """
        return self._sender.client.run(self._retry())

    async def aretry(self) -> BatchResult:
        """Do what `retry()` does, in a task."""
        return await self._sender.client.arun(self._retry())

    def _retry(self) -> Flow[BatchResult]:
        bad = [row for row in self.result.rows if not row.ok]
        doomed = {id(record) for record in self._deletes.values()}
        recovered = yield from self._sender.recover(row for row in bad if row.status == "unknown")
        known = [row for row in recovered.rows if row.status != "failed"]
        settled = {id(row.object) for row in known}
        again = [row.object for row in bad if id(row.object) not in doomed | settled]
        # What was never sent, as the batch ended before, goes too; so does what was changed meanwhile.
        self._saves.update((id(record), record) for record in again)
        self._deletes = {key: delete for key, delete in self._deletes.items() if not delete._origin.deleted}
        yield from self._send(known, recovered.requests)
        return self.result

    # --- with -------------------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        client = self._sender.client
        if self._block is not None and not self._block.ended:
            raise BlockError("This batch is open already: planhat.batch() makes another one.")
        # What is sent at the end is sent inside the client, too.
        self._around = enter(client, "client")
        self._block = blocks.open_block(client, "dry run" if self.dry_run else "batch", self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if self._leave(kind):
                self._sender.client.run(self._send())
        finally:
            self._leave_client()

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if self._leave(kind):
                await self._sender.client.arun(self._send())
        finally:
            self._leave_client()

    def _leave(self, kind: type[BaseException] | None) -> bool:
        """End the block and say whether what it held is to be sent. In a forked child it is the parent that sends."""
        assert self._block is not None, "a batch is left only after it was entered"
        with self._lock:
            blocks.close_block(self._block, failing=kind is not None)
        return kind is None and not self.dry_run and self._block.pid == os.getpid()

    def _leave_client(self) -> None:
        if self._around is not None:
            self._around.close()

    def _send(self, known: Iterable[RowResult] = (), requests: int = 0) -> Flow[None]:
        client, made_in = self._sender.client, self._made_in
        held = (*self._saves.values(), *self._deletes.values())
        results = [BatchResult(known, requests)]
        for block, records in by_block(client, held, made_in, stray=False):
            saves = [record for record in records if id(record) in self._saves]
            doomed = [record for record in records if id(record) in self._deletes]
            results.append((yield from self._send_to(block, saves, doomed)))
            # From here on the outcomes tell what is to be done; which fields were meant retry() still needs.
            self.result = joined(results)
            self._saves = _without(self._saves, saves)
        self.result = joined(results)
        yield from self._pass_on_rows()
        self.result.raise_for_failures()

    def _pass_on_rows(self) -> Flow[None]:
        """Write down what was recorded inside, or hand it to the batch around this one."""
        client = self._sender.client
        block = blocks.holder(client.account, self._made_in) if self._rows else None
        outer = batch_in(block)
        for name, rows in list(self._rows.items()):
            if outer is not None:
                outer.hold_rows(name, rows)
            else:
                yield from analytics.record(sender_for(client, block).client, name, rows)
            del self._rows[name]

    def _send_to(self, block: Scope | None, saves: list[Model], doomed: list[Model]) -> Flow[BatchResult]:
        """Send what one block holds, or hand it to the batch around this one."""
        outer = batch_in(block)
        if outer is not None:
            self._deletes = _without(self._deletes, doomed)
            return joined([outer.take(saves, self._only), outer.take_deletes(doomed)])
        sender = self._sender_for(block)
        return (yield from sender.send(saves, upsert=True, only=self._only, policy=self.on_conflict, doomed=doomed))

    def _sender_for(self, block: Scope | None) -> Sender:
        """The sender of this batch, which knows what was sent before; in an offline block what writes down."""
        return self._sender if block is None else sender_for(self._sender.client, block)


def batch_in(block: Scope | None) -> Batch | None:
    """The batch that a block is; None outside of one, or in an offline block."""
    if block is None or block.kind == "offline block":
        return None
    batch: Batch | None = block.batch
    if batch is None:
        raise ended_just_now(block)
    return batch


def _without(held: dict[int, Model], records: Iterable[Model]) -> dict[int, Model]:
    gone = set(map(id, records))
    return {key: record for key, record in held.items() if key not in gone}


def records_in(items: Iterable[object]) -> list[Model]:
    """The records of a list; an error for anything else in it."""
    found = []
    for item in arguments.many("save_all()", items):
        if not isinstance(item, Model):
            raise PlanhatError(f"save_all() takes records, not a {type(item).__name__}.")
        found.append(item)
    return found
