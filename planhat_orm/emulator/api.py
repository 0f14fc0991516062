"""The routes: which resource and operation a request means, and how its outcome is written as an answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from ..wire.resources import resources
from . import analytics, auth, bulk, listing, operations
from .refusal import Refusal, SilentDrop
from .store import Store
from .switches import Switches
from .views import whole

_BY_PATH = {info.path: name for name, info in resources().items() if name not in ("note", "user_activity")}
_LEAN_FIELDS = ("_id", "name", "externalId", "sourceId", "slug")

PageCap = int | Mapping[str, int] | None


@dataclass(slots=True)
class Answer:
    """A response before the weather gets at it. `rows` is for the log."""

    status: int = 200
    body: bytes = b""
    media: str = "application/json; charset=utf-8"
    headers: dict[str, str] = field(default_factory=dict)
    rows: int = 0


@dataclass(slots=True)
class Incoming:
    """A request, read to its end."""

    method: str
    path: str
    query: dict[str, str]
    authorization: str | None
    body: bytes

    def json(self) -> Any:
        """Return the body's value."""
        try:
            return msgspec.json.decode(self.body)
        except (msgspec.DecodeError, RecursionError):
            raise Refusal("Unexpected token in JSON") from None


def text(status: int, message: str) -> Answer:
    """Return an answer with a plain string, as Planhat's errors are."""
    return Answer(status, message.encode(), "text/plain; charset=utf-8")


def is_analytics(request: Incoming) -> bool:
    """Tell whether a call belongs to the analytics host, which has its own credentials and no quota."""
    head, _, rest = request.path.removeprefix("/").partition("/")
    return (head in ("analytics", "dock") and bool(rest)) or (head == "dimensiondata" and request.method == "POST")


