"""The batch: saves inside wait, and leave together as bulk upserts.

Only what was saved, created or deleted inside is sent. Leaving by an exception sends nothing.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from contextvars import ContextVar, Token
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self
from weakref import WeakValueDictionary

from ..errors import PlanhatError
from ..http.effects import Flow
from ..models.base import Model
from ..scopes.chain import Scope, enter
from .plan import WritePlan, plan_of
from .results import BatchResult, RowResult

if TYPE_CHECKING:
    from .facade import RecordWriter

_open: ContextVar[Batch | None] = ContextVar("planhat_batch", default=None)


def open_batch(writer: RecordWriter) -> Batch | None:
    """The innermost open batch of a writer's client, or None."""
    batch = _open.get()
    return batch if batch is not None and batch._writer._host is writer._host and not batch._sending else None


class Batch:
    """A unit of work, for `with planhat.batch() as batch:` and `async with` alike.

    `plan()` shows what would be sent; after leaving, `result` says what became of each object. A batch with
    failed rows raises `BulkError`; the failed objects stay changed, and `retry()` sends just them again.
    """

    def __init__(self, writer: RecordWriter, *, dry_run: bool = False, on_conflict: Any = None) -> None:
        self._writer = writer
        self._saves: dict[int, Model] = {}
        self._only: dict[int, tuple[str, ...] | None] = {}
        self._deletes: dict[int, Model] = {}
        self._token: Token[Batch | None] | None = None
        self._scope: Scope | None = None
        self._sending = False
        self._known: WeakValueDictionary[tuple[type[Model], str | None], Model] = WeakValueDictionary()
        self._sent_at = 0.0
        self.dry_run = dry_run
        self.on_conflict = on_conflict
        self.result = BatchResult()

    def add(self, record: Model, fields: tuple[str, ...] | None = None) -> None:
        """Have `record` saved with the batch; the same as `record.save()` inside it."""
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
        self._saves.pop(id(record), None)
        self._only.pop(id(record), None)
        if record.id is not None:
            self._deletes[id(record)] = record

    def unify(self, found: list[Any]) -> list[Any]:
        """The objects that this batch knows of these records, with what was read just now under their changes.

        One record is one object inside a batch, however often it is read, so that its edits meet.
        """
        return [self._one(record) for record in found]

    def _one(self, record: Model) -> Model:
        key = (type(record), record.id)
        known = self._known.setdefault(key, record)
        if known is not record and not known._origin.deleted:
            known._reread(record._wire, record._origin)
        return known

    def plan(self) -> WritePlan:
        """What would be sent now: a table of old and new, the requests, the time. Makes no request."""
        return plan_of(self._saves.values(), self._deletes.values(), self._writer.seconds, self._only)

    def retry(self) -> BatchResult:
        """Send again what failed, was dropped, or is unknown: only those rows travel.

        What may have been stored is looked for first; a new record without a key is never sent twice blindly.
        """
        return self._writer.run(self._retry())

    async def aretry(self) -> BatchResult:
        """Do what `retry()` does, in a task."""
        return await self._writer.arun(self._retry())

    def _retry(self) -> Flow[BatchResult]:
        bad = [row for row in self.result.rows if not row.ok]
        doomed = {id(record) for record in self._deletes.values()}
        unknown = [row for row in bad if row.status == "unknown" and id(row.object) not in doomed]
        recovered = yield from self._writer.recover(unknown, self._sent_at)
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
        host: Any = self._writer._host
        self._scope = enter(host, "client")
        self._token = _open.set(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._leave(kind):
            self._writer.run(self._send())

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._leave(kind):
            await self._writer.arun(self._send())

    def _leave(self, kind: type[BaseException] | None) -> bool:
        assert self._token is not None, "a batch is left only after it was entered"
        _open.reset(self._token)
        if self._scope is not None:
            self._scope.close()
        return kind is None and not self.dry_run

    def _send(self, known: Iterable[RowResult] = (), requests: int = 0) -> Flow[None]:
        self._sending = True
        self._sent_at = time.time()
        try:
            saved = yield from self._writer.send(
                self._saves.values(), upsert=True, only=self._only, on_conflict=self.on_conflict
            )
            # From here on the outcomes tell what is to be done; which fields were meant retry() still needs.
            self.result = BatchResult([*known, *saved.rows], requests + saved.requests)
            self._saves = {}
            deleted = yield from self._writer.delete_all(self._deletes.values())
        finally:
            self._sending = False
        self.result = BatchResult([*self.result.rows, *deleted.rows], self.result.requests + deleted.requests)
        self.result.raise_for_failures()


def records_in(items: Iterable[Any]) -> list[Model]:
    """The records of a list; an error for anything else in it."""
    found = []
    for item in items:
        if not isinstance(item, Model):
            raise PlanhatError(f"save_all() takes records, not a {type(item).__name__}.")
        found.append(item)
    return found
