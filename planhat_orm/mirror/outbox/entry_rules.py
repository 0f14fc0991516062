"""What one write does to another of the same record, and to what an answer says of it: reads and stores nothing."""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal

from ...query.kinds import DATETIME
from ...runtime import WriteIntent
from ...wire.keys import key_names
from ...wire.new_records import is_older, merge_new
from ...wire.patches import Raw, merged, same, under, without
from ..db.layout import layouts
from .overlay import Entry, PendingOverlay


def hold(entry: Entry, row: Raw) -> None:
    """Hold a new record back that was never sent, as one with its key is there."""
    keys = key_names(layouts()[entry.resource].resource, entry.patch)
    entry.state, entry.below = "conflict", under(row, entry.patch)
    entry.error = f"a record with this {keys} is there by now: push with on_conflict, or discard it"


def is_stored(entry: Entry, row: Raw) -> bool:
    """Whether a record is what a new one was to be: made since, and it says all that was sent."""
    if is_older(row, entry.floor_id):
        return False
    merge = merge_new(layouts()[entry.resource].resource, entry.patch, row)
    return not merge.clashes and not merge.send


def compared(entry: Entry, row: Raw, before: Raw | None) -> Literal["earlier", "later", "unknown"]:
    """Whether an answer was given before or after what the mirror holds, by the time of change that both show."""
    stamp = layouts()[entry.resource].resource.stamp
    left, right = (DATETIME.comparable((held or {}).get(stamp or "")) for held in (row, before))
    if left is None or right is None or left == right:
        return "unknown"
    return "earlier" if left < right else "later"


def answered(before: Raw, row: Raw, sent: Collection[str]) -> Raw:
    """A record after an answer, which may show a part of it: a custom field that was sent and is not shown is gone."""
    after = merged(before, row)
    shown, custom = row.get("custom"), after.get("custom")
    if isinstance(shown, dict) and isinstance(custom, dict):
        gone = {label for label in custom if f"custom.{label}" in sent and label not in shown}
        after["custom"] = {label: value for label, value in custom.items() if label not in gone}
    return after


def join(stacks: PendingOverlay, earlier: Entry, wish: WriteIntent) -> Entry | None:
    """Make a wish part of an entry that was not sent; None when nothing is left to do."""
    if wish.op == "delete":
        if earlier.makes:
            stacks.take_out(earlier)
            return None
        earlier.op, earlier.patch = "delete", {}
        earlier.base = {**wish.base, **earlier.base}
    elif earlier.op != "delete":
        earlier.base = merged(wish.base, earlier.base)
        earlier.patch = merged(earlier.patch, wish.patch)
        if earlier.op == "update":
            earlier.patch = _changed(earlier.patch, earlier.base)
            if not earlier.patch:
                stacks.take_out(earlier)
                return None
    earlier.state, earlier.error = "pending", ""
    return earlier


def give_up(stacks: PendingOverlay, older: Entry, newer: Raw) -> None:
    """Take the fields of a newer write out of an entry, and the entry off its stack when none is left."""
    left = without(older.patch, newer)
    if same(left, older.patch):
        return
    older.patch = left
    if not left:
        stacks.take_out(older)
    elif older.state == "conflict" and not older.clashes:
        older.state, older.error = "pending", ""


def _changed(patch: Raw, base: Raw) -> Raw:
    """A patch without what was set back to the value that it had."""
    left: Raw = {}
    for wire, value in patch.items():
        if wire == "custom" and isinstance(value, dict) and isinstance(base.get(wire), dict):
            labels = _changed(value, base[wire])
            if labels:
                left[wire] = labels
        elif wire not in base or not same(base[wire], value):
            left[wire] = value
    return left


def rebased(later: Entry, gone: Entry) -> Raw:
    """The base of a later entry about the same record, when an earlier one will never be sent."""
    base = dict(later.base)
    for wire, value in gone.patch.items():
        if wire == "custom" and isinstance(value, dict) and isinstance(base.get(wire), dict):
            labels = _replaced(base[wire], value, gone.base.get(wire) or {})
            base[wire] = labels
        elif wire in base and same(base[wire], value):
            base = _replaced(base, {wire: value}, gone.base)
    return base


def _replaced(base: Raw, patch: Raw, before: Raw) -> Raw:
    changed = dict(base)
    for name, value in patch.items():
        if name in changed and same(changed[name], value):
            if name in before:
                changed[name] = before[name]
            else:
                del changed[name]
    return changed
