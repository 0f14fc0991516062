"""The plan of undoing: what goes back, what does not, and how it is sent."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from ..http.effects import Flow
from ..models.base import Model
from ..models.results import BatchResult, RowResult, joined
from ..runtime import Client
from .outbox import on_outbox
from .record_plan import RecordPlan
from .revert_checks import Doomed, LeftAlone, deletable, moved

_SHOWN = 10


class Parts(Struct):
    """What a plan is made of.

    `late` are records with lists that name records which are made by the plan: the list as it is to be, by field; it
    is sent when they have ids. `freed` are keys that new records get after the deletion of those that have them.
    `successors` are the new records by the ids that they had.
    """

    creates: list[Model] = []
    updates: list[Model] = []
    doomed: list[Doomed] = []
    left: list[LeftAlone] = []
    late: dict[int, dict[str, list[Any]]] = {}
    freed: list[tuple[Model, str, Any]] = []
    successors: dict[str, Model] = {}
    facts: list[str] = []


class RevertPlan(RecordPlan[Model]):
    """What undoing would do. `print(plan)` shows it; `apply()` does it, and is undone as any other write is.

    `left` is what stays as it is, each with the reason: fields that others changed since, records that something
    hangs on.
    """

    def __init__(self, client: Client, parts: Parts) -> None:
        super().__init__(client, parts.creates, parts.updates, [item.record for item in parts.doomed])
        self._parts = parts
        self.left = tuple(parts.left)

    def _apply(self) -> Flow[BatchResult]:
        """New records and changes first, then deletions: what a record hangs on goes when that has moved away."""
        writer = self._client.writer
        writer.guard_live(delete=bool(self.deletions))
        conflicts = yield from moved(self._client, self.updates)
        held = [
            RowResult(record, "failed", _why(conflicts[id(record)][0].name), conflicts[id(record)])
            for record in self.updates
            if id(record) in conflicts
        ]
        going = [record for record in (*self.creates, *self.updates) if id(record) not in conflicts]
        sent = yield from writer.send([record for record in going if id(record) not in self._parts.late], new="create")
        yield from self._note_successors()
        self._fill_late()
        later = yield from writer.send([record for record in going if id(record) in self._parts.late], new="create")
        deleted = yield from self._delete()
        keyless = yield from self._give_freed_keys()
        without_key = {id(row.object) for row in keyless.rows}
        made = [row for row in (*sent.rows, *later.rows) if id(row.object) not in without_key]
        results = [BatchResult([*made, *keyless.rows, *held]), deleted]
        result = joined(results, [*self.creates, *self.updates, *self.deletions])
        result.requests += sent.requests + later.requests + keyless.requests
        result.raise_for_failures()
        return result

    def _delete(self) -> Flow[BatchResult]:
        """Delete what is still as we made it, and on which nothing hangs by now."""
        result = BatchResult()
        if not self._parts.doomed:
            return result
        asked = yield from result.count(deletable(self._client, self._parts.doomed, {}))
        doomed = [item.record for item in asked.doomed]
        sent = yield from self._client.writer.send([], doomed=doomed)
        known = {id(record) for record in doomed}
        why = {id(item.object): str(item.why) for item in asked.left}
        result.rows = [
            RowResult(record, "failed", why[id(record)]) if id(record) in why else RowResult(record, "deleted")
            for record in self.deletions
            if id(record) not in known
        ]
        return joined([result, sent])

    def _note_successors(self) -> Flow[None]:
        """Remember under which ids records are there again."""
        outbox = self._client.outbox
        ids = {old: str(record.id) for old, record in self._parts.successors.items() if record.id is not None}
        if outbox is not None and ids:
            yield from on_outbox(outbox, outbox.succeed, ids)

    def _fill_late(self) -> None:
        for record in (*self.creates, *self.updates):
            for name, value in self._parts.late.get(id(record), {}).items():
                ids = [item.id if isinstance(item, Model) else item for item in value]
                record._live = {**(record._live or {}), name: [id for id in ids if id is not None]}

    def _give_freed_keys(self) -> Flow[BatchResult]:
        """Give new records the keys that deleted ones had."""
        gone = {id(record) for record in self.deletions if record._origin.deleted}
        changed = []
        for record, name, value in self._parts.freed:
            if record.id is not None and gone:
                record._live = {**(record._live or {}), name: value}
                changed.append(record)
        result = yield from self._client.writer.send(changed)
        # The new records have their rows already.
        return BatchResult([row for row in result.rows if not row.ok], result.requests)

    def summary(self) -> str:
        """One line of counts."""
        return super().summary() + (f", left alone {len(self.left)}" if self.left else "")

    def notes(self) -> list[str]:
        """What stays as it is, a line each, and what cannot come back."""
        lines = [f"left alone: {item}" for item in self.left[:_SHOWN]]
        if len(self.left) > _SHOWN:
            lines.append(f"left alone: {len(self.left) - _SHOWN} more")
        return [*lines, *self._parts.facts]

    def to_json(self) -> str:
        """The plan's changes as JSON, in a stable order, with what is left alone and why."""
        whole = json.loads(super().to_json())
        whole["left"] = sorted(
            (_facts(item) for item in self.left), key=lambda row: (row["model"], row["id"], row["field"])
        )
        whole["notes"] = self._parts.facts
        return json.dumps(whole, indent=2, default=str, ensure_ascii=False)


def _facts(item: LeftAlone) -> Mapping[str, Any]:
    return {
        "model": type(item.object).__name__, "id": item.object.id or "", "field": item.name, "why": item.why,
        "wrote": item.wrote, "now": item.now,
    }  # fmt: skip


def _why(name: str) -> str:
    return f"{name} changed after the plan was made: make it anew" if name else "the record is not there any more"
