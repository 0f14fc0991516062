"""The ways for a value into a field or past one, and a server that stores whatever it is told."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from urllib.parse import unquote

from planhat_orm import Company, Custom, Invoice, License
from planhat_orm.http.drivers import Driver
from planhat_orm.http.effects import Attempt, Response
from planhat_orm.models.base import Model

ID = "65f0c1a2b3d4e5f607001000"


class Contract(License):
    text = Custom("Text", str)
    number = Custom("Number", float)
    whole = Custom("Whole", int)
    truth = Custom("Truth", bool)
    moment = Custom("Moment", datetime)
    day = Custom("Day", date)
    names = Custom("Names", list)
    box = Custom("Box", dict)


@dataclass(frozen=True)
class Target:
    """A place for a value: a field of a model by its Python name, or the label of a custom field."""

    kind: str
    model: type[Model]
    name: str = ""
    label: str = ""

    def __str__(self) -> str:
        return f"{self.model.__name__}.{self.name or f'custom[{self.label!r}]'}"


TARGETS = [
    Target("text", License, "product"), Target("key", License, "source_id"), Target("number", License, "mrr"),
    Target("whole", License, "renewal_period"), Target("truth", License, "auto_renews"),
    Target("moment", License, "from_date"), Target("id", License, "parent_id"), Target("day", Invoice, "due_date"),
    Target("texts", Company, "tags"), Target("texts", Company, "followers"),
    *(Target({"names": "list", "box": "object"}.get(custom.name, custom.name), Contract, custom.name, label)
      for label, custom in Contract._meta.customs.items()),
    Target("any", License, label="Undeclared"),
]  # fmt: skip


# --- the server -----------------------------------------------------------------------------------------


class Stored(Driver):
    """A server that stores whatever it is told, and remembers it. Lists have one record."""

    def __init__(self, session: Any, model: type[Model]) -> None:
        super().__init__(session)
        self.model = model
        self.rows: list[dict[str, Any]] = []
        self.paths: list[str] = []

    def _send(self, attempt: Attempt) -> Response:
        request = attempt.request
        if request.metered:
            self.session.quota.release()
        self.paths.append(unquote(request.path))
        if request.path.startswith("/customfields"):
            return Response(403, {}, b"{}")  # so that the account's fields stay unknown
        if request.body is None:
            key = "extId" if self.model is Invoice else "externalId"
            record = {"_id": ID, key: "k1"}
            lists = request.path.count("/") == 1
            if not lists and "-" in request.path:
                return Response(404, {}, b"")
            return Response(200, {}, json.dumps([record] if lists else record).encode())
        body = json.loads(request.body)
        rows = body if isinstance(body, list) else [body]
        self.rows += rows
        if isinstance(body, list):
            names = ("_id", "externalId", "extId", "sourceId")
            keys = [{"_id": ID, **{name: row[name] for name in names if name in row}} for row in rows]
            answer: Any = {"updated": len(rows), "updatesKeys": keys}
        else:
            answer = {**body, "_id": ID}
        return Response(200, {}, json.dumps(answer).encode())


# --- the ways -------------------------------------------------------------------------------------------

_NEW: dict[type[Model], dict[str, Any]] = {
    License: {"company_id": ID, "currency": "EUR", "value": 1, "external_id": "k1"},
    Company: {"name": "A", "external_id": "k1"},
    Invoice: {"c_id": ID, "ext_id": "k1"},
}


def _new(target: Target) -> dict[str, Any]:
    return next(values for model, values in _NEW.items() if issubclass(target.model, model))


def _named(target: Target, value: Any) -> dict[str, Any]:
    """Keywords that set the target."""
    return {target.name: value} if target.name else {"custom": {target.label: value}}


def _row(target: Target, value: Any) -> dict[str, Any]:
    return {**_new(target), **_named(target, value)}


def _attribute(target: Target, value: Any) -> None:
    record = target.model.from_wire({"_id": ID})
    setattr(record, target.name, value)
    record.save()


def _custom(target: Target, value: Any) -> None:
    record: Any = target.model.from_wire({"_id": ID, "custom": {}})
    record.custom[target.label] = value
    record.save()


def _custom_whole(target: Target, value: Any) -> None:
    record: Any = target.model.from_wire({"_id": ID, "custom": {}})
    record.custom = {target.label: value}
    record.save()


def _mapping(target: Target) -> dict[str, Any]:
    key = "ext_id" if target.model is Invoice else "external_id"
    return {"Key": key, _column(target): target.name or f"custom.{target.label}"}


def _column(target: Target) -> str:
    return f"Column of {target.name or target.label}"


def _reconcile(target: Target, value: Any) -> None:
    mapping = _mapping(target)
    target.model.objects.reconcile(
        [{"Key": "k1", _column(target): value}], mapping["Key"], mapping, empty="clear"
    ).apply()


def _got(target: Target, value: Any) -> None:
    key, rest = _keyed(target, value)
    target.model.objects.get_or_create(rest, **key)


def _updated_or_created(target: Target, value: Any) -> None:
    key, rest = _keyed(target, value)
    target.model.objects.update_or_create(rest, **key)


def _keyed(target: Target, value: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """A key that no record has, and the rest of a row."""
    row = _row(target, value)
    name = _mapping(target)["Key"]
    row.pop(name)
    return {name: "none"}, row


WAYS: dict[str, Callable[[Target, Any], Any]] = {
    "attribute": _attribute,
    "constructor": lambda target, value: target.model(**_row(target, value)).save(),
    "create": lambda target, value: target.model.objects.create(**_row(target, value)),
    "bulk_create": lambda target, value: target.model.objects.bulk_create([_row(target, value)]),
    "bulk_update": lambda target, value: target.model.objects.bulk_update([{"id": ID, **_named(target, value)}]),
    "bulk_upsert": lambda target, value: target.model.objects.bulk_upsert([_row(target, value)]),
    "update": lambda target, value: target.model.objects.all().update(**_named(target, value)),
    "get_or_create": _got,
    "update_or_create": _updated_or_created,
    "reconcile": _reconcile,
}
"""Ways for a value into a field: each has it sent."""

CUSTOM_WAYS = {"custom": _custom, "custom whole": _custom_whole}
ROWS = {"bulk_create", "bulk_update", "bulk_upsert", "reconcile"}
"""Ways whose errors name the row."""
