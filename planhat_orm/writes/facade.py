"""The writer: what `save()`, `delete()` and `refresh()` of a record do, and how many records are sent."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol, TypeVar

from ..errors import NotFound, PlanhatError, ReadOnlyError, ValidationError
from ..http.effects import Flow
from ..http.flows import counted
from ..models.base import Model
from ..models.state import SaveResult
from ..runtime import TEMPORARY, Source
from ..wire import records
from ..wire.aliases import apply_aliases
from ..wire.resources import Resource, resource
from .batch import Batch, open_batch
from .conflicts import check_policy, settle
from .outbox_writes import (
    delete_through,
    deletion,
    queue,
    recover_through,
    send_through,
    take_names,
    temporaries,
    through,
    wish,
)
from .push import lost, push
from .reconcile import ReconcilePlan, reconcile
from .results import BatchResult, RowResult
from .send import Journal, Settle, find_lost, send

T = TypeVar("T")


class Host(Protocol):
    """What the writer needs of its client."""

    read_only: bool
    allow_delete: bool

    @property
    def outbox(self) -> Any:
        """The mirror's outbox, or None without a mirror."""
        ...

    @property
    def is_offline(self) -> bool:
        """Whether writes are only to be recorded."""
        ...

    def run(self, flow: Flow[T]) -> T:
        """Run a flow in this thread."""
        ...

    async def arun(self, flow: Flow[T]) -> T:
        """Run a flow in this task."""
        ...

    def source(self, name: str | None = None) -> Source:
        """The source called `name`."""
        ...

    def notify(self, event: str, payload: Any) -> None:
        """Tell those who asked to be told."""
        ...

    def seconds(self, requests: int) -> float:
        """How long so many requests take under the quota."""
        ...

    def wrote(self, resource: Resource, rows: list[dict[str, Any]]) -> Flow[None]:
        """EntryOutcome after records were stored."""
        ...

    def removed(self, resource: Resource, ids: list[str]) -> Flow[None]:
        """EntryOutcome after records were deleted."""
        ...


