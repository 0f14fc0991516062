"""The plan of a batch: what would be sent, field by field, and what that costs."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ..html import table
from ..wire.resources import BULK_MAX_ROWS


@dataclass(frozen=True, slots=True)
class Change:
    """One field of one object: what it was and what it becomes. `action` is create, update or delete."""

    action: str
    model: str
    object: Any
    field: str
    old: Any
    new: Any


def changes_of(action: str, record: Any) -> list[Change]:
    """The changes of one record, custom fields by label."""
    model = type(record).__name__
    if action == "delete":
        return [Change(action, model, record, "", None, None)]
    found = []
    for name, pair in record.changes().items():
        if isinstance(pair, dict):
            found += [Change(action, model, record, f"custom.{label}", *old_new) for label, old_new in pair.items()]
        else:
            found.append(Change(action, model, record, name, *pair))
    return found or [Change(action, model, record, "", None, None)]


@dataclass(frozen=True, slots=True)
class WritePlan:
    """What a batch would send: the changes, the requests, and the seconds they take under the quota.

    `print(plan)` shows a table, a notebook an HTML one; `to_json()` is for a file or a diff. It shows the
    values themselves: a plan is for the person who made them.
    """

    changes: tuple[Change, ...]
    requests: int
    seconds: float

    SHOWN = 20

    def summary(self) -> str:
        """One line: how many objects and fields, requests and seconds."""
        objects = {id(change.object) for change in self.changes}
        counts: dict[tuple[str, str], set[int]] = {}
        for change in self.changes:
            counts.setdefault((change.action, change.model), set()).add(id(change.object))
        parts = [f"{action} {len(ids)} {model}" for (action, model), ids in counts.items()]
        fields = sum(1 for change in self.changes if change.field)
        if not objects:
            return "nothing to send"
        return (
            f"{', '.join(parts)} ({fields} fields), {self.requests} request{'' if self.requests == 1 else 's'}, "
            f"about {math.ceil(self.seconds)} s under the quota"
        )

    def _cells(self, changes: Iterable[Change]) -> list[tuple[str, str, str, str, str]]:
        return [
            (change.action, f"{change.model} {change.object.id or 'new'}", change.field, _show(change.old),
             _show(change.new))
            for change in changes
        ]  # fmt: skip

    def __str__(self) -> str:
        rows = [("action", "object", "field", "old", "new"), *self._cells(self.changes[: self.SHOWN])]
        widths = [max(len(row[column]) for row in rows) for column in range(5)]
        lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
        if len(self.changes) > self.SHOWN:
            lines.append(f"... and {len(self.changes) - self.SHOWN} more")
        return "\n".join([*lines, self.summary()]) if self.changes else self.summary()

    def __repr__(self) -> str:
        return f"<WritePlan {self.summary()}>"

    def _repr_html_(self) -> str:
        rows = self._cells(self.changes[: self.SHOWN])
        return table(("action", "object", "field", "old", "new"), rows, self.summary())

    def to_json(self) -> str:
        """The changes as JSON, in a stable order, so that two plans can be compared with diff."""
        rows = [
            {
                "action": change.action, "model": change.model, "id": change.object.id,
                "field": change.field, "old": change.old, "new": change.new,
            }
            for change in self.changes
        ]  # fmt: skip
        rows.sort(key=lambda row: (row["model"], row["id"] or "", row["field"]))
        return json.dumps({"requests": self.requests, "changes": rows}, indent=2, default=str, ensure_ascii=False)


def cost(updates: dict[str, int], creates_single: int, deletes: int) -> int:
    """Requests: ceil(rows/5000) for each resource, and one for each that cannot travel in bulk."""
    return sum(-(-rows // BULK_MAX_ROWS) for rows in updates.values()) + creates_single + deletes


def _show(value: Any) -> str:
    text = "" if value is None else str(value)
    return text if len(text) <= 40 else text[:37] + "..."
