"""From a request to an answer: who asks, within which quota, for which resource and verb."""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any

from tests.other_server import analytics, bulk, lists, records, rules
from tests.other_server.cast import Refused
from tests.other_server.http1 import Answer, Request
from tests.other_server.models import BY_PATH, Resource
from tests.other_server.tenant import Tenant

JSON = {"Content-Type": "application/json; charset=utf-8"}
UNDOCUMENTED = ("segments", "activitytags", "data")


def token_of(request: Request) -> str:
    """The token of a request: Bearer, or Basic with the token as user and an empty password."""
    kind, _, value = request.headers.get("authorization", "").partition(" ")
    if kind.lower() == "bearer":
        return value.strip()
    if kind.lower() == "basic":
        try:
            user, colon, password = base64.b64decode(value.strip()).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return ""
        return user if colon and not password else ""
    return ""


def tenant_token_of(request: Request) -> str | None:
    """The tenant token of a call to the analytics host, None where it is no such call."""
    if request.method != "POST":
        return None
    match request.parts:
        case ["dock", "segment"]:
            return token_of(request)
        case ["analytics", token] | ["analytics", "bulk", token] | ["dimensiondata", token]:
            return token
    return None


def json_answer(body: Any, status: int = 200) -> Answer:
    return Answer(status, b"" if body is None else json.dumps(body, separators=(",", ":")).encode(), dict(JSON))


def error_answer(kind: str, status: int, message: str) -> Answer:
    """An error in the shape that the behaviour asks for."""
    if kind == "text":
        return Answer(status, message.encode("utf-8", "surrogatepass"), {"Content-Type": "text/plain; charset=utf-8"})
    if kind == "html":
        page = f"<!doctype html><title>Error</title><pre>{message}</pre>"
        return Answer(status, page.encode("utf-8", "surrogatepass"), {"Content-Type": "text/html; charset=utf-8"})
    return json_answer({"message" if kind == "message" else "error": message}, status)


def parsed(request: Request) -> Any:
    """The body as JSON; NaN, nesting too deep and broken UTF-8 are refused."""

    def refuse(text: str) -> None:
        raise ValueError(f"Unexpected token {text} in JSON")

    try:
        return json.loads(request.body.decode("utf-8"), parse_constant=refuse) if request.body else None
    except (ValueError, RecursionError) as wrong:
        raise Refused(f"Invalid JSON: {wrong}"[:300]) from wrong


def on_analytics(tenant: Tenant, request: Request) -> Answer:
    """Answer a call to the analytics host."""
    body = parsed(request)
    if request.parts[0] == "dimensiondata":
        return json_answer(analytics.metrics(tenant, body))
    (analytics.segment if request.parts[0] == "dock" else analytics.activities)(tenant, body)
    return json_answer({})


