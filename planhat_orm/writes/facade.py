"""The writer: whether a write joins the open batch, waits in the outbox, or leaves now."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal, TypeVar

from ..errors import PlanhatError, ReadOnlyError
from ..http.effects import Flow
from ..models.base import Model
from ..models.results import BatchResult, Policy, RowResult, SaveResult, check_policy
from ..queryset.queryset import QuerySet
from ..runtime import Client
from ..wire.resources import BULK_MAX_ROWS
from . import single
from .batch import Batch, open_batch
from .reconcile import Mapped, ReconcilePlan, Rows, reconcile
from .sender import Sender, push

M = TypeVar("M", bound=Model)
T = TypeVar("T")


class RecordWriter:
    """Carries the records of one client to Planhat."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def run(self, flow: Flow[T]) -> T:
        """Run a flow in this thread."""
        return self._client.run(flow)

    async def arun(self, flow: Flow[T]) -> T:
        """Run a flow in this task."""
        return await self._client.arun(flow)

    def seconds(self, requests: int) -> float:
        """How long so many requests take under the quota."""
        return self._client.seconds(requests)

    def guard(self, *, delete: bool = False) -> None:
        """Raise `ReadOnlyError` where the client was made not to write, or not to delete."""
        if self._client.read_only:
            raise ReadOnlyError("This client only reads: it was made with Planhat(read_only=True).")
        if delete and not self._client.allow_delete:
            raise ReadOnlyError("This client does not delete: it was made with Planhat(allow_delete=False).")

    def batch(self, *, dry_run: bool = False, on_conflict: Policy | None = None) -> Batch:
        """A new unit of work."""
        check_policy(on_conflict)
        return Batch(Sender(self._client), dry_run=dry_run, on_conflict=on_conflict)

    def unify(self, records: list[M]) -> list[M]:
        """Inside a batch, the objects that it knows of these records, brought up to date; else the list itself."""
        batch = open_batch(self._client)
        return records if batch is None else batch.unify(records)

    # --- one record -------------------------------------------------------------------------------------

    def save(
        self, record: Model, fields: Iterable[str] | None = None, on_conflict: Policy | None = None
    ) -> Flow[SaveResult]:
        """Send what changed of a record, alone; inside a batch, queue it."""
        self.guard()
        check_policy(on_conflict)
        chosen = tuple(fields) if fields is not None else None
        if record._origin.deleted:
            raise PlanhatError(f"{record!r} was deleted and cannot be saved; clone() makes a new one of it.")
        batch = open_batch(self._client)
        if batch is not None:
            batch.add(record, chosen)
            return SaveResult(queued=True)
        return (yield from single.save(Sender(self._client), record, chosen, on_conflict))

    def delete(self, record: Model) -> Flow[None]:
        """Delete a record; inside a batch, queue that."""
        self.guard(delete=True)
        batch = open_batch(self._client)
        if batch is not None and (record.id is not None or batch.holds(record)):
            batch.delete(record)
            return
        yield from single.delete(Sender(self._client), record)

    def refresh(self, record: Model, fields: Iterable[str] | None = None, discard: bool = False) -> Flow[None]:
        """Read a record again (offline: from the mirror), keeping its unsaved changes unless `discard`."""
        chosen = tuple(fields) if fields is not None else None
        yield from single.refresh(Sender(self._client), record, chosen, discard)

    # --- many records -----------------------------------------------------------------------------------

    def send(
        self, items: Iterable[Model], *, upsert: bool = False, chunk_size: int = BULK_MAX_ROWS
    ) -> Flow[BatchResult]:
        """Send what changed of many records as bulk upserts; inside a batch, queue them."""
        self.guard()
        batch = open_batch(self._client)
        if batch is not None:
            return batch.take(items)
        return (yield from Sender(self._client).send(items, upsert=upsert, chunk_size=chunk_size))

    def delete_all(self, doomed: Iterable[Model]) -> Flow[BatchResult]:
        """Delete many records one by one; inside a batch, queue that."""
        records = sorted(doomed, key=lambda record: -record._meta.resource.write_order)
        batch = open_batch(self._client)
        if batch is not None:
            for record in records:
                batch.delete(record)
            return BatchResult(RowResult(record, "queued") for record in records)
        if records:
            self.guard(delete=True)
        return (yield from Sender(self._client).delete(records))

    def reconcile(
        self,
        queryset: QuerySet[M],
        rows: Rows,
        key: str,
        mapping: Mapping[str, Mapped] | None,
        *,
        delete: bool = False,
        empty: Literal["skip", "clear"] = "skip",
    ) -> Flow[ReconcilePlan[M]]:
        """Compare rows of another system with what is there, and return the plan."""
        self.guard()
        return (yield from reconcile(self, queryset, rows, key, mapping, delete=delete, empty=empty))

    def push(self, on_conflict: Policy = "raise") -> Flow[BatchResult]:
        """Send what waits in the outbox."""
        self.guard()
        check_policy(on_conflict)
        outbox = self._client.outbox
        if outbox is None:
            raise PlanhatError("There is no outbox without a mirror: Planhat(mirror='planhat.db').")
        sender = Sender(self._client)
        result = yield from push(self._client, outbox, on_conflict or "raise")
        sender.notify(result.rows)
        return result
