"""Rows that share a key: one record can come of them, so they are refused, or put together on request."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Literal

from ..errors import FieldError
from ..fields import CustomFields
from ..models.base import Model
from ..models.results import BatchResult, RowResult
from ..names import quoted
from ..wire.keys import Key, comparable_keys
from .columns import refuse

Duplicates = Literal["raise", "merge"]
"""What rows do that share a key: they are refused, or become one, later values over earlier ones."""


def check_duplicates(duplicates: str) -> None:
    """Raise `FieldError` for what is no such rule."""
    if duplicates not in ("raise", "merge"):
        raise FieldError(f"duplicates is 'raise' or 'merge', not {quoted(duplicates)}.")


def merge_duplicates(
    records: Sequence[Any], duplicates: Duplicates = "raise", label: Callable[[int], str] = "row {}".format
) -> list[Any]:
    """The record that each of some records is sent as: itself, or an earlier one with its key that it was put into.

    Raises `ValidationError` naming the rows that share a key, unless they are to be merged; rows that share one key
    and contradict each other in another are refused in any case.
    """
    check_duplicates(duplicates)
    owners: dict[Key, int] = {}
    sent_as: list[Any] = []
    problems: list[str] = []
    for number, record in enumerate(records):
        keys = _deciding_keys(record)
        earlier = sorted({owners[key] for key in keys if key in owners and records[owners[key]] is not record})
        for key in keys:
            owners.setdefault(key, number)
        sent_as.append(sent_as[earlier[0]] if earlier else record)
        if not earlier:
            continue
        shared = " and ".join(_name(record, wire) for wire, value in keys if owners[wire, value] == earlier[0])
        if duplicates == "raise":
            problems.append(f"{label(earlier[0])} and {label(number)} have the same {shared}")
        elif len(earlier) > 1 or _contradict(_deciding_keys(records[earlier[0]]), keys):
            problems.append(f"{label(earlier[0])} and {label(number)} have the same {shared}, but not all keys")
        else:
            _put_into(sent_as[earlier[0]], record)
    if problems:
        refuse(problems, "sent")
    return sent_as


def _deciding_keys(record: Any) -> list[Key]:
    """The keys by which Planhat finds the record: the id alone where it has one."""
    if record.id is not None:
        return [("_id", record.id)]
    return comparable_keys(record._meta.resource, record._keys())


def _contradict(left: Sequence[Key], right: Sequence[Key]) -> bool:
    values = dict(left)
    return any(values.get(wire, value) != value for wire, value in right)


def _name(record: Any, wire: str) -> str:
    name: str = record._meta.by_wire[wire].name
    return name


def _put_into(target: Model, record: Model) -> None:
    """Set what was set on a record on another one, too, but nothing that was only read; of `custom` the labels."""
    changed = {field.name: difference for field, _, difference in record._edits()}
    for name, value in (record._live or {}).items():
        field = record._meta.fields[name]
        if isinstance(field, CustomFields):
            setattr(target, name, {**getattr(target, name), **_set_labels(record, value, changed.get(name, {}))})
        elif name in changed or (value is None and field.wire not in record._wire):
            setattr(target, name, value)


def _set_labels(record: Model, labels: dict[str, Any], changed: dict[str, tuple[Any, Any]]) -> dict[str, Any]:
    """The labels that were set, those among them that were cleared without having been read."""
    came = record._came.get("custom")
    known = came if isinstance(came, dict) else {}
    cleared = {label: None for label, value in labels.items() if value is None and label not in known}
    return {**cleared, **{label: new for label, (_, new) in changed.items()}}


def with_merged(result: BatchResult, records: Sequence[Any], sent_as: Sequence[Any]) -> BatchResult:
    """The result for all records, in their order: one that was put into another is `merged`, or failed with it."""
    outcomes = {id(row.object): row for row in result.rows}
    rows: list[RowResult] = []
    for record, target in zip(records, sent_as, strict=True):
        outcome = outcomes[id(target)]
        if target is not record:
            rows.append(replace(outcome, status="merged") if outcome.ok else outcome)
        elif outcome not in rows:
            rows.append(outcome)
    return BatchResult(rows, result.requests)
