"""Bulk upserts: which record each row means, in which order, and all the shapes of the answer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tests.other_server import records, rules, tickets
from tests.other_server.cast import Refused, cast
from tests.other_server.models import Resource
from tests.other_server.store import Record, Row
from tests.other_server.tenant import Tenant

LISTS = ("createdErrors", "updatedErrors", "permissionErrors", "validationErrors")


@dataclass
class Failure:
    """A row that was refused: where it stood, what it was, why, and whether a record of it exists."""

    at: int
    row: Record
    refused: Refused
    exists: bool


@dataclass
class Outcome:
    """What became of all rows."""

    written: list[tuple[Record, records.Written]] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)

    def of(self, what: str) -> list[tuple[Record, records.Written]]:
        return [(row, written) for row, written in self.written if written.what == what]


def upsert(tenant: Tenant, resource: Resource, body: Any) -> tuple[int, Any]:
    """Apply the rows; the status and body of the answer."""
    rows = [body] if resource.name == "ticket" and isinstance(body, dict) else body
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise Refused("Expected an array of objects")
    if len(rows) > tenant.behaviour.bulk_most:
        raise Refused(f"Too many items: {len(rows)}, at most {tenant.behaviour.bulk_most}")
    if resource.name in tenant.account.read_only:
        return 403, {**_counts(Outcome()), "permissionErrors": ["No permission"] * len(rows)}
    if tenant.behaviour.bad_row == "all":
        for row in rows:
            records.prepared(tenant, resource, row, match(tenant, resource, row)[0], bulk=True)
    outcome, firsts = Outcome(), _firsts(resource, rows)
    for at, row in _in_order(tenant, resource, rows):
        _apply(tenant, resource, at, row, firsts, outcome)
    failed = len(outcome.failures)
    return (200 if not failed else 206 if failed < len(rows) else 400), answer(tenant, resource, rows, outcome)


def _firsts(resource: Resource, rows: list[Record]) -> dict[tuple[str, str], int]:
    """Where each key value stands first in a call."""
    firsts: dict[tuple[str, str], int] = {}
    for at, row in enumerate(rows):
        for key in resource.keyables:
            firsts.setdefault((key, str(row.get(key))), at)
    return firsts


def _in_order(tenant: Tenant, resource: Resource, rows: list[Record]) -> list[tuple[int, Record]]:
    numbered, order = list(enumerate(rows)), tenant.behaviour.bulk_order
    if order == "random":
        tenant.host.rng.shuffle(numbered)
    if order == "updates":
        numbered.sort(key=lambda item: match(tenant, resource, item[1])[0] is None)
    return numbered[::-1] if order == "reversed" else numbered


def match(tenant: Tenant, resource: Resource, row: Record) -> tuple[Row | None, str]:
    """The record that a row means, and the key that decided."""
    present = [key for key in resource.keyables if row.get(key) not in (None, "")]
    for key in present:
        name = "externalId" if resource.name == "ticket" and key == "sourceId" else key
        found = [hit for hit in tenant.of(resource.name).find(name, row[key]) if _fits(tenant, resource, row, key, hit)]
        if found:
            return found[0], key
        if tenant.behaviour.key_priority == "first" or key == "_id":
            return None, key
    return None, present[0] if present else ""


def _fits(tenant: Tenant, resource: Resource, row: Record, key: str, hit: Row) -> bool:
    """Whether a record with the key is the row's: emails and conversations' keys count within a company."""
    record = hit.record or {}
    if resource.name == "ticket":
        return tickets.is_ticket(record)
    scoped = (resource.name, key) in (("enduser", "email"), ("conversation", "externalId"))
    if not scoped or row.get("companyId") in (None, ""):
        return True
    try:
        return bool(rules.company_id(tenant, row["companyId"]) == record.get("companyId"))
    except Refused:
        return False


def _apply(
    tenant: Tenant, resource: Resource, at: int, row: Record, firsts: dict[tuple[str, str], int], outcome: Outcome
) -> None:
    behaviour = tenant.behaviour
    if (behaviour.dropped and behaviour.dropped(row)) or (resource.name == "ticket" and tickets.ignored(tenant, row)):
        return
    hit, key = match(tenant, resource, row)
    try:
        records.refuse_if_told(tenant, resource, row)
        if key and behaviour.twice == "error" and firsts[key, str(row[key])] < at:
            raise _duplicated(row)
        unknown = hit is None and key == "_id" and bool(cast("o", row["_id"], "_id"))
        if unknown and behaviour.unknown_id == "error":
            raise Refused(f'No {resource.name} found for _id "{row["_id"]}"', path="_id", value=row["_id"])
        sent = _without_own_key(resource, row, key) if hit else row
        new_id = str(row["_id"]) if unknown and behaviour.unknown_id == "keep" else None
        outcome.written.append((row, records.write(tenant, resource, sent, hit, bulk=True, new_id=new_id)))
    except Refused as refused:
        outcome.failures.append(Failure(at, row, refused, hit is not None))


def _duplicated(row: Record) -> Refused:
    names = [name for name in ("externalId", "sourceId", "extId", "email", "_id") if row.get(name)]
    return Refused(f"{','.join(names)} duplicated", key_value={name: row[name] for name in names})


def _without_own_key(resource: Resource, row: Record, key: str) -> Record:
    """Keys change only through a key of higher priority, so those up to the one that decided are left alone."""
    fixed = resource.keyables[: resource.keyables.index(key) + 1]
    return {name: value for name, value in row.items() if name not in fixed or resource.name == "ticket"}


def answer(tenant: Tenant, resource: Resource, rows: list[Record], outcome: Outcome) -> Record:
    """The envelope, with its errors in the shapes that the behaviour asks for."""
    body = _counts(outcome)
    names = tenant.behaviour.names
    if names != "none":
        body["insertsKeys"] = [_keys(resource, row, w, names == "ids") for row, w in outcome.of("created")]
        body["updatesKeys"] = [_keys(resource, row, w, names != "all") for row, w in outcome.of("updated")]
    shapes = tenant.behaviour.error_shapes
    for number, failure in enumerate(outcome.failures):
        target = body[_list_for(tenant, failure)]
        target.append(shape(tenant, shapes[number % len(shapes)], failure, len(target), resource, rows))
    if tenant.behaviour.shuffled:
        for name in (*LISTS, "insertsKeys", "updatesKeys", "modified", "upsertedIds"):
            tenant.host.rng.shuffle(body[name])
    return {name: value for name, value in body.items() if name not in tenant.behaviour.leave_out or value}


def _counts(outcome: Outcome) -> Record:
    created, updated = outcome.of("created"), outcome.of("updated")
    return {
        "created": len(created), "createdErrors": [], "insertsKeys": [], "updated": len(updated), "updatedErrors": [],
        "updatesKeys": [], "nonupdates": len(outcome.of("unchanged")), "modified": [w.record["_id"] for _, w in updated],
        "upsertedIds": [w.record["_id"] for _, w in created], "permissionErrors": [], "validationErrors": [],
    }  # fmt: skip


def _keys(resource: Resource, row: Record, written: records.Written, ids_only: bool) -> Record:
    carried = ["email"] if resource.name == "user" else [key for key in resource.keyables if row.get(key)]
    keys = {} if ids_only else {key: str(row[key]) for key in carried if key != "_id" and row.get(key)}
    return {"_id": written.record["_id"], **keys}


def _list_for(tenant: Tenant, failure: Failure) -> str:
    if tenant.behaviour.error_lists == "validation":
        return "validationErrors"
    return "updatedErrors" if failure.exists and tenant.behaviour.error_lists == "own" else "createdErrors"


def shape(tenant: Tenant, name: str, failure: Failure, local: int, resource: Resource, rows: list[Record]) -> Any:
    """One error as some server might write it."""
    text, row = failure.refused.message, failure.row
    keys = {key: row[key] for key in resource.keyables if row.get(key)}
    other = tenant.host.rng.choice(rows)
    foreign = {key: other[key] for key in resource.keyables if other.get(key)}
    cause = {"name": "CastError" if text.startswith("Cast") else "MongoError", "path": failure.refused.path}
    return {
        "string": text,
        "message": {"message": text},
        "index": {"index": failure.at, "message": text},
        "index1": {"index": failure.at + 1, "message": text},
        "local": {"index": local, "message": text},
        "item": {"message": text, "item": row},
        "keys": {**keys, "message": text},
        "keyValue": {"code": 11000, "message": text, "keyValue": failure.refused.key_value or keys},
        "code": {"code": 11, "errmsg": text},
        "error": {"error": {**cause, "message": text, "value": failure.refused.value}},
        "foreign": {"message": text, "keyValue": foreign, "index": (failure.at + 1) % len(rows)},
    }[name]


SHAPES = ("string", "message", "index", "index1", "local", "item", "keys", "keyValue", "code", "error", "foreign")
