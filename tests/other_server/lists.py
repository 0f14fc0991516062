"""Lists: what is in them, in which order, how they page, and what their rows show."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from tests.other_server.cast import Refused
from tests.other_server.clock import iso, moment
from tests.other_server.derived import DAY
from tests.other_server.models import Resource
from tests.other_server.store import Record, fixed_order, in_order
from tests.other_server.tenant import Tenant

Query = dict[str, str]
Test = Callable[[Record], bool]
NO_COMPANY_FILTER = ("timesheet", "user", "custom_field", "product")


def read(tenant: Tenant, resource: Resource, query: Query) -> list[Record]:
    """Answer a list request: order, filter, offset, limit, and then what the behaviour takes away."""
    behaviour = tenant.behaviour
    rows = _ordered(tenant, resource, query.get("sort", ""))
    tests = filters(tenant, resource, query)
    if tests:
        rows = [row for row in rows if all(test(row) for test in tests)]
    page = _page(tenant, rows, _offset(tenant, query), _limit(tenant, resource, query))
    if behaviour.hidden:
        page = [row for row in page if not behaviour.hidden(row)]
    return _cut(behaviour.page_bytes, [shown(tenant, resource, row, query) for row in page])


def _moment(tenant: Tenant) -> float | None:
    """The moment that a list shows, None for now."""
    behaviour = tenant.behaviour
    if not behaviour.lag:
        return None
    return tenant.host.clock.now() - behaviour.lag * (tenant.host.rng.random() if behaviour.lag_varies else 1)


def _ordered(tenant: Tenant, resource: Resource, sort: str) -> list[Record]:
    rows, order, at = tenant.of(resource.name), tenant.behaviour.order, _moment(tenant)
    key, descending = sort.lstrip("-"), sort.startswith("-") and tenant.behaviour.descending
    if order == "sorted" and key:
        return rows.ordered(key, descending) if at is None else in_order(rows.records(at), key, descending)
    records = rows.records(at)
    if order == "random":
        tenant.host.rng.shuffle(records)
    return fixed_order(records, tenant.behaviour.seed) if order == "stable" else records


def _offset(tenant: Tenant, query: Query) -> int:
    offset = _whole(query.get("offset", "0"), "offset")
    return offset if tenant.behaviour.offset else 0


def _limit(tenant: Tenant, resource: Resource, query: Query) -> int:
    default, most = resource.limits
    given = query.get("limit") or (query.get("l") if resource.name == "ticket" else None)
    limit = _whole(given, "limit") if given else default
    if limit > most and tenant.behaviour.over_maximum == "refuse":
        raise Refused(f"limit must not be above {most}", path="limit", value=limit)
    limit = min(limit or default, most)
    cap = tenant.behaviour.page_rows
    if tenant.behaviour.page_rows_vary:
        cap = tenant.host.rng.randint(max(1, (cap or most) // 3), cap or most)
    return min(limit, cap) if cap else limit


def _whole(text: str, name: str) -> int:
    if not text.strip().isdigit():
        raise Refused(f'Cast to Number failed for value "{text}" (type string) at path "{name}"', path=name, value=text)
    return int(text)


def _page(tenant: Tenant, rows: list[Record], offset: int, limit: int) -> list[Record]:
    end = tenant.behaviour.list_end
    rows = rows if end is None else rows[:end]
    if offset >= len(rows) and tenant.behaviour.past_end == "repeat":
        return rows[-limit:]
    return rows[offset : offset + limit]


def _cut(most: int | None, rows: list[Record]) -> list[Record]:
    if most is None:
        return rows
    size, kept = 2, list[Record]()
    for row in rows:
        size += len(json.dumps(row)) + 2
        if kept and size > most:
            break
        kept.append(row)
    return kept


def shown(tenant: Tenant, resource: Resource, row: Record, query: Query) -> Record:
    """What a list shows of a record."""
    behaviour = tenant.behaviour
    names = frozenset({"_id", *query["select"].split(",")}) if query.get("select") and behaviour.select else frozenset()
    if not names and behaviour.thin != "none":
        names = frozenset({"_id", "name"}) if behaviour.thin == "names" else resource.shown
    out = {name: value for name, value in row.items() if not names or name in names}
    if resource.name == "user" and isinstance(out.get("roles"), list):
        out["roles"] = [{"_id": role, "name": "", "description": ""} for role in out["roles"]]
    if resource.name == "company" and behaviour.expand_owner:
        out.update({name: _person(tenant, out[name]) for name in ("owner", "coOwner") if out.get(name)})
    if behaviour.cut_texts is not None:
        out = {name: cut_text(value, behaviour.cut_texts) if name != "_id" else value for name, value in out.items()}
    return respelt(tenant, resource, out)


def respelt(tenant: Tenant, resource: Resource, record: Record) -> Record:
    """Spell NPS answers as the chosen kind of tenant does."""
    if resource.name != "nps" or tenant.behaviour.nps_names == "score":
        return record
    names = {"score": "nps", "comment": "npsComment", "dateAnswered": "npsDate"}
    return {names.get(name, name): value for name, value in record.items() if name != "euId"}


def _person(tenant: Tenant, user_id: str) -> Record:
    row = tenant.of("user").get(user_id)
    return {"_id": user_id, "nickName": ((row.record if row else None) or {}).get("nickName", "")}


def cut_text(value: Any, units: int) -> Any:
    """Cut a text after so many UTF-16 units, as JavaScript's substring does; half an emoji may stay."""
    if not isinstance(value, str):
        return value
    wide = value.encode("utf-16-le", "surrogatepass")[: units * 2]
    return wide.decode("utf-16-le", "surrogatepass") if _whole_pairs(wide) else _halved(wide)


