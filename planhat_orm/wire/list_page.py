"""One page of a list: what is asked for, and the rows that came."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..errors import BadAnswer, FieldError
from ..http.effects import Flow, Request, Response
from ..names import did_you_mean
from . import paths
from .aliases import apply_aliases, spellings_of
from .resources import Resource

logger = logging.getLogger("planhat_orm")

PAGING = ("limit", "sort", "select")
ALWAYS: dict[str, dict[str, str]] = {
    # Without it answers older than 360 days are left out (docs/reference/planhat-api.md section 6).
    "nps": {"npsExpiryDay": "36500"},
}
"""Parameters that a complete list of a resource needs."""


def full_select(resource: Resource) -> tuple[str, ...] | None:
    """The fields to name so that a list holds whole records; None where the list is not thin.

    Those that no source documents are among them once a record that was read alone had them.
    """
    if resource.thin_list is None:
        return None
    return (*resource.fields, *_learned.get(resource.name, ()))


_MOST_LEARNED = 100
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")
_learned: dict[str, tuple[str, ...]] = {}
"""Keys that nobody documents, by resource. They are Planhat's, not the account's: those stand in `custom`."""


def learn_keys(resource: Resource, record: Mapping[str, Any]) -> None:
    """Take note of the keys of a record that was read alone, which a thin list shows only when they are asked for."""
    if resource.thin_list is not None and not record.keys() <= resource.fields.keys():
        learn_names(resource, record)


def learned_keys(resource: Resource) -> tuple[str, ...]:
    """The keys that nobody documents and records had that were read alone."""
    return _learned.get(resource.name, ())


def learn_names(resource: Resource, names: Iterable[str]) -> None:
    """Ask for these keys from now on, as far as they are none of the documented ones."""
    known = learned_keys(resource)
    new = [key for key in names if key not in resource.fields and key not in known and _NAME.fullmatch(key)]
    if new and len(known) + len(new) <= _MOST_LEARNED:
        _learned[resource.name] = (*known, *new)


def check_params(resource: Resource, params: Iterable[str]) -> None:
    """Raise `FieldError` for a list parameter that the resource does not document, with the nearest one."""
    filters = [*resource.params, *resource.unconfirmed_params]
    for name in params:
        if name == "offset":
            raise FieldError(
                "A list is read from its beginning to its end and takes no offset: max_requests stops early. One page "
                f"is planhat.request('GET', '/{resource.path}', params={{'offset': ...}})."
            )
        if name not in filters:
            known = [*PAGING, *filters]
            raise FieldError(f"The list of {resource.path} has no parameter {name!r}.{did_you_mean(name, known)}")


def warn_of_unknown(resource: Resource, fields: Iterable[str]) -> None:
    """Tell the log of fields that no source knows: Planhat may have more, but drops a misspelt one without a word."""
    for name in fields:
        known = str(name).lstrip("-").partition(".")[0]
        if not any(known in names for names in (resource.fields, resource.push_fields, resource.spellings)):
            logger.warning("/%s has no field %r as far as is known.%s", resource.path, known,
                           did_you_mean(known, resource.fields))  # fmt: skip


def page(
    resource: Resource,
    *,
    limit: int,
    offset: int = 0,
    sort: str | None = "_id",
    select: Iterable[str] | None = None,
    params: Mapping[str, str] | None = None,
) -> Flow[list[dict[str, Any]]]:
    """Return one page of a list, as it came. One request.

    Raises `BadAnswer` unless it is an array of records, each with an `_id`, and no two with the same one.
    """
    response: Response = yield request_page(
        resource, limit=limit, offset=offset, sort=sort, select=select, params=params
    )
    rows = rows_of(response, resource)
    check_ids(resource, rows, in_order=sort == "_id")
    return rows


def check_ids(resource: Resource, records: Sequence[Any], *, in_order: bool) -> None:
    """Raise `BadAnswer` for records of a page that would be lost: without an `_id`, or two with the same one.

    In another order than that of `_id` a record may come twice, as it moves while the server reads.
    """
    known: dict[str, Any] = {}
    for record in records:
        record_id = record.get("_id")
        if not isinstance(record_id, str) or not record_id.strip():
            raise BadAnswer(f"GET /{resource.path} held a record without an _id: it cannot be told from others.")
        twin = known.setdefault(record_id, record)
        if in_order and twin is not record and twin != record:
            raise BadAnswer(
                f"GET /{resource.path} held two different records with the _id {record_id[:40]}: one of them would be "
                f"lost."
            )


def request_page(
    resource: Resource,
    *,
    limit: int,
    offset: int = 0,
    sort: str | None = "_id",
    select: Iterable[str] | None = None,
    params: Mapping[str, str] | None = None,
    raw_items: bool = False,
) -> Request:
    """The request for one page of a list; a `raw_items` one is for `slices_of`."""
    query = [("limit", str(limit)), ("offset", str(offset))]
    if sort:
        query.append(("sort", sort))
    chosen = tuple(select) if select is not None else full_select(resource)
    if chosen:
        others = sorted(spellings_of(resource, chosen))
        query.append(("select", ",".join(dict.fromkeys((*chosen, *others)))))
    query += [*ALWAYS.get(resource.name, {}).items(), *(params or {}).items()]
    return Request(
        "GET", paths.collection(resource), params=tuple(dict(query).items()), shape=list, raw_items=raw_items
    )


def rows_of(response: Response, resource: Resource) -> list[dict[str, Any]]:
    """The rows of an answered page, under the documented names; `BadAnswer` when one of them is no object."""
    rows: list[dict[str, Any]] = response.data
    for row in rows:
        if not isinstance(row, dict):
            raise BadAnswer(f"A list held a JSON {type(row).__name__} among its records.", response=response)
    return [apply_aliases(resource, row) for row in rows] if resource.spellings else rows


def lean_companies(resource: Resource, params: Mapping[str, str] | None = None) -> Flow[list[dict[str, Any]]]:
    """Ids and names of all companies, or of those that match: one request (docs/reference/planhat-api.md section 5)."""
    response: Response = yield Request("GET", "/leancompanies", params=tuple((params or {}).items()), shape=list)
    rows = rows_of(response, resource)
    check_ids(resource, rows, in_order=False)
    return rows
