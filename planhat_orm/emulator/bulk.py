"""Bulk upsert: items matched by key, an outcome for each, and the answer that sums them up.

The rules are those of docs/reference/planhat-api.md section 7.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ..wire.resources import BULK_MAX_ROWS, resource
from . import rules
from .defaults import template
from .operations import check_permission, read_body, require
from .refusal import Refusal, SilentDrop
from .store import Store
from .tables import Record
from .tickets import read_ticket

_SHAPES = ("object", "string", "indexed", "mongoose")


@dataclass(slots=True)
class Outcome:
    """What a bulk request did so far."""

    inserted: list[Record] = field(default_factory=list)
    changed: list[Record] = field(default_factory=list)
    unchanged: int = 0
    create_errors: list[Any] = field(default_factory=list)
    update_errors: list[Any] = field(default_factory=list)
    permission_errors: list[Any] = field(default_factory=list)

    @property
    def status(self) -> int:
        """200 when all is well, 206 when some items failed, 400 when all did, 403 for permissions."""
        if self.permission_errors:
            return 403
        if not (self.create_errors or self.update_errors):
            return 200
        return 206 if self.inserted or self.changed or self.unchanged else 400

    def answer(self, *, old: bool = False) -> Record:
        """Return the body; an old one has no lists of permissions and validations while they are empty."""
        body = {
            "created": len(self.inserted),
            "createdErrors": self.create_errors,
            "insertsKeys": self.inserted,
            "updated": len(self.changed),
            "updatedErrors": self.update_errors,
            "updatesKeys": self.changed,
            "nonupdates": self.unchanged,
            "modified": [keys["_id"] for keys in self.changed],
            "upsertedIds": [keys["_id"] for keys in self.inserted],
        }
        if self.permission_errors or not old:
            body |= {"permissionErrors": self.permission_errors, "validationErrors": []}
        return body


def bulk_upsert(store: Store, name: str, items: Any) -> Outcome:
    """Insert or change a record for each item. An item's failure is its own, unless the switches say otherwise."""
    if not isinstance(items, list):
        raise Refusal("Expected an array")
    if len(items) > BULK_MAX_ROWS:
        raise Refusal(f"At most {BULK_MAX_ROWS} items")
    outcome = Outcome()
    try:
        check_permission(store, name, "write")
    except Refusal as refusal:
        outcome.permission_errors = [_error(store, name, n, item, refusal.message) for n, item in enumerate(items)]
        return outcome
    repeated = _repeated(store, name, items)
    if repeated and store.switches.duplicate_keys == "refuse":
        for number, message in repeated.items():
            _fail(store, name, outcome, number, items[number], message)
        return outcome
    if store.switches.bulk_errors == "whole" and _fails_whole(store, name, items, repeated, outcome):
        return outcome
    for number, item in enumerate(items):
        if number in repeated:
            _fail(store, name, outcome, number, item, repeated[number])
            continue
        try:
            _upsert(store, name, item, outcome)
        except Refusal as refusal:
            _fail(store, name, outcome, number, item, refusal.message)
        except SilentDrop:
            continue
    return outcome


def duplicate(store: Store, ids: Any) -> Outcome:
    """Copy those of the time entries that exist."""
    if not isinstance(ids, list):
        raise Refusal("ids must be an array")
    outcome = Outcome()
    for id in ids:
        entry = store.find("time_entry", "_id", id)
        if entry is not None:
            own = ("_id", "createdAt", "updatedAt", "timesheetId", "timesheetStatus")
            record = store.create("time_entry", {key: value for key, value in entry.items() if key not in own})
            outcome.inserted.append({"_id": record["_id"]})
    return outcome


def _upsert(store: Store, name: str, item: Any, outcome: Outcome) -> None:
    if not isinstance(item, dict):
        raise Refusal("Expected an object")
    store.refuse_if_told(name, item)
    old = _match(store, name, item)
    if old is None:
        record = store.create(name, _insertion(store, name, item))
        outcome.inserted.append(_keys(name, item, record["_id"]))
    elif store.change(name, old, _changes(store, name, item, old)):
        outcome.changed.append(_keys(name, item, old["_id"]))
    else:
        outcome.unchanged += 1


