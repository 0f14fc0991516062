"""Send many records: parents before children, as few bulk upserts as possible, an outcome for each.

What travels of a record is its difference and its key; what comes back clears only what was acknowledged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from ..errors import PlanhatError, ValidationError
from ..http.effects import Flow
from ..models.base import Model
from ..wire import bulk, matching, records
from ..wire.resources import BULK_MAX_ROWS, Resource
from .push import lost
from .results import BatchResult, RowResult

Journal = Callable[[list[Model], dict[int, Any], int], Flow[tuple[dict[int, RowResult], int]]]
"""Sends records through an outbox: given the records, the fields of each, and the chunk size."""


class Sending:
    """One run over many records."""

    def __init__(
        self,
        items: Iterable[Model],
        *,
        chunk_size: int = BULK_MAX_ROWS,
        upsert: bool = False,
        only: dict[int, Any] | None = None,
        journal: Journal | None = None,
    ) -> None:
        self.items = list({id(item): item for item in items}.values())
        self.chunk_size = chunk_size
        self.upsert = upsert
        self.only = only or {}  # id of a record -> the field names it was saved with, where given
        self.outcome: dict[int, RowResult] = {}
        self.requests = 0
        self.journal = journal

    def run(self) -> Flow[BatchResult]:
        """Send everything and return the result. Raises `ValidationError` before the first request."""
        changed = self._check()
        if self.journal is not None and changed:
            outcomes, self.requests = yield from self.journal(changed, self.only, self.chunk_size)
            self.outcome.update(outcomes)
            yield from self._learn_ids([record for record in changed if record.id is None])
            changed = []
        while changed:
            pending = set(map(id, changed))
            ready = [record for record in changed if not self._waits_for(record, pending)]
            for record in [] if ready else changed:
                self._settle(record, "failed", "It refers in a circle to records that were never saved.")
            order = min((record._meta.resource.write_order for record in ready), default=0)
            wave = [record for record in ready if record._meta.resource.write_order == order]
            for resource in dict.fromkeys(record._meta.resource.name for record in wave):
                yield from self._send([record for record in wave if record._meta.resource.name == resource])
            changed = [record for record in changed if id(record) not in self.outcome]
        return BatchResult([self.outcome[id(item)] for item in self.items], self.requests)

    def _check(self) -> list[Model]:
        """The records that have something to send, every one of them valid."""
        changed = []
        for record in self.items:
            if record._origin.deleted:
                raise ValidationError(f"{record!r} was deleted and cannot be saved.")
            if record.id is None or record.changes():
                record.before_save()
            if record.id is not None and not record._payload(self.only.get(id(record))):
                self._settle(record, "unchanged")
                continue
            if not (self.upsert and _keyed(record)):
                record.full_clean()
            changed.append(record)
        return changed

    def _waits_for(self, record: Model, pending: set[int]) -> bool:
        """Whether a record refers to one that is still to be created here; it fails with that one."""
        for value in (record._live or {}).values():
            if not isinstance(value, Model) or value.id is not None:
                continue
            if id(value) in pending:
                return True
            outcome = self.outcome.get(id(value))
            if outcome is not None and not outcome.ok:
                self._settle(record, "failed", f"Not sent: the {type(value).__name__} it refers to was not created.")
        return id(record) in self.outcome

    def _send(self, wave: list[Model]) -> Flow[None]:
        resource = wave[0]._meta.resource
        rows, sent = [], []
        for record in wave:
            try:
                payload = record._payload(self.only.get(id(record)))
            except ValidationError as wrong:
                self._settle(record, "failed", str(wrong))
                continue
            if record.id is not None:
                row = {"_id": record.id, **payload}
            else:
                row = dict(payload)
            rows.append(row)
            sent.append((record, payload))
        if "bulk_upsert" not in resource.operations:
            for record, payload in sent:
                yield from self._send_alone(resource, record, payload)
            return
        answer = yield from bulk.upsert(resource, rows, chunk_size=self.chunk_size)
        self.requests += answer.requests
        for (record, payload), outcome in zip(sent, answer.outcomes, strict=True):
            if outcome.status in ("created", "updated", "unchanged"):
                named = {"_id": outcome.id} if outcome.id else {}
                record._saved(named, {key: value for key, value in payload.items() if key != "_id"})
            self._settle(record, outcome.status, outcome.error)
        yield from self._learn_ids([record for record, _ in sent if record.id is None])

    def _learn_ids(self, nameless: list[Model]) -> Flow[None]:
        """Find the ids of upserted records: an answer names those it found equal by nothing."""
        waiting = [record for record in nameless if self.outcome[id(record)].ok]
        for name in dict.fromkeys(record._meta.resource.name for record in waiting):
            mine = [record for record in waiting if record._meta.resource.name == name]
            found = yield from matching.find(mine[0]._meta.resource, [record._wire for record in mine])
            self.requests += min(len(mine), matching.FEW)
            for record, row in zip(mine, found, strict=True):
                if row is not None:
                    record._saved(row, {})

    def _send_alone(self, resource: Resource, record: Model, payload: dict[str, Any]) -> Flow[None]:
        created = record.id is None
        try:
            if created:
                answer = yield from records.create(resource, payload)
            else:
                answer = yield from records.update(resource, record.id, payload)
        except PlanhatError as failure:
            detail = getattr(failure, "detail", "")
            self._settle(record, "unknown" if lost(failure) else "failed", detail or str(failure))
        else:
            record._saved(answer, payload)
            self._settle(record, "created" if created else "updated")
        self.requests += 1

    def _settle(self, record: Model, status: str, error: str = "") -> None:
        self.outcome[id(record)] = RowResult(record, status, error)


def send(items: Iterable[Model], **options: Any) -> Flow[BatchResult]:
    """Send what changed of `items` and return the outcome of each.

    With `upsert` a record without an id that carries a key need not have all that a new one needs: it may
    exist already. `only` limits records to some fields, `journal` carries them through an outbox.
    """
    return (yield from Sending(items, **options).run())


def _keyed(record: Model) -> bool:
    return any(True for _ in records.keys_of(record._meta.resource, record._payload()))
