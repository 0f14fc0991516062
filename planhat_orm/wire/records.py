"""One record: get, create, update, delete, each as a flow that does a thing once.

Planhat checks no key on POST: a repeated create makes a second record. So a create looks for its keys
first, is sent once, and when its answer is lost the record is looked for instead of sent again.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from email.utils import parsedate_to_datetime
from typing import Any

import msgspec

from ..errors import (
    AlreadyExists,
    AmbiguousWrite,
    BadAnswer,
    ConnectionFailed,
    NotFound,
    RequestError,
    ServerError,
    ValidationError,
)
from ..http.effects import Flow, Request, Response, Sleep
from . import paths
from .listing import ALWAYS, rows_of
from .resources import Resource

_LOST = (ConnectionFailed, ServerError, BadAnswer)
_LOOKS = 3
_PAUSE = 2.0
_CANDIDATES = 50


def encode(value: Any) -> bytes:
    """Write JSON; `ValidationError` for a value that has no JSON form."""
    try:
        return msgspec.json.encode(value)
    except (TypeError, ValueError, msgspec.EncodeError) as wrong:
        raise ValidationError(f"This cannot be sent as JSON: {wrong}.") from None


def get(resource: Resource, key: str, select: Iterable[str] | None = None) -> Flow[dict[str, Any]]:
    """Return the record of an id (`_id`, `extid-...` or `srcid-...`). One request; `NotFound` without one."""
    params = (("select", ",".join(select)),) if select else ()
    response: Response = yield Request("GET", paths.item(resource, key), params=params, shape=dict)
    record: dict[str, Any] = response.data
    return record


def find(resource: Resource, key: str) -> Flow[dict[str, Any] | None]:
    """Return the record of an id, or None. One request."""
    try:
        return (yield from get(resource, key))
    except NotFound:
        return None


def update(resource: Resource, key: str, changes: Mapping[str, Any]) -> Flow[dict[str, Any]]:
    """Change the given keys of a record and return it whole. One PUT; repeating it does no harm."""
    body = encode({name: value for name, value in changes.items() if name != "_id"})
    response: Response = yield Request("PUT", paths.item(resource, key), body=body, shape=dict)
    record: dict[str, Any] = response.data
    return record


def delete(resource: Resource, key: str) -> Flow[dict[str, Any]]:
    """Delete a record by its `_id` and return what the server says of it, which may be nothing.

    One DELETE. When a first try went through and only its answer was lost, the second finds nothing: that
    is a success. `NotFound` when there was nothing to begin with.
    """
    if paths.split_key(key)[0] != "_id":
        raise ValidationError("A record is deleted by its _id only (API.md section 4): get the record first.")
    try:
        response: Response = yield Request("DELETE", paths.item(resource, key))
    except NotFound as missing:
        if missing.attempts > 1:
            return {}
        raise
    try:
        answer = msgspec.json.decode(response.body) if response.body else {}
    except msgspec.DecodeError:
        # Three kinds of answer are known (API.md section 5), and any 2xx means done.
        return {}
    return answer if isinstance(answer, dict) else {}


# --- create ---------------------------------------------------------------------------------------------


def create(resource: Resource, row: Mapping[str, Any]) -> Flow[dict[str, Any]]:
    """Create a record and return it whole.

    One POST, and before it one GET for each key the row carries: `AlreadyExists` when one is taken, and
    nothing is changed. When the answer is lost the record is looked for by its key, or among the newest
    ones; `AmbiguousWrite` when that does not tell.
    """
    keys = list(keys_of(resource, row))
    for wire, value in keys:
        taken = yield from by_key(resource, wire, value)
        if taken is not None:
            raise AlreadyExists(
                f"There is a {resource.name} with this {wire} already ({taken.get('_id')}); nothing was changed. "
                f"Update that one, or use update_or_create().",
                id=taken.get("_id"),
            )
    request = Request("POST", paths.collection(resource), body=encode(row), repeat=False, shape=dict)
    started = time.monotonic()
    while True:
        try:
            response: Response = yield request
        except _LOST as lost:
            if isinstance(lost, ConnectionFailed) and not lost.sent:
                raise
            found = yield from (_by_keys(resource, keys) if keys else _by_content(resource, row, started, lost))
            if found is not None:
                return found
            if not keys:
                raise _ambiguous(resource, request, []) from lost
            raise _nothing_there(resource, lost) from lost
        record: dict[str, Any] = response.data
        return record


def keys_of(resource: Resource, row: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """The keyables that a row carries, beside `_id`, in the order in which Planhat looks at them."""
    for wire in resource.keys:
        if wire != "_id" and row.get(wire) not in (None, ""):
            yield wire, row[wire]


def by_key(resource: Resource, wire: str, value: Any) -> Flow[dict[str, Any] | None]:
    """Return the record whose keyable `wire` is `value`, or None. One request."""
    form = "srcid-" if wire == "sourceId" else "extid-" if wire == resource.external_key else None
    if form in resource.id_forms:
        return (yield from find(resource, f"{form}{value}"))
    if wire in resource.fields and "list" in resource.operations:
        # An email is a key, but none for a URL: endusers can be listed by it, users are few.
        params = {"email": str(value)} if wire == "email" and "email" in resource.params else {}
        if "archived" in resource.params:
            params["archived"] = "true"
        query = (("limit", str(resource.max_limit)), ("offset", "0"), *params.items())
        response: Response = yield Request("GET", paths.collection(resource), params=query, shape=list)
        return next((row for row in rows_of(response) if _same_key(row.get(wire), value)), None)
    return None


def _same_key(left: Any, right: Any) -> bool:
    return left is not None and str(left).casefold() == str(right).casefold()


def _by_keys(resource: Resource, keys: list[tuple[str, Any]]) -> Flow[dict[str, Any] | None]:
    """Look for a record whose create got no answer; the server may still be working, so look a few times."""
    for look in range(_LOOKS):
        if look:
            yield Sleep(_PAUSE)
        wire, value = keys[0]
        found = yield from by_key(resource, wire, value)
        if found is not None:
            return found
    return None


def _nothing_there(resource: Resource, lost: RequestError) -> RequestError:
    return type(lost)(
        f"The new {resource.name} got no good answer, and was not there when its key was looked up {_LOOKS} times: "
        f"it was not created. Creating it again is safe.",
        request=lost.request, response=lost.response, attempts=lost.attempts, detail=lost.detail,
    )  # fmt: skip


def _ambiguous(resource: Resource, request: Request, candidates: list[dict[str, Any]]) -> AmbiguousWrite:
    what = f"{len(candidates)} new records look like it" if candidates else "no new record looks like it, for now"
    return AmbiguousWrite(
        f"The answer to creating a {resource.name} without a key was lost, and {what}. It was not sent again: "
        f"look at .candidates before you repeat it, or give it an external or source id.",
        request=request,
        candidates=candidates,
    )


def _by_content(
    resource: Resource, row: Mapping[str, Any], started: float, lost: RequestError
) -> Flow[dict[str, Any] | None]:
    """Look for a keyless record among the newest: one made since `started` with exactly what was sent.

    An ObjectId begins with the second it was made in, by the server's clock; the answer's Date header tells
    how that clock stands.
    """
    if "list" not in resource.operations:
        return None
    params = [("limit", str(min(_CANDIDATES, resource.max_limit))), ("offset", "0"), ("sort", "-_id")]
    params += ALWAYS.get(resource.name, {}).items()
    if resource.fields:
        params.append(("select", ",".join(resource.fields)))
    for look in range(_LOOKS):
        if look:
            yield Sleep(_PAUSE)
        try:
            response: Response = yield Request("GET", paths.collection(resource), params=tuple(params), shape=list)
        except RequestError:
            break
        since = _server_time(response) - (time.monotonic() - started) - 2.0
        alike = [one for one in rows_of(response) if made_at(one) >= since and resembles(one, row)]
        if len(alike) == 1:
            return alike[0]
        if alike:
            raise _ambiguous(resource, Request("POST", paths.collection(resource), repeat=False), alike) from lost
    return None


def _server_time(response: Response) -> float:
    try:
        return parsedate_to_datetime(response.headers["date"]).timestamp()
    except (KeyError, ValueError):
        return time.time()


def made_at(record: Mapping[str, Any]) -> float:
    """When a record was created, in seconds since 1970 by the server's clock: an ObjectId begins with it."""
    try:
        return float(int(str(record["_id"])[:8], 16))
    except (KeyError, ValueError):
        return float("-inf")


def resembles(record: Mapping[str, Any], sent: Mapping[str, Any]) -> bool:
    """Whether a stored record can be the one that was sent: what it shows of the sent keys is the same.

    Texts and numbers count; references may have been resolved and dates respelt, so they are passed over.
    """
    compared = 0
    for name, value in sent.items():
        if name not in record or isinstance(value, (dict, list)) or value is None:
            continue
        stored = record[name]
        if isinstance(value, str) and (value.startswith(("extid-", "srcid-")) or value[:1].isdigit()):
            continue
        if stored != value:
            return False
        compared += 1
    return compared > 0
