"""Lists: filters, hidden rows, order, and the page that `limit` and `offset` cut out of it.

The rules are those of docs/reference/planhat-api.md section 6.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from datetime import timedelta
from itertools import accumulate

from ..wire.resources import ListParam, resource
from .operations import check_permission
from .refusal import Refusal
from .store import SHARED_TABLES, Store
from .tables import Record, Table
from .times import iso
from .views import fields_of, in_list

Query = Mapping[str, str]
Test = Callable[[Record], bool]

_DEFAULT_LIMIT = 100
_NPS_EXPIRY_DAYS = 360
_PAGING = ("limit", "offset", "sort", "select")
_UNCONFIRMED = {
    "company": {"status": "status", "name": "name", "companyName": "name"},
    "conversation": {"type": "type"},
    "custom_field": {"parent": "parent"},
    "nps": {"enduserId": "euId"},
    "enduser": {"c": "companyId"},
    "ticket": {"s": "status", "cid": "companyId"},
    "user": {"email": "email"},
}


def page(store: Store, name: str, query: Query, page_cap: int | None) -> list[bytes]:
    """Return the records of one page, each as JSON."""
    check_permission(store, name, "read")
    store.settle(name)
    if name == "ticket" and store.switches.unconfirmed_params and "l" in query:
        query = {"limit": query["l"], **query}
    table, select = store.listed(name), fields_of(store, name, query.get("select"))
    ids = _window(store, table, name, query, _limit(store, name, query, page_cap))
    rows = [in_list(store, name, table.row(id), select) for id in ids]
    return _cut(rows, store.switches.page_bytes) if store.switches.page_bytes else rows


def _window(store: Store, table: Table, name: str, query: Query, limit: int) -> list[str]:
    """The ids of a page; the filters come before it is cut out of the list, or after."""
    offset = _number(query.get("offset"), 0) if store.switches.honours_offset else 0
    shown = _ordered(store, table, name, query)
    if store.switches.filters == "before":
        return shown[offset : offset + limit]
    chosen = set(shown)
    return [id for id in _sorted(store, table, store.ids(name, table), query)[offset : offset + limit] if id in chosen]


def _cut(rows: list[bytes], most: int) -> list[bytes]:
    """The rows that fit into so many bytes, one at least."""
    sizes = accumulate(len(row) + 1 for row in rows)
    return rows[: max(1, sum(size <= most for size in sizes))]


def _limit(store: Store, name: str, query: Query, page_cap: int | None) -> int:
    info = resource(name)
    limit = _number(query.get("limit"), 0) or info.default_limit or _DEFAULT_LIMIT
    if limit > info.max_limit and store.switches.over_max_limit == "reject":
        raise Refusal(f"limit must not be above {info.max_limit}")
    return min(limit, info.max_limit, page_cap or info.max_limit)


def _number(text: str | None, default: int) -> int:
    try:
        number = int(text or "")
    except ValueError:
        return default
    return number if number >= 0 else default


def _ordered(store: Store, table: Table, name: str, query: Query) -> list[str]:
    filters = tuple(sorted((key, value) for key, value in query.items() if key not in _PAGING and value))
    day = store.moments.day() if name == "nps" else 0
    key = (name, filters, query.get("sort", ""), day)
    return table.cached(key, lambda: _order(store, table, name, query))


def _order(store: Store, table: Table, name: str, query: Query) -> list[str]:
    ids = _chosen(store, table, name, query)
    tests = _tests(store, name, query)
    if tests:
        ids = [id for id in ids if all(test(table.row(id).record) for test in tests)]
    return _sorted(store, table, ids, query)


def _sorted(store: Store, table: Table, ids: list[str], query: Query) -> list[str]:
    sort = query.get("sort", "") if store.switches.sort != "ignored" else ""
    if store.switches.default_order == "newest":
        ids = ids[::-1]
    elif store.switches.default_order == "random":
        ids = sorted(ids, key=lambda id: hashlib.md5(id.encode(), usedforsecurity=False).digest())
    if sort:
        ids = table.sorted(ids, sort)
    if sort and store.switches.sort == "lies":
        ids = ids[len(ids) // 2 :] + ids[: len(ids) // 2]
    return ids


def _chosen(store: Store, table: Table, name: str, query: Query) -> list[str]:
    """The ids that the company filter leaves, by insertion."""
    param = resource(name).params.get("companyId")
    value = query.get("companyId", "")
    if not value or param is None:
        return store.ids(name, table)
    many = param.many or store.switches.company_list_many == "everywhere"
    companies = [part.strip() for part in value.split(",")] if many else [value]
    if param.field == "_id":
        return table.by_insertion(companies)
    found = [id for company in companies for id in table.having(str(param.field), company)]
    if name in SHARED_TABLES:
        found = [id for id in found if table.row(id).record["type"] == name]
    return table.by_insertion(found)


def _tests(store: Store, name: str, query: Query) -> list[Test]:
    tests: list[Test] = []
    for param in resource(name).params.values():
        if param.name != "companyId":
            test = _test(store, name, param, query.get(param.name))
            if test is not None:
                tests.append(test)
    if store.switches.unconfirmed_params:
        for alias, field in _UNCONFIRMED.get(name, {}).items():
            if alias in query:
                tests.append(_is(field, query[alias]))
    return tests


def _test(store: Store, name: str, param: ListParam, value: str | None) -> Test | None:
    if param.hides:
        return _hiding(store, name, param.hides, (value or "").lower() == "true")
    if param.name == "npsExpiryDay":
        return _answered_since(iso(store.moments.now() - timedelta(days=_number(value, _NPS_EXPIRY_DAYS))))
    if not value:
        return None
    if param.field:
        return _exactly(param.field, value)
    if param.name == "euId":
        return _exactly("_id", value)
    if param.name == "enduserIds":
        wanted = set(value.split(","))
        return lambda record: any(person.get("id") in wanted for person in record.get("endusers") or [])
    if param.name == "downgrades":
        return lambda record: (
            value not in ("only", "excluded") or bool(record.get("onlyDowngrade")) == (value == "only")
        )
    if param.name == "from":
        return lambda record: (record.get("churnDate") or "")[:10] >= value
    if param.name == "to":
        return lambda record: (record.get("churnDate") or "9")[:10] <= value
    if param.name == "search":
        return lambda record: value.lower() in (record.get("snippet") or "").lower()
    return None


def _hiding(store: Store, name: str, field: str, asked: bool) -> Test | None:
    if not asked:
        return lambda record: record.get(field) is not True
    if name == "task" and store.switches.task_archived == "only":
        return lambda record: record.get(field) is True
    return None


def _answered_since(earliest: str) -> Test:
    return lambda record: (record.get("dateAnswered") or record.get("dateSent") or "9") >= earliest


def _exactly(field: str, value: str) -> Test:
    return lambda record: record.get(field) is not None and str(record[field]) == value


def _is(field: str, value: str) -> Test:
    wanted = {part.strip().lower() for part in value.split(",")}
    return lambda record: str(record.get(field, "")).lower() in wanted