def over_quota(tenant: Tenant) -> tuple[bool, dict[str, str]]:
    """Count a call; whether it is one too many, and the headers that tell."""
    behaviour = tenant.behaviour
    if behaviour.quota is None:
        return False, {}
    minute = int(tenant.host.clock.now() // 60)
    tenant.calls[minute] += 1
    left = behaviour.quota - tenant.calls[minute]
    headers = (
        {} if behaviour.quota_headers == "none" else _limits(behaviour.quota_headers, behaviour.quota, max(0, left))
    )
    if left < 0 and behaviour.retry_after is not None:
        headers["Retry-After"] = behaviour.retry_after
    return left < 0, headers


def _limits(prefix: str, quota: int, left: int) -> dict[str, str]:
    names = ("Limit", "Remaining") if prefix.startswith("X") else ("limit", "remaining")
    return {f"{prefix}-{name}": str(value) for name, value in zip(names, (quota, left), strict=True)}


def on_main(tenant: Tenant, request: Request) -> Answer:
    """Answer a call to the main host; raises Refused."""
    match request.parts:
        case ["leancompanies"] if request.method == "GET":
            return json_answer(lists.lean_companies(tenant, request.query))
        case ["dimensiondata"] if request.method == "GET":
            return json_answer(lists.metrics(tenant, request.query))
        case ["timeentries", "duplicate"] if request.method == "POST":
            return _duplicate(tenant, parsed(request))
        case ["myprofile"] if request.method == "GET":
            return json_answer({"name": tenant.account.name})
        case [path] if path in UNDOCUMENTED and request.method == "GET":
            return json_answer([])
        case [path] if path in BY_PATH:
            return _on_collection(tenant, _allowed(tenant, BY_PATH[path], request.method), request)
        case [path, record_id] if path in BY_PATH:
            return _on_record(tenant, _allowed(tenant, BY_PATH[path], request.method), request, record_id)
    raise Refused(f"Cannot {request.method} {request.path}", 404)


def _allowed(tenant: Tenant, resource: Resource, method: str) -> Resource:
    account = tenant.account
    if resource.name in account.missing:
        raise Refused("Not found", 404)
    if resource.name in account.forbidden or (resource.name in account.read_only and method in ("POST", "DELETE")):
        raise Refused(f"No permission for {resource.path}", 403)
    return resource


def _has(resource: Resource, operation: str, request: Request) -> None:
    if operation not in resource.operations:
        raise Refused(f"Cannot {request.method} {request.path}", 404)


def _on_collection(tenant: Tenant, resource: Resource, request: Request) -> Answer:
    operation = {"GET": "list", "POST": "create", "PUT": "bulk"}.get(request.method, "")
    _has(resource, operation, request)
    if operation == "list":
        return json_answer(lists.read(tenant, resource, request.query))
    if operation == "bulk":
        status, body = bulk.upsert(tenant, resource, parsed(request))
        return json_answer(body, status)
    sent = _object(request)
    records.refuse_if_told(tenant, resource, sent)
    row = None
    if tenant.behaviour.duplicates == "update" and (taken := rules.taken_key(tenant, resource, sent, None)):
        row = taken[1]
    written = records.write(tenant, resource, sent, row)
    return json_answer(_written(tenant, resource, written.record, sent, tenant.behaviour.post_answer))


def _on_record(tenant: Tenant, resource: Resource, request: Request, record_id: str) -> Answer:
    operation = {"GET": "get", "PUT": "update", "DELETE": "delete"}.get(request.method, "")
    _has(resource, operation, request)
    if operation == "delete":
        return json_answer(records.delete(tenant, resource, record_id)[0])
    if operation == "update" and resource.name in tenant.account.read_only:
        raise Refused(f"No permission for {resource.path}", 403)
    row = records.locate(tenant, resource, record_id)
    if operation == "get":
        return json_answer(lists.respelt(tenant, resource, row.record or {}))
    sent = _object(request)
    _check_body_id(tenant, sent, (row.record or {}).get("_id"))
    records.refuse_if_told(tenant, resource, sent)
    written = records.write(tenant, resource, sent, row)
    return json_answer(_written(tenant, resource, written.record, sent, tenant.behaviour.put_answer))


def _object(request: Request) -> dict[str, Any]:
    sent = parsed(request)
    if not isinstance(sent, dict):
        raise Refused("Expected an object")
    return sent


def _check_body_id(tenant: Tenant, sent: dict[str, Any], record_id: object) -> None:
    rule = tenant.behaviour.body_id
    if "_id" in sent and (rule == "refuse" or (rule == "equal" and sent["_id"] != record_id)):
        raise Refused("Performing an update on the path '_id' would modify the immutable field '_id'", path="_id")


def _written(tenant: Tenant, resource: Resource, record: dict[str, Any], sent: dict[str, Any], kind: str) -> Any:
    if kind == "empty":
        return None
    names = {"_id"} | (set(sent) if kind == "partial" else set())
    record = lists.respelt(tenant, resource, record)
    if kind == "whole":
        return record
    part = {name: value for name, value in record.items() if name in names}
    if kind == "partial" and "custom" in sent:
        part["custom"] = {
            label: value for label, value in record.get("custom", {}).items() if label in (sent["custom"] or {})
        }
    return part


def _duplicate(tenant: Tenant, body: Any) -> Answer:
    ids = body.get("ids") if isinstance(body, dict) else None
    entries = [row.record for text in ids or () if (row := tenant.of("time_entry").get(text)) and row.record]
    copies = [{name: value for name, value in entry.items() if name != "_id"} for entry in entries]
    status, answer = bulk.upsert(tenant, BY_PATH["timeentries"], copies)
    return json_answer(answer, status)
