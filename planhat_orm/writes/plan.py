"""The plan of a batch: what would be sent, field by field, and what that costs."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from difflib import unified_diff
from typing import Any

from ..aligned import aligned
from ..fields import Custom
from ..html import table
from ..models.base import Model
from ..models.labels import label_of, name_of
from ..wire.keys import has_key
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


def changes_of(action: str, record: Any, fields: Iterable[str] | None = None) -> list[Change]:
    """The changes of one record, or those of some fields of it; undeclared custom fields by label."""
    model = type(record).__name__
    if action == "delete":
        return [Change(action, model, record, "", None, None)]
    found = []
    chosen = None if fields is None else set(fields)
    for name, pair in record.changes().items():
        custom = "custom" if isinstance(record._meta.fields[name], Custom) else name
        if chosen is not None and not chosen.intersection((name, custom)):
            continue
        if isinstance(pair, dict):
            found += [Change(action, model, record, f"custom.{label}", *old_new) for label, old_new in pair.items()]
        else:
            found.append(Change(action, model, record, name, *pair))
    return found or [Change(action, model, record, "", None, None)]


@dataclass(frozen=True, slots=True)
class WritePlan:
    """What a batch would send: the changes, the requests, and the seconds they take under the quota.

    `recorded` is how many metrics and activities the outbox gets, by resource. `print(plan)` shows a table, a notebook
    an HTML one; `to_json()` is for a file, `diff()` compares two. It
    shows the values themselves: a plan is for the person who made them.
    """

    changes: tuple[Change, ...]
    requests: int
    seconds: float
    recorded: Mapping[str, int] = field(default_factory=dict)

    SHOWN = 20

    def summary(self) -> str:
        """One line: how many objects and fields, requests and seconds."""
        objects = {id(change.object) for change in self.changes}
        counts: dict[tuple[str, str], set[int]] = {}
        for change in self.changes:
            counts.setdefault((change.action, change.model), set()).add(id(change.object))
        parts = [f"{action} {len(ids)} {model}" for (action, model), ids in counts.items()]
        fields = sum(1 for change in self.changes if change.field)
        waiting = [f"{count} {name} to wait for push()" for name, count in self.recorded.items()]
        if not objects:
            return ", ".join(waiting) or "nothing to send"
        sent = (
            f"{', '.join(parts)} ({fields} fields), {self.requests} request{'' if self.requests == 1 else 's'}, "
            f"about {math.ceil(self.seconds)} s under the quota"
        )
        return ", ".join([sent, *waiting])

    def _cells(self, changes: Iterable[Change]) -> list[tuple[str, str, str, str, str]]:
        return [
            (change.action, _label(change.object), change.field, _show(change.old), _show(change.new))
            for change in changes
        ]  # fmt: skip

    def text(self, most: int | None = SHOWN) -> str:
        """The table of the first `most` changes, or of all, and the summary."""
        shown = self.changes if most is None else self.changes[:most]
        rows = [("action", "object", "field", "old", "new"), *self._cells(shown)]
        lines = aligned(rows)
        if len(self.changes) > len(shown):
            lines.append(f"... and {len(self.changes) - len(shown)} more")
        return "\n".join([*lines, self.summary()]) if self.changes else self.summary()

    def __str__(self) -> str:
        return self.text()

    def __repr__(self) -> str:
        return f"<WritePlan {self.summary()}>"

    def _repr_html_(self) -> str:
        rows = self._cells(self.changes[: self.SHOWN])
        return table(("action", "object", "field", "old", "new"), rows, self.summary())

    def to_json(self) -> str:
        """The changes as JSON, in a stable order, so that two plans can be compared with diff.

        A record that has no id yet is told by its `key`, the first key it carries.
        """
        rows = [
            {
                "action": change.action, "model": change.model, "id": change.object.id, "key": _key(change.object),
                "field": change.field, "old": change.old, "new": change.new,
            }
            for change in self.changes
        ]  # fmt: skip
        rows.sort(key=lambda row: (row["model"], row["id"] or "", row["key"] or "", row["field"]))
        whole = {"requests": self.requests, "seconds": math.ceil(self.seconds), "changes": rows}
        if self.recorded:
            whole["recorded"] = dict(self.recorded)
        return json.dumps(whole, indent=2, default=str, ensure_ascii=False)

    def diff(self, other: WritePlan) -> str:
        """How `other` differs from this plan, line by line as `diff -u` shows it; empty where it does not."""
        mine, theirs = (item.to_json().splitlines() for item in (self, other))
        return "\n".join(unified_diff(mine, theirs, "this plan", "the other", lineterm=""))


def plan_of(
    saves: Iterable[Model],
    deletes: Iterable[Model],
    seconds: Callable[[int], float],
    only: Mapping[int, tuple[str, ...] | None] | None = None,
    recorded: Mapping[str, int] | None = None,
) -> WritePlan:
    """The plan of saving and deleting records; `only` limits some (by `id()`) to some of their fields."""
    changes: list[Change] = []
    groups: dict[tuple[str, bool], int] = {}
    requests = 0
    for record in saves:
        known = record._meta.resource
        fields = (only or {}).get(id(record))
        found = changes_of("create" if record.id is None else "update", record, fields)
        if record.id is not None and not any(change.field for change in found):
            continue
        changes += found
        if "bulk_upsert" in known.operations:
            # Rows without a key travel on their own: they are sent once only.
            keyed = record.id is not None or has_key(known, record._keys())
            groups[known.name, keyed] = groups.get((known.name, keyed), 0) + 1
        else:
            requests += 1
    for record in deletes:
        changes += changes_of("delete", record)
        requests += 1
    requests += sum(-(-rows // BULK_MAX_ROWS) for rows in groups.values())
    return WritePlan(tuple(changes), requests, seconds(requests), recorded or {})


def _label(record: Model) -> str:
    """The record as a person knows it; a new one with its key, as far as it has one."""
    if record.id is not None:
        return label_of(record)
    key, model = _key(record), type(record).__name__
    return f"{model} {name_of(record) or 'new'}{'' if key is None else f' ({key})'}"


def _key(record: Model) -> str | None:
    """The first key that a record carries, as `external_id=a-1`."""
    for wire, value in record._keys().items():
        if wire != "_id" and value:
            return f"{record._meta.by_wire[wire].name}={value}"
    return None


def _show(value: Any) -> str:
    text = "" if value is None else str(value)
    return text if len(text) <= 40 else text[:37] + "..."
