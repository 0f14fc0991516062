"""The analytics host: metrics, user activities and Segment events, a sink that says 200 to everything.

What cannot be placed is dropped without a word, because 200 means received and nothing more
(docs/reference/planhat-api.md section 11).
"""

from __future__ import annotations

from typing import Any

import msgspec

from .listing import Query
from .operations import check_permission
from .rules.people import company_of_domain
from .store import Store
from .tables import Record
from .times import day_number, iso, moment

MAX_BODY_BYTES = 32 * 1024 * 1024

_MODELS = {"company": "company", "enduser": "enduser", "asset": "asset", "project": "project"}
_METRIC_MAXIMUM = 10_000
_LAST_DAY = 10**9


def push_metrics(store: Store, body: Any, *, keep: bool) -> Record:
    """Take one metric or an array of them; without `keep` (a wrong tenant) they are received and lost."""
    errors = []
    processed = 0
    for number, item in enumerate(body if isinstance(body, list) else [body]):
        wrong = _wrong_metric(item)
        if wrong:
            errors.append(_error(store, number, item, wrong))
            continue
        processed += 1
        if keep:
            _keep_metric(store, item)
    return {"processed": processed, "errors": errors}


def _error(store: Store, number: int, item: Any, message: str) -> Any:
    """An item of the error list, whose shape is open; by its place, unless the switch says otherwise."""
    style = store.switches.metric_error
    if style == "string":
        return message
    if style == "object" and isinstance(item, dict):
        return {"message": message, **{key: item[key] for key in ("dimensionId", "externalId") if key in item}}
    return {"index": number, "message": message}


def metric_page(store: Store, query: Query, page_cap: int | None) -> list[bytes]:
    """Return a page of metric values, filtered by company, dimension and epoch days, both ends included."""
    check_permission(store, "metric", "read")
    table = store.table("metric")
    spelling = store.switches.metric_company_param
    company = next((query[name] for name in ("cId", "cid") if query.get(name) and spelling in ("both", name)), None)
    dimension = query.get("dimid")
    first, last = _number(query.get("from"), -_LAST_DAY), _number(query.get("to"), _LAST_DAY)
    ids = table.ids() if company is None else table.having("companyId", company)
    rows = (table.row(id).record for id in ids)
    found = [
        row
        for row in rows
        if (dimension is None or row["dimensionId"] == dimension) and first <= day_number(row["time"]) <= last
    ]
    limit = min(_number(query.get("limit"), 0) or store.switches.metric_limit, page_cap or _METRIC_MAXIMUM)
    offset = _number(query.get("offset"), 0)
    return [msgspec.json.encode(row) for row in found[offset : offset + min(limit, _METRIC_MAXIMUM)]]


def push_activities(store: Store, items: list[Any]) -> None:
    """Keep the activities that say whose they are, and make the endusers that nobody knew."""
    for item in items:
        if not isinstance(item, dict):
            continue
        activity = dict(item)
        if store.switches.activity_short_names:
            for short, name in (("id", "externalId"), ("cId", "companyExternalId")):
                if short in activity:
                    activity.setdefault(name, activity.pop(short))
        if not (activity.get("email") or activity.get("externalId")):
            continue
        when = moment(activity["date"]) if activity.get("date") is not None else store.moments.now()
        activity["date"] = iso(when or store.moments.now())
        store.table("user_activity").add({"_id": store.new_id(), "weight": 1, "count": 1, **activity})
        _meet(store, activity)


def push_segment(store: Store, event: Any) -> None:
    """Keep a Segment event: `identify` makes or updates an enduser, `track` is an activity."""
    if not isinstance(event, dict) or event.get("type") not in ("identify", "track"):
        return
    traits = event.get("traits") if isinstance(event.get("traits"), dict) else {}
    context = event.get("context") if isinstance(event.get("context"), dict) else {}
    user = event.get("userId", event.get("user_id"))
    known = {**(context or {}).get("traits", {}), **(traits or {})}
    person = {"externalId": user, "email": known.get("email"), "name": known.get("name")}
    person["companyExternalId"] = known.get("companyId")
    person = {key: value for key, value in person.items() if value}
    if not (person.get("email") or person.get("externalId")):
        return
    if event["type"] == "track":
        info = event.get("properties") or {}
        push_activities(store, [{**person, "action": event.get("event"), "info": info, **_date_of(event)}])
        return
    held = _person(store, person)
    if held is None:
        _meet(store, person)
    else:
        changes = _names(person)
        if person.get("email"):
            changes["email"] = person["email"]
        store.change("enduser", held, changes)


def _date_of(event: Record) -> Record:
    return {"date": event["timestamp"]} if event.get("timestamp") else {}


def _wrong_metric(item: Any) -> str | None:
    if not isinstance(item, dict):
        return "Expected an object"
    if not item.get("dimensionId"):
        return "dimensionId is required"
    if isinstance(item.get("value"), bool) or not isinstance(item.get("value"), (int, float)):
        return "value must be a number"
    if item.get("externalId", item.get("companyExternalId")) in (None, ""):
        return "externalId is required"
    return "date is not a date" if item.get("date") is not None and moment(item["date"]) is None else None


def _keep_metric(store: Store, item: Record) -> None:
    model = str(item.get("model") or "Company")
    name = _MODELS.get(model.lower())
    parent = store.find(name, "externalId", item.get("externalId", item.get("companyExternalId"))) if name else None
    if parent is None:
        return
    company = parent if name == "company" else store.table("company").get(parent.get("companyId") or "")
    when = moment(item["date"]) if item.get("date") is not None else None
    store.table("metric").add(
        {
            "_id": store.new_id(),
            "dimensionId": str(item["dimensionId"]),
            "time": iso(when or store.moments.now()),
            "value": item["value"],
            "model": model,
            "parentId": parent["_id"],
            "companyId": company["_id"] if company else None,
            "companyName": company.get("name") if company else None,
        }
    )


def _person(store: Store, activity: Record) -> Record | None:
    table = store.table("enduser")
    found = table.first("externalId", activity["externalId"]) if activity.get("externalId") else None
    return found or (table.first("email", activity["email"]) if activity.get("email") else None)


def _meet(store: Store, activity: Record) -> None:
    """Make an enduser of an unknown person whose company can be told."""
    if _person(store, activity) is not None:
        return
    company = None
    if activity.get("companyExternalId"):
        company = store.table("company").first("externalId", activity["companyExternalId"])
    company = company or company_of_domain(store, activity.get("email"))
    if company is None:
        return
    keys = {key: str(activity[key]) for key in ("email", "externalId") if activity.get(key)}
    store.create("enduser", {**keys, **_names(activity), "companyId": company["_id"]})


def _names(person: Record) -> Record:
    first, _, last = str(person.get("name") or "").partition(" ")
    return {key: value for key, value in (("firstName", first), ("lastName", last)) if value}


def _number(text: str | None, default: int) -> int:
    try:
        return int(text or "")
    except ValueError:
        return default
