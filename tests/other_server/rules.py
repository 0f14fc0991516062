"""From what was sent to what would be stored: fields, casts, references, custom fields, keys, required fields."""

from __future__ import annotations

import re
from typing import Any

from tests.other_server.cast import Refused, cast
from tests.other_server.derived import derive
from tests.other_server.models import RESOURCES, Resource
from tests.other_server.store import Record, Row
from tests.other_server.tenant import Tenant

COMPANY_FIELDS = ("companyId", "cId", "companyIds")
HTML_FIELDS = ("description",)
UNIQUE = ("externalId", "sourceId", "extId", "email")


def prepare(tenant: Tenant, resource: Resource, sent: Record, old: Record | None, *, bulk: bool = False) -> Record:
    """What a record becomes by a write; raises Refused. Nothing is stored here."""
    changes = accepted(tenant, resource, sent, old)
    record = {**(resource.fresh() if old is None else old), **changes}
    derive(tenant, resource, record, old, changes)
    if old is None:
        _require(tenant, resource, record, bulk)
    return record


def accepted(tenant: Tenant, resource: Resource, sent: Record, old: Record | None) -> Record:
    """The values that are taken: known, writable, cast, references resolved, `custom` merged."""
    fields = dict(resource.fields)
    if resource.name == "conversation":
        fields.update({"companyExternalId": ("s", False)})
        if (old or {}).get("type") == "ticket":
            fields = {**RESOURCES["ticket"].fields, **fields}
    changes = {name: value for name, value in sent.items() if not name.startswith("custom") and name != "_id"}
    taken = {
        name: _value(tenant, fields, name, value, old)
        for name, value in changes.items()
        if _writable(tenant, fields, name)
    }
    labels = _labels(sent)
    if labels:
        taken["custom"] = _custom(tenant, labels, (old or {}).get("custom") or {})
    external = taken.pop("companyExternalId", None)
    if external and not taken.get("companyId"):
        taken["companyId"] = company_id(tenant, f"extid-{external}")
    return taken


def _writable(tenant: Tenant, fields: dict[str, tuple[str, bool]], name: str) -> bool:
    if name in fields:
        return not fields[name][1]
    if tenant.behaviour.unknown_keys == "refuse":
        raise Refused(f"Field `{name}` is not in schema and strict mode is set to throw.", path=name)
    return tenant.behaviour.unknown_keys == "store"


def _value(tenant: Tenant, fields: dict[str, tuple[str, bool]], name: str, value: Any, old: Record | None) -> Any:
    kind = fields.get(name, ("", False))[0]
    if kind.startswith("a") and (operation := _operation(value)):
        value = _operate(operation, value, (old or {}).get(name) or [])
    if name in COMPANY_FIELDS:
        value = [company_id(tenant, item) for item in value] if isinstance(value, list) else company_id(tenant, value)
    if name == "timeEntries" and isinstance(value, list):
        value = [item.get("_id") if isinstance(item, dict) else item for item in value]
    if kind and tenant.behaviour.cast:
        value = cast(kind, value, name)
    if name in HTML_FIELDS and isinstance(value, str) and tenant.behaviour.one_line_html:
        value = re.sub(r"\s*[\r\n]+\s*", " ", value)
    if kind == "o" and value and tenant.behaviour.dangling == "refuse":
        _refuse_dangling(tenant, name, value)
    return value


def company_id(tenant: Tenant, value: Any) -> Any:
    """The `_id` of a company that is named by `extid-` or `srcid-`; anything else as it is."""
    for prefix, key in (("extid-", "externalId"), ("srcid-", "sourceId")):
        if isinstance(value, str) and value.startswith(prefix):
            rows = tenant.of("company").find(key, value.removeprefix(prefix))
            if not rows:
                raise Refused(f'Company not found for value "{value}"', path="companyId", value=value)
            return (rows[0].record or {})["_id"]
    return value


def _refuse_dangling(tenant: Tenant, name: str, value: str) -> None:
    if name in COMPANY_FIELDS and not tenant.company(value):
        raise Refused(f'Company not found for value "{value}"', path=name, value=value)


def _operation(value: Any) -> str:
    if isinstance(value, dict) and len(value) == 1:
        found = re.fullmatch(r"\$(add|remove|replace)", next(iter(value)), re.IGNORECASE)
        return found[1].lower() if found else ""
    return ""


def _operate(operation: str, value: Any, current: list[Any]) -> list[Any]:
    items = next(iter(value.values()))
    items = items if isinstance(items, list) else [items]
    if operation == "replace":
        return items
    return current + items if operation == "add" else [item for item in current if item not in items]


def _labels(sent: Record) -> dict[str, Any]:
    """Custom values of a request: `custom` itself, and the dotted spelling."""
    whole = sent.get("custom")
    if whole is not None and not isinstance(whole, dict):
        cast("j", whole, "custom")
    dotted = {name.removeprefix("custom."): value for name, value in sent.items() if name.startswith("custom.")}
    labels = {**(whole or {}), **dotted}
    if len({label.casefold() for label in labels}) < len(labels):
        raise Refused("Custom fields that differ only in case", path="custom")
    return labels


def _custom(tenant: Tenant, labels: dict[str, Any], old: dict[str, Any]) -> dict[str, Any]:
    merged = dict(old)
    for label, value in labels.items():
        operation = _operation(value)
        merged[label] = _operate(operation, value, merged.get(label) or []) if operation else value
    keep = tenant.behaviour.custom_null == "keep"
    return {label: value for label, value in merged.items() if value is not None or keep}


def _require(tenant: Tenant, resource: Resource, record: Record, bulk: bool) -> None:
    names = (bulk and resource.required_in_bulk) or resource.required
    if tenant.behaviour.required == "little":
        names = tuple(name for name in names if name in COMPANY_FIELDS)
    for name in names:
        if record.get(name) in (None, "", []):
            raise Refused(f"{resource.name} validation failed: {name}: Path `{name}` is required.", path=name)
    if resource.name == "enduser" and not any(record.get(key) for key in ("email", "externalId", "sourceId")):
        raise Refused("enduser validation failed: email: Path `email` is required.", path="email")
    if (
        resource.name == "enduser"
        and not record.get("companyId")
        and tenant.behaviour.enduser_without_company == "refuse"
    ):
        raise Refused("No company matches the email domain", path="companyId")


def taken_key(tenant: Tenant, resource: Resource, record: Record, own: Row | None) -> tuple[str, Row] | None:
    """A key of this record that another record has, and that record."""
    for key in UNIQUE:
        if record.get(key) in (None, "") or (key == "email" and resource.name not in ("enduser", "user")):
            continue
        for row in tenant.of(resource.name).find(key, record[key]):
            if row is not own and _same_scope(tenant, resource, key, record, row.record or {}):
                return key, row
    return None


def _same_scope(tenant: Tenant, resource: Resource, key: str, record: Record, other: Record) -> bool:
    per_company = key == "email" and resource.name == "enduser" and tenant.behaviour.email_unique == "company"
    if per_company or resource.name == "conversation":
        return record.get("companyId") == other.get("companyId")
    return True


def refuse_taken(tenant: Tenant, resource: Resource, record: Record, own: Row | None) -> None:
    """Raise the duplicate key error of MongoDB where another record has one of these keys."""
    if tenant.behaviour.duplicates != "store" and (taken := taken_key(tenant, resource, record, own)):
        key, value = taken[0], record[taken[0]]
        text = f'E11000 duplicate key error collection: planhat.{resource.path} index: {key}_1 dup key: {{ {key}: "{value}" }}'
        raise Refused(text, key_value={key: value}, path=key, value=value)
