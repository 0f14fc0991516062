"""The plan of merging two companies, and the steps that do it: each can be done again, and the last one deletes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from msgspec import Struct

from ..errors import ConflictError, PlanhatError
from ..http.effects import Flow
from ..models.base import Model
from ..models.labels import label_of
from ..models.results import BatchResult, joined
from ..runtime import Client
from ..wire import records
from ..wire.find_by_keys import SURE
from .record_plan import RecordPlan
from .referring import Reference, referring
from .revert_checks import moved

_SHOWN = 10
_ROUNDS = 3
"""How often what came to belong to the other company meanwhile is moved, too."""
_NOT_MOVED = (
    "Not moved: metrics, activities, health and attachments; names of contacts inside conversations and tasks. What is "
    "made under the other company just before it is deleted goes with it, and a connected CRM may make it anew."
)


@dataclass(frozen=True, slots=True)
class Difference:
    """A field that both records have: what stays, and what goes with the other one."""

    object: Any
    name: str
    kept: Any = field(repr=False)
    dropped: Any = field(repr=False)

    def __str__(self) -> str:
        return f"{label_of(self.object)}, {self.name}: {_short(self.kept)} stays, {_short(self.dropped)} goes"


class Merging(Struct):
    """What merging comes to. `keys` are given to records after those that have them were deleted.

    `doubles` are contacts of the other company by the contact of the kept one with the same email. `stuck` are
    references that the API cannot move; `leave` names resources whose records may go with the other company, which
    `going` are. `other` is None where it is deleted already.
    """

    keep: Model
    other: Model | None
    updates: dict[tuple[str, str], Model] = {}
    leave: frozenset[str] = frozenset()
    doubles: list[tuple[Model, Model]] = []
    keys: list[tuple[Model, str, Any]] = []
    differences: list[Difference] = []
    stuck: list[Reference] = []
    going: list[Reference] = []
    unread: list[type[Model]] = []


class MergePlan(RecordPlan[Model]):
    """What merging two companies would do. `print(plan)` shows it; `apply()` does it, step by step.

    `updates` are the kept company with what it lacked, and what moves to it; `deletions` the other company, and its
    contacts whose email one of the kept company has. `differences` are fields that both have, `left` what the API
    cannot move: as long as there is any, the other company is not deleted.
    """

    def __init__(self, client: Client, parts: Merging) -> None:
        doomed = [double for _, double in parts.doubles]
        changed = [record for record in parts.updates.values() if record.changes()]
        super().__init__(client, [], changed, [*doomed, *([parts.other] if parts.other is not None else [])])
        self._parts = parts
        self.differences = tuple(parts.differences)
        self.left = tuple(reference.record for reference in parts.stuck)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to send."""
        return super().is_empty and not self._parts.keys

    def _apply(self) -> Flow[BatchResult]:
        """Fill and move, look again, delete, hand the keys over; stop where something is left, or was refused."""
        self._client.writer.guard_live(delete=True)
        yield from self._refuse_conflicts()
        results = [(yield from self._send(self.updates))]
        results.append((yield from self._delete_doubles()))
        results += yield from self._move_the_rest()
        if self._parts.other is not None:
            results.append((yield from self._send([], doomed=[self._parts.other])))
        given = yield from self._give_keys()
        return _told(results, given)

    def _send(self, changed: Sequence[Model], doomed: Sequence[Model] = ()) -> Flow[BatchResult]:
        result = yield from self._client.writer.send(changed, doomed=doomed)
        result.raise_for_failures()
        return result

    def _refuse_conflicts(self) -> Flow[None]:
        conflicts = yield from moved(self._client, self.updates)
        found = [conflict for some in conflicts.values() for conflict in some]
        if found:
            raise ConflictError(
                f"{len(conflicts)} records changed after the plan was made: make it anew; nothing was sent.",
                conflicts=found,
            )

    def _delete_doubles(self) -> Flow[BatchResult]:
        """Delete contacts that the kept company has, too, once nothing names them any more."""
        doubles = [double for _, double in self._parts.doubles]
        if not doubles:
            return BatchResult()
        result = BatchResult()
        named = yield from result.count(referring(self._client, "enduser", {str(double.id) for double in doubles}))
        holding = [item for item in named.found if not item.field.readonly]
        self._refuse_left((yield from result.count(self._still_named(holding))))
        return joined([result, (yield from self._send([], doomed=doubles))])

    def _move_the_rest(self) -> Flow[list[BatchResult]]:
        """List what belongs to the other company again, and move what came meanwhile; raise where something stays."""
        other, keep = self._parts.other, self._parts.keep
        results: list[BatchResult] = []
        if other is None:
            return results
        for _ in range(_ROUNDS):
            result = BatchResult()
            again = yield from result.count(referring(self._client, "company", {str(other.id)}))
            found = [item for item in again.found if item.record._meta.resource.name not in self._parts.leave]
            left = yield from result.count(self._still_named(found))
            results.append(result)
            if not left:
                return results
            stuck = [item for item in left if not is_movable(item) or _is_double(item, self._parts.doubles)]
            self._refuse_left(stuck)
            results.append((yield from self._send(_moved_to(keep, left))))
        self._refuse_left(left)
        return results

    def _still_named(self, references: Sequence[Reference]) -> Flow[list[Reference]]:
        """References without those that the record itself, read alone, shows no more: a list may be older."""
        left = list(references[SURE:])
        for item in references[:SURE]:
            known = item.record._meta.resource
            row = (yield from records.find(known, str(item.record.id))) if known.is_readable else item.record._wire
            if row is None:
                continue
            value = getattr(type(item.record).from_wire(row), item.field.name)
            if item.target in (value if isinstance(value, list) else [value]):
                left.append(item)
        return left

    def _refuse_left(self, left: Sequence[Reference]) -> None:
        if left:
            names = ", ".join(dict.fromkeys(label_of(item.record) for item in left[:_SHOWN]))
            more = f" and {len(left) - _SHOWN} more" if len(left) > _SHOWN else ""
            raise PlanhatError(
                f"{names}{more} still belongs to what was to be deleted, so that was not deleted. What was moved stays "
                f"moved: move the rest, and merge again."
            )

    def _give_keys(self) -> Flow[BatchResult]:
        """Give the keys of deleted records to those that took their place."""
        changed: dict[int, Model] = {}
        for record, name, value in self._parts.keys:
            record._live = {**(record._live or {}), name: value}
            changed[id(record)] = record
        return (yield from self._send(list(changed.values())))

    def summary(self) -> str:
        """One line of counts."""
        return (
            f"update {len(self.updates)}, delete {len(self.deletions)}, hand over {len(self._parts.keys)} keys"
            + (f", differences {len(self.differences)}" if self.differences else "")
            + (f", left {len(self.left)}" if self.left else "")
        )

    def notes(self) -> list[str]:
        """Fields that both have, what cannot be moved, and what never moves, a line each."""
        lines = [str(item) for item in self.differences[:_SHOWN]]
        if len(self.differences) > _SHOWN:
            lines.append(f"{len(self.differences) - _SHOWN} more fields that both have: see .differences")
        lines += [f"goes with the other company: {label_of(item.record)}" for item in self._parts.going[:_SHOWN]]
        lines += [f"cannot be moved, so nothing is deleted: {label_of(record)}" for record in self.left[:_SHOWN]]
        lines += [
            f"key after the deletion: {label_of(record)}, {name}: {value}" for record, name, value in self._parts.keys
        ]
        if self._parts.unread:
            names = ", ".join(sorted(model.__name__ for model in self._parts.unread))
            lines.append(f"Not looked at, as the token may not read it: {names}.")
        return [*lines, _NOT_MOVED] if self._parts.other is not None else lines

    def to_json(self) -> str:
        """The plan's changes as JSON, in a stable order, with the fields that both have and what cannot be moved."""
        whole = json.loads(super().to_json())
        whole["differences"] = [
            {"model": type(item.object).__name__, "id": item.object.id, "field": item.name, "kept": item.kept,
             "dropped": item.dropped}
            for item in self.differences
        ]  # fmt: skip
        whole["left"] = [{"model": type(record).__name__, "id": record.id} for record in self.left]
        whole["keys"] = [{"id": record.id, "field": name, "value": value} for record, name, value in self._parts.keys]
        return json.dumps(whole, indent=2, default=str, ensure_ascii=False)


def is_movable(reference: Reference) -> bool:
    """Whether the API can make a record name another company."""
    writes = {"update", "bulk_upsert"} & reference.record._meta.resource.operations
    return bool(writes) and not reference.field.readonly


def move(reference: Reference, keep: Model) -> None:
    """Have a record name the kept one instead."""
    record, name = reference.record, reference.field.name
    value = getattr(record, name)
    new: Any = keep.id
    if isinstance(value, list):
        new = list(dict.fromkeys(keep.id if id == reference.target else id for id in value))
    record._live = {**(record._live or {}), name: new}


def _moved_to(keep: Model, references: Sequence[Reference]) -> list[Model]:
    for item in references:
        move(item, keep)
    return list({id(item.record): item.record for item in references}.values())


def _is_double(reference: Reference, doubles: Sequence[tuple[Model, Model]]) -> bool:
    return any(reference.record == double for _, double in doubles)


def _told(results: Sequence[BatchResult], given: BatchResult) -> BatchResult:
    """One row for each record, though some were sent twice."""
    whole = joined([*results, given])
    rows = {id(row.object): row for row in whole.rows}
    return BatchResult(rows.values(), whole.requests)


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
