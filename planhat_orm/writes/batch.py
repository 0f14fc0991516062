"""The batch: saves inside wait, and leave together as bulk upserts.

Only what was saved, created or deleted inside is sent. Leaving by an exception sends nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextvars import ContextVar, Token
from types import TracebackType
from typing import Self, TypeVar
from weakref import WeakValueDictionary

from ..errors import PlanhatError
from ..http.effects import Flow
from ..models.base import Model
from ..models.results import BatchResult, Policy, RowResult
from ..runtime import Client
from ..scopes.chain import Scope, enter
from .plan import WritePlan, plan_of
from .sender import Sender

M = TypeVar("M", bound=Model)
_open: ContextVar[Batch | None] = ContextVar("planhat_batch", default=None)


def open_batch(client: Client) -> Batch | None:
    """The innermost open batch of a client, or None."""
    batch = _open.get()
    return batch if batch is not None and batch._sender.client is client else None


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
        self._token: Token[Batch | None] | None = None
        self._scope: Scope | None = None
        self._known: WeakValueDictionary[tuple[type[Model], str | None], Model] = WeakValueDictionary()
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

    def take(self, records: Iterable[Model]) -> BatchResult:
        """Have the changed ones of many records saved with the batch, and say of each whether it is."""
        result = BatchResult()
        for record in records:
            changed = record.id is None or bool(record.changes())
            if changed:
                self.add(record)
            result.rows.append(RowResult(record, "queued" if changed else "unchanged"))
        return result

    def unify(self, records: list[M]) -> list[M]:
        """The objects that this batch knows of these records, with what was read just now under their changes.

        One record is one object inside a batch, however often it is read, so that its edits meet.
        """
        return [self._unified(record) for record in records]

    def _unified(self, record: M) -> M:
        known = self._known.setdefault((type(record), record.id), record)
        if known is not record and not known._origin.deleted:
            known._reread(record._wire, record._origin)
        return known  # type: ignore[return-value]  # the key holds the type

    def plan(self) -> WritePlan:
        """What would be sent now: a table of old and new, the requests, the time. Makes no request."""
        return plan_of(self._saves.values(), self._deletes.values(), self._sender.client.seconds, self._only)

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
        self._scope = enter(self._sender.client, "client")
        self._token = _open.set(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._leave(kind):
            self._sender.client.run(self._send())

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._leave(kind):
            await self._sender.client.arun(self._send())

    def _leave(self, kind: type[BaseException] | None) -> bool:
        assert self._token is not None, "a batch is left only after it was entered"
        _open.reset(self._token)
        if self._scope is not None:
            self._scope.close()
        if kind is not None or self.dry_run:
            return False
        outer = open_batch(self._sender.client)
        if outer is not None:
            self._hand_over(outer)
        return outer is None

    def _hand_over(self, outer: Batch) -> None:
        """Let the batch around this one send what waits here."""
        for key, record in self._saves.items():
            outer.add(record, self._only.get(key))
        for record in self._deletes.values():
            outer.delete(record)
        records = (*self._saves.values(), *self._deletes.values())
        self.result = BatchResult(RowResult(record, "queued") for record in records)
        self._saves, self._deletes = {}, {}

    def _send(self, known: Iterable[RowResult] = (), requests: int = 0) -> Flow[None]:
        saved = yield from self._sender.send(
            self._saves.values(), upsert=True, only=self._only, policy=self.on_conflict
        )
        # From here on the outcomes tell what is to be done; which fields were meant retry() still needs.
        self.result = BatchResult([*known, *saved.rows], requests + saved.requests)
        self._saves = {}
        doomed = sorted(self._deletes.values(), key=lambda record: -record._meta.resource.write_order)
        deleted = yield from self._sender.delete(doomed)
        self.result = BatchResult([*self.result.rows, *deleted.rows], self.result.requests + deleted.requests)
        self.result.raise_for_failures()


def records_in(items: Iterable[object]) -> list[Model]:
    """The records of a list; an error for anything else in it."""
    found = []
    for item in items:
        if not isinstance(item, Model):
            raise PlanhatError(f"save_all() takes records, not a {type(item).__name__}.")
        found.append(item)
    return found