class RecordWriter:
    """Carries the records of one client to Planhat."""

    def __init__(self, host: Host) -> None:
        self._host = host

    def run(self, flow: Flow[T]) -> T:
        """Run a flow in this thread."""
        return self._host.run(flow)

    async def arun(self, flow: Flow[T]) -> T:
        """Run a flow in this task."""
        return await self._host.arun(flow)

    def seconds(self, requests: int) -> float:
        """How long so many requests take under the quota."""
        return self._host.seconds(requests)

    def batch(self, *, dry_run: bool = False, on_conflict: Any = None) -> Batch:
        """A new unit of work."""
        check_policy(on_conflict)
        return Batch(self, dry_run=dry_run, on_conflict=on_conflict)

    def guard(self, *, delete: bool = False) -> None:
        """Raise `ReadOnlyError` where the client was made not to write, or not to delete."""
        if self._host.read_only:
            raise ReadOnlyError("This client only reads: it was made with Planhat(read_only=True).")
        if delete and not self._host.allow_delete:
            raise ReadOnlyError("This client does not delete: it was made with Planhat(allow_delete=False).")

    def push(self, on_conflict: Any = "raise") -> Flow[BatchResult]:
        """Send what waits in the outbox."""
        self.guard()
        check_policy(on_conflict)
        box = self._box()
        if box is None:
            raise PlanhatError("There is no outbox without a mirror: Planhat(mirror='planhat.db').")
        result = yield from push(box, self._host.source("api"), on_conflict or "raise")
        for name in dict.fromkeys(row.object.resource for row in result.rows):
            yield from self._host.wrote(resource(name), [])
        self._tell(result.rows)
        return result

    def _box(self) -> Any:
        """The outbox; an error when writing offline without one."""
        box = self._host.outbox
        if box is None and self._host.is_offline:
            raise PlanhatError("Offline writes wait in the mirror's outbox: make the client with Planhat(mirror=...).")
        return box

    def _journal(self, box: Any) -> Journal | None:
        if box is None:
            return None
        return lambda changed, only, chunk_size: send_through(
            box, self._host.source("api"), changed, only, chunk_size=chunk_size, offline=self._host.is_offline
        )

    def _settle(self, policy: Any) -> Settle | None:
        """What compares records with the server's before they are sent; offline that is for `push()` to do."""
        if policy is None or self._host.is_offline:
            return None
        return lambda changed, only: settle(changed, policy, self._host.source("api"), only)

    def _tell(self, rows: Iterable[RowResult]) -> None:
        """Tell those who asked what became of rows; one that did not travel is no news."""
        for row in rows:
            if row.status not in ("unchanged", "queued"):
                self._host.notify("saved" if row.ok else "failed", row)

    def save(self, record: Model, fields: Iterable[str] | None = None, on_conflict: Any = None) -> Flow[SaveResult]:
        """Send what changed of a record, alone; inside a batch, queue it."""
        self.guard()
        check_policy(on_conflict)
        chosen = tuple(fields) if fields is not None else None
        if record._origin.deleted:
            raise PlanhatError(f"{record!r} was deleted and cannot be saved; clone() makes a new one of it.")
        batch = open_batch(self)
        if batch is not None:
            batch.add(record, chosen)
            return SaveResult(queued=True)
        if record.id is None or record.changes():
            record.before_save()
        if record.id is None:
            record.full_clean()
        box = self._box()
        if box is not None:
            yield from take_names(box, [record])
        compare = self._settle(on_conflict)
        if compare is not None:
            yield from compare([record], {id(record): chosen})
        payload = record._payload(chosen)
        if record.id is not None and not payload:
            return SaveResult()
        created = record.id is None
        one = wish(record, payload) if box is not None else None
        # What was made offline and not pushed yet has no id that Planhat knows: its changes wait with it.
        if one is not None and (self._host.is_offline or temporaries(record)):
            yield from queue(box, [(one, record)])
            return SaveResult(fields=_names(record, payload), queued=True)
        act = self._save_alone(record, payload, chosen)
        try:
            names, created = yield from (through(box, one, record, act) if one is not None else act)
        except PlanhatError as failure:
            text = getattr(failure, "detail", "") or str(failure)
            self._tell([RowResult(record, "unknown" if lost(failure) else "failed", text)])
            raise
        self._tell([RowResult(record, "created" if created else "updated")])
        yield from self._host.wrote(record._meta.resource, [] if box is not None else [record._wire])
        return SaveResult(created=created, updated=not created, fields=names)

    def _save_alone(
        self, record: Model, payload: dict[str, Any], chosen: tuple[str, ...] | None
    ) -> Flow[tuple[tuple[str, ...], bool]]:
        """One POST or PUT, or a bulk upsert of one row where the resource has nothing else."""
        resource = record._meta.resource
        created = record.id is None
        names = _names(record, payload)
        verb = "create" if created else "update"
        if verb in resource.operations:
            if created:
                answer = yield from records.create(resource, payload)
            else:
                answer = yield from records.update(resource, record.id, payload)
            record._saved(apply_aliases(resource, answer), payload)
        elif "bulk_upsert" in resource.operations:
            result = yield from send([record], upsert=True, only={id(record): chosen})
            result.raise_for_failures()
            created = bool(result.created)
        else:
            raise ValidationError(f"A {type(record).__name__} cannot be saved: {instead(resource, verb)}")
        return names, created

    def delete(self, record: Model) -> Flow[None]:
        """Delete a record; inside a batch, queue that."""
        self.guard(delete=True)
        batch = open_batch(self)
        if batch is not None and (record.id is not None or batch.holds(record)):
            batch.delete(record)
            return
        if record.id is None:
            raise PlanhatError(f"A {type(record).__name__} that was never saved cannot be deleted.")
        known = record._meta.resource
        if "delete" not in known.operations:
            raise ValidationError(f"A {type(record).__name__} cannot be deleted: {instead(known, 'delete')}")
        box = self._box()
        if box is not None:
            yield from take_names(box, [record])
            if self._host.is_offline or record.id.startswith(TEMPORARY):
                yield from queue(box, [(deletion(record), record)])
                return
        act = records.delete(known, record.id)
        try:
            yield from (through(box, deletion(record), record, act) if box is not None else act)
        except PlanhatError as failure:
            text = getattr(failure, "detail", "") or str(failure)
            self._tell([RowResult(record, "unknown" if lost(failure) else "failed", text)])
            raise
        record._origin = record._origin.alone(deleted=True)
        self._tell([RowResult(record, "deleted")])
        yield from self._host.removed(known, [record.id] if box is None else [])

    def delete_all(self, doomed: Iterable[Model]) -> Flow[BatchResult]:
        """Delete many records one by one, what hangs on a company before it; one that is gone already is deleted."""
        ordered = sorted(doomed, key=lambda record: -record._meta.resource.write_order)
        batch = open_batch(self)
        if batch is not None:
            for record in ordered:
                batch.delete(record)
            return BatchResult(RowResult(record, "queued") for record in ordered)
        result = BatchResult()

        def count(requests: int) -> None:
            result.requests += requests

        if ordered:
            self.guard(delete=True)
            outcomes = yield from counted(self._delete_all(ordered), count)
            result.rows = [outcomes[id(record)] for record in ordered]
            self._tell(result.rows)
        for group in _by_resource(row.object for row in result.rows if row.status == "deleted"):
            gone = [] if self._host.outbox is not None else [str(record.id) for record in group]
            yield from self._host.removed(group[0]._meta.resource, gone)
        return result

    def _delete_all(self, ordered: list[Model]) -> Flow[dict[int, RowResult]]:
        box = self._box()
        if box is not None:
            yield from take_names(box, ordered)
            api = self._host.source("api")
            return (yield from delete_through(box, api, ordered, offline=self._host.is_offline))
        outcomes = {}
        for record in ordered:
            status, error = "deleted", ""
            try:
                yield from records.delete(record._meta.resource, str(record.id))
            except NotFound:
                pass
            except PlanhatError as failure:
                status = "unknown" if lost(failure) else "failed"
                error = getattr(failure, "detail", "") or str(failure)
            if status == "deleted":
                record._origin = record._origin.alone(deleted=True)
            outcomes[id(record)] = RowResult(record, status, error)
        return outcomes

    def refresh(self, record: Model, fields: Iterable[str] | None = None, discard: bool = False) -> Flow[None]:
        """Read a record again (offline: from the mirror), keeping its unsaved changes unless `discard`."""
        if record.id is None:
            raise PlanhatError(f"A {type(record).__name__} that was never saved cannot be read again.")
        resource = record._meta.resource
        if "get_by_id" not in resource.operations:
            raise ValidationError(f"A {type(record).__name__} cannot be refreshed: {instead(resource, 'get_by_id')}")
        names = tuple(fields) if fields is not None else None
        box = self._host.outbox
        if box is not None:
            yield from take_names(box, [record])
        missing: NotFound | None = None
        answer = None
        if self._host.is_offline or record.id.startswith(TEMPORARY):
            answer = yield from self._host.source("mirror").get(resource, "_id", record.id)
        else:
            try:
                answer = apply_aliases(resource, (yield from records.get(resource, record.id)))
            except NotFound as gone:
                missing = gone
        if answer is None:
            request, response = (missing.request, missing.response) if missing is not None else (None, None)
            raise type(record).DoesNotExist(f"{record!r} is not there any more.", request=request, response=response)
        record._refreshed(answer, names, discard)

    def reconcile(self, queryset: Any, rows: Any, key: str, mapping: Any, **options: Any) -> Flow[ReconcilePlan]:
        """Compare rows of another system with what is there, and return the plan."""
        self.guard()
        return (yield from reconcile(self, queryset, rows, key, mapping, **options))

    def send(self, items: Iterable[Any], *, on_conflict: Any = None, **options: Any) -> Flow[BatchResult]:
        """Send what changed of many records as bulk upserts; inside a batch, queue them."""
        self.guard()
        items = list(items)
        batch = open_batch(self)
        if batch is not None:
            changed = [record.id is None or bool(record.changes()) for record in items]
            for record in (item for item, travels in zip(items, changed, strict=True) if travels):
                batch.add(record)
            return BatchResult(
                RowResult(record, "queued" if travels else "unchanged")
                for record, travels in zip(items, changed, strict=True)
            )
        box = self._box()
        if box is not None:
            yield from take_names(box, items)
        result = yield from send(items, journal=self._journal(box), settle=self._settle(on_conflict), **options)
        self._tell(result.rows)
        stored = (row.object for row in result.rows if row.status in ("created", "updated") and row.object.id)
        for group in _by_resource(stored):
            rows = [] if box is not None else [record._wire for record in group]
            yield from self._host.wrote(group[0]._meta.resource, rows)
        return result

    def recover(self, rows: Iterable[RowResult], since: float) -> Flow[BatchResult]:
        """Find out what became of rows whose answer was lost; `failed` ones in the result may be sent again.

        What has a key may be sent again anyway, so without an outbox it is not in the result.
        """
        rows = list(rows)
        result = BatchResult()

        def count(requests: int) -> None:
            result.requests += requests

        box = self._box()
        entries = {row.entry: row.object for row in rows if row.entry is not None}
        if box is not None and entries:
            api = self._host.source("api")
            result.rows = list((yield from counted(recover_through(box, api, entries), count)).values())
        elif rows:
            result.rows = yield from counted(find_lost(rows, since), count)
        self._tell(result.rows)
        return result

    def unify(self, found: list[Any]) -> list[Any]:
        """Inside a batch, the objects that it knows of these records, brought up to date; else `found` itself."""
        batch = open_batch(self)
        return found if batch is None else batch.unify(found)


