"""The analytics host: activities, Segment events and metrics. It answers 200 to whatever comes."""

from __future__ import annotations

import contextlib
from typing import Any

from tests.other_server import rules
from tests.other_server.cast import Refused, cast
from tests.other_server.models import RESOURCES
from tests.other_server.store import Record
from tests.other_server.tenant import Tenant

PARENTS = {"company": "company", "enduser": "enduser", "asset": "asset", "project": "project"}


def activities(tenant: Tenant, body: Any) -> None:
    """Take in one activity or an array of them; unknown contacts are made where the company can be told."""
    for sent in body if isinstance(body, list) else [body]:
        if isinstance(sent, dict):
            with contextlib.suppress(Refused):
                _activity(tenant, sent)


def _activity(tenant: Tenant, sent: Record) -> None:
    short = {"externalId": sent.get("id"), "companyExternalId": sent.get("cId"), "date": tenant.host.stamp()}
    activity = {**short, "weight": 1, "count": 1, **{name: value for name, value in sent.items() if value is not None}}
    if activity.get("email") or activity.get("externalId"):
        tenant.activities.append(activity)
        _contact(tenant, activity)


def _contact(tenant: Tenant, activity: Record) -> None:
    for key in ("externalId", "email"):
        rows = tenant.of("enduser").find(key, activity.get(key))
        if rows and rows[0].record:
            tenant.of("enduser").replace(rows[0], {**rows[0].record, "lastActive": activity["date"]})
            return
    company = tenant.of("company").find("externalId", activity.get("companyExternalId"))
    sent = {name: activity[name] for name in ("email", "externalId") if activity.get(name)}
    sent["companyId"] = (company[0].record or {})["_id"] if company else None
    record = rules.prepare(tenant, RESOURCES["enduser"], {**sent, "email": sent.get("email")}, None, bulk=True)
    tenant.of("enduser").insert({"_id": tenant.host.new_id(), **record, "lastActive": activity["date"]})


def segment(tenant: Tenant, body: Any) -> None:
    """Take in a Segment event; other types, or one without a user, are ignored."""
    event = body if isinstance(body, dict) else {}
    user = event.get("userId") or event.get("user_id")
    traits = event.get("traits") or {}
    if event.get("type") in ("identify", "track", "group") and (user or traits.get("email")):
        tenant.segment_events.append(event)
        if event["type"] == "track":
            activities(
                tenant, {"externalId": user, "action": event.get("event"), "info": event.get("properties") or {}}
            )


def metrics(tenant: Tenant, body: Any) -> Record:
    """Take in values of metrics, one or an array; those that fit no record are errors."""
    errors = []
    for sent in body if isinstance(body, list) else [body]:
        try:
            tenant.of("metric").insert(_metric(tenant, sent))
        except Refused as refused:
            errors.append({"message": refused.message, "item": sent})
    return {"processed": (len(body) if isinstance(body, list) else 1) - len(errors), "errors": errors}


def _metric(tenant: Tenant, sent: Any) -> Record:
    if not isinstance(sent, dict):
        raise Refused("not an object")
    model = str(sent.get("model") or "Company")
    external = sent.get("externalId") or sent.get("companyExternalId")
    rows = tenant.of(PARENTS.get(model.lower(), "")).find("externalId", external)
    if not sent.get("dimensionId") or not rows or not rows[0].record:
        raise Refused(f'No {model} with externalId "{external}", or no dimensionId')
    parent = rows[0].record
    company_id = parent["_id"] if model.lower() == "company" else parent.get("companyId")
    return {
        "_id": tenant.host.new_id(), "dimensionId": sent["dimensionId"], "model": model, "parentId": parent["_id"],
        "time": cast("d", sent.get("date"), "date") or tenant.host.stamp(), "value": cast("n", sent.get("value"), "value"),
        "companyId": company_id, "companyName": tenant.company(company_id).get("name"),
    }  # fmt: skip