def _insertion(store: Store, name: str, item: Record, *, trial: bool = False) -> Record:
    changes = _changes(store, name, item, None, trial=trial)
    if name != "ticket":
        require(store, resource(name), changes, bulk=True)
    id = item.get("_id")
    if id:
        if store.switches.unknown_id == "error":
            raise Refusal("No record has this _id")
        if not _is_object_id(id):
            raise Refusal("Cast to ObjectId failed at path _id")
        if store.switches.unknown_id == "insert":
            changes["_id"] = id
    return changes


def _changes(store: Store, name: str, item: Any, old: Record | None, *, trial: bool = False) -> Record:
    return read_ticket(store, item, old, trial=trial) if name == "ticket" else read_body(store, name, item, old)


def _match(store: Store, name: str, item: Record) -> Record | None:
    for key in resource(name).keys:
        value = item.get(key)
        if value is None or value == "":
            continue
        found = store.find(name, "externalId" if name == "ticket" and key == "sourceId" else key, value)
        if found is not None or store.switches.key_priority == "first":
            return found
    return None


def _keys(name: str, item: Record, id: str) -> Record:
    carried = {key: str(item[key]) for key in resource(name).keys if key != "_id" and item.get(key) not in (None, "")}
    return {"_id": id, **carried}


def _repeated(store: Store, name: str, items: list[Any]) -> dict[int, str]:
    """Return the items whose deciding key another item had before, with the message for each."""
    seen: dict[tuple[str, str], Record] = {}
    repeated: dict[int, str] = {}
    keys = resource(name).keys
    for number, item in enumerate(items):
        if not isinstance(item, dict):
            continue
        for key in keys:
            value = item.get(key)
            if value is None or value == "":
                continue
            first = seen.setdefault((key, str(value)), item)
            if first is not item:
                same = [k for k in keys if item.get(k) not in (None, "") and item.get(k) == first.get(k)]
                repeated[number] = f"{','.join(same) or key} duplicated"
            break
    return repeated


def _fails_whole(store: Store, name: str, items: list[Any], repeated: dict[int, str], outcome: Outcome) -> bool:
    """Try all items without storing any; tell whether one of them fails."""
    failures = dict(repeated)
    for number, item in enumerate(items):
        try:
            if not isinstance(item, dict):
                raise Refusal("Expected an object")
            store.refuse_if_told(name, item)
            old = _match(store, name, item)
            changes = (
                _insertion(store, name, item, trial=True)
                if old is None
                else _changes(store, name, item, old, trial=True)
            )
            trial = {"_id": "", **(template(name) if old is None else old), **changes}
            rules.complete(store, name, trial, old, changes)
        except Refusal as refusal:
            failures.setdefault(number, refusal.message)
        except SilentDrop:
            continue
    for number, message in failures.items():
        _fail(store, name, outcome, number, items[number], message)
    return bool(failures)


def _fail(store: Store, name: str, outcome: Outcome, number: int, item: Any, message: str) -> None:
    known = isinstance(item, dict) and _match(store, name, item) is not None
    errors = outcome.update_errors if known else outcome.create_errors
    errors.append(_error(store, name, number, item, message))


def _error(store: Store, name: str, number: int, item: Any, message: str) -> Any:
    shape: str = store.switches.error_item
    if shape == "mixed":
        shape = _SHAPES[number % len(_SHAPES)]
    if shape == "string":
        return message
    if shape == "indexed":
        return {"index": number, "message": message}
    held = item if isinstance(item, dict) else {}
    if shape == "mongoose":
        return _as_mongoose(name, held, message)
    keys = resource(name).keys
    return {"message": message, **{key: held[key] for key in keys if held.get(key) is not None}}


def _as_mongoose(name: str, item: Record, message: str) -> Record:
    """An error that quotes the last text of an item, as Mongoose quotes the value that it could not take."""
    path, value = next(((key, item[key]) for key in reversed(item) if isinstance(item[key], str)), ("_id", ""))
    text = f'{name} validation failed: {path}: {message} for value "{value}" (type string) at path "{path}"'
    return {"name": "ValidationError", "message": text, "path": path, "value": value}


def _is_object_id(text: Any) -> bool:
    return isinstance(text, str) and len(text) == 24 and all(letter in "0123456789abcdef" for letter in text.lower())