def _whole_pairs(wide: bytes) -> bool:
    return len(wide) < 2 or not 0xD8 <= wide[-1] <= 0xDB


def _halved(wide: bytes) -> str:
    return wide[:-2].decode("utf-16-le", "surrogatepass") + chr(int.from_bytes(wide[-2:], "little"))


def filters(tenant: Tenant, resource: Resource, query: Query) -> list[Test]:
    """The tests that a list's parameters, and its defaults, set."""
    tests: list[Test] = []
    ids = query.get("companyId") or (query.get("cid") if resource.name == "ticket" else None)
    if ids and resource.company and resource.name not in NO_COMPANY_FILTER:
        tests.append(_any_of(resource.company, ids))
    return tests + (_OWN[resource.name](tenant, query) if resource.name in _OWN else [])


def _any_of(name: str, text: str) -> Test:
    wanted = set(text.split(","))

    def test(row: Record) -> bool:
        value = row.get(name)
        return bool(wanted & set(value)) if isinstance(value, list) else value in wanted

    return test


def _endusers(tenant: Tenant, query: Query) -> list[Test]:
    tests: list[Test] = [] if query.get("archived") == "true" else [lambda row: not row.get("archived")]
    if "email" in query:
        tests.append(lambda row: row.get("email") == query["email"])
    return tests + ([_any_of("_id", query["euId"])] if query.get("euId") else [])


def _tasks(tenant: Tenant, query: Query) -> list[Test]:
    archived = query.get("isArchived", "false") == "true"
    include = tenant.behaviour.archived_tasks == "include" and archived
    tests: list[Test] = [] if include else [lambda row: bool(row.get("isArchived")) is archived]
    if wanted := {part for part in query.get("enduserIds", "").split(",") if part}:
        tests.append(lambda row: any(wanted & {e.get("id"), e.get("_id")} for e in row.get("endusers") or ()))
    return tests


def _nps(tenant: Tenant, query: Query) -> list[Test]:
    since = tenant.host.clock.now() - int(query.get("npsExpiryDay") or 360) * DAY
    return [lambda row: (moment(str(row.get("dateAnswered") or row.get("dateSent"))) or since) >= since]


def _churn(tenant: Tenant, query: Query) -> list[Test]:
    tests: list[Test] = []
    if query.get("downgrades") in ("only", "excluded"):
        tests.append(lambda row: bool(row.get("onlyDowngrade")) is (query["downgrades"] == "only"))
    if query.get("from"):
        tests.append(lambda row: str(row.get("churnDate") or "")[:10] >= query["from"])
    return tests + ([lambda row: str(row.get("churnDate") or "")[:10] <= query["to"]] if query.get("to") else [])


def _tickets(tenant: Tenant, query: Query) -> list[Test]:
    tests: list[Test] = [lambda row: row.get("type") == "ticket"]
    if status := query.get("status") or query.get("s"):
        tests.append(lambda row: row.get("status") == status)
    if "email" in query:
        tests.append(lambda row: row.get("email") == query["email"])
    return tests + ([lambda row: query["search"] in str(row.get("snippet"))] if query.get("search") else [])


_OWN: dict[str, Callable[[Tenant, Query], list[Test]]] = {
    "enduser": _endusers, "task": _tasks, "nps": _nps, "churn": _churn, "ticket": _tickets,
}  # fmt: skip


def lean_companies(tenant: Tenant, query: Query) -> list[Record]:
    """Ids, names and keys of all companies, without pages."""
    records = tenant.of("company").records(_moment(tenant))
    for name in ("externalId", "sourceId", "status"):
        if query.get(name):
            wanted = query[name].split(",") if name == "status" else [query[name]]
            records = [record for record in records if record.get(name) in wanted]
    names = ("_id", "name", "externalId", "sourceId")
    return [{name: record[name] for name in names if record.get(name) not in (None, "")} for record in records]


def metrics(tenant: Tenant, query: Query) -> list[Record]:
    """Values of metrics, by company, metric and epoch days."""
    rows = tenant.of("metric").records(_moment(tenant))
    company = query.get("cId") or query.get("cid")
    rows = [row for row in rows if company in (None, "", row.get("companyId"))]
    rows = [row for row in rows if query.get("dimid") in (None, "", row.get("dimensionId"))]
    first, last = query.get("from"), query.get("to")
    rows = [row for row in rows if not first or row["time"] >= iso(int(first) * DAY)]
    rows = [row for row in rows if not last or row["time"] < iso((int(last) + 1) * DAY)]
    offset = _whole(query.get("offset", "0"), "offset")
    return rows[offset : offset + min(_whole(query.get("limit", "10000"), "limit"), 10_000)]
