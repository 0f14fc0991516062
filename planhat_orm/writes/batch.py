"""The batch: saves inside wait, and leave together as bulk upserts.

Only what was saved, created or deleted inside is sent. Leaving by an exception sends nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextvars import ContextVar, Token
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from ..errors import PlanhatError
from ..http.effects import Flow
from ..models.base import Model
from .plan import WritePlan, changes_of, cost
from .push import lost
from .results import BatchResult, RowResult

if TYPE_CHECKING:
    from .writer import RecordWriter

_open: ContextVar[Batch | None] = ContextVar("planhat_batch", default=None)


def open_batch(writer: RecordWriter) -> Batch | None:
    """The innermost open batch of a writer's client, or None."""
    batch = _open.get()
    return batch if batch is not None and batch._writer is writer and not batch._sending else None


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
        self._sending = False
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

    def delete(self, record: Model) -> None:
        """Have `record` deleted with the batch; one that was only created in it is simply forgotten."""
        self._saves.pop(id(record), None)
        self._only.pop(id(record), None)
        if record.id is not None:
            self._deletes[id(record)] = record

    def plan(self) -> WritePlan:
        """What would be sent now: a table of old and new, the requests, the time. Makes no request."""
        changes = []
        rows: dict[str, int] = {}
        singles = 0
        for record in self._saves.values():
            resource = record._meta.resource
            if record.id is not None and not record._payload(self._only.get(id(record))):
                continue
            changes += changes_of("create" if record.id is None else "update", record)
            if "bulk_upsert" in resource.operations:
                rows[resource.name] = rows.get(resource.name, 0) + 1
            else:
                singles += 1
        for record in self._deletes.values():
            changes += changes_of("delete", record)
        requests = cost(rows, singles, len(self._deletes))
        return WritePlan(tuple(changes), requests, self._writer.seconds(requests))

    def retry(self) -> BatchResult:
        """Send again what failed, was dropped, or is unknown: only those rows travel."""
        return self._writer.run(self._retry())

    async def aretry(self) -> BatchResult:
        """Do what `retry()` does, in a task."""
        return await self._writer.arun(self._retry())

    def _retry(self) -> Flow[BatchResult]:
        again = [row for row in self.result.rows if not row.ok]
        self._saves = {id(row.object): row.object for row in again if id(row.object) not in self._deletes}
        self._deletes = {key: one for key, one in self._deletes.items() if not one._origin.deleted}
        yield from self._send()
        return self.result

    # --- with -------------------------------------------------------------------------------------------

    def __enter__(self) -> Self:
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
        return kind is None and not self.dry_run

    def _send(self) -> Flow[None]:
        self._sending = True
        try:
            saved = yield from self._writer.send(
                self._saves.values(), upsert=True, only=self._only, on_conflict=self.on_conflict
            )
            deleted = yield from self._delete_all()
        finally:
            self._sending = False
        self.result = BatchResult([*saved.rows, *deleted], saved.requests + len(deleted))
        self._saves = {}  # which fields each was saved with is still needed by retry()
        self.result.raise_for_failures()

    def _delete_all(self) -> Flow[list[RowResult]]:
        rows = []
        for record in self._deletes.values():
            try:
                yield from self._writer.delete(record)
            except PlanhatError as failure:
                status = "unknown" if lost(failure) else "failed"
                rows.append(RowResult(record, status, getattr(failure, "detail", "") or str(failure)))
            else:
                rows.append(RowResult(record, "deleted"))
        return rows


def records_in(items: Iterable[Any]) -> list[Model]:
    """The records of a list; an error for anything else in it."""
    found = []
    for item in items:
        if not isinstance(item, Model):
            raise PlanhatError(f"save_all() takes records, not a {type(item).__name__}.")
        found.append(item)
    return found
