"""One record: get, find by a key, update, delete, each as a flow that does a thing once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from .. import json_decoding
from ..errors import (
    AmbiguousWrite,
    BadAnswer,
    NotFound,
    RequestError,
    ValidationError,
)
from ..http.effects import Flow, Request, Response
from ..http.flows import collected
from ..json_encoding import encode
from . import paths
from .aliases import apply_aliases
from .failures import may_be_done
from .keys import fold, same_key
from .list_page import learn_keys, rows_of
from .listing import pages
from .resources import Resource
from .resources import resource as resource_named

_SHOWN = 100
"""So many characters of an id that is wrong are in a message."""


def get(resource: Resource, key: str, select: Iterable[str] | None = None) -> Flow[dict[str, Any]]:
    """Return the record of an id (`_id`, `extid-...` or `srcid-...`). One request; `NotFound` without one.

    Raises `BadAnswer` when the record of another id came.
    """
    params = (("select", ",".join(select)),) if select else ()
    path = _read_path(resource, key)
    request = Request("GET", path, params=params, shape=dict)
    response: Response = yield request
    record = record_of(resource, response)
    _check_asked(resource, key, record, request, response)
    if resource.read_as and record.get("type") != resource.read_as["type"]:
        raise NotFound(f"GET {path}: the record of that id is no {resource.name}.", request=request, response=response)
    return record


def _read_path(resource: Resource, key: str) -> str:
    """The path that reads one record: tickets are read as the conversations that they are kept as."""
    if not resource.read_as:
        return paths.item(resource, key)
    form, value = paths.split_key(key)
    return paths.item(
        resource_named(resource.read_as["resource"]), paths.join_key(resource.read_as.get(form, form), value)
    )


def record_of(resource: Resource, response: Response) -> dict[str, Any]:
    """The record that was answered, under the documented names; `BadAnswer` where it has no `_id`: then it is none."""
    record: dict[str, Any] = response.data
    if not has_id(record):
        raise BadAnswer(
            "A record came without an _id, so it is none. Something between here and Planhat may have answered.",
            response=response, attempts=response.attempts,
        )  # fmt: skip
    record = apply_aliases(resource, record)
    learn_keys(resource, record)
    return record


def _check_asked(resource: Resource, key: str, record: Mapping[str, Any], request: Request, response: Response) -> None:
    """Raise `BadAnswer` when this is another record than the one that was asked for, by what it says of itself."""
    form, asked = paths.split_key(key)
    wire = resource.field_for(form)
    if wire is None or (resource.read_as and wire != "_id"):
        return
    came = record.get(wire)
    if came is not None and str(came).strip().lower() != asked.strip().lower():
        raise BadAnswer(
            f"{request.method} {request.path} was answered with the {resource.name} whose {wire} is "
            f"{str(came)[:_SHOWN]}, and {asked} was asked for. Something between here and Planhat mixed answers up: "
            f"none of this one was used.",
            request=request, response=response, attempts=response.attempts,
        )  # fmt: skip


def has_id(record: Mapping[str, Any]) -> bool:
    """Whether a record has an `_id`: a text that is not blank."""
    record_id = record.get("_id")
    return isinstance(record_id, str) and bool(record_id.strip())


def find(resource: Resource, key: str) -> Flow[dict[str, Any] | None]:
    """Return the record of an id, or None. One request."""
    try:
        return (yield from get(resource, key))
    except NotFound:
        return None


def appends(row: Mapping[str, Any]) -> bool:
    """Whether a row adds to an array, so that sending it twice may add twice.

    The operations are in docs/reference/planhat-api.md section 7.
    """
    return not _ADDING.isdisjoint(operations(row).values())


def operations(row: Mapping[str, Any]) -> dict[str, str]:
    """The fields of a row that hold a change of an array instead of a value, and what it does (`add`, `remove`)."""
    found = {}
    for name, value in flat(row):
        if isinstance(value, Mapping) and len(value) == 1:
            ((word, items),) = value.items()
            word = str(word).lstrip("$").lower()
            if isinstance(items, list) and word in (_ADDING | _REMOVING):
                found[name] = word
    return found


def flat(row: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """The fields of a row, custom ones by names such as `custom.Tier`."""
    for name, value in row.items():
        if name == "custom" and isinstance(value, Mapping):
            # A custom field may itself be called Add.
            yield from ((f"custom.{label}", element) for label, element in value.items())
        else:
            yield name, value


_ADDING = frozenset(("add", "append", "push"))
_REMOVING = frozenset(("remove", "pull"))


def update(resource: Resource, key: str, changes: Mapping[str, Any]) -> Flow[dict[str, Any]]:
    """Change the given keys of a record and return it whole. One PUT, and one GET where that is answered with nothing.

    Repeating it does no harm, so a lost answer is no matter; one that adds to an array is sent once, and
    `AmbiguousWrite` when its answer is lost.
    """
    body = encode({name: value for name, value in changes.items() if name != "_id"})
    request = Request(
        "PUT", paths.item(resource, key), body=body, idempotent=not appends(changes), shape=dict, allow_empty=True
    )
    try:
        response: Response = (yield request) if request.idempotent else (yield from once(request))
    except NotFound as missing:
        form, _ = paths.split_key(key)
        moved = changes.get(resource.field_for(form) or "")
        if missing.maybe_applied and form != "_id" and moved:
            # A first try went through and gave the record another key than the one it was asked for by.
            return (yield from get(resource, f"{form}{moved}"))
        # Which of the keys a path takes for writing is not the same in all sources
        # (docs/reference/planhat-api.md section 14).
        known = (yield from find(resource, key)) if form != "_id" and form in resource.read_forms else None
        if known is None:
            raise
        return (yield from update(resource, known["_id"], changes))
    if response.data is None:
        return (yield from _changed(resource, key, changes, request, response))
    record = record_of(resource, response)
    if paths.split_key(key)[0] == "_id":  # a change may be of another key itself
        _check_asked(resource, key, record, request, response)
    return record


def _changed(
    resource: Resource, key: str, changes: Mapping[str, Any], request: Request, response: Response
) -> Flow[dict[str, Any]]:
    """The record after an update that was answered with nothing; its `_id` alone where it cannot be read.

    It was carried out all the same. `BadAnswer` where it is known by another key only, and that finds nothing.
    """
    form, value = paths.split_key(key)
    wire = resource.field_for(form)
    record = unread = None
    try:
        if wire is None or wire == "_id":
            record = yield from find(resource, key)
        else:
            # The change may be of the key itself.
            record = yield from by_key(resource, wire, changes.get(wire) or value)
    except RequestError as failure:
        unread = failure
    if record is not None:
        return record
    if wire is None or wire == "_id":
        return {"_id": value}
    raise BadAnswer(
        f"PUT {request.path} was answered {response.status} without a body: it was carried out, but the "
        f"{resource.name} could not be read again by its {wire}.",
        request=request, response=response,
    ) from unread  # fmt: skip


def delete(resource: Resource, key: str) -> Flow[dict[str, Any]]:
    """Delete a record by its `_id` and return what the server says of it, which may be nothing.

    One DELETE. When a first try went through and only its answer was lost, the second finds nothing: that
    is a success. `NotFound` when there was nothing to begin with.
    """
    if paths.split_key(key)[0] != "_id":
        raise ValidationError(
            "A record is deleted by its _id only (docs/reference/planhat-api.md section 4): get the record first."
        )
    try:
        response: Response = yield Request("DELETE", paths.item(resource, key))
    except NotFound as missing:
        if missing.maybe_applied:
            return {}
        raise
    try:
        answer = json_decoding.decode(response.body) if response.body else {}
    except msgspec.DecodeError:
        # Three kinds of answer are known (docs/reference/planhat-api.md section 5), and any 2xx means done.
        return {}
    return answer if isinstance(answer, dict) else {}


def once(request: Request) -> Flow[Response]:
    """Send what must not be repeated; `AmbiguousWrite` when its answer is lost."""
    try:
        response: Response = yield request
    except RequestError as failure:
        if not may_be_done(failure):
            raise
        raise AmbiguousWrite(
            f"The answer to {request.method} {request.path} was lost: it may or may not have been carried out, and "
            f"was not sent again.",
            request=request,
        ) from failure
    return response


def by_key(resource: Resource, wire: str, value: Any) -> Flow[dict[str, Any] | None]:
    """Return the record whose keyable `wire` is `value`, or None.

    One request where the key can stand in a path or is a filter of the list (a second one for an email that is written
    with capitals), else the list of ids and keys.
    """
    form = resource.form_for(wire)
    if form in resource.read_forms:
        record = yield from find(resource, f"{form}{value}")
        # Whether the path of another resource knows all of them is not documented.
        if not resource.read_as or (record is not None and same_key(wire, record.get(wire), value)):
            return record
    if "list" not in resource.operations:
        return None
    params = {"archived": "true"} if "archived" in resource.params else {}
    if wire == "email" and "email" in resource.params:
        for spelling in dict.fromkeys((str(value), fold(wire, value))):
            query = (("limit", str(resource.max_limit)), ("offset", "0"), ("email", spelling), *params.items())
            response: Response = yield Request("GET", paths.collection(resource), params=query, shape=list)
            for row in rows_of(response, resource):
                if same_key(wire, row.get(wire), value):
                    return row
        return None
    for row in (yield from collected(pages(resource, select=("_id", wire), params=params))):
        if same_key(wire, row.get(wire), value):
            return (yield from find(resource, row["_id"]))
    return None
