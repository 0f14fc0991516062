"""Create, update, read and delete one record, as the API does: ids, references, required fields, refusals."""

from __future__ import annotations

from functools import cache
from typing import Any

from ..wire.resources import Resource, resource
from . import incoming
from .refusal import Refusal
from .store import SHARED_TABLES, Store, external_key
from .tables import Record

_ADVISED = frozenset(
    ("mainType", "currency", "_currency", "value", "mrr", "arr", "invoiceDate", "salesDate", "fromDate", "isHidden")
)
"""Fields that tables call required and texts only advise (docs/reference/planhat-api.md section 14)."""

_PREFIXES = {"extid-": "externalId", "srcid-": "sourceId"}
_COUNTS = {"n": 1, "ok": 1, "deletedCount": 1}


def create(store: Store, name: str, body: Any) -> Record:
    """Store a new record. Keys are not checked: the same external id twice makes two records."""
    check_permission(store, name, "write")
    store.refuse_if_told(name, body)
    changes = read_body(store, name, body, None)
    require(store, resource(name), changes, bulk=False)
    return store.create(name, changes)


def update(store: Store, name: str, id: str, body: Any) -> Record:
    """Set the keys of `body` on the record that an id of any allowed form names."""
    check_permission(store, name, "write")
    old = by_url(store, name, id, writing=True)
    _check_id(store, body, old["_id"])
    store.refuse_if_told(name, body)
    store.change(name, old, read_body(store, name, body, old))
    return store.table(name).row(old["_id"]).record


def _check_id(store: Store, body: Any, id: str) -> None:
    """Refuse an `_id` in the body of a PUT, where it may not be there."""
    rule = store.switches.body_id
    if isinstance(body, dict) and "_id" in body and (rule == "none" or (rule == "equal" and body["_id"] != id)):
        raise Refusal("_id is immutable")


def delete(store: Store, name: str, id: str) -> Record | None:
    """Remove a record by `_id` and return the answer's body, None for an empty one."""
    check_permission(store, name, "write")
    record = store.delete(name, id)
    if record is None:
        raise Refusal("Not found", 404)
    answer = store.switches.delete_answer
    if answer == "documented":
        answer = "document" if name == "conversation" else "nothing" if name in ("ticket", "timesheet") else "counts"
    return {"counts": _COUNTS, "document": record, "nothing": None}[answer]


def by_url(store: Store, name: str, id: str, *, writing: bool = False) -> Record:
    """Return the record that an id in a URL names: `_id`, `extid-...` or `srcid-...` where the resource has it."""
    info = resource(name)
    key = "_id"
    documented = store.switches.url_keys == "documented"
    taken = info.read_forms if documented and not writing else info.id_forms
    if documented and writing and name == "opportunity":
        taken = ("_id", "extid-")
    for prefix, field in _PREFIXES.items():
        if id.startswith(prefix) and prefix in taken:
            key, id = external_key(name) if prefix == "extid-" else field, id.removeprefix(prefix)
    record = store.find(name, key, id)
    if record is None:
        raise Refusal("Not found", 404)
    return record


def check_permission(store: Store, name: str, action: str) -> None:
    """Refuse what a test forbade the token to do."""
    status = store.forbidden.get((name, action))
    if status is not None:
        raise Refusal("Forbidden" if status == 403 else "Not found", status)


def read_body(store: Store, name: str, body: Any, old: Record | None) -> Record:
    """Return the changes in a body, with references to companies resolved."""
    dated = (
        store.dated_customs(SHARED_TABLES.get(name, name)) if isinstance(body, dict) and _mentions_custom(body) else {}
    )
    changes = incoming.read(body, name, old, store.switches, dated)
    for key, many in company_references(name):
        if key in changes and changes[key] is not None and (old is None or old.get(key) != changes[key]):
            value = changes[key]
            changes[key] = [_company(store, item) for item in value] if many else _company(store, value)
    if name == "conversation":
        _read_conversation(store, body, changes)
    return changes


def require(store: Store, info: Resource, changes: Record, *, bulk: bool) -> None:
    """Refuse a new record that lacks what it needs."""
    if store.switches.enforce_required == "none":
        return
    advised = _ADVISED if store.switches.enforce_required == "little" else frozenset()
    required = info.required_bulk if bulk else info.required
    alternatives = info.required_any_bulk if bulk else info.required_any
    missing = [key for key in required if key not in advised and changes.get(key) in (None, "", [])]
    missing += [
        " or ".join(group)
        for group in alternatives
        if not advised.issuperset(group) and all(changes.get(key) in (None, "") for key in group)
    ]
    if missing:
        raise Refusal(f"{', '.join(missing)} required")


@cache
def company_references(name: str) -> list[tuple[str, bool]]:
    """Return the writable fields that refer to companies, and whether they hold many."""
    return [
        (field.name, field.type.startswith("array"))
        for field in resource(name).fields.values()
        if field.reference == "company" and not field.read_only
    ]


def _read_conversation(store: Store, body: Record, changes: Record) -> None:
    if changes.get("type") in ("email", "chat", "call", "ticket") and store.switches.reserved_types == "refuse":
        raise Refusal(f"type {changes['type']} is reserved")
    external = body.get("companyExternalId")  # notes may name their company so
    if external is not None and "companyId" not in changes:
        changes["companyId"] = _company(store, f"extid-{external}")


def _company(store: Store, reference: Any) -> Any:
    text = str(reference.get("_id") if isinstance(reference, dict) else reference)
    key = "_id"
    for prefix, field in _PREFIXES.items():
        if text.startswith(prefix):
            key, text = field, text.removeprefix(prefix)
    company = store.table("company").first(key, text)
    if company is None:
        raise Refusal("Company not found")
    return company["_id"]


def _mentions_custom(body: Record) -> bool:
    return "custom" in body or any(key.startswith("custom.") for key in body)