class Api:
    """Planhat's REST API over a store."""

    def __init__(self, store: Store, switches: Switches, api_token: str, tenant_token: str, page_cap: PageCap) -> None:
        self.store = store
        self._switches = switches
        self._api_token = api_token
        self._tenant_token = tenant_token
        self._page_cap = page_cap

    def answer(self, request: Incoming) -> Answer:
        """Do what a request asks for."""
        try:
            with self.store.lock, self.store.moments.still():
                if is_analytics(request):
                    return self._analytics(request)
                if not auth.is_allowed(request.authorization, self._api_token):
                    return text(401, "Unauthorized")
                return self._main(request)
        except Refusal as refusal:
            if self.store.switches.error_body == "json":
                return Answer(refusal.status, msgspec.json.encode({"message": refusal.message}))
            return text(refusal.status, refusal.message)
        except SilentDrop:
            return text(400, "Ignored")  # a single write has no list of outcomes to be missing from

    def _main(self, request: Incoming) -> Answer:
        head, _, id = request.path.removeprefix("/").partition("/")
        if head == "leancompanies" and not id and request.method == "GET":
            return self._lean(request)
        if head == "dimensiondata" and not id and request.method == "GET":
            return _rows(analytics.metric_page(self.store, request.query, self._cap("metric")))
        if head == "timeentries" and id == "duplicate" and request.method == "POST":
            body = request.json()
            outcome = bulk.duplicate(self.store, body.get("ids") if isinstance(body, dict) else None)
            return self._bulk(outcome, len(outcome.inserted))
        name = _BY_PATH.get(head)
        if name is None or name == "metric":
            return text(404, "Not found")
        method = request.method
        if method == "PATCH" and id and self.store.switches.patch == "update":
            method = "PUT"
        handler = self._handlers().get((method, bool(id)))
        if handler is None or not self._has(name, method, bool(id)):
            return text(404, f"Cannot {request.method} {request.path}")
        return handler(name, id, request)

    def _handlers(self) -> dict[tuple[str, bool], Callable[[str, str, Incoming], Answer]]:
        return {
            ("GET", False): self._list,
            ("PUT", False): self._upsert,
            ("POST", False): self._create,
            ("GET", True): self._get,
            ("PUT", True): self._update,
            ("DELETE", True): self._delete,
        }

    @staticmethod
    def _has(name: str, method: str, one: bool) -> bool:
        operation = {
            ("GET", False): "list", ("PUT", False): "bulk_upsert", ("POST", False): "create",
            ("GET", True): "get_by_id", ("PUT", True): "update", ("DELETE", True): "delete",
        }[method, one]  # fmt: skip
        return operation in resources()[name].operations

    def _list(self, name: str, id: str, request: Incoming) -> Answer:
        return _rows(listing.page(self.store, name, request.query, self._cap(name)))

    def _create(self, name: str, id: str, request: Incoming) -> Answer:
        return _json(whole(self.store, name, operations.create(self.store, name, request.json())))

    def _get(self, name: str, id: str, request: Incoming) -> Answer:
        operations.check_permission(self.store, name, "read")
        return _json(whole(self.store, name, operations.by_url(self.store, name, id)))

    def _update(self, name: str, id: str, request: Incoming) -> Answer:
        body = request.json()
        record = whole(self.store, name, operations.update(self.store, name, id, body))
        kind = self.store.switches.put_answer
        return Answer(rows=1) if kind == "nothing" else _json(_answered(record, body, kind))

    def _delete(self, name: str, id: str, request: Incoming) -> Answer:
        removed = operations.delete(self.store, name, id)
        return Answer() if removed is None else _json(removed)

    def _upsert(self, name: str, id: str, request: Incoming) -> Answer:
        items = request.json()
        if name == "ticket" and isinstance(items, dict):
            items = [items]
        return self._bulk(bulk.bulk_upsert(self.store, name, items), len(items) if isinstance(items, list) else 0)

    def _bulk(self, outcome: bulk.Outcome, sent: int) -> Answer:
        body = outcome.answer(old=self.store.switches.bulk_answer == "old")
        return Answer(outcome.status, msgspec.json.encode(body), rows=sent)

    def _lean(self, request: Incoming) -> Answer:
        operations.check_permission(self.store, "company", "read")
        self.store.settle("company")
        wanted = {key: set(request.query[key].split(",")) for key in ("status",) if request.query.get(key)}
        wanted |= {key: {request.query[key]} for key in ("externalId", "sourceId") if request.query.get(key)}
        found = [
            {key: record[key] for key in _LEAN_FIELDS if record.get(key) is not None}
            for record in self.store.table("company")
            if all(record.get(key) in values for key, values in wanted.items())
        ]
        return Answer(body=msgspec.json.encode(found), rows=len(found))

    def _analytics(self, request: Incoming) -> Answer:
        if len(request.body) > analytics.MAX_BODY_BYTES:
            return text(413, "Payload Too Large")
        head, *rest = request.path.strip("/").split("/")
        if request.method != "POST":
            return text(404, f"Cannot {request.method} {request.path}")
        body = request.json()
        items = body if isinstance(body, list) else [body]
        if head == "dock" and rest == ["segment"]:
            if auth.is_allowed(request.authorization, self._tenant_token):
                for event in items:
                    analytics.push_segment(self.store, event)
            return self._received(len(items))
        known = rest[-1:] == [self._tenant_token]
        if head == "dimensiondata" and len(rest) == 1:
            return Answer(
                body=msgspec.json.encode(analytics.push_metrics(self.store, body, keep=known)), rows=len(items)
            )
        if head == "analytics" and (len(rest) == 1 or (len(rest) == 2 and rest[0] == "bulk")):
            if known:
                analytics.push_activities(self.store, items)
            return self._received(len(items))
        return text(404, f"Cannot POST {request.path}")

    def _received(self, rows: int) -> Answer:
        style = self.store.switches.analytics_answer
        if style == "text":
            return Answer(200, b"OK", "text/plain; charset=utf-8", rows=rows)
        return Answer(body=b"{}" if style == "object" else b"", rows=rows)

    def _cap(self, name: str) -> int | None:
        return self._page_cap.get(name) if isinstance(self._page_cap, Mapping) else self._page_cap


def _answered(record: dict[str, Any], sent: dict[str, Any], kind: str) -> dict[str, Any]:
    """What the answer to a PUT says of a record."""
    if kind == "record":
        return record
    answer = {key: value for key, value in record.items() if key == "_id" or (kind == "sent" and key in sent)}
    if isinstance(sent.get("custom"), dict) and isinstance(answer.get("custom"), dict):
        answer["custom"] = {label: value for label, value in answer["custom"].items() if label in sent["custom"]}
    return answer


def _json(value: Any) -> Answer:
    return Answer(body=msgspec.json.encode(value), rows=1)


def _rows(rows: list[bytes]) -> Answer:
    return Answer(body=b"[" + b",".join(rows) + b"]", rows=len(rows))