def _by_resource(found: Iterable[Model]) -> Iterable[list[Model]]:
    groups: dict[str, list[Model]] = {}
    for record in found:
        groups.setdefault(record._meta.resource.name, []).append(record)
    return groups.values()


def _names(record: Model, payload: dict[str, Any]) -> tuple[str, ...]:
    """The Python names of the fields that a payload sends."""
    meta = record._meta
    names = [meta.by_wire[wire].name for wire in payload if wire in meta.by_wire and wire != "custom"]
    for label in payload.get("custom") or ():
        names.append(meta.customs[label].name if label in meta.customs else "custom")
    return tuple(dict.fromkeys(names))


_INSTEAD = {
    ("ticket", "create"): "create tickets with planhat.ticket.bulk_upsert([...]).",
    ("ticket", "update"): "update tickets with planhat.ticket.bulk_upsert([...]).",
    ("ticket", "get_by_id"): "read one through planhat.conversation.get_by_id(...), as tickets are conversations.",
    ("custom_field", "bulk_upsert"): "create or update custom fields one by one.",
    ("metric", "create"): "send metrics with planhat.metrics.bulk_insert_metrics([...]).",
    ("user_activity", "create"): "send activities with planhat.user_activity.create_activity({...}).",
    ("workflow", "create"): "workflows can only be listed.",
}


def instead(resource: Resource, operation: str) -> str:
    """What to do instead of an operation that a resource does not have."""
    known = _INSTEAD.get((resource.name, operation))
    if known:
        return known
    has = ", ".join(sorted(resource.operations))
    return f"Planhat has no {operation} for /{resource.path}; there is {has}."
