"""The writer: whether a write joins the open batch, waits in the outbox, or leaves now.

What reconciles, undoes and merges is imported when it is called: most programs do none of it, and it is a tenth of the
time that the package takes to import.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from .. import arguments, runtime
from ..errors import ConfigurationError, PlanhatError, ReadOnlyError, ValidationError
from ..http.effects import Flow
from ..models.base import Model
from ..models.results import BatchResult, Policy, SaveResult, check_policy, joined
from ..runtime import Client
from ..scopes import blocks
from ..scopes.chain import Scope
from ..wire.resources import BULK_MAX_ROWS
from . import analytics, single
from .batch import Batch, batch_in
from .destination import block_of, by_block, sender_for
from .sender import Sender, push

if TYPE_CHECKING:
    from ..models.reversal import Reversals
    from ..queryset.duplicates import Duplicates
    from ..queryset.queryset import QuerySet
    from ..tabular.sources import Rows
    from .merge_plan import MergePlan
    from .reconcile import Mapped
    from .reconcile_plan import ReconcilePlan
    from .revert_plan import RevertPlan

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

    def guard_live(self, *, delete: bool = False) -> None:
        """Do what `guard()` does, for a call that goes out at once: `BlockError` where a block promised to hold it."""
        self.guard(delete=delete)
        blocks.check_live(self._client.account)

    def batch(self, *, dry_run: bool = False, on_conflict: Policy | None = None) -> Batch:
        """A new unit of work."""
        check_policy(on_conflict)
        return Batch(Sender(self._client), dry_run=dry_run, on_conflict=on_conflict)

    def unify(self, records: list[M]) -> list[M]:
        """Inside a batch, the objects that it knows of these records, brought up to date; else the list itself."""
        batch: Batch | None = None
        if records:
            batch = blocks.open_batch(self._client.account, records[0]._origin.scope)
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
        block, batch = self._held_by(record)
        if batch is not None:
            batch.hold(record, chosen)
            return SaveResult(queued=True)
        return (yield from single.save(sender_for(self._client, block), record, chosen, on_conflict))

    def delete(self, record: Model) -> Flow[None]:
        """Delete a record; inside a batch, queue that."""
        self.guard(delete=True)
        block, batch = self._held_by(record)
        if batch is not None and (record.id is not None or batch.holds(record)):
            batch.hold_delete(record)
            return
        yield from single.delete(sender_for(self._client, block if batch is None else None), record)

    def _held_by(self, record: Model) -> tuple[Scope | None, Batch | None]:
        """The block that holds a write of a record, and the batch that it is, if it is one."""
        block = block_of(self._client, record)
        return block, batch_in(block)

    def refresh(self, record: Model, fields: Iterable[str] | None = None, discard: bool = False) -> Flow[None]:
        """Read a record again (offline: from the mirror), keeping its unsaved changes unless `discard`."""
        chosen = tuple(fields) if fields is not None else None
        offline = blocks.is_offline(self._client, record._origin.scope)
        yield from single.refresh(Sender(self._client, offline=offline), record, chosen, discard)

    # --- many records -----------------------------------------------------------------------------------

    def send(
        self,
        items: Iterable[Model],
        *,
        upsert: bool = False,
        chunk_size: int = BULK_MAX_ROWS,
        doomed: Iterable[Model] = (),
        new: str = "upsert",
    ) -> Flow[BatchResult]:
        """Send what changed of many records as bulk upserts, and delete others singly; inside a batch, queue them.

        With `new="create"` the keys of new records must be free.
        """
        records, deletions = list(items), list(doomed)
        self.guard(delete=bool(deletions))
        chosen = set(map(id, deletions))
        results = []
        for block, group in by_block(self._client, [*records, *deletions]):
            saves = [record for record in group if id(record) not in chosen]
            gone = [record for record in group if id(record) in chosen]
            batch = batch_in(block)
            if batch is not None:
                results += [batch.take(saves), batch.take_deletes(gone)]
            else:
                sender = sender_for(self._client, block)
                flow = sender.send(saves, upsert=upsert, chunk_size=chunk_size, doomed=gone, new=new)
                results.append((yield from flow))
        return joined(results, [*records, *deletions])

    def record(self, name: str, rows: Sequence[tuple[str, dict[str, Any]]]) -> Flow[int]:
        """Write rows for the analytics host down, each with what it is of; inside a batch, hold them until its end.

        Returns how many wait. Raises `ConfigurationError` without a mirror.
        """
        self.guard()
        if self._client.outbox is None:
            raise ConfigurationError(analytics.NO_MIRROR)
        block = blocks.holder(self._client.account)
        batch = batch_in(block)
        if batch is not None:
            return batch.hold_rows(name, rows)
        return (yield from analytics.record(sender_for(self._client, block).client, name, rows))

    def reconcile(
        self,
        queryset: QuerySet[M],
        rows: Rows,
        key: str,
        mapping: Mapping[str, Mapped] | None,
        *,
        delete: bool = False,
        empty: Literal["skip", "clear"] = "skip",
        duplicates: Duplicates = "raise",
        dayfirst: bool | None = None,
        format: str | Mapping[str, str] | None = None,
        encoding: str | None = None,
        sheet: str | None = None,
        owner: Mapping[str, str] | None = None,
    ) -> Flow[ReconcilePlan[M]]:
        """Compare rows of another system with what is there, and return the plan."""
        from ..queryset.columns import RowOptions
        from ..tabular.sources import FileOptions
        from .reconcile import ReconcileOptions, reconcile

        self.guard()
        options = ReconcileOptions(
            delete, duplicates, RowOptions(empty, dayfirst, format), FileOptions(encoding, sheet=sheet), owner
        )
        return (yield from reconcile(self._client, queryset, rows, key, mapping, options))

    def revert(self, told: Reversals) -> Flow[RevertPlan]:
        """Compare what undoing comes to with what Planhat holds now, and return the plan."""
        from .revert import revert

        self.guard()
        return (yield from revert(self._client, told))

    def merge(self, keep: Model | str, other: Model | str, leave: Iterable[type[Model] | str] = ()) -> Flow[MergePlan]:
        """Read two companies and all that belongs to them, and return the plan of merging them."""
        from .merge import check_two, merge

        self.guard(delete=True)
        ids = []
        for name, item in (("keep", keep), ("other", other)):
            if isinstance(item, Model):
                runtime.check_account(item, self._client)
            id = item.id if isinstance(item, Model) else arguments.text(name, item)
            if not id or (isinstance(item, Model) and item._meta.resource.name != "company"):
                raise ValidationError(f"merge() takes companies that are saved, or their ids: {name} is none.")
            ids.append(id)
        first, second = ids
        check_two(first, second)
        known = dict(other._wire) if isinstance(other, Model) else {}
        models = [
            runtime.model(item) if isinstance(item, str) else arguments.model("leave", item)
            for item in arguments.many("leave", leave)
        ]
        names = frozenset(model._meta.resource.name for model in models)
        return (yield from merge(self._client, first, second, known, names))

    def push(self, on_conflict: Policy = "raise") -> Flow[BatchResult]:
        """Send what waits in the outbox."""
        self.guard_live()
        check_policy(on_conflict)
        outbox = self._client.outbox
        if outbox is None:
            raise PlanhatError("There is no outbox without a mirror: Planhat(mirror='planhat.db').")
        sender = Sender(self._client)
        result = yield from push(self._client, outbox, on_conflict or "raise")
        sender.notify(result.rows)
        return result
